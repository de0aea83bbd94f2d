//! The names of refusals, one enum for each who refuses. What programs do about a refusal of the ledger is said beside
//! its name, once and without a catch-all, so that a new one does not compile until each of them has an answer to it.

use crate::{answer::Refusal, names::names};

names! {
    /// Why the ledger refuses a transaction, or a proposed block. What was expected and found is said beside it.
    pub enum LedgerRefusal {
        /// Not a signed message of the expected kind and size.
        Malformed = "malformed",
        /// A signature does not verify.
        BadSignature = "bad_signature",
        /// Signed by a key that may not do this.
        UnknownSigner = "unknown_signer",
        /// There is no such member.
        UnknownMember = "unknown_member",
        /// This very transaction is on the ledger already.
        Exists = "exists",
        /// Something else is on the ledger in its place. The field in which it differs ends the name.
        ExistsWithDifferent = "exists_with_different",
        /// Not a settlement of the next interval.
        IntervalNotNext = "interval_not_next",
        /// The readings are not those that the settlement commits to.
        ReadingsDiffer = "readings_differ",
        /// Readings are not sorted by device and sequence number.
        ReadingsNotAscending = "readings_not_ascending",
        /// A reading is no link of its device's chain, or not plausible.
        ReadingRefused = "reading_refused",
        /// A reading that its device committed to the ledger is not in the settlement.
        CommittedReadingLeftOut = "committed_reading_left_out",
        /// The clearing cannot be computed.
        CannotSettle = "cannot_settle",
        /// The settlement is not what the signed inputs lead to.
        ClearingDiffers = "clearing_differs",
        /// A sum of money would pass the range of an amount.
        AmountOverflow = "amount_overflow",
        /// No interval comes after the open one.
        EndOfTime = "end_of_time",
        /// No number is left for another decision, instruction or correction.
        NumbersExhausted = "numbers_exhausted",
        /// An order with a sequence number already used.
        OrderSequenceNotHigher = "order_sequence_not_higher",
        /// An order for an interval whose clearing it could no longer enter.
        OrderTooLate = "order_too_late",
        /// Too many orders of one member wait for their interval.
        TooManyOrders = "too_many_orders",
        /// The last reading of a device was pruned, so the next one cannot be measured.
        ReadingsPruned = "readings_pruned",
        /// Not a member's next instruction.
        InstructionNotNext = "instruction_not_next",
        /// Not the ledger's next decision.
        DecisionNotNext = "decision_not_next",
        /// A decision without enough validators behind it.
        NotApproved = "not_approved",
        /// A transfer of nothing, or of less.
        AmountNotPositive = "amount_not_positive",
        /// A transfer from an account to itself.
        SameAccount = "same_account",
        /// A member gives more than it has.
        ExceedsBalance = "exceeds_balance",
        /// A text that is too long, or has control characters.
        BadText = "bad_text",
        /// A name that cannot be used.
        BadName = "bad_name",
        /// The key signs for a member already.
        KeyInUse = "key_in_use",
        /// The device measures for a member already, or will.
        DeviceInUse = "device_in_use",
        /// There is no device to revoke, or another one takes its place already.
        NoDevice = "no_device",
        /// A report of readings that do not contradict one another.
        NoConflict = "no_conflict",
        /// The community is full.
        TooManyMembers = "too_many_members",
        /// Too many changes wait for their interval.
        TooManyScheduled = "too_many_scheduled",
        /// Rules for an interval whose clearing they could no longer enter.
        RulesTooEarly = "rules_too_early",
        /// Rules that contradict themselves.
        BadRules = "bad_rules",
        /// Rules by a rule pack that has ended before them.
        PackEnded = "pack_ended",
        /// Rules by a rule pack that begins after them.
        PackNotBegun = "pack_not_begun",
        /// Rules by a rule pack for intervals of another length.
        PackOtherInterval = "pack_other_interval",
        /// Rules by a rule pack in another currency.
        PackOtherCurrency = "pack_other_currency",
        /// Rules whose mechanism their rule pack does not allow.
        PackOtherMechanism = "pack_other_mechanism",
        /// Rules with a mechanism that the validators' program does not have.
        UnknownMechanism = "unknown_mechanism",
        /// Rules with parameters that do not fit the grid.
        BadTerms = "bad_terms",
        /// A grid that is no tree, or without a member's bus.
        BadGrid = "bad_grid",
        /// Validators that cannot decide, are not in order, or are the present ones.
        BadValidators = "bad_validators",
        /// A status, or an island, where the rules plan none.
        NoIslandPlan = "no_island_plan",
        /// Other rules, or another island, while one is declared or has begun.
        Islanded = "islanded",
        /// The end of an island where there is none.
        NotIslanded = "not_islanded",
        /// An island, or its end, for an interval whose quotas or clearing it could no longer enter.
        IslandTooEarly = "island_too_early",
        /// A status that says what cannot be.
        StatusImpossible = "status_impossible",
        /// A status of an interval that is too old or too new, or not newer than the last.
        StatusNotNewer = "status_not_newer",
        /// A status with a claim in a class that was not decided for the member.
        ClassNotDecided = "class_not_decided",
        /// A correction of an interval that is not settled, or too long ago.
        NothingToCorrect = "nothing_to_correct",
        /// A correction that reverses something else than what is in force.
        OtherSettlementInForce = "other_settlement_in_force",
        /// Not the interval's next correction.
        CorrectionNotNext = "correction_not_next",
        /// The inputs are not those of the settlement.
        OtherInputs = "other_inputs",
        /// A true-up of no corrections, or not one for each interval in order.
        CorrectionsNotAscending = "corrections_not_ascending",
        /// No validated values, or not one for each member in order.
        ValuesNotAscending = "values_not_ascending",
        /// Validated values of someone who was no member then.
        ValuesOfStrangers = "values_of_strangers",
        /// More energy than the connection can carry.
        ImplausibleValues = "implausible_values",
        /// There are no such certificates.
        UnknownCertificates = "unknown_certificates",
        /// Somebody else holds some of the certificates.
        CertificatesNotHeld = "certificates_not_held",
        /// Some of the certificates are used up.
        CertificatesRetired = "certificates_retired",
        /// Too many decisions wait for approvals.
        TooManyDrafts = "too_many_drafts",
        /// Another draft takes in the same household.
        RepeatsDraft = "repeats_draft",
        /// The validator has withdrawn its approval of this decision.
        ApprovalWithdrawn = "approval_withdrawn",
        /// There is no approval that could be withdrawn, or it is too late.
        NothingToWithdraw = "nothing_to_withdraw",
        /// Too many transactions wait for a block.
        PoolFull = "pool_full",
        /// A proposed block has more transactions than a block may have.
        TooManyTransactions = "too_many_transactions",
        /// A proposed block's header is not what its transactions lead to. The field ends the name.
        Header = "header",
    }
}

/// When what was refused may be taken after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    /// Never, whatever block a node stands at.
    Forever,
    /// At another block perhaps, so a node that is ahead or behind may honestly have taken it.
    AtThisBlock,
    /// As soon as there is room: it is worth handing in again.
    Shortly,
}

impl LedgerRefusal {
    /// What is to be done about it: how long it lasts, and what the market tells an agent whose order, or whose status,
    /// is refused for it; nothing for what none is ever refused for.
    #[deny(clippy::wildcard_enum_match_arm, reason = "a new refusal is judged here, or does not compile")]
    const fn judged(self) -> (Lasts, Option<Refusal>, Option<Refusal>) {
        const fn both(lasts: Lasts, refusal: Refusal) -> (Lasts, Option<Refusal>, Option<Refusal>) {
            (lasts, Some(refusal), Some(refusal))
        }
        match self {
            LedgerRefusal::Malformed => both(Lasts::Forever, Refusal::Malformed),
            LedgerRefusal::BadSignature => both(Lasts::Forever, Refusal::BadSignature),
            // A block that is yet to come may admit the signer. But to forgive them all would let anyone send what a
            // key made up on the spot has signed.
            LedgerRefusal::UnknownSigner => both(Lasts::Forever, Refusal::UnknownDevice),
            LedgerRefusal::AmountNotPositive
            | LedgerRefusal::SameAccount
            | LedgerRefusal::BadText
            | LedgerRefusal::BadName
            | LedgerRefusal::ReadingsNotAscending
            | LedgerRefusal::ValuesNotAscending => (Lasts::Forever, None, None),
            LedgerRefusal::PoolFull | LedgerRefusal::TooManyScheduled => {
                (Lasts::Shortly, Some(Refusal::TooManyOrders), None)
            }
            LedgerRefusal::UnknownMember => both(Lasts::AtThisBlock, Refusal::UnknownDevice),
            LedgerRefusal::OrderTooLate => (Lasts::AtThisBlock, Some(Refusal::OrderTooLate), None),
            LedgerRefusal::OrderSequenceNotHigher => (Lasts::AtThisBlock, Some(Refusal::SequenceConflict), None),
            LedgerRefusal::ExistsWithDifferent => {
                (Lasts::AtThisBlock, Some(Refusal::SequenceConflict), Some(Refusal::StatusNotNewer))
            }
            LedgerRefusal::Exists => both(Lasts::AtThisBlock, Refusal::Duplicate),
            // The member is told, and comes again; an order of another one need not wait for it.
            LedgerRefusal::TooManyOrders => (Lasts::AtThisBlock, Some(Refusal::TooManyOrders), None),
            LedgerRefusal::NoIslandPlan => (Lasts::AtThisBlock, None, Some(Refusal::NoIslandPlan)),
            LedgerRefusal::StatusImpossible => (Lasts::AtThisBlock, None, Some(Refusal::StatusImpossible)),
            LedgerRefusal::StatusNotNewer => (Lasts::AtThisBlock, None, Some(Refusal::StatusNotNewer)),
            LedgerRefusal::ClassNotDecided => (Lasts::AtThisBlock, None, Some(Refusal::ClassNotDecided)),
            LedgerRefusal::IntervalNotNext
            | LedgerRefusal::ReadingsDiffer
            | LedgerRefusal::ReadingRefused
            | LedgerRefusal::CommittedReadingLeftOut
            | LedgerRefusal::CannotSettle
            | LedgerRefusal::ClearingDiffers
            | LedgerRefusal::AmountOverflow
            | LedgerRefusal::EndOfTime
            | LedgerRefusal::NumbersExhausted
            | LedgerRefusal::ReadingsPruned
            | LedgerRefusal::InstructionNotNext
            | LedgerRefusal::DecisionNotNext
            | LedgerRefusal::NotApproved
            | LedgerRefusal::TooManyDrafts
            | LedgerRefusal::RepeatsDraft
            | LedgerRefusal::ApprovalWithdrawn
            | LedgerRefusal::NothingToWithdraw
            | LedgerRefusal::ExceedsBalance
            | LedgerRefusal::KeyInUse
            | LedgerRefusal::DeviceInUse
            | LedgerRefusal::NoDevice
            | LedgerRefusal::NoConflict
            | LedgerRefusal::TooManyMembers
            | LedgerRefusal::RulesTooEarly
            | LedgerRefusal::BadRules
            | LedgerRefusal::PackEnded
            | LedgerRefusal::PackNotBegun
            | LedgerRefusal::PackOtherInterval
            | LedgerRefusal::PackOtherCurrency
            | LedgerRefusal::PackOtherMechanism
            | LedgerRefusal::UnknownMechanism
            | LedgerRefusal::BadTerms
            | LedgerRefusal::BadGrid
            | LedgerRefusal::BadValidators
            | LedgerRefusal::Islanded
            | LedgerRefusal::NotIslanded
            | LedgerRefusal::IslandTooEarly
            | LedgerRefusal::NothingToCorrect
            | LedgerRefusal::OtherSettlementInForce
            | LedgerRefusal::CorrectionNotNext
            | LedgerRefusal::OtherInputs
            | LedgerRefusal::CorrectionsNotAscending
            | LedgerRefusal::ValuesOfStrangers
            | LedgerRefusal::ImplausibleValues
            | LedgerRefusal::UnknownCertificates
            | LedgerRefusal::CertificatesNotHeld
            | LedgerRefusal::CertificatesRetired
            | LedgerRefusal::TooManyTransactions
            | LedgerRefusal::Header => (Lasts::AtThisBlock, None, None),
        }
    }

    /// Whether no block could make it right, so that no honest node sends what is refused so.
    pub const fn is_hopeless(self) -> bool {
        matches!(self.judged().0, Lasts::Forever)
    }

    /// Whether it passes: there is just no room now, and it is worth handing in again.
    pub const fn passes(self) -> bool {
        matches!(self.judged().0, Lasts::Shortly)
    }

    /// The market's name for it where it refuses an order; none if no order is refused for it.
    pub const fn of_an_order(self) -> Option<Refusal> {
        self.judged().1
    }

    /// The market's name for it where it refuses a status; none if no status is refused for it.
    pub const fn of_a_status(self) -> Option<Refusal> {
        self.judged().2
    }

    /// The refusal that an answer of the ledger names, whatever field ends its name; none if there is none, which a
    /// program of a later version may have.
    pub fn of_answer(name: &str) -> Option<LedgerRefusal> {
        let of_field = |refusal: &LedgerRefusal| {
            let field = name.strip_prefix(refusal.name()).and_then(|rest| rest.strip_prefix('_'));
            field.is_some_and(|field| !field.is_empty())
        };
        LedgerRefusal::named(name)
            .or_else(|| [LedgerRefusal::ExistsWithDifferent, LedgerRefusal::Header].into_iter().find(of_field))
    }
}

names! {
    /// Why a node's API does not let a call, or a connection, through to its routes.
    pub enum CallRefusal {
        /// The call says nothing of who asks.
        TokenMissing = "token_missing",
        /// Nobody was given this token.
        TokenUnknown = "token_unknown",
        /// The token is for other calls.
        RoleInsufficient = "role_insufficient",
        /// Too many calls from one address.
        RateLimited = "rate_limited",
        /// The node serves as many connections as it may.
        TooManyConnections = "too_many_connections",
        /// One address has as many connections as it may.
        TooManyConnectionsOfAddress = "too_many_connections_of_address",
        /// The body is not said to be CBOR.
        ContentTypeNotCbor = "content_type_not_cbor",
        /// The body is larger than any transaction.
        BodyTooLarge = "body_too_large",
        /// The body did not come in time.
        BodyTooSlow = "body_too_slow",
        /// The body ends before its end, or is not encoded as its head says.
        BodyBroken = "body_broken",
        /// Plain HTTP where TLS is spoken.
        TlsExpected = "tls_expected",
        /// No TLS connection came about.
        HandshakeFailed = "handshake_failed",
        /// A connection never asked anything.
        HeadTooSlow = "head_too_slow",
        /// The head of a request is too large.
        HeadTooLarge = "head_too_large",
        /// The answer is not read.
        AnswerNotRead = "answer_not_read",
        /// The call is addressed to another server, or to this one under a name that it does not know.
        HostUnknown = "host_unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_is_found_again_and_no_two_are_the_same() {
        for refusal in LedgerRefusal::ALL {
            assert_eq!(LedgerRefusal::of_answer(refusal.name()), Some(refusal));
        }
        let names: BTreeSet<_> = LedgerRefusal::ALL.map(LedgerRefusal::name).into();
        assert_eq!(names.len(), LedgerRefusal::ALL.len());
        let names: BTreeSet<_> = CallRefusal::ALL.map(CallRefusal::name).into();
        assert_eq!(names.len(), CallRefusal::ALL.len());
        let names: BTreeSet<_> = Refusal::ALL.map(Refusal::name).into();
        assert_eq!(names.len(), Refusal::ALL.len());
    }

    #[test]
    fn a_field_may_end_a_name_and_what_is_unknown_is_said_to_be() {
        let of = LedgerRefusal::of_answer;
        assert_eq!(of("exists_with_different_reading"), Some(LedgerRefusal::ExistsWithDifferent));
        assert_eq!(of("header_state"), Some(LedgerRefusal::Header));
        for unknown in
            ["", "exists_with_different_", "header_", "headers", "bad_signature_of", "PoolFull", "not_invented_yet"]
        {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_is_to_be_done_about_a_refusal_is_said() {
        let all = |judged: fn(LedgerRefusal) -> bool| {
            LedgerRefusal::ALL
                .into_iter()
                .filter(|refusal| judged(*refusal))
                .map(LedgerRefusal::name)
                .collect::<Vec<_>>()
        };
        let hopeless = [
            "malformed",
            "bad_signature",
            "unknown_signer",
            "readings_not_ascending",
            "amount_not_positive",
            "same_account",
            "bad_text",
            "bad_name",
            "values_not_ascending",
        ];
        assert_eq!(all(LedgerRefusal::is_hopeless), hopeless);
        assert_eq!(all(LedgerRefusal::passes), ["too_many_scheduled", "pool_full"]);
        let of_orders: Vec<(&str, &str)> = LedgerRefusal::ALL
            .into_iter()
            .filter_map(|refusal| Some((refusal.name(), refusal.of_an_order()?.name())))
            .collect();
        let expected = [
            ("malformed", "Malformed"),
            ("bad_signature", "BadSignature"),
            ("unknown_signer", "UnknownDevice"),
            ("unknown_member", "UnknownDevice"),
            ("exists", "Duplicate"),
            ("exists_with_different", "SequenceConflict"),
            ("order_sequence_not_higher", "SequenceConflict"),
            ("order_too_late", "OrderTooLate"),
            ("too_many_orders", "TooManyOrders"),
            ("too_many_scheduled", "TooManyOrders"),
            ("pool_full", "TooManyOrders"),
        ];
        assert_eq!(of_orders, expected);
        let of_statuses: Vec<(&str, &str)> = LedgerRefusal::ALL
            .into_iter()
            .filter_map(|refusal| Some((refusal.name(), refusal.of_a_status()?.name())))
            .collect();
        let expected = [
            ("malformed", "Malformed"),
            ("bad_signature", "BadSignature"),
            ("unknown_signer", "UnknownDevice"),
            ("unknown_member", "UnknownDevice"),
            ("exists", "Duplicate"),
            ("exists_with_different", "StatusNotNewer"),
            ("no_island_plan", "NoIslandPlan"),
            ("status_impossible", "StatusImpossible"),
            ("status_not_newer", "StatusNotNewer"),
            ("class_not_decided", "ClassNotDecided"),
        ];
        assert_eq!(of_statuses, expected);
    }
}
