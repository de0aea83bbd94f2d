//! An island, as a household knows it: what it says of what stands behind its meter, and what the validators prove that
//! it may draw. Pure.

use std::collections::BTreeMap;

use household::home::battery::Battery;
use ledger::proof::{ProofError, Verifier};
use protocol::{
    energy::Energy,
    interval::{Interval, IntervalLength},
    island::{PlannedQuota, ProvedStandby, Quota, energy_of},
    limits::ANSWER_BYTES_MAX,
    member::MemberId,
    money::Price,
    settlement::Entry,
    status::DeviceStatus,
    text::ParseError,
};
use serde::{Deserialize, Serialize};

use crate::record::ReadingRecord;

/// Intervals of which quotas are kept: a receipt that comes later than that is checked as if there had been no island.
pub(crate) const QUOTAS_KEPT: i64 = 2_016;
const MICRO: u64 = 1_000_000;

/// What life-safety and critical devices the household has: the section `[island]` of `agent.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IslandConfig {
    /// What they draw, W: of what was decided for the household beforehand.
    #[serde(default)]
    pub critical_w: u64,
}

/// What stands behind the meter, as the household says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    capacity_wh: u64,
    max_w: u64,
    critical_w: u64,
}

impl Behind {
    /// What is said of a battery and of critical devices; none where nothing is, and so nothing is reported.
    pub(crate) fn of(battery: Option<&Battery>, island: Option<&IslandConfig>) -> Option<Behind> {
        (battery.is_some() || island.is_some()).then(|| Behind {
            capacity_wh: battery.map_or(0, |battery| battery.capacity_uwh() / MICRO),
            max_w: battery.map_or(0, |battery| battery.power_w().into()),
            critical_w: island.map_or(0, |island| island.critical_w),
        })
    }

    /// The status at the end of the `last` reading's interval. What is stored only a meter says that knows it; of any
    /// other one nothing counts as stored. What is expected to be fed in is what was over the interval, less what the
    /// battery gave, as far as that is known from what it held `before`.
    pub(crate) fn status(
        &self,
        last: &ReadingRecord,
        before: Option<&ReadingRecord>,
        rated_power_w: Option<u64>,
    ) -> DeviceStatus {
        let stored = last.stored_uwh.map_or(0, |uwh| uwh / MICRO);
        let change = last.stored_uwh.zip(before.and_then(|record| record.stored_uwh));
        let (then, now) = change.map_or((0, 0), |(now, then)| (then / MICRO, now / MICRO));
        let sum = |one: u64, other: u64| u128::from(one) + u128::from(other);
        let made = sum(last.export.wh(), now).saturating_sub(sum(last.import.wh(), then));
        let made = if last.consecutive { u64::try_from(made).unwrap_or(u64::MAX) } else { 0 };
        let seconds = last.interval.length().seconds();
        let carried = rated_power_w.map_or(u64::MAX, |rated_power_w| energy_of(rated_power_w, seconds).wh());
        DeviceStatus {
            interval: last.interval,
            stored_wh: stored.min(self.capacity_wh),
            capacity_wh: self.capacity_wh,
            max_w: rated_power_w.map_or(self.max_w, |rated_power_w| self.max_w.min(rated_power_w)),
            critical_w: self.critical_w,
            forecast: Energy::from_wh(made.min(carried)),
        }
    }
}

/// Why what is said of a household's quotas is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuotaFault {
    /// More bytes than a proof has.
    #[error("expected a proved quota of at most {ANSWER_BYTES_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// Not a proof at all.
    #[error("not a proved quota: {0}")]
    Malformed(#[from] ParseError),
    /// It is another member's.
    #[error("expected a quota of member {expected}, found one of {found}")]
    OtherMember {
        /// Who this is.
        expected: MemberId,
        /// Whose it is.
        found: MemberId,
    },
    /// The validators did not commit it.
    #[error("it proves nothing: {0}")]
    NotProved(#[from] ProofError),
    /// It is of an interval that is none here.
    #[error("expected intervals of {} minutes, found {found}", .expected.minutes())]
    OtherLength {
        /// The community's.
        expected: IntervalLength,
        /// The quota's.
        found: Interval,
    },
}

impl QuotaFault {
    /// Its name, as it is logged.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            QuotaFault::TooLarge(_) => "TooLarge",
            QuotaFault::Malformed(_) => "Malformed",
            QuotaFault::OtherMember { .. } => "OtherMember",
            QuotaFault::NotProved(_) => "NotProved",
            QuotaFault::OtherLength { .. } => "OtherLength",
        }
    }
}

/// The quotas that a message proves of `member`; whose they are comes first.
pub(crate) fn proved(
    json: &[u8],
    verifier: &Verifier,
    member: MemberId,
    length: IntervalLength,
) -> Result<Vec<PlannedQuota>, QuotaFault> {
    if json.len() > ANSWER_BYTES_MAX {
        return Err(QuotaFault::TooLarge(json.len()));
    }
    let proved = ProvedStandby::from_json(json)?;
    if proved.member != member {
        return Err(QuotaFault::OtherMember { expected: member, found: proved.member });
    }
    verifier.verify_standby(&proved)?;
    let quotas = proved.standby.quotas;
    match quotas.iter().find(|planned| planned.interval.length() != length) {
        Some(planned) => Err(QuotaFault::OtherLength { expected: length, found: planned.interval }),
        None => Ok(quotas),
    }
}

/// What is proved of the islands that a household was on.
#[derive(Debug, Default)]
pub(crate) struct Island {
    quotas: BTreeMap<Interval, Quota>,
    last: Option<Rationed>,
}

/// What a household drew on an island, beside what it might.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rationed {
    /// The interval.
    pub interval: Interval,
    /// What it might draw in all, Wh.
    pub quota_wh: u64,
    /// What it drew, by its receipt, Wh.
    pub drawn_wh: u64,
    /// What of that was beyond its quota, Wh.
    pub overdrawn_wh: u64,
    /// What a kWh cost.
    pub price: Price,
}

/// What an agent says of an island.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IslandStatus {
    /// What may be drawn in intervals that are not read yet, in ascending order; proved.
    pub quotas: Vec<PlannedQuota>,
    /// What was drawn in the interval of `settled_until`, if that was on an island.
    pub last: Option<Rationed>,
}

impl Island {
    /// What was kept, where `latest` is the entry of the latest receipt.
    pub(crate) fn new(kept: impl IntoIterator<Item = PlannedQuota>, latest: Option<&Entry>) -> Island {
        let mut island = Island::default();
        island.learn(kept);
        if let Some(entry) = latest {
            island.settled(entry);
        }
        island
    }

    /// Those that are not known yet.
    pub(crate) fn news(&self, mut planned: Vec<PlannedQuota>) -> Vec<PlannedQuota> {
        planned.retain(|planned| !self.quotas.contains_key(&planned.interval));
        planned
    }

    /// Takes proved quotas.
    pub(crate) fn learn(&mut self, planned: impl IntoIterator<Item = PlannedQuota>) {
        self.quotas.extend(planned.into_iter().map(|planned| (planned.interval, planned.quota)));
        while self.quotas.len() > QUOTAS_KEPT.unsigned_abs() as usize {
            self.quotas.pop_first();
        }
    }

    /// The quota by which an entry was settled; none where it was on no island. Tariffs alone prove none: a quota that
    /// was proved of this interval does, as far as the entry is of an island at all, which may have ended since.
    pub(crate) fn quota_of(&self, entry: &Entry) -> Option<&Quota> {
        let one_price = entry.price.is_none_or(|price| price == entry.tariffs.retail_price);
        let is_islanded = entry.tariffs.feed_in_price == Price::ZERO && one_price;
        self.quotas.get(&entry.interval).filter(|_| is_islanded)
    }

    /// A receipt of a later interval than all before is booked.
    pub(crate) fn settled(&mut self, entry: &Entry) {
        self.last = self.quota_of(entry).map(|quota| {
            let quota_wh = quota.total().wh();
            let drawn_wh = entry.line.bought.wh().saturating_add(entry.line.imported.wh());
            Rationed {
                interval: entry.interval,
                quota_wh,
                drawn_wh,
                overdrawn_wh: drawn_wh.saturating_sub(quota_wh),
                price: entry.tariffs.retail_price,
            }
        });
    }

    /// What is said of it, where the meter is read up to `read`.
    pub(crate) fn status(&self, read: Interval) -> Option<IslandStatus> {
        let to_come = self.quotas.range(read..).filter(|(interval, _)| **interval > read);
        let quotas: Vec<PlannedQuota> =
            to_come.map(|(interval, quota)| PlannedQuota { interval: *interval, quota: *quota }).collect();
        (!quotas.is_empty() || self.last.is_some()).then_some(IslandStatus { quotas, last: self.last })
    }
}

#[cfg(test)]
pub(crate) mod tests;
