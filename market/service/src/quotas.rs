//! Telling households what they may draw on an island: the proof that the validators stand for it, retained at the
//! broker, so that whoever connects later finds it; and that the island is over.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use protocol::{
    api::MemberStatus,
    island::{PlannedQuota, ProvedStandby},
    key::DeviceId,
    member::MemberId,
};
use tokio::sync::watch;

use super::{
    community::Community,
    ledger_client::LedgerClient,
    proofs::proof,
    publisher::{Outgoing, Publisher},
    snapshot::Snapshot,
};

/// Proofs asked for at the same time.
const AT_ONCE: usize = 8;

/// Tells households, as long as the market runs.
pub(crate) async fn tell(
    community: Arc<Community>,
    ledger: LedgerClient,
    publisher: Publisher,
    mut heard: watch::Receiver<Option<Arc<Snapshot>>>,
) {
    let mut told = Told::default();
    while heard.changed().await.is_ok() {
        let Some(snapshot) = heard.borrow_and_update().clone() else { continue };
        let due = told.due(&snapshot.members, snapshot.rules.rules.island().is_some());
        let mut proofs = futures::stream::iter(due)
            .map(|due| {
                let ledger = &ledger;
                async move {
                    let ask = || ledger.standby(due.member);
                    let are_these = |proved: &ProvedStandby| proved.standby.quotas == due.quotas;
                    let payload = if due.quotas.is_empty() {
                        Some(Vec::new())
                    } else {
                        proof(due.member, "a quota", ask, are_these).await.map(|proved| proved.to_json())
                    };
                    (due, payload)
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((due, payload)) = proofs.next().await {
            let Some(payload) = payload else { continue };
            publisher.receipt(Outgoing { topic: community.topics.quota(&due.device), payload, retain: true }).await;
            told.0.insert(due.device, due.quotas);
        }
    }
    // The market itself is gone, which others find out.
    std::future::pending().await
}

/// What a household is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Due {
    member: MemberId,
    device: DeviceId,
    /// None of them: that it has none.
    quotas: Vec<PlannedQuota>,
}

/// What each device was told last; nothing is known of those from before the market started.
#[derive(Debug, Default)]
struct Told(BTreeMap<DeviceId, Vec<PlannedQuota>>);

impl Told {
    /// Whom to tell now. Where no island is planned, nobody who was not told before can have anything to forget.
    fn due(&self, members: &[MemberStatus], is_planned: bool) -> Vec<Due> {
        let registered = members.iter().filter_map(|member| Some((member, member.device?)));
        let due = registered.filter(|(member, device)| match self.0.get(device) {
            Some(told) => *told != member.quotas,
            None => is_planned || !member.quotas.is_empty(),
        });
        due.map(|(member, device)| Due { member: member.member, device, quotas: member.quotas.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use protocol::{hash::Hash, interval::Interval, island::Quota, key::SecretKey, money::Amount};

    use super::*;

    fn quota(ahead: i64) -> PlannedQuota {
        let first: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        PlannedQuota { interval: first.offset(ahead).unwrap(), quota: Quota::default() }
    }

    fn member(number: u8, quotas: &[PlannedQuota]) -> MemberStatus {
        let key = |seed| SecretKey::from_seed(&[seed; 32]).public();
        MemberStatus {
            member: MemberId::from_bytes([number; 16]),
            balance: Amount::ZERO,
            debits: Amount::ZERO,
            credits: Amount::ZERO,
            key: key(100 + number),
            device: Some(key(number)),
            rated_power_w: 10_000,
            bus: None,
            technology: None,
            sequence: 0,
            reading: Hash::ZERO,
            read: quota(0).interval,
            import_wh: 0,
            export_wh: 0,
            committed: None,
            order: None,
            order_sequence: 0,
            instruction_sequence: 0,
            quotas: quotas.to_vec(),
        }
    }

    #[test]
    fn who_has_other_quotas_is_told_and_who_has_none_any_more_too() {
        let mut told = Told::default();
        let mut due = |members: &[MemberStatus], is_planned| -> Vec<(u8, usize)> {
            let due = told.due(members, is_planned);
            told.0.extend(due.iter().map(|due| (due.device, due.quotas.clone())));
            due.iter().map(|due| (due.member.as_bytes()[0], due.quotas.len())).collect()
        };
        assert_eq!(due(&[member(1, &[]), member(2, &[])], false), []);
        assert_eq!(due(&[member(1, &[]), member(2, &[])], true), [(1, 0), (2, 0)], "of before a restart");
        let begins = [member(1, &[quota(2)]), member(2, &[quota(2)])];
        assert_eq!(due(&begins, true), [(1, 1), (2, 1)]);
        assert_eq!(due(&begins, true), []);
        assert_eq!(due(&[member(1, &[quota(2), quota(3)]), member(2, &[quota(2)])], true), [(1, 2)]);
        assert_eq!(due(&[member(1, &[]), member(2, &[])], true), [(1, 0), (2, 0)]);
        assert_eq!(due(&[member(1, &[]), member(2, &[])], true), []);
    }
}
