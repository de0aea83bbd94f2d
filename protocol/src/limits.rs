//! Every limit of the protocol, in one place, with its unit in its name.

/// Most energy one order or one member may have in one interval: 1 GWh.
pub const ENERGY_WH_MAX: u64 = 1_000_000_000;
/// Highest price, and with the opposite sign the lowest: 1,000 per kWh, in micro-units.
/// [`ENERGY_WH_MAX`] at this price is 10¹⁸ nano-units: one line always fits an `i64`.
pub const PRICE_MICRO_MAX: i64 = 1_000_000_000;
/// Highest value of a meter's cumulative register: 10¹⁵ Wh, a thousand times what a large wind farm makes in a year.
pub const REGISTER_WH_MAX: u64 = 1_000_000_000_000_000;
/// Most bytes of one signed message from an agent (a reading has about 260, an order about 200).
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Most bytes of a market's message to an agent (a receipt has about 4,000).
pub const ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// Most bytes of one ledger transaction, readings included: 10,000 members fit.
pub const TRANSACTION_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Most bytes of one block body, readings included.
pub const BLOCK_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Most bytes of a genesis file.
pub const GENESIS_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Most members of one community.
pub const MEMBERS_MAX: usize = 10_000;
/// Most validators of one ledger.
pub const VALIDATORS_MAX: usize = 100;
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
