//! The island: what the household reports of what stands behind its meter, and what it may draw, if that is proved.

use protocol::{
    answer::Refusal,
    envelope::{Sealed, Signed},
    hash::Hash,
    island::PlannedQuota,
    status::STATUS_INTERVALS,
};

use super::{Core, StoreFault, Then, Turn, Write};
use crate::{
    alarm::{AlarmKind, Detail},
    island::proved,
};

/// Intervals in which nothing is reported where no island was planned; then it is tried again, as one may be by then.
pub(super) const UNPLANNED_PAUSE: i64 = 16;

impl Core {
    /// The status that is due: one for the last interval that was read, unless that is long ago. The next one takes its
    /// place, so none is stored or sent again.
    pub(super) fn status_due(&self, turn: &Turn<'_>) -> Result<Option<Sealed>, StoreFault> {
        let (Some(behind), at) = (self.identity.behind, self.head.interval) else { return Ok(None) };
        let is_new = self.live.status.is_none_or(|(said, _)| said < at) && self.live.status_from <= Some(at);
        let is_now = self.open(turn.now).and_then(|open| open.since(at)).is_some_and(|age| age < STATUS_INTERVALS);
        if !is_new || !is_now || self.head.sequence == 0 || self.live.halted {
            return Ok(None);
        }
        let Some(last) = turn.records.reading(self.head.sequence)? else { return Ok(None) };
        let before = turn.records.reading(self.head.sequence - 1)?.filter(|_| last.consecutive);
        let status = behind.status(&last, before.as_ref(), self.identity.registration.rated_power_w);
        let signed = Signed::sign(status, &self.identity.chain, &self.identity.device_key);
        Ok(Some(Sealed::from(&signed)))
    }

    /// The connection took a status.
    pub(super) fn status_sent(&mut self, message: Hash) {
        self.live.status = Some((self.head.interval, message));
    }

    /// Takes the answer to the last status, if it is one.
    pub(super) fn status_answered(&mut self, message: &Hash, refusal: Option<&(Refusal, String)>) -> bool {
        let Some((interval, _)) = self.live.status.filter(|(_, sent)| sent == message) else { return false };
        match refusal {
            None | Some((Refusal::Duplicate, _)) => self.alarms.clear(AlarmKind::StatusRefused),
            Some((Refusal::NoIslandPlan, _)) => {
                self.live.status_from = interval.offset(UNPLANNED_PAUSE);
                self.alarms.clear(AlarmKind::StatusRefused);
            }
            // It came late, and the next one is about to.
            Some((Refusal::StatusNotNewer, _)) => {}
            Some((refusal, said)) => {
                self.alarms.raise(AlarmKind::StatusRefused, Detail::Refused(*refusal, said.clone()));
            }
        }
        true
    }

    /// What the validators say that the household may draw. That an island is over is said by nothing: what was proved
    /// stays so.
    pub(super) fn quota(&mut self, turn: &mut Turn<'_>, json: &[u8]) {
        if json.is_empty() {
            return;
        }
        match proved(json, &self.identity.verifier, self.identity.member, self.head.interval.length()) {
            Ok(quotas) => {
                let news = self.island.news(quotas);
                if !news.is_empty() && !self.live.halted {
                    self.write(turn, Write::Quotas(news.clone()), Then::Ration(news));
                }
            }
            Err(fault) => tracing::warn!(refusal = fault.name(), "a quota is not believed: {fault}"),
        }
    }

    /// Proved quotas are stored.
    pub(super) fn rationed(&mut self, quotas: Vec<PlannedQuota>) {
        for PlannedQuota { interval, quota } in &quotas {
            tracing::info!(%interval, quota = %quota.total(), "on an island, and proved: what may be drawn");
        }
        self.island.learn(quotas);
    }
}
