//! What devices say of what stands behind their meters: checked here, kept by the ledger, to which
//! [the desk](super::desk) hands it. Pure.
//!
//! Of each device, one status of an interval goes on, and none that is older than its last: so whatever devices send,
//! the ledger gets as many as there are devices, an interval.

use foldhash::HashMap;
use protocol::{
    answer::Refusal,
    envelope::EnvelopeError,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    status::{STATUS_INTERVALS, SignedStatus},
};

use super::{
    community::Community,
    intake::{Refused, Then, refuse_envelope},
    snapshot::Snapshot,
};

/// The last status of each device that went on to the ledger, since the market started.
#[derive(Debug, Default)]
pub(crate) struct Statuses(HashMap<DeviceId, (Interval, Hash)>);

impl Statuses {
    /// Checks a message on the status topic of `device`, opened for this community and its devices, as far as the
    /// market can tell.
    pub(crate) fn take(
        &mut self,
        community: &Community,
        snapshot: &Snapshot,
        device: &DeviceId,
        opened: &Result<SignedStatus, EnvelopeError>,
    ) -> Result<SignedStatus, Refused> {
        let refused = |refusal, detail: String| Refused { refusal, detail, then: Then::Nothing };
        let status = opened.as_ref().map_err(refuse_envelope)?;
        let Some((member, _)) = community.member(device) else {
            return Err(refused(Refusal::UnknownDevice, format!("{device} is registered for nothing here")));
        };
        if status.signer() != *device {
            let detail =
                format!("expected a status signed by {device}, whose topic this is, found {}", status.signer());
            return Err(refused(Refusal::BadSignature, detail));
        }
        if snapshot.rules.rules.island().is_none() {
            let detail = "expected rules that plan an island, found none: nobody needs to know what is stored";
            return Err(refused(Refusal::NoIslandPlan, detail.into()));
        }
        let last = self.0.get(device);
        if last.is_some_and(|(_, message)| *message == status.hash()) {
            return Err(refused(Refusal::Duplicate, "this very status went on to the ledger before".into()));
        }
        let (open, found) = (snapshot.next, status.interval);
        if open.since(found).is_none_or(|age| age.abs() > STATUS_INTERVALS) {
            let detail = format!("expected an interval at most {STATUS_INTERVALS} from {open}, found {found}");
            return Err(refused(Refusal::StatusNotNewer, detail));
        }
        if let Some((last, _)) = last.filter(|(last, _)| *last >= found) {
            let detail = format!("expected an interval after {last}, of which there is a status, found {found}");
            return Err(refused(Refusal::StatusNotNewer, detail));
        }
        let registered = snapshot.members.binary_search_by_key(&member, |registered| registered.member);
        let Ok(rated_power_w) = registered.map(|at| snapshot.members[at].rated_power_w) else {
            return Err(refused(Refusal::UnknownDevice, format!("{device} is registered for nothing here")));
        };
        let possible = status.check(rated_power_w);
        possible.map_err(|error| refused(Refusal::StatusImpossible, error.to_string()))?;
        self.0.insert(*device, (found, status.hash()));
        Ok(status.clone())
    }
}
