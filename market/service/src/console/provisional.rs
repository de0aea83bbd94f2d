//! What did not close: intervals settled as provisional, by reason, and the figures of the last one.

use protocol::{api::Settled, interval::Interval, member::MemberId, settlement::Provisional};
use serde::Serialize;
use utoipa::ToSchema;

/// Counts, and the last one.
#[derive(Debug, Default)]
pub(crate) struct Provisionals {
    /// Whether the last settled interval is one.
    alarm: bool,
    unread: u64,
    unbalanced: u64,
    last: Option<ProvisionalInterval>,
    /// Who was not read for the last settled interval, in ascending order.
    last_unread: Vec<MemberId>,
}

impl Provisionals {
    /// An interval was settled.
    pub(crate) fn settled(&mut self, settled: &Settled) {
        self.alarm = settled.provisional.is_some();
        self.last_unread = settled.provisional.as_ref().map_or_else(Vec::new, |provisional| provisional.unread.clone());
        let Some(provisional) = &settled.provisional else { return };
        self.unread += u64::from(!provisional.unread.is_empty());
        self.unbalanced += u64::from(provisional.is_unbalanced());
        self.last = Some(ProvisionalInterval::new(settled.interval, provisional));
    }

    /// Who was not read for the last settled interval, in ascending order.
    pub(crate) fn last_unread(&self) -> &[MemberId] {
        &self.last_unread
    }

    pub(crate) fn view(&self) -> ProvisionalView {
        ProvisionalView {
            alarm: self.alarm,
            unread_intervals: self.unread,
            unbalanced_intervals: self.unbalanced,
            last: self.last.clone(),
        }
    }
}

/// Intervals that did not close.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ProvisionalView {
    /// Whether the last settled interval is one.
    pub(crate) alarm: bool,
    /// Intervals in which some device was not read.
    pub(crate) unread_intervals: u64,
    /// Intervals in which the members' sum disagrees with the transformer's meter.
    pub(crate) unbalanced_intervals: u64,
    /// The last such interval.
    pub(crate) last: Option<ProvisionalInterval>,
}

/// Why an interval is provisional.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ProvisionalInterval {
    /// Start.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) start: String,
    /// How many members were not read.
    pub(crate) unread: usize,
    /// Net energy by the transformer's meter, Wh; none where there is none, or it was not read.
    pub(crate) expected_wh: Option<i64>,
    /// Net energy by the members' meters, Wh; none where there is no transformer's meter.
    pub(crate) found_wh: Option<i64>,
    /// How far the two may be apart, Wh.
    pub(crate) tolerance_wh: Option<u64>,
}

impl ProvisionalInterval {
    fn new(interval: Interval, Provisional { unread, balance }: &Provisional) -> ProvisionalInterval {
        ProvisionalInterval {
            start: interval.start_text(),
            unread: unread.len(),
            expected_wh: balance.and_then(|balance| balance.expected_wh),
            found_wh: balance.map(|balance| balance.found_wh),
            tolerance_wh: balance.map(|balance| balance.tolerance_wh),
        }
    }
}
