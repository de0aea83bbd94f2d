//! One household's agent: it brings what happens to the [core], which decides, and does what that wants done.
//!
//! It owns the connection, the state, the meter, the clock and the randomness, and decides nothing.

pub(crate) mod core;
mod disk;
mod link;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::interval::Interval;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep_until,
};

use self::core::{Core, Effect, Event, Now, Outcome, Shown};
pub(crate) use self::link::Link;
use crate::{
    asking::Answered,
    choosing::Chosen,
    mqtt::Incoming,
    pulse::Asked,
    source::{MeterSource, Reading},
    status::Status,
    store::Store,
    wall_clock::now_s,
};

/// Who asks ledger nodes for the agent, whether witnesses have seen its blocks.
pub(crate) struct Witnesses {
    /// The heights to ask for.
    pub(crate) wanted: watch::Sender<Vec<u64>>,
    pub(crate) answered: mpsc::Receiver<Answered>,
}

/// A household's agent.
pub(crate) struct Agent {
    pub(crate) core: Core,
    pub(crate) meter: Box<dyn MeterSource>,
    pub(crate) store: Arc<Store>,
    pub(crate) link: Link,
}

impl Agent {
    /// Runs until told to stop, or until nobody holds the other end of `stop`.
    pub(crate) async fn run(
        mut self,
        mut incoming: mpsc::Receiver<Incoming>,
        mut stop: oneshot::Receiver<()>,
        mut asked: Asked,
        mut chosen: mpsc::Receiver<Chosen>,
        mut witnesses: Witnesses,
        status: watch::Sender<Status>,
    ) {
        loop {
            let wake = self.core.wake_at(now()).into_iter().chain(self.link.retry_at()).min();
            let event = tokio::select! {
                biased;
                _ = &mut stop => None,
                // Before the messages, of which there may always be another.
                Some(answer) = asked.recv() => {
                    // Who does not wait for it any more needs none.
                    let _ = answer.send(());
                    continue;
                }
                Some(Chosen { choice, stands }) = chosen.recv() => {
                    self.drive(Event::Chosen(choice), now).await;
                    status.send_replace(self.core.status(now()));
                    // Who does not wait for it any more needs no answer.
                    let _ = stands.send(self.core.identity.choice == choice);
                    continue;
                }
                Some(Answered { height, answers }) = witnesses.answered.recv() => Some(Event::Answered { height, answers }),
                incoming = incoming.recv() => incoming.map(|incoming| self.link.take(incoming)),
                () = sleep_until(wake.unwrap_or_else(far).into()), if wake.is_some() => Some(Event::Wake),
            };
            let Some(event) = event else { break };
            self.drive(event, now).await;
            let wanted = self.core.wanted_of_witnesses();
            witnesses.wanted.send_if_modified(|known| {
                let changed = *known != wanted;
                *known = wanted;
                changed
            });
            let is = self.core.status(now());
            status.send_if_modified(|shown| {
                let changed = *shown != is;
                *shown = is;
                changed
            });
        }
        self.link.close();
    }

    /// Brings an event to the core, does what it wants done, and brings it what came of that, until it wants no more.
    async fn drive(&mut self, event: Event, now: impl Fn() -> Now) {
        self.link.acknowledge();
        let mut effects = VecDeque::from(self.core.on(now(), event, &*self.store));
        while let Some(effect) = effects.pop_front() {
            if let Some(outcome) = self.perform(effect).await {
                effects.extend(self.core.done(now(), outcome, &*self.store));
            }
        }
    }

    async fn perform(&mut self, effect: Effect) -> Option<Outcome> {
        match effect {
            Effect::ReadMeter { interval, is_late } => Some(Outcome::MeterRead(self.read_meter(interval, is_late))),
            Effect::Write(write) => Some(disk::write(&self.store, *write).await),
            Effect::Publish(messages) => Some(Outcome::Published { taken: self.link.publish(&messages) }),
            Effect::Acknowledge(delivery) => {
                self.link.may_acknowledge(delivery);
                None
            }
        }
    }

    fn read_meter(&mut self, interval: Interval, is_late: bool) -> Result<Shown, String> {
        if let Some(model) = self.meter.model() {
            while let Some(of) = model.asks_for_price(interval) {
                match self.store.price(of).map_err(|error| error.to_string())? {
                    Some(price) => model.tell_price(price),
                    None if is_late || self.core.identity.out_of_reach.covers(of) => model.tell_price(None),
                    None => return Ok(Shown { reading: Reading::NotYet, salt: [0; 16] }),
                }
            }
        }
        let reading = self.meter.read(interval).map_err(|error| error.to_string())?;
        let mut salt = [0; 16];
        if let Reading::Measured(_) = reading {
            getrandom::fill(&mut salt).map_err(|error| format!("no randomness to sign with: {error}"))?;
        }
        Ok(Shown { reading, salt })
    }
}

/// The time now.
pub(crate) fn now() -> Now {
    Now { monotonic: Instant::now(), utc_s: now_s() }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

#[cfg(test)]
mod tests;
