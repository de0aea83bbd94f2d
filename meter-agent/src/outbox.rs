//! What is still to be proved settled, and when to send it (again). Pure: the time is a parameter.
//!
//! Nothing that the broker or the market says takes a reading out of here, a verified receipt alone does. What they
//! say only decides when it is sent again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{
    answer::{Outcome, Refusal},
    hash::Hash,
    interval::Interval,
};

/// Without any answer, a reading is sent again after this long; after twice as long the next time, and so on.
const RETRY: Duration = Duration::from_secs(5);
/// If the market still waits for a reading that it answered, it seems to have forgotten it.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// Taken in and past its gate, but without a receipt: asked after this long.
const NO_RECEIPT: Duration = Duration::from_secs(60);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Chains are sent again from the start at most this often.
const REWIND_PAUSE: Duration = Duration::from_secs(2);

/// One reading on its way.
#[derive(Debug, Clone)]
struct Pending {
    hash: Hash,
    interval: Interval,
    /// When it was last sent on this connection.
    sent: Option<Instant>,
    tries: u32,
    answer: Option<Result<(), Refusal>>,
    /// Sent again for the chain's sake only: a receipt covers it already.
    settled: bool,
}

/// The readings on their way, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pending: BTreeMap<u64, Pending>,
    rewound: Option<Instant>,
    /// How often in a row the chain was sent again without a reading being taken in.
    rewinds: u32,
}

/// What an answer calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing.
    Nothing,
    /// The market lacks readings from before the oldest unsettled: send those too.
    ReachBack,
}

impl Outbox {
    /// A reading that no receipt covers.
    pub(crate) fn push(&mut self, sequence: u64, hash: Hash, interval: Interval) {
        self.insert(sequence, hash, interval, false);
    }

    /// A settled reading that the market lacks.
    pub(crate) fn push_settled(&mut self, sequence: u64, hash: Hash, interval: Interval) {
        self.insert(sequence, hash, interval, true);
    }

    fn insert(&mut self, sequence: u64, hash: Hash, interval: Interval, settled: bool) {
        let pending = Pending { hash, interval, sent: None, tries: 0, answer: None, settled };
        self.pending.entry(sequence).or_insert(pending);
    }

    /// How many readings no receipt covers.
    pub(crate) fn unsettled(&self) -> usize {
        self.pending.values().filter(|pending| !pending.settled).count()
    }

    /// The oldest reading that no receipt covers.
    pub(crate) fn oldest(&self) -> Option<(u64, Interval)> {
        let oldest = self.pending.iter().find(|(_, pending)| !pending.settled);
        oldest.map(|(sequence, pending)| (*sequence, pending.interval))
    }

    /// The sequence numbers of everything unsettled up to the end of `interval`, oldest first.
    pub(crate) fn up_to(&self, interval: Interval) -> Vec<u64> {
        let unsettled = self.pending.iter().filter(|(_, pending)| !pending.settled && pending.interval <= interval);
        unsettled.map(|(sequence, _)| *sequence).collect()
    }

    /// Whether the last answer to some reading was a refusal.
    pub(crate) fn has_refused(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.answer, Some(Err(_))))
    }

    /// A verified receipt covers it; or it is lost, and never can be sent again.
    pub(crate) fn remove(&mut self, sequence: u64) {
        self.pending.remove(&sequence);
    }

    /// A new connection: what was sent on the old one may be lost. Everything that the market did not take in goes
    /// again.
    pub(crate) fn reconnected(&mut self) {
        for pending in self.pending.values_mut().filter(|pending| pending.answer != Some(Ok(()))) {
            *pending = Pending { sent: None, tries: 0, answer: None, ..pending.clone() };
        }
    }

    /// An interval was announced as open: what was refused as too early is sent again, if it `may_be_open`.
    pub(crate) fn opened(&mut self, may_be_open: impl Fn(Interval) -> bool) {
        for pending in self.pending.values_mut() {
            let too_early = matches!(pending.answer, Some(Err(refusal)) if afterwards(refusal) == Afterwards::InTime);
            if too_early && may_be_open(pending.interval) {
                *pending = Pending { sent: None, tries: 0, answer: None, ..pending.clone() };
            }
        }
    }

    /// Notes that `sequence` was handed to the connection.
    pub(crate) fn sent(&mut self, sequence: u64, now: Instant) {
        if let Some(pending) = self.pending.get_mut(&sequence) {
            pending.sent = Some(now);
            pending.tries += 1;
        }
    }

    /// Notes the market's answer; `None` if it is about no reading here.
    pub(crate) fn answered(&mut self, message: &Hash, outcome: &Outcome, now: Instant) -> Option<Advice> {
        let (sequence, pending) = self.pending.iter_mut().find(|(_, pending)| pending.hash == *message)?;
        let sequence = *sequence;
        let taken = match outcome {
            Outcome::Accepted | Outcome::Refused { refusal: Refusal::Duplicate, .. } => Ok(()),
            Outcome::Refused { refusal, .. } => Err(*refusal),
        };
        pending.answer = Some(taken);
        match taken {
            Ok(()) => {
                self.rewinds = 0;
                if pending.settled {
                    self.pending.remove(&sequence);
                }
                Some(Advice::Nothing)
            }
            Err(Refusal::ChainBroken) => Some(self.rewind(now)),
            Err(_) => {
                if pending.settled {
                    self.pending.remove(&sequence);
                }
                Some(Advice::Nothing)
            }
        }
    }

    /// Sends everything again, oldest first. One lost reading breaks the chain for all that were sent after it: their
    /// answers count once.
    fn rewind(&mut self, now: Instant) -> Advice {
        if self.rewound.is_some_and(|last| now.duration_since(last) < REWIND_PAUSE) {
            return Advice::Nothing;
        }
        self.rewound = Some(now);
        self.rewinds += 1;
        for pending in self.pending.values_mut() {
            *pending = Pending { sent: None, answer: None, ..pending.clone() };
        }
        if self.rewinds > 1 { Advice::ReachBack } else { Advice::Nothing }
    }

    /// What to send now, oldest first, at most `limit`. `open` is the interval whose readings the market awaits.
    pub(crate) fn due(&self, now: Instant, open: Option<Interval>, limit: usize) -> Vec<u64> {
        let due = self.pending.iter().filter(|(_, pending)| pending.due_at(open).is_none_or(|at| at <= now));
        due.map(|(sequence, _)| *sequence).take(limit).collect()
    }

    /// When the next reading is due, if none is now.
    pub(crate) fn next_due(&self, open: Option<Interval>) -> Option<Instant> {
        self.pending.values().filter_map(|pending| pending.due_at(open)).min()
    }
}

/// When a refused reading is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// When its interval is open.
    InTime,
    /// Now and then.
    Rarely,
}

#[deny(clippy::wildcard_enum_match_arm, reason = "a new refusal is answered here, or does not compile")]
fn afterwards(refusal: Refusal) -> Afterwards {
    match refusal {
        Refusal::FutureDated => Afterwards::InTime,
        Refusal::Malformed
        | Refusal::UnknownDevice
        | Refusal::BadSignature
        | Refusal::Duplicate
        | Refusal::SequenceConflict
        | Refusal::ChainBroken
        | Refusal::RegisterWentBack
        | Refusal::ImplausiblePower
        | Refusal::IntervalClosed
        | Refusal::Stale
        | Refusal::OrderTooLate
        | Refusal::TooManyOrders
        | Refusal::NoIslandPlan
        | Refusal::StatusImpossible
        | Refusal::StatusNotNewer
        | Refusal::ClassNotDecided => Afterwards::Rarely,
    }
}

impl Pending {
    /// When to send it; `None` if at once.
    fn due_at(&self, open: Option<Interval>) -> Option<Instant> {
        let sent = self.sent?;
        let pause = match self.answer {
            None => RETRY,
            Some(Ok(())) if open == Some(self.interval) => FORGOTTEN,
            Some(Ok(())) => NO_RECEIPT,
            Some(Err(refusal)) => match afterwards(refusal) {
                // Only time makes it good; if nobody says that its interval is open, it is asked for now and then.
                Afterwards::InTime if open.is_some_and(|open| open >= self.interval) => RETRY,
                // Sending the same again will not help; somebody may have made it possible in the meantime.
                Afterwards::InTime | Afterwards::Rarely => PAUSE_MAX,
            },
        };
        let tries = self.tries.clamp(1, 16) - 1;
        Some(sent + pause.saturating_mul(1 << tries).min(PAUSE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(count: u64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count as i64).unwrap()
    }

    fn hash(sequence: u64) -> Hash {
        Hash::of(&sequence.to_be_bytes())
    }

    fn outbox(count: u64) -> Outbox {
        let mut outbox = Outbox::default();
        for sequence in 1..=count {
            outbox.push(sequence, hash(sequence), interval(sequence));
        }
        outbox
    }

    fn refused(refusal: Refusal) -> Outcome {
        Outcome::Refused { refusal, detail: String::new() }
    }

    fn send(outbox: &mut Outbox, now: Instant, open: Option<Interval>, limit: usize) -> Vec<u64> {
        let due = outbox.due(now, open, limit);
        due.iter().for_each(|sequence| outbox.sent(*sequence, now));
        due
    }

    #[test]
    fn oldest_first_at_most_so_many_at_once_and_not_twice() {
        let now = Instant::now();
        let mut outbox = outbox(5);
        assert_eq!(send(&mut outbox, now, None, 3), [1, 2, 3]);
        assert_eq!(send(&mut outbox, now, None, 3), [4, 5]);
        assert_eq!(send(&mut outbox, now, None, 3), [0; 0]);
        // Unanswered: again, after longer and longer pauses.
        assert_eq!(outbox.next_due(None), Some(now + RETRY));
        assert_eq!(send(&mut outbox, now + RETRY, None, 9), [1, 2, 3, 4, 5]);
        assert_eq!(outbox.next_due(None), Some(now + RETRY + RETRY * 2));
    }

    #[test]
    fn a_new_connection_sends_everything_that_was_not_taken_in() {
        let now = Instant::now();
        let mut outbox = outbox(5);
        send(&mut outbox, now, None, 9);
        outbox.answered(&hash(2), &Outcome::Accepted, now).unwrap();
        outbox.answered(&hash(3), &refused(Refusal::Duplicate), now).unwrap();
        outbox.answered(&hash(4), &refused(Refusal::FutureDated), now).unwrap();
        outbox.reconnected();
        assert_eq!(send(&mut outbox, now, None, 9), [1, 4, 5]);
        assert_eq!(outbox.unsettled(), 5, "no answer takes a reading out");
    }

    #[test]
    fn what_was_too_early_is_sent_again_when_it_is_due_and_nothing_else_is() {
        let now = Instant::now();
        let mut outbox = outbox(4);
        send(&mut outbox, now, None, 9);
        for (sequence, refusal) in [
            (1, Refusal::ImplausiblePower),
            (2, Refusal::FutureDated),
            (3, Refusal::FutureDated),
            (4, Refusal::FutureDated),
        ] {
            outbox.answered(&hash(sequence), &refused(refusal), now);
        }
        assert_eq!(send(&mut outbox, now, Some(interval(1)), 9), [0; 0]);
        // Their time comes.
        outbox.opened(|at| at <= interval(2));
        assert_eq!(send(&mut outbox, now, Some(interval(2)), 9), [2]);
        outbox.answered(&hash(2), &Outcome::Accepted, now);
        outbox.opened(|at| at <= interval(3));
        assert_eq!(send(&mut outbox, now, Some(interval(3)), 9), [3]);
        // The clocks differ: again and again, more and more rarely. What is not open yet is left alone.
        outbox.answered(&hash(3), &refused(Refusal::FutureDated), now);
        assert_eq!(outbox.next_due(Some(interval(3))), Some(now + RETRY));
        assert_eq!(send(&mut outbox, now + RETRY, Some(interval(3)), 9), [3]);
        outbox.answered(&hash(3), &refused(Refusal::FutureDated), now + RETRY);
        assert_eq!(outbox.next_due(Some(interval(3))), Some(now + RETRY + 2 * RETRY));
    }

    #[test]
    fn what_the_market_still_awaits_is_sent_again_soon_and_the_rest_later() {
        let now = Instant::now();
        let mut outbox = outbox(2);
        send(&mut outbox, now, None, 9);
        for sequence in [1, 2] {
            outbox.answered(&hash(sequence), &Outcome::Accepted, now);
        }
        let open = Some(interval(2));
        assert_eq!(send(&mut outbox, now + FORGOTTEN, open, 9), [2]);
        assert_eq!(send(&mut outbox, now + NO_RECEIPT, open, 9), [1, 2]);
        outbox.remove(1);
        outbox.remove(2);
        assert_eq!((outbox.unsettled(), outbox.next_due(open)), (0, None));
    }

    #[test]
    fn a_broken_chain_is_sent_again_from_the_oldest_unsettled_and_then_from_before() {
        let now = Instant::now();
        let mut outbox = outbox(4);
        outbox.remove(1);
        send(&mut outbox, now, None, 9);
        assert_eq!(outbox.answered(&hash(3), &refused(Refusal::ChainBroken), now), Some(Advice::Nothing));
        assert_eq!(send(&mut outbox, now, None, 9), [2, 3, 4]);
        // The answer to the reading after it, sent before: the same break, not another.
        assert_eq!(outbox.answered(&hash(4), &refused(Refusal::ChainBroken), now), Some(Advice::Nothing));
        assert_eq!(send(&mut outbox, now, None, 9), [0; 0]);
        let later = now + REWIND_PAUSE;
        assert_eq!(outbox.answered(&hash(2), &refused(Refusal::ChainBroken), later), Some(Advice::ReachBack));
        outbox.push_settled(1, hash(1), interval(1));
        assert_eq!((outbox.unsettled(), outbox.oldest()), (3, Some((2, interval(2)))));
        assert_eq!(send(&mut outbox, later, None, 9), [1, 2, 3, 4]);
        assert_eq!(outbox.answered(&hash(1), &Outcome::Accepted, later), Some(Advice::Nothing));
        assert_eq!(outbox.up_to(interval(3)), [2, 3]);
        assert_eq!(outbox.answered(&hash(9), &Outcome::Accepted, later), None);
    }
}
