//! What a member does in an interval, as its devices say and its meter sees.

/// What a member does in an interval, Wh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Used by all but the battery.
    pub consumption: u32,
    /// Made.
    pub production: u32,
    /// Taken by the battery.
    pub charged: u32,
    /// Given by the battery.
    pub discharged: u32,
    /// What it would have used and did not get, in an outage: no part of its consumption.
    pub unserved: u32,
    /// What it may draw, in an outage with quotas.
    pub quota: Option<u32>,
    /// Whether the meter is out of reach, so that nothing of it can be traded.
    pub unread: bool,
    /// What flowed in intervals before whose readings come only now, drawn and fed in.
    pub late: (u64, u64),
}

impl Use {
    /// Drawn and fed in at the meter, one of them 0.
    pub(crate) fn at_meter(&self) -> (u32, u32) {
        // Each is below 2³², and a member with more than that is refused when it is settled.
        let taken = u64::from(self.consumption) + u64::from(self.charged);
        let given = u64::from(self.production) + u64::from(self.discharged);
        (narrow(taken.saturating_sub(given)), narrow(given.saturating_sub(taken)))
    }
}

/// Of what is far below 2³².
pub(crate) fn narrow(wh: u64) -> u32 {
    u32::try_from(wh).unwrap_or(u32::MAX)
}
