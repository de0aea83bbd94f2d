//! What an outage came to.

use protocol::island::CLASSES;
use serde::Serialize;

use super::Ratio;
use crate::offline::outage::Shed;

/// Over the intervals without a grid above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// How many.
    pub intervals: usize,
    /// What members' own roofs and batteries left to be drawn.
    pub lacking_wh: ByClass,
    /// What of it was not served.
    pub unserved_wh: ByClass,
    /// Of both classes that come first: life-safety and critical.
    pub critical_unserved_wh: u64,
    /// Part of what these lacked.
    pub critical_unserved: Option<Ratio>,
    /// What members had from neighbours, Wh.
    pub shared_wh: u64,
    /// What was drawn beyond quotas, Wh: Σ max(0, drawn − quota).
    pub overdraw_wh: u64,
    /// What could have been fed in and nobody drew, Wh.
    pub unused_wh: u64,
}

/// Energy by class of claims, Wh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ByClass {
    /// Life-safety.
    pub life_safety: u64,
    /// Infrastructure and shelters.
    pub critical: u64,
    /// The basic allowance.
    pub basic: u64,
    /// All else.
    pub other: u64,
}

impl From<[u64; CLASSES]> for ByClass {
    fn from([life_safety, critical, basic, other]: [u64; CLASSES]) -> ByClass {
        ByClass { life_safety, critical, basic, other }
    }
}

impl Outage {
    pub(super) fn of(intervals: usize, shed: &Shed) -> Outage {
        let first = |wh: &[u64; CLASSES]| wh[0] + wh[1];
        let critical_unserved_wh = first(&shed.unserved_wh);
        Outage {
            intervals,
            lacking_wh: shed.lacking_wh.into(),
            unserved_wh: shed.unserved_wh.into(),
            critical_unserved_wh,
            critical_unserved: Ratio::of(critical_unserved_wh, first(&shed.lacking_wh)),
            shared_wh: shed.drawn_wh,
            overdraw_wh: shed.overdraw_wh,
            unused_wh: shed.unused_wh,
        }
    }
}
