//! What waits to be told by which channel, and what was told. Pure: changes and outcomes come in with their time,
//! messages go out.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    super::list::{Alarm, AlarmName, Change},
    message::{Channel, Message, What},
};

const HOUR_S: i64 = 3_600;
/// How long after a failure it is tried again: doubled each time, s.
const RETRY_S_MIN: i64 = 2;
/// Longest time between two attempts, s.
const RETRY_S_MAX: i64 = 600;
/// An attempt that fails and succeeds at once when repeated is no news.
const ATTEMPTS_MAX: u32 = 1;
/// Most characters of a reason: it comes from whoever answers.
const REASON_CHARACTERS_MAX: usize = 300;

/// What waits, for each channel that is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Outbox {
    queues: BTreeMap<Channel, Queue>,
    #[serde(skip)]
    an_hour: usize,
}

/// What waits for one channel, in the order in which it happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Queue {
    /// To be told one by one.
    waiting: VecDeque<Message>,
    /// What comes after, to be told as a number.
    more: u64,
    /// When messages of the last hour were delivered.
    delivered: VecDeque<i64>,
    #[serde(skip)]
    trying: Option<Trying>,
    #[serde(skip)]
    failing: Option<Failing>,
    #[serde(skip)]
    counts: Counts,
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trying {
    First,
    More(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    since: i64,
    /// The last attempt.
    tried: i64,
    attempts: u32,
    reason: String,
}

/// What came of attempts since the market started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
}

/// How it goes with a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelState {
    pub(crate) channel: Channel,
    /// How many alarms were raised or over, and are not told.
    pub(crate) waiting: u64,
    pub(crate) counts: Counts,
    pub(crate) undelivered: Option<Undelivered>,
}

/// Notices that do not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undelivered {
    pub(crate) since: i64,
    pub(crate) reason: String,
    /// The first that waits.
    pub(crate) first: String,
}

impl Outbox {
    /// Goes on by these channels, each with as many messages an hour. One that was not there before is told what is on.
    pub(crate) fn go_on(&mut self, channels: &[Channel], an_hour: usize, on: &[Alarm], now: i64) {
        self.an_hour = an_hour;
        self.queues.retain(|channel, _| channels.contains(channel));
        for channel in channels {
            self.queues.entry(*channel).or_insert_with(|| {
                let mut queue = Queue::default();
                on.iter().for_each(|alarm| queue.take(*channel, alarm, an_hour, now));
                queue
            });
        }
    }

    /// Takes what is to be told of what is new on the list.
    pub(crate) fn take(&mut self, changes: &[Change], now: i64) {
        for change in changes {
            let (Change::Raised(alarm) | Change::Cleared(alarm)) = change else { continue };
            for (channel, queue) in &mut self.queues {
                queue.take(*channel, alarm, self.an_hour, now);
            }
        }
    }

    /// Puts `pseudonym` in the place of a member's name in what is not told yet; says in how many messages it was.
    pub(in super::super) fn forget(&mut self, name: &str, pseudonym: &str) -> usize {
        let waiting = self.queues.values_mut().flat_map(|queue| &mut queue.waiting);
        let alarms = waiting.filter_map(|message| match &mut message.what {
            What::Raised { alarm } | What::Cleared { alarm } => Some(alarm),
            What::More { .. } | What::Test => None,
        });
        alarms.map(|alarm| alarm.forget(name, pseudonym)).filter(|found| *found).count()
    }

    /// What to try now by each channel; whoever takes it says what came of it.
    pub(crate) fn due(&mut self, on: &[Alarm], now: i64) -> Vec<(Channel, Message)> {
        let an_hour = self.an_hour;
        let due = |(channel, queue): (&Channel, &mut Queue)| Some((*channel, queue.due(an_hour, on, now)?));
        self.queues.iter_mut().filter_map(due).collect()
    }

    /// What was tried has arrived.
    pub(crate) fn delivered(&mut self, channel: Channel, now: i64) {
        let Some(queue) = self.queues.get_mut(&channel) else { return };
        match queue.trying.take() {
            Some(Trying::First) => drop(queue.waiting.pop_front()),
            Some(Trying::More(count)) => queue.more = queue.more.saturating_sub(count),
            None => return,
        }
        queue.failing = None;
        queue.counts.delivered += 1;
        queue.delivered.retain(|moment| is_within_an_hour(*moment, now));
        queue.delivered.push_back(now);
    }

    /// What was tried has not arrived, for this reason.
    pub(crate) fn failed(&mut self, channel: Channel, reason: &str, now: i64) {
        let Some(queue) = self.queues.get_mut(&channel).filter(|queue| queue.trying.is_some()) else { return };
        queue.trying = None;
        queue.counts.failed += 1;
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let reason = reason.chars().map(plain).take(REASON_CHARACTERS_MAX).collect();
        let (since, attempts) = queue.failing.as_ref().map_or((now, 0), |failing| (failing.since, failing.attempts));
        queue.failing = Some(Failing { since, tried: now, attempts: attempts + 1, reason });
    }

    /// How it goes.
    pub(crate) fn states(&self) -> Vec<ChannelState> {
        let state = |(channel, queue): (&Channel, &Queue)| ChannelState {
            channel: *channel,
            waiting: queue.waiting.len() as u64 + queue.more,
            counts: queue.counts,
            undelivered: queue.undelivered(),
        };
        self.queues.iter().map(state).collect()
    }
}

impl Queue {
    fn take(&mut self, channel: Channel, alarm: &Alarm, an_hour: usize, now: i64) {
        if alarm.name == channel.alarm() {
            return;
        }
        if self.more > 0 || self.waiting.len() + self.in_an_hour(now) >= an_hour {
            self.more += 1;
            return;
        }
        let alarm = alarm.clone();
        let what = if alarm.cleared.is_some() { What::Cleared { alarm } } else { What::Raised { alarm } };
        self.waiting.push_back(Message { at: now, what });
    }

    fn due(&mut self, an_hour: usize, on: &[Alarm], now: i64) -> Option<Message> {
        if self.trying.is_some() || self.failing.as_ref().is_some_and(|failing| !failing.is_over(now)) {
            return None;
        }
        if self.in_an_hour(now) >= an_hour {
            return None;
        }
        if let Some(first) = self.waiting.front() {
            self.trying = Some(Trying::First);
            return Some(first.clone());
        }
        if self.more == 0 {
            return None;
        }
        self.trying = Some(Trying::More(self.more));
        let on: Vec<AlarmName> = on.iter().map(|alarm| alarm.name).collect();
        Some(Message { at: now, what: What::More { count: self.more, on } })
    }

    fn in_an_hour(&self, now: i64) -> usize {
        self.delivered.iter().filter(|moment| is_within_an_hour(**moment, now)).count()
    }

    fn undelivered(&self) -> Option<Undelivered> {
        let failing = self.failing.as_ref().filter(|failing| failing.attempts > ATTEMPTS_MAX)?;
        let first = match self.waiting.front() {
            Some(first) => first.title(),
            None => format!("{} more, see the list", self.more),
        };
        Some(Undelivered { since: failing.since, reason: failing.reason.clone(), first })
    }
}

impl Failing {
    /// Whether it has waited long enough. A clock that was put back does not have it wait for longer.
    fn is_over(&self, now: i64) -> bool {
        let doubled = RETRY_S_MIN << self.attempts.saturating_sub(1).min(16);
        !(0..doubled.min(RETRY_S_MAX)).contains(&(now - self.tried))
    }
}

/// Also where the clock was put back.
fn is_within_an_hour(moment: i64, now: i64) -> bool {
    (0..HOUR_S).contains(&(now - moment))
}

#[cfg(test)]
mod tests;
