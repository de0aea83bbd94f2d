//! What a household has to know: each alarm by its name, explained in `docs/prosumer.md`.

mod detail;

use std::collections::BTreeMap;

pub(crate) use self::detail::Detail;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The validators committed two entries of this household under one number of one interval.
    TwoTruths,
    /// Witnesses have seen another history of the ledger than the one that this household was told.
    OtherHistory,
    /// A receipt that does not prove what it must.
    ReceiptDoesNotVerify,
    /// The market refuses a reading.
    ReadingRefused,
    /// The market knows another reading under the same number.
    SequenceConflict,
    /// The market refuses the order.
    OrderRefused,
    /// The market or the ledger refuses what the device reports of what stands behind its meter.
    StatusRefused,
    /// A reading has no receipt long after its interval.
    ReceiptMissing,
    /// Nothing can be stored, so nothing is signed.
    StorageFailed,
    /// Entries of the state were unreadable.
    StateDamaged,
    /// The meter cannot be read, or shows what no meter shows.
    MeterFailed,
    /// This machine's clock is wrong.
    ClockWrong,
    /// The broker cannot be reached.
    BrokerUnreachable,
    /// The broker refuses this device its topics.
    BrokerRefuses,
    /// Somebody puts receipts of others on this device's topic.
    ReceiptMisdelivered,
    /// The validators have registered this household otherwise than it goes by.
    RegistrationDiffers,
    /// Too few witnesses have seen the ledger as this household was told it.
    NotWitnessed,
    /// What comes from the market cannot be understood.
    MarketUnclear,
}

impl AlarmKind {
    /// Every alarm.
    pub const ALL: [AlarmKind; 18] = [
        AlarmKind::TwoTruths,
        AlarmKind::OtherHistory,
        AlarmKind::ReceiptDoesNotVerify,
        AlarmKind::ReadingRefused,
        AlarmKind::SequenceConflict,
        AlarmKind::OrderRefused,
        AlarmKind::StatusRefused,
        AlarmKind::ReceiptMissing,
        AlarmKind::StorageFailed,
        AlarmKind::StateDamaged,
        AlarmKind::MeterFailed,
        AlarmKind::ClockWrong,
        AlarmKind::BrokerUnreachable,
        AlarmKind::BrokerRefuses,
        AlarmKind::ReceiptMisdelivered,
        AlarmKind::RegistrationDiffers,
        AlarmKind::NotWitnessed,
        AlarmKind::MarketUnclear,
    ];

    /// Its name, as it appears everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            AlarmKind::TwoTruths => "two truths",
            AlarmKind::OtherHistory => "other history",
            AlarmKind::ReceiptDoesNotVerify => "receipt does not verify",
            AlarmKind::ReadingRefused => "reading refused",
            AlarmKind::SequenceConflict => "sequence conflict",
            AlarmKind::OrderRefused => "order refused",
            AlarmKind::StatusRefused => "status refused",
            AlarmKind::ReceiptMissing => "receipt missing",
            AlarmKind::StorageFailed => "storage failed",
            AlarmKind::StateDamaged => "state damaged",
            AlarmKind::MeterFailed => "meter failed",
            AlarmKind::ClockWrong => "clock wrong",
            AlarmKind::BrokerUnreachable => "broker unreachable",
            AlarmKind::BrokerRefuses => "broker refuses",
            AlarmKind::ReceiptMisdelivered => "receipt misdelivered",
            AlarmKind::RegistrationDiffers => "registration differs",
            AlarmKind::NotWitnessed => "not witnessed",
            AlarmKind::MarketUnclear => "market unclear",
        }
    }
}

/// The alarms that are on: the latest detail of each kind.
#[derive(Debug, Default)]
pub(crate) struct Alarms(BTreeMap<AlarmKind, Detail>);

impl Alarms {
    /// Raises an alarm, and logs it if it says something new.
    pub(crate) fn raise(&mut self, kind: AlarmKind, detail: Detail) {
        if self.0.get(&kind) != Some(&detail) {
            tracing::warn!(alarm = kind.name(), "{detail}");
            self.0.insert(kind, detail);
        }
    }

    /// What was wrong is right again.
    pub(crate) fn clear(&mut self, kind: AlarmKind) {
        if self.0.remove(&kind).is_some() {
            tracing::info!(alarm = kind.name(), "over");
        }
    }

    /// Each with what is wrong in particular, the gravest first.
    pub(crate) fn raised(&self) -> Vec<(AlarmKind, Detail)> {
        self.0.iter().map(|(kind, detail)| (*kind, detail.clone())).collect()
    }

    /// One line each, the gravest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(kind, detail)| format!("{}: {detail}", kind.name())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_and_refusal_is_explained_to_the_household() {
        let page = include_str!("../../docs/prosumer.md");
        for kind in AlarmKind::ALL {
            assert!(
                page.contains(&format!("**{}**", kind.name())),
                "docs/prosumer.md does not explain `{}`",
                kind.name()
            );
        }
        for refusal in protocol::answer::Refusal::ALL {
            assert!(page.contains(&format!("`{refusal}`")), "docs/prosumer.md does not explain `{refusal}`");
        }
    }

    #[test]
    fn an_alarm_is_on_until_it_is_cleared() {
        let mut alarms = Alarms::default();
        let said = |text: &str| Detail::Said(text.into());
        alarms.raise(AlarmKind::ClockWrong, said("a"));
        alarms.raise(AlarmKind::ReadingRefused, said("b"));
        alarms.raise(AlarmKind::ClockWrong, said("c"));
        assert_eq!(alarms.lines(), ["reading refused: b", "clock wrong: c"]);
        assert_eq!(alarms.raised(), [(AlarmKind::ReadingRefused, said("b")), (AlarmKind::ClockWrong, said("c"))]);
        alarms.clear(AlarmKind::ClockWrong);
        assert_eq!(alarms.lines(), ["reading refused: b"]);
    }
}
