//! Every limit of the protocol, in one place, with its unit in its name.

/// Most energy one order or one member may have in one interval: 1 GWh.
pub const ENERGY_WH_MAX: u64 = 1_000_000_000;
/// Highest price, and with the opposite sign the lowest: 1,000 per kWh, in micro-units.
/// [`ENERGY_WH_MAX`] at this price is 10¹⁸ nano-units: one line always fits an `i64`.
pub const PRICE_MICRO_MAX: i64 = 1_000_000_000;
/// Highest value of a meter's cumulative register: 10¹⁵ Wh, a thousand times what a large wind farm makes in a year.
pub const REGISTER_WH_MAX: u64 = 1_000_000_000_000_000;
/// The whole, in parts per million.
pub const WHOLE_PPM: u32 = 1_000_000;
/// Most bytes of one signed message from an agent (a reading has about 260, an order about 200).
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Most bytes of a market's message to an agent (a receipt has about 4,000).
pub const ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// Most bytes of one ledger transaction, readings included: 10,000 members fit.
pub const TRANSACTION_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Most bytes of one block body, readings included.
pub const BLOCK_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Most bytes of a block body that are not its transactions: the header, and the heads of two arrays.
pub const BLOCK_HEADER_BYTES_MAX: usize = 512;
/// Most transactions of one block.
pub const BLOCK_TRANSACTIONS_MAX: usize = 1_000;
/// Least bytes of a signed message: its frame, the 32 bytes of a key, the 64 of a signature, and one of content.
pub const SIGNED_BYTES_MIN: usize = 110;
/// Least bytes of a signed [`Reading`](crate::reading::Reading): of the first second of 1970, with registers below 24
/// Wh.
pub const READING_BYTES_MIN: usize = 169;
/// Most readings of one settlement: as many as fit a transaction.
pub const SETTLEMENT_READINGS_MAX: usize = TRANSACTION_BYTES_MAX / READING_BYTES_MIN;
/// Most trades of one settlement: as many as fit a transaction, each with two members, an energy and a price.
pub const SETTLEMENT_TRADES_MAX: usize = TRANSACTION_BYTES_MAX / 37;
/// Most corrections of one decision: one of two members has about 600 bytes, so that fewer fit a transaction.
pub const CORRECTIONS_MAX: usize = 10_000;
/// Most lines of a grid: four for each member.
pub const GRID_LINES_MAX: usize = 4 * MEMBERS_MAX;
/// Most bytes of memory that decoding a byte takes, of whatever anyone may send.
pub const MEMORY_PER_BYTE_MAX: usize = 4;
/// Most bytes of a genesis file.
pub const GENESIS_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Most members of one community.
pub const MEMBERS_MAX: usize = 10_000;
/// Most validators of one ledger.
pub const VALIDATORS_MAX: usize = 100;
/// Most neighbours that a receipt lists: in JSON some 100 bytes each, so that a receipt stays far below
/// [`ANSWER_BYTES_MAX`]. Of more, only their hash travels.
pub const RECEIPT_NEIGHBOURS_MAX: usize = 1_000;
/// Most readings of one device in one settlement: a day of quarter hours after an outage, and one.
pub const READINGS_PER_DEVICE_MAX: usize = 97;
/// Most bytes of a name: community, participant, bus, line.
pub const NAME_BYTES_MAX: usize = 64;
/// Most bytes of a free text on the ledger: a transfer's reference, a retirement's purpose.
pub const TEXT_BYTES_MAX: usize = 140;
/// Days for which the ledger keeps what a correction needs, and certificates that can be moved or retired.
pub const RECORD_DAYS: i64 = 366;
/// Most changes that wait for their interval.
pub const SCHEDULED_MAX: usize = 1_000;
/// Most bytes of a signed note: a checkpoint has some 200, and each signature under it as many.
pub const NOTE_BYTES_MAX: usize = 64 * 1_024;
/// Most signatures under a note: each validator's, and as many others.
pub const NOTE_SIGNATURES_MAX: usize = 2 * VALIDATORS_MAX;
/// Most bytes of the name of a log or a witness.
pub const NAME_OF_KEY_BYTES_MAX: usize = 255;
/// Most hashes of a proof in the log: one for each level of a tree with 2⁶³ leaves.
pub const LOG_PATH_MAX: usize = 63;
/// Most bytes of a proof that a block is in the log: like a receipt, it has every change of validators.
pub const LOG_PROOF_BYTES_MAX: usize = ANSWER_BYTES_MAX;
/// Most bytes of a tile's path.
pub const TILE_PATH_BYTES_MAX: usize = 40;
