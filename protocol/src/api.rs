//! The ledger's HTTP API, as its clients see it: JSON bodies of `/v1`. Transactions go in as CBOR.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /v1/transactions` | CBOR [`Transaction`](crate::block::Transaction) | [`Submitted`] |
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/community` | | [`Community`] |
//! | `GET /v1/sums?from=INTERVAL&limit=N` | | list of [`IntervalSums`] |
//! | `GET /v1/settlements?from=INTERVAL&limit=N&wait_ms=MS&in_force=BOOL&member=MEMBER` | | list of [`Settled`] |
//! | `GET /v1/settlements/INTERVAL/receipts` | | list of [`Receipt`](crate::receipt::Receipt) |
//! | `GET /v1/settlements/INTERVAL/corrections` | | list of [`Receipt`](crate::receipt::Receipt) of corrections |
//! | `GET /v1/settlements/INTERVAL/inputs` | | [`Correctable`] |
//! | `GET /v1/members/MEMBER/statement?from=INTERVAL&limit=N` | | list of [`Posting`] |
//! | `GET /v1/members/MEMBER/registration` | | [`ProvedRegistration`](crate::registration::ProvedRegistration) |
//! | `GET /v1/members/MEMBER/standby` | | [`ProvedStandby`](crate::island::ProvedStandby) |
//! | `GET /v1/members/MEMBER/accesses?since=N&seen=N&question=HEX` | | `access_log::Accesses`, for the member alone |
//! | `GET /v1/certificates?from=INTERVAL&limit=N&holder=MEMBER` | | list of [`Certificates`](crate::origin::Certificates) |
//! | `GET /v1/retirements/INTERVAL/DEVICE/NUMBER` | | [`RetiredCertificate`], by the certificate's name |
//! | `GET /v1/rules` | | [`RulesInForce`], of the next interval |
//! | `GET /v1/decisions?from=SEQUENCE&limit=N` | | list of [`Decided`], by number |
//! | `GET /v1/drafts` | | list of [`OpenDraft`], by number |
//! | `POST /v1/withdrawals` | a signed [`Withdrawal`](crate::withdrawal::Withdrawal) | [`TakenBack`] |
//! | `GET /v1/members?after=MEMBER&limit=N` | | list of [`MemberStatus`], in ascending order of member |
//! | `GET /v1/blocks/HEIGHT` | | [`BlockSummary`] |
//! | `GET /v1/validators` | | list of [`Validator`](crate::commit::Validator), of the next height |
//! | `GET /v1/log/checkpoint` | | text, a [`SignedCheckpoint`](crate::checkpoint::SignedCheckpoint) |
//! | `GET /v1/log/proof/HEIGHT` | | text, a [`LogProof`](crate::log::LogProof) |
//! | `GET /v1/log/consistency?from=SIZE&to=SIZE` | | [`Consistency`] |
//! | `GET /v1/log/tile/TILE` | | bytes, a [`Tile`](crate::log::Tile) |
//! | `GET /v1/health` | | [`Health`]; status 503 where no block was committed for too long |
//!
//! In a path an interval is named by its start alone: `2026-06-01T12:00:00Z`.

mod decided;
mod retired;
mod sums;

use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    commit::{CommitCertificate, CommitSignature},
    correction::MemberInput,
    decision::Decision,
    energy::Energy,
    envelope::{ChainId, Sealed},
    genesis::{GridPlan, Rules, Technology},
    hash::Hash,
    interval::Interval,
    island::PlannedQuota,
    key::PublicKey,
    member::{AccountId, MemberId},
    merkle::MerkleRoot,
    money::{Amount, Price},
    note::NoteKey,
    order::PriceLimits,
    settlement::{Entry, Line, Provisional, Settlement, Tariffs, Trade},
    situation::IslandQuorum,
};

pub use self::{
    decided::{Change, Decided, OtherGrid},
    retired::RetiredCertificate,
    sums::{Balances, Community, IntervalSums},
};

/// Most settlements in one answer.
pub const SETTLEMENTS_PER_PAGE_MAX: usize = 200;
/// Most decisions in one answer.
pub const DECISIONS_PER_PAGE_MAX: usize = 100;
/// Most members in one answer.
pub const MEMBERS_PER_PAGE_MAX: usize = 1_000;
/// Longest that a call waits for something to be settled, ms.
pub const WAIT_MS_MAX: u64 = 30_000;

/// What a ledger node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// The chain: the hash of its genesis.
    pub chain: ChainId,
    /// The node's validator key, if it votes.
    pub validator: Option<PublicKey>,
    /// Validators of the next height.
    pub validators: u64,
    /// Height of the last committed block; 0 before the first.
    pub height: u64,
    /// Hash of the last committed block.
    pub block: Hash,
    /// Merkle root of the state.
    pub state_root: Hash,
    /// Milliseconds since the last block was committed; none before the first since the node started.
    pub height_age_ms: Option<u64>,
    /// The last settled interval.
    pub settled: Option<Interval>,
    /// The next interval to settle.
    pub next: Interval,
    /// Seed of the next clearing's tie-breaks: the hash of the last settlement's content, the chain before the first.
    pub tie_seed: Hash,
    /// Settlements so far.
    pub settlements: u64,
    /// Sum of all account balances: zero, or it is a bug.
    pub balances_sum: Amount,
    /// The node's clock, Unix seconds; none from a node of before it said so.
    #[serde(default)]
    pub clock_s: Option<i64>,
    /// Pairs of contradicting messages of validators that the node has seen since it started.
    #[serde(default)]
    pub equivocations: u64,
    /// The key by which witnesses know the node's log; none from a node of before there was one.
    #[serde(default)]
    pub log_key: Option<NoteKey>,
    /// How the witnesses are that the node shows its checkpoints.
    #[serde(default)]
    pub witnesses: Vec<WitnessStatus>,
    /// Whether the validators that go on running on an island could decide alone; none where no island is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub island_quorum: Option<IslandQuorum>,
    /// Whom the node reaches; none from a node of before it said so.
    #[serde(default)]
    pub reach: Option<Reach>,
}

/// Whom a node reaches, as far as it knows: a validator that is up, but cut off from this node, is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reach {
    /// Validators of the next height that are up: connected to the node, or itself.
    pub validators_up: u64,
    /// Their voting power.
    pub power_up: u64,
    /// The voting power that a block needs: more than two thirds of all.
    pub power_needed: u64,
    /// The voting power of all validators.
    pub power: u64,
    /// Nodes to which transactions, and drafts of decisions, are passed on.
    pub gossip_peers: u64,
    /// The nodes that are connected for consensus.
    pub nodes: Vec<ConnectedNode>,
}

/// A node that is connected to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectedNode {
    /// What it calls itself.
    pub name: String,
    /// The validator's key that it has proved to hold, if it has.
    pub validator: Option<PublicKey>,
}

/// How a witness is, as far as a node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WitnessStatus {
    /// The witness, by name.
    pub witness: String,
    /// Blocks of the largest checkpoint that it has seen since the node started; 0 before the first.
    pub size: u64,
    /// Why it has not seen the last one that it was shown, by name; none if it has.
    pub fault: Option<String>,
    /// The same in words.
    pub detail: Option<String>,
}

/// The proof that a log begins with what it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// The log as it was.
    pub from: MerkleRoot,
    /// The log as it is.
    pub to: MerkleRoot,
    /// The proof (RFC 6962 §2.1.2); none if nothing was in the log.
    pub path: Vec<Hash>,
}

/// The answer to a submitted transaction. A refusal by the state machine is an answer too: the transaction is not
/// on the ledger, and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Submitted {
    /// Taken into the pool; it will be in a block soon.
    Pending {
        /// The transaction's id.
        transaction: Hash,
    },
    /// A decision that too few validators have approved: it waits, here and at the other nodes, until enough have.
    Open {
        /// The decision's id.
        transaction: Hash,
        /// Power of those who have approved it, as far as this node has heard.
        signed: u64,
        /// Power of all validators.
        total: u64,
    },
    /// On the ledger already.
    Exists {
        /// The transaction's id.
        transaction: Hash,
    },
    /// Not to be had.
    Refused {
        /// The transaction's id.
        transaction: Hash,
        /// The refusal's name.
        refusal: String,
        /// What was expected and what was found.
        detail: String,
    },
}

/// A decision that is not made yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenDraft {
    /// The decision's id.
    pub id: Hash,
    /// What is to be decided, as the file that `ledger approve` reads has it.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub decision: Decision,
    /// Who approves, in ascending order of key.
    pub approvals: Vec<CommitSignature>,
    /// Power of those.
    pub signed: u64,
    /// Power of all validators.
    pub total: u64,
    /// When this node first heard of it, UTC.
    pub since: String,
    /// Why the ledger would refuse it as things stand; none where it would carry it out, or where another decision
    /// comes first.
    pub obstacle: Option<String>,
}

/// The answer to a validator that approves a decision no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TakenBack {
    /// The approval counts here no more, and the other nodes are told.
    Withdrawn {
        /// The decision's id.
        decision: Hash,
        /// Power of those who still approve; where there are none, the draft is gone.
        signed: u64,
        /// Power of all validators.
        total: u64,
    },
    /// It stays as it is.
    Refused {
        /// The refusal's name.
        refusal: String,
        /// What was expected and what was found.
        detail: String,
    },
}

/// A settled interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settled {
    /// The interval.
    pub interval: Interval,
    /// The block it is in; where it is asked for as it stands, the one that corrected it last.
    pub height: u64,
    /// Hash of the signed settlement; of a correction, the decision's id.
    pub settlement: Hash,
    /// Clearing price.
    pub price: Option<Price>,
    /// One line per member that was read.
    pub lines: Vec<Line>,
    /// Who sold to whom.
    pub trades: Vec<Trade>,
    /// What the supplier's account gained.
    pub supplier: Amount,
    /// What the grid operator's account gained.
    pub operator: Amount,
    /// Why it was provisional; none where the interval closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<Provisional>,
    /// How often it was corrected since.
    pub corrections: u32,
    /// The tariffs in force in it.
    pub tariffs: Tariffs,
}

/// Something that was booked to an account. All of a member's postings add up to its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Posting {
    /// The block it is in.
    pub height: u64,
    /// What the account gained (lost, if negative).
    pub amount: Amount,
    /// What it was.
    pub event: Event,
}

/// What was booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An interval was settled.
    Settled(Entry),
    /// An earlier entry was taken back, because a correction takes its place.
    Reversed(Entry),
    /// An interval was settled again.
    Corrected(Entry),
    /// Money came from another account, or went to it.
    Transfer {
        /// The other account.
        with: AccountId,
        /// What for.
        reference: String,
    },
}

/// All that a correction of an interval begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Correctable {
    /// The settlement in force.
    pub settlement: Settlement,
    /// What it was computed from.
    pub inputs: Vec<MemberInput>,
    /// How often the interval was corrected.
    pub corrections: u32,
    /// The seed of its clearing's tie-breaks.
    pub tie_seed: Hash,
    /// The rules that it was settled under.
    pub rules: Rules,
    /// The grid of its time, if known.
    pub grid: Option<GridPlan>,
    /// What came late and was settled with it: of which intervals it is. By member, then by interval.
    pub late: Vec<Late>,
}

/// What one reading that came late says of intervals that were settled before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Late {
    /// Whose.
    pub member: MemberId,
    /// The first interval that it measures.
    pub from: Interval,
    /// The last one: the same, unless intervals before were not read; how the energy is spread over several nobody
    /// knows.
    pub to: Interval,
    /// Drawn, Wh; netted where it is of one interval.
    pub import: Energy,
    /// Fed in, Wh; netted where it is of one interval.
    pub export: Energy,
}

/// A committed block: all that proves it, and the names of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockSummary {
    /// The block's hash.
    pub block: Hash,
    /// Its header.
    pub header: Header,
    /// The commit signatures.
    pub certificate: CommitCertificate,
    /// Ids of its transactions, in the order they apply.
    pub transactions: Vec<Hash>,
    /// The intervals it settles.
    pub intervals: Vec<Interval>,
}

/// Whether a node keeps up: what a monitor asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// Whether a block was committed lately.
    pub healthy: bool,
    /// Height of the last committed block.
    pub height: u64,
    /// Milliseconds since it was committed, or since the node started.
    pub height_age_ms: u64,
    /// From so many milliseconds on it is too long ago: three heartbeats.
    pub height_age_ms_max: u64,
}

/// What the ledger knows of a member: all that the next clearing needs beside the readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberStatus {
    /// The pseudonym.
    pub member: MemberId,
    /// Balance of the account: credits less debits.
    pub balance: Amount,
    /// All that was ever taken from the account; less what was ever given, where either would pass 9.2 billion.
    pub debits: Amount,
    /// All that was ever given to it; carried forward alike.
    pub credits: Amount,
    /// The key that signs orders and instructions.
    pub key: PublicKey,
    /// The device that measures; none where it was revoked.
    pub device: Option<PublicKey>,
    /// Rated power of the grid connection, W.
    pub rated_power_w: u64,
    /// The bus of the grid that it is connected to.
    pub bus: Option<String>,
    /// What its production is made from, where certificates are minted for it.
    pub technology: Option<Technology>,
    /// Sequence number of the device's last settled reading.
    pub sequence: u64,
    /// Hash of the device's last settled reading.
    pub reading: Hash,
    /// The interval that the last settled reading ended; where there is none yet, the one that was open when the member
    /// or its meter was registered. It takes part in clearings from the next one on: this holds from the interval after
    /// this one.
    pub read: Interval,
    /// Import register at the last settled reading, Wh.
    pub import_wh: u64,
    /// Export register at the last settled reading, Wh.
    pub export_wh: u64,
    /// A reading that the next settlement must not leave out.
    pub committed: Option<Sealed>,
    /// The order that stands for the next interval to settle.
    pub order: Option<StandingOrder>,
    /// Sequence number of the last placed order, standing or not yet; 0 before the first.
    pub order_sequence: u64,
    /// Sequence number of the last instruction; 0 before the first.
    pub instruction_sequence: u64,
    /// On an island, what it may draw in intervals that are not settled yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<PlannedQuota>,
}

/// The rules of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RulesInForce {
    /// The interval: the next one to settle.
    pub interval: Interval,
    /// Since which interval they hold.
    pub from: Interval,
    /// Tariffs and mechanism.
    pub rules: Rules,
    /// The grid, if known.
    pub grid: Option<GridPlan>,
    /// The key that signs the interval's settlement.
    pub market: PublicKey,
    /// Sequence number of the last decision; 0 before the first.
    pub decision_sequence: u64,
}

/// A member's price limits for an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandingOrder {
    /// Highest price to buy at.
    pub buy: Option<Price>,
    /// Lowest price to sell at.
    pub sell: Option<Price>,
    /// Most energy to buy from neighbours in one interval, Wh.
    pub buy_cap: Option<Energy>,
    /// Most energy to sell to neighbours in one interval, Wh.
    pub sell_cap: Option<Energy>,
}

impl StandingOrder {
    /// What it limits.
    pub fn limits(&self) -> PriceLimits {
        let StandingOrder { buy, sell, buy_cap, sell_cap } = *self;
        PriceLimits { buy, sell, buy_cap, sell_cap }
    }
}
