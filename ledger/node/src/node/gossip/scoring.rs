//! What a peer's messages cost it: gossipsub's score, and how long a peer is kept away whose score is spent.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use libp2p::{
    PeerId,
    gossipsub::{PeerScoreParams, PeerScoreThresholds, TopicHash, TopicScoreParams},
};

/// Below this score a peer is cut off. Rejected messages cost the square of their number times [`REJECTED_WEIGHT`], of
/// which what a peer earned pays [`EARNED_MAX`] at most: the fifth one is too many.
pub(super) const SCORE_MIN: f64 = -100.0;
/// Below this, a peer is told of no messages, and cannot tell us of any.
const SCORE_FOR_GOSSIP_MIN: f64 = -20.0;
/// Below this, our own transactions are not sent to a peer.
const SCORE_FOR_PUBLISHING_MIN: f64 = -50.0;
const REJECTED_WEIGHT: f64 = -5.0;
/// Most that a peer can earn by being the first to bring good transactions.
const EARNED_MAX: f64 = 5.0;
/// After that long, one rejected message counts a hundredth.
const REJECTED_DECAY: Duration = Duration::from_secs(600);
const DECAY_INTERVAL: Duration = Duration::from_secs(1);
const DECAYED: f64 = 0.01;
/// Graftings and promises broken by mistake, before they cost anything.
const MISTAKES_MAX: f64 = 6.0;

/// How long a peer is kept away that was cut off: long enough to make a flood pointless, short enough for an honest
/// neighbour whose mistake was mended.
pub const EXILE: Duration = Duration::from_secs(60);
/// Most peers kept away at once. A new identity costs an attacker nothing, so that more memory would buy nothing.
const EXILED_MAX: usize = 1_024;

pub(super) fn params(topics: impl IntoIterator<Item = TopicHash>) -> PeerScoreParams {
    let of_topic = TopicScoreParams {
        topic_weight: 1.0,
        // A peer that only stays earns nothing that it could spend on garbage.
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_cap: EARNED_MAX,
        first_message_deliveries_decay: decay_over(REJECTED_DECAY),
        // A quiet community sends nothing for minutes: silence is no fault.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: REJECTED_WEIGHT,
        invalid_message_deliveries_decay: decay_over(REJECTED_DECAY),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: topics.into_iter().map(|topic| (topic, of_topic.clone())).collect(),
        // Nodes behind one router share an address: their number is limited, but they do not pay for each other.
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_threshold: MISTAKES_MAX,
        decay_interval: DECAY_INTERVAL,
        decay_to_zero: DECAYED,
        retain_score: EXILE,
        ..PeerScoreParams::default()
    }
}

/// By how much a counter shrinks each second to be a hundredth after `over`.
fn decay_over(over: Duration) -> f64 {
    DECAYED.powf(DECAY_INTERVAL.as_secs_f64() / over.as_secs_f64())
}

pub(super) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: SCORE_FOR_GOSSIP_MIN,
        publish_threshold: SCORE_FOR_PUBLISHING_MIN,
        graylist_threshold: SCORE_MIN,
        ..PeerScoreThresholds::default()
    }
}

/// The peers that are kept away, in the order in which they may come back.
#[derive(Debug, Default)]
pub(super) struct Exiles(VecDeque<(Instant, PeerId)>);

impl Exiles {
    /// Keeps a peer away from `now` on. Returns the one that comes back early for it, if there are too many.
    pub(super) fn send(&mut self, peer: PeerId, now: Instant) -> Option<PeerId> {
        self.0.push_back((now + EXILE, peer));
        if self.0.len() > EXILED_MAX { self.0.pop_front().map(|(_, peer)| peer) } else { None }
    }

    /// A peer that may come back by `now`.
    pub(super) fn release(&mut self, now: Instant) -> Option<PeerId> {
        let (until, peer) = *self.0.front()?;
        if until > now {
            return None;
        }
        self.0.pop_front();
        Some(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_rejected_message_is_one_too_many() {
        params([TopicHash::from_raw("topic")]).validate().unwrap();
        thresholds().validate().unwrap();
        let score = |rejected: f64| EARNED_MAX + REJECTED_WEIGHT * rejected * rejected;
        assert!(score(4.0) >= SCORE_MIN && score(5.0) < SCORE_MIN);
    }

    #[test]
    fn peers_come_back_in_their_order_and_early_if_there_are_too_many() {
        let (mut exiles, now) = (Exiles::default(), Instant::now());
        let peers: Vec<PeerId> = (0..=EXILED_MAX).map(|_| PeerId::random()).collect();
        let early: Vec<_> = peers.iter().filter_map(|peer| exiles.send(*peer, now)).collect();
        assert_eq!(early, [peers[0]]);
        assert_eq!(exiles.release(now), None);
        assert_eq!(exiles.release(now + EXILE), Some(peers[1]));
    }
}
