//! Why the ledger refuses a transaction.

use market::{
    clearing::{TermsError, UnknownMechanism},
    grid::GridError,
    metering::MeteringError,
    settlement::SettleError,
};
use protocol::{
    commit::CommitError,
    envelope::EnvelopeError,
    genesis::GenesisError,
    hash::Hash,
    instruction::Portion,
    interval::Interval,
    key::PublicKey,
    limits::{MEMBERS_MAX, SCHEDULED_MAX, TEXT_BYTES_MAX},
    member::MemberId,
    money::Amount,
    pack::PackUnfit,
    refusal::LedgerRefusal,
    status::{STATUS_INTERVALS, StatusImpossible},
    text::ParseError,
};

/// A refusal: the transaction changed nothing. [`name`](Refusal::name) is what APIs, logs and metrics call it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not a signed message of the expected kind and size.
    #[error("{0}")]
    Malformed(EnvelopeError),
    /// A signature does not verify.
    #[error("{0}")]
    BadSignature(EnvelopeError),
    /// Signed by a key that may not do this.
    #[error("signed by {0}, who may not do this")]
    UnknownSigner(PublicKey),
    /// There is no such member.
    #[error("expected a member of the community, found {0}")]
    UnknownMember(MemberId),
    /// This very transaction is on the ledger already.
    #[error("on the ledger already")]
    Exists,
    /// Something else is on the ledger in its place: another settlement of the interval, another reading of the device.
    #[error("on the ledger already, with another `{0}`")]
    ExistsWithDifferent(&'static str),
    /// An interval that is not the next one.
    #[error("expected a settlement of {expected}, the next interval, found {found}")]
    IntervalNotNext {
        /// The next interval.
        expected: Interval,
        /// The settlement's.
        found: Interval,
    },
    /// The readings beside the settlement are not those it commits to.
    #[error("expected {committed} readings as the settlement commits to them, found {found}; first difference at {at}")]
    ReadingsDiffer {
        /// How many the settlement commits to.
        committed: usize,
        /// How many there are.
        found: usize,
        /// Position of the first that differs.
        at: usize,
    },
    /// Readings are not sorted by device and sequence number.
    #[error("readings are not in ascending order of device and sequence number, at position {0}")]
    ReadingsNotAscending(usize),
    /// A reading that is no link of its device's chain, or not plausible.
    #[error("the readings of {device}: {error}")]
    ReadingRefused {
        /// The device.
        device: PublicKey,
        /// What is wrong.
        error: Box<MeteringError>,
    },
    /// A reading that a device committed to the ledger is not in the settlement.
    #[error("expected the reading {reading} of member {member}, which is committed to the ledger; it is left out")]
    CommittedReadingLeftOut {
        /// Whose.
        member: MemberId,
        /// Its hash.
        reading: Hash,
    },
    /// The clearing cannot be computed.
    #[error("cannot be settled: {0}")]
    CannotSettle(SettleError),
    /// The settlement is not what the signed inputs lead to.
    #[error("the clearing differs in `{field}`: recomputed {expected}, proposed {found}")]
    ClearingDiffers {
        /// The first field that differs.
        field: &'static str,
        /// What this validator computed.
        expected: String,
        /// What the market proposed.
        found: String,
    },
    /// A sum of money would pass the range of an amount: all that was given to an account, or taken from it, or a line.
    #[error("a sum of money would pass ±9.2 billion")]
    AmountOverflow,
    /// No interval comes after this one.
    #[error("expected an interval after {0}, found the end of time")]
    EndOfTime(Interval),
    /// No number is left for another decision, instruction or correction.
    #[error("expected a number after {last}, found none left")]
    NumbersExhausted {
        /// The last number.
        last: u64,
    },
    /// An order with a sequence number already used.
    #[error("expected an order with sequence number {expected} or higher, found {found}")]
    OrderSequenceNotHigher {
        /// The lowest that would do.
        expected: u64,
        /// The order's.
        found: u64,
    },
    /// An order for an interval whose clearing it could no longer enter.
    #[error("expected an order valid from an interval after {open}, the open one, found {found}")]
    OrderTooLate {
        /// The open interval.
        open: Interval,
        /// The order's first interval.
        found: Interval,
    },
    /// Too many orders wait for their interval.
    #[error("expected at most {} orders that wait for their interval", super::ORDERS_PER_MEMBER_MAX)]
    TooManyOrders,
    /// The readings before were pruned, so that nothing can be measured against them.
    #[error("the last reading of member {0} was pruned, so the next one cannot be measured")]
    ReadingsPruned(MemberId),
    /// Not a member's next instruction.
    #[error("expected the instruction with sequence number {expected}, found {found}")]
    InstructionNotNext {
        /// The next number.
        expected: u64,
        /// The instruction's.
        found: u64,
    },
    /// Not the ledger's next decision.
    #[error("expected the decision with sequence number {expected}, found {found}")]
    DecisionNotNext {
        /// The next number.
        expected: u64,
        /// The decision's.
        found: u64,
    },
    /// A decision without enough validators behind it.
    #[error("not approved: {0}")]
    NotApproved(CommitError),
    /// A transfer of nothing, or of less.
    #[error("expected an amount of more than zero, found {0}")]
    AmountNotPositive(Amount),
    /// A transfer from an account to itself.
    #[error("expected two different accounts, found one")]
    SameAccount,
    /// A member gives more than it has.
    #[error("expected at most the balance of {balance}, found {found}")]
    ExceedsBalance {
        /// What the account holds.
        balance: Amount,
        /// What was to be given.
        found: Amount,
    },
    /// A text that is too long, or has control characters.
    #[error("expected a text of at most {TEXT_BYTES_MAX} bytes without control characters, found {found_bytes} bytes")]
    BadText {
        /// Its length.
        found_bytes: usize,
    },
    /// A name that cannot be used.
    #[error("{0}")]
    BadName(ParseError),
    /// The key signs for a member already.
    #[error("expected a key that nobody uses, found {0}")]
    KeyInUse(PublicKey),
    /// The device measures for a member already, or will.
    #[error("expected a device that measures for nobody, found {0}")]
    DeviceInUse(PublicKey),
    /// There is nothing to revoke, or it goes already.
    #[error("member {0} has no device, or gets another one already")]
    NoDevice(MemberId),
    /// A report of readings that do not contradict one another.
    #[error(
        "expected two different readings of one device under one sequence number, the one with the lower hash first, or one \
         alone that contradicts the device's last settled reading"
    )]
    NoConflict,
    /// The community is full.
    #[error("expected at most {MEMBERS_MAX} members")]
    TooManyMembers,
    /// Too many changes wait for their interval.
    #[error("expected at most {SCHEDULED_MAX} changes that wait for their interval")]
    TooManyScheduled,
    /// Rules for an interval whose clearing they could no longer enter.
    #[error("expected rules from an interval after {open}, the open one, found {found}")]
    RulesTooEarly {
        /// The open interval.
        open: Interval,
        /// The first interval of the rules.
        found: Interval,
    },
    /// Rules that contradict themselves.
    #[error("rules: {0}")]
    BadRules(GenesisError),
    /// A rule pack that is not for these rules.
    #[error("{0}")]
    PackUnfit(PackUnfit),
    /// Rules with a mechanism that this program does not have.
    #[error("rules: {0}")]
    UnknownMechanism(UnknownMechanism),
    /// Rules with parameters that do not fit the grid.
    #[error("rules: {0}")]
    BadTerms(TermsError),
    /// A grid that is no tree, or without a member's bus.
    #[error("grid: {0}")]
    BadGrid(GridError),
    /// A set of validators that cannot decide, or is the present one.
    #[error("validators: {reason}")]
    BadValidators {
        /// What was expected.
        reason: &'static str,
    },
    /// A correction of an interval that is not settled, or too long ago.
    #[error("nothing is on record for {0} that could be corrected")]
    NothingToCorrect(Interval),
    /// A status, or an island, where the rules plan none.
    #[error("expected rules with a plan for an island, found none; decide one with `parameters.island` first")]
    NoIslandPlan,
    /// Other rules, or another island, while one is declared or has begun.
    #[error("expected no island, found one that is declared or has begun; end it first")]
    Islanded,
    /// The end of an island where there is none.
    #[error("expected an island that is declared or has begun, found none")]
    NotIslanded,
    /// An island, or its end, for an interval whose quotas or clearing it could no longer enter.
    #[error("expected {expected} or later, found {found}")]
    IslandTooEarly {
        /// The first that is possible.
        expected: Interval,
        /// The decision's.
        found: Interval,
    },
    /// A status that says what cannot be.
    #[error("status: {0}")]
    StatusImpossible(StatusImpossible),
    /// A status of an interval that is too old or too new, or not newer than the last.
    #[error("expected a status newer than the last, within {STATUS_INTERVALS} intervals of {open}, found {found}")]
    StatusNotNewer {
        /// The next interval to settle.
        open: Interval,
        /// The status'.
        found: Interval,
    },
    /// A status with a claim in a class that was not decided for the member.
    #[error("expected no life-safety or critical W of {0}, for whom neither class was decided; decide a claim first")]
    ClassNotDecided(MemberId),
    /// A correction that reverses something else than what is in force.
    #[error("expected the settlement in force to be reversed, {expected}, found {found}")]
    OtherSettlementInForce {
        /// Hash of the settlement in force.
        expected: Hash,
        /// Hash of the one to be reversed.
        found: Hash,
    },
    /// Not the interval's next correction.
    #[error("expected correction {expected} of the interval, found {found}")]
    CorrectionNotNext {
        /// The next number.
        expected: u32,
        /// The correction's.
        found: u32,
    },
    /// The inputs are not those of the settlement.
    #[error("expected the inputs {expected} of the settlement, found {found}")]
    OtherInputs {
        /// Their hash in the settlement.
        expected: Hash,
        /// The hash of those in the correction.
        found: Hash,
    },
    /// No corrections, or not one per interval in order.
    #[error("expected corrections in strictly ascending order of interval, at least one")]
    CorrectionsNotAscending,
    /// No values, or not one per member in order.
    #[error("expected validated values in strictly ascending order of member, at least one")]
    ValuesNotAscending,
    /// Values of someone who was no member then.
    #[error("expected values of members that the settlement knew")]
    ValuesOfStrangers,
    /// More energy than the connection can carry.
    #[error("expected at most {expected_max_wh} Wh of member {member}, found {found_wh} Wh")]
    ImplausibleValues {
        /// Whose.
        member: MemberId,
        /// What the rated power gives in the interval.
        expected_max_wh: u64,
        /// The larger of both values.
        found_wh: u64,
    },
    /// There are no such certificates, or they have expired.
    #[error(
        "expected certificates on record, found {} Wh from {} on of {} in {}",
        .0.energy.wh(), .0.first, .0.device, .0.interval
    )]
    UnknownCertificates(Box<Portion>),
    /// Somebody else holds some of the certificates.
    #[error("some of these certificates are held by {holder}")]
    CertificatesNotHeld {
        /// Who.
        holder: MemberId,
    },
    /// Some of the certificates are used up.
    #[error("some of these certificates were retired by the instruction {instruction}")]
    CertificatesRetired {
        /// By which instruction.
        instruction: Hash,
    },
}

impl Refusal {
    /// The refusal's name, without what it is about.
    pub fn word(&self) -> LedgerRefusal {
        match self {
            Refusal::Malformed(_) => LedgerRefusal::Malformed,
            Refusal::BadSignature(_) => LedgerRefusal::BadSignature,
            Refusal::UnknownSigner(_) => LedgerRefusal::UnknownSigner,
            Refusal::UnknownMember(_) => LedgerRefusal::UnknownMember,
            Refusal::Exists => LedgerRefusal::Exists,
            Refusal::ExistsWithDifferent(_) => LedgerRefusal::ExistsWithDifferent,
            Refusal::IntervalNotNext { .. } => LedgerRefusal::IntervalNotNext,
            Refusal::ReadingsDiffer { .. } => LedgerRefusal::ReadingsDiffer,
            Refusal::ReadingsNotAscending(_) => LedgerRefusal::ReadingsNotAscending,
            Refusal::ReadingRefused { .. } => LedgerRefusal::ReadingRefused,
            Refusal::CommittedReadingLeftOut { .. } => LedgerRefusal::CommittedReadingLeftOut,
            Refusal::CannotSettle(_) => LedgerRefusal::CannotSettle,
            Refusal::ClearingDiffers { .. } => LedgerRefusal::ClearingDiffers,
            Refusal::AmountOverflow => LedgerRefusal::AmountOverflow,
            Refusal::EndOfTime(_) => LedgerRefusal::EndOfTime,
            Refusal::NumbersExhausted { .. } => LedgerRefusal::NumbersExhausted,
            Refusal::OrderSequenceNotHigher { .. } => LedgerRefusal::OrderSequenceNotHigher,
            Refusal::OrderTooLate { .. } => LedgerRefusal::OrderTooLate,
            Refusal::TooManyOrders => LedgerRefusal::TooManyOrders,
            Refusal::ReadingsPruned(_) => LedgerRefusal::ReadingsPruned,
            Refusal::InstructionNotNext { .. } => LedgerRefusal::InstructionNotNext,
            Refusal::DecisionNotNext { .. } => LedgerRefusal::DecisionNotNext,
            Refusal::NotApproved(_) => LedgerRefusal::NotApproved,
            Refusal::AmountNotPositive(_) => LedgerRefusal::AmountNotPositive,
            Refusal::SameAccount => LedgerRefusal::SameAccount,
            Refusal::ExceedsBalance { .. } => LedgerRefusal::ExceedsBalance,
            Refusal::BadText { .. } => LedgerRefusal::BadText,
            Refusal::BadName(_) => LedgerRefusal::BadName,
            Refusal::KeyInUse(_) => LedgerRefusal::KeyInUse,
            Refusal::DeviceInUse(_) => LedgerRefusal::DeviceInUse,
            Refusal::NoDevice(_) => LedgerRefusal::NoDevice,
            Refusal::NoConflict => LedgerRefusal::NoConflict,
            Refusal::TooManyMembers => LedgerRefusal::TooManyMembers,
            Refusal::TooManyScheduled => LedgerRefusal::TooManyScheduled,
            Refusal::RulesTooEarly { .. } => LedgerRefusal::RulesTooEarly,
            Refusal::BadRules(_) => LedgerRefusal::BadRules,
            Refusal::PackUnfit(PackUnfit::Ended { .. }) => LedgerRefusal::PackEnded,
            Refusal::PackUnfit(PackUnfit::NotBegun { .. }) => LedgerRefusal::PackNotBegun,
            Refusal::PackUnfit(PackUnfit::OtherInterval { .. }) => LedgerRefusal::PackOtherInterval,
            Refusal::PackUnfit(PackUnfit::OtherCurrency { .. }) => LedgerRefusal::PackOtherCurrency,
            Refusal::PackUnfit(PackUnfit::OtherMechanism { .. }) => LedgerRefusal::PackOtherMechanism,
            Refusal::UnknownMechanism(_) => LedgerRefusal::UnknownMechanism,
            Refusal::BadTerms(_) => LedgerRefusal::BadTerms,
            Refusal::BadGrid(_) => LedgerRefusal::BadGrid,
            Refusal::BadValidators { .. } => LedgerRefusal::BadValidators,
            Refusal::NoIslandPlan => LedgerRefusal::NoIslandPlan,
            Refusal::Islanded => LedgerRefusal::Islanded,
            Refusal::NotIslanded => LedgerRefusal::NotIslanded,
            Refusal::IslandTooEarly { .. } => LedgerRefusal::IslandTooEarly,
            Refusal::StatusImpossible(_) => LedgerRefusal::StatusImpossible,
            Refusal::StatusNotNewer { .. } => LedgerRefusal::StatusNotNewer,
            Refusal::ClassNotDecided(_) => LedgerRefusal::ClassNotDecided,
            Refusal::NothingToCorrect(_) => LedgerRefusal::NothingToCorrect,
            Refusal::OtherSettlementInForce { .. } => LedgerRefusal::OtherSettlementInForce,
            Refusal::CorrectionNotNext { .. } => LedgerRefusal::CorrectionNotNext,
            Refusal::OtherInputs { .. } => LedgerRefusal::OtherInputs,
            Refusal::CorrectionsNotAscending => LedgerRefusal::CorrectionsNotAscending,
            Refusal::ValuesNotAscending => LedgerRefusal::ValuesNotAscending,
            Refusal::ValuesOfStrangers => LedgerRefusal::ValuesOfStrangers,
            Refusal::ImplausibleValues { .. } => LedgerRefusal::ImplausibleValues,
            Refusal::UnknownCertificates(_) => LedgerRefusal::UnknownCertificates,
            Refusal::CertificatesNotHeld { .. } => LedgerRefusal::CertificatesNotHeld,
            Refusal::CertificatesRetired { .. } => LedgerRefusal::CertificatesRetired,
        }
    }

    /// The refusal's name, as APIs, logs and metrics have it.
    pub fn name(&self) -> String {
        let word = self.word();
        match self {
            Refusal::ExistsWithDifferent(field) => format!("{word}_{field}"),
            _ => word.to_string(),
        }
    }
}

impl From<EnvelopeError> for Refusal {
    fn from(error: EnvelopeError) -> Refusal {
        match error {
            EnvelopeError::UnknownSigner(signer) => Refusal::UnknownSigner(signer),
            EnvelopeError::BadSignature => Refusal::BadSignature(error),
            EnvelopeError::TooLarge { .. } | EnvelopeError::Malformed(_) | EnvelopeError::BadContent(_) => {
                Refusal::Malformed(error)
            }
        }
    }
}
