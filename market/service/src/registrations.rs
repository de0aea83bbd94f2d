//! Telling households that joined after the genesis how they were registered: the proof that the validators stand for
//! it, retained at the broker, so that whoever connects later finds it.
//!
//! It is said once after the market has started, and again with each interval until the household's first reading is
//! settled: a broker may have been wiped meanwhile, or somebody else have retained something in its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use protocol::{api::MemberStatus, key::DeviceId, member::MemberId, registration::ProvedRegistration};
use tokio::sync::watch;

use super::{
    community::Community,
    ledger_client::LedgerClient,
    proofs::proof,
    publisher::{Outgoing, Publisher},
    snapshot::Snapshot,
};

/// Tells households, as long as the market runs.
pub(crate) async fn tell(
    community: Arc<Community>,
    ledger: LedgerClient,
    publisher: Publisher,
    mut heard: watch::Receiver<Option<Arc<Snapshot>>>,
) {
    let founders = community.genesis.members.iter().map(|member| (member.member, member.device)).collect();
    let mut told = Told { founders, devices: BTreeMap::new() };
    while heard.changed().await.is_ok() {
        let Some(snapshot) = heard.borrow_and_update().clone() else { continue };
        for (member, device) in told.due(&snapshot.members) {
            let ask = || ledger.registration(member);
            let is_of_it = |proved: &ProvedRegistration| proved.registration.device == Some(device);
            let Some(proved) = proof(member, "a registration", ask, is_of_it).await else { continue };
            let topic = community.topics.registration(&device);
            publisher.receipt(Outgoing { topic, payload: proved.to_json(), retain: true }).await;
            if told.devices.insert(member, device) != Some(device) {
                tracing::info!(%member, %device, "a household is told how it was registered");
            }
        }
    }
    // The market itself is gone, which others find out.
    std::future::pending().await
}

/// Who was told already.
struct Told {
    /// Who needs nobody for it, because the genesis says so.
    founders: BTreeSet<(MemberId, DeviceId)>,
    devices: BTreeMap<MemberId, DeviceId>,
}

impl Told {
    /// Whom to tell now.
    fn due(&self, members: &[MemberStatus]) -> Vec<(MemberId, DeviceId)> {
        let registered = members.iter().filter_map(|member| Some((member, (member.member, member.device?))));
        let joined = registered.filter(|(_, of)| !self.founders.contains(of));
        let due = joined.filter(|(member, (id, device))| member.sequence == 0 || self.devices.get(id) != Some(device));
        due.map(|(_, of)| of).collect()
    }
}

#[cfg(test)]
mod tests {
    use protocol::{hash::Hash, key::SecretKey, money::Amount};

    use super::*;

    fn member(number: u8, device: Option<u8>, sequence: u64) -> MemberStatus {
        let key = |seed| SecretKey::from_seed(&[seed; 32]).public();
        MemberStatus {
            member: MemberId::from_bytes([number; 16]),
            balance: Amount::ZERO,
            debits: Amount::ZERO,
            credits: Amount::ZERO,
            key: key(100 + number),
            device: device.map(key),
            rated_power_w: 10_000,
            bus: None,
            technology: None,
            sequence,
            reading: Hash::ZERO,
            read: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            import_wh: 0,
            export_wh: 0,
            committed: None,
            order: None,
            order_sequence: 0,
            instruction_sequence: 0,
            quotas: Vec::new(),
        }
    }

    #[test]
    fn who_joined_is_told_until_its_first_reading_is_settled_and_founders_never() {
        let of = |member: &MemberStatus| (member.member, member.device.unwrap());
        let founder = member(1, Some(1), 0);
        let mut told = Told { founders: [of(&founder)].into(), devices: BTreeMap::new() };
        let names = |told: &Told, members: &[MemberStatus]| -> Vec<u8> {
            told.due(members).iter().map(|(id, _)| id.as_bytes()[0]).collect()
        };
        let joined = member(2, Some(2), 0);
        assert_eq!(names(&told, &[founder.clone(), joined.clone()]), [2]);
        told.devices.extend([of(&joined)]);
        assert_eq!(names(&told, &[founder, joined]), [2], "it may not have heard of it");
        assert_eq!(names(&told, &[member(1, Some(1), 7), member(2, Some(2), 1)]), [0; 0]);
        assert_eq!(names(&told, &[member(2, Some(9), 1)]), [2], "another meter or key");
        assert_eq!(names(&told, &[member(1, Some(9), 0), member(2, None, 1)]), [1], "a founder's other meter");
    }
}
