//! Messages on their way through the check: as many from one peer as it may send, as many at once as there is time for.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU32,
    sync::Arc,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use libp2p::{PeerId, gossipsub::MessageId};
use protocol::limits::TRANSACTION_BYTES_MAX;
use tokio::task::JoinSet;

use super::{PeerLimits, Verdict};
use crate::node::Ledger;

/// Checks at once: the other cores are for consensus and the API.
const CHECKS_MAX: usize = 2;
/// Bytes of a message that count as one more message.
const UNIT_BYTES: usize = 16 * 1_024;
/// One peer may fill this part of the queue.
const SHARE: usize = 4;

/// A message that a peer sent.
pub(super) struct Arrival {
    pub(super) peer: PeerId,
    pub(super) id: MessageId,
    pub(super) message: Vec<u8>,
    pub(super) kind: Kind,
}

/// What a message is, by its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Transaction,
    /// A validator's cosignature.
    Cosigned,
    /// A validator's word that it approves a decision no more.
    Withdrawn,
}

/// What was found about a message.
pub(super) struct Checked {
    pub(super) peer: PeerId,
    pub(super) id: MessageId,
    pub(super) verdict: Verdict,
}

/// The queue before the ledger.
pub(super) struct Checks {
    ledger: Arc<Ledger>,
    limits: PeerLimits,
    allowances: HashMap<PeerId, DefaultDirectRateLimiter>,
    waiting: VecDeque<Arrival>,
    waiting_bytes: usize,
    running: JoinSet<Checked>,
}

impl Checks {
    pub(super) fn new(ledger: Arc<Ledger>, limits: PeerLimits) -> Checks {
        let (allowances, waiting) = (HashMap::new(), VecDeque::new());
        Checks { ledger, limits, allowances, waiting, waiting_bytes: 0, running: JoinSet::new() }
    }

    /// Takes a message into the queue, or says at once what becomes of it.
    pub(super) fn enter(&mut self, arrival: Arrival) -> Result<(), Checked> {
        match self.turned_away(&arrival) {
            Some(verdict) => Err(Checked { peer: arrival.peer, id: arrival.id, verdict }),
            None => {
                self.waiting_bytes += arrival.message.len();
                self.waiting.push_back(arrival);
                self.start();
                Ok(())
            }
        }
    }

    fn turned_away(&mut self, Arrival { peer, message, .. }: &Arrival) -> Option<Verdict> {
        if message.len() > TRANSACTION_BYTES_MAX {
            return Some(Verdict::Rejected("too_large".into()));
        }
        if !self.spend(*peer, message.len()) {
            return Some(Verdict::Ignored("rate_limited".into()));
        }
        let of_peer = self.waiting.iter().filter(|waiting| waiting.peer == *peer).count();
        let full = self.waiting.len() >= self.limits.waiting_max
            || of_peer >= self.limits.waiting_max.div_ceil(SHARE)
            || self.waiting_bytes + message.len() > self.limits.waiting_bytes_max;
        full.then(|| Verdict::Ignored("queue_full".into()))
    }

    /// Takes a message of `bytes` bytes from the peer's allowance.
    fn spend(&mut self, peer: PeerId, bytes: usize) -> bool {
        let at_least_one = |limit: u32| NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        let PeerLimits { units_per_second_max, units_burst_max, .. } = self.limits;
        let allowance = self.allowances.entry(peer).or_insert_with(|| {
            let quota = Quota::per_second(at_least_one(units_per_second_max));
            RateLimiter::direct(quota.allow_burst(at_least_one(units_burst_max)))
        });
        let units = u32::try_from(1 + bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        matches!(allowance.check_n(at_least_one(units)), Ok(Ok(())))
    }

    /// Forgets the allowance of a peer that has left. Whoever comes again for a new one pays with a handshake, and
    /// finds the queue as long as before.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.allowances.remove(peer);
    }

    /// The next message that was checked. Never, while there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Checked {
        loop {
            match self.running.join_next().await {
                None => std::future::pending().await,
                Some(done) => {
                    self.start();
                    match done {
                        Ok(checked) => return checked,
                        // Gossip forgets a message by itself on which there is no verdict.
                        Err(error) => tracing::error!(%error, "a transaction from another node could not be checked"),
                    }
                }
            }
        }
    }

    fn start(&mut self) {
        while self.running.len() < CHECKS_MAX {
            let Some(Arrival { peer, id, message, kind }) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= message.len();
            let ledger = self.ledger.clone();
            // Verifying a settlement's signatures takes milliseconds.
            self.running.spawn_blocking(move || {
                let verdict = match kind {
                    Kind::Transaction => ledger.take_in_gossip(&message),
                    Kind::Cosigned => ledger.take_in_cosigned(&message),
                    Kind::Withdrawn => ledger.take_in_withdrawn(&message),
                };
                Checked { peer, id, verdict }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{genesis::Genesis, key::SecretKey};

    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn what_is_too_long_or_finds_the_queue_full_is_turned_away_by_name() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../../../protocol/vectors/receipts.json")).unwrap();
        let genesis = Genesis::from_json(vectors[0]["genesis"].to_string().as_bytes()).unwrap();
        let (ledger, _submitted) = Ledger::open(genesis, Arc::new(MemoryStore::default()), None).unwrap();
        let mut checks = Checks::new(Arc::new(ledger), PeerLimits { waiting_max: 1, ..PeerLimits::default() });
        let mut enter = |number: u8, length: usize| {
            let peer = libp2p::identity::Keypair::ed25519_from_bytes(SecretKey::from_seed(&[number; 32]).seed());
            let peer = peer.unwrap().public().to_peer_id();
            let arrival =
                Arrival { peer, id: MessageId::new(&[number]), message: vec![number; length], kind: Kind::Transaction };
            checks.enter(arrival).err().map(|checked| checked.verdict)
        };
        assert_eq!(enter(0, TRANSACTION_BYTES_MAX + 1), Some(Verdict::Rejected("too_large".into())));
        // As many as are checked at once, and one that waits: none of them is done before this task gives way.
        let room = u8::try_from(CHECKS_MAX + 1).unwrap();
        for number in 1..=room {
            assert_eq!(enter(number, TRANSACTION_BYTES_MAX), None);
        }
        assert_eq!(enter(room + 1, 1), Some(Verdict::Ignored("queue_full".into())));
        for _ in 0..room {
            assert_eq!(checks.next().await.verdict, Verdict::Rejected("malformed".into()));
        }
    }
}
