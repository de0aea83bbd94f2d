//! What the agent hears: announcements, answers and registrations, and [receipts](super::receipts). None of it is
//! believed without proof.

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    hash::Hash,
    limits::ANSWER_BYTES_MAX,
};

use super::{Core, Identity, Now, Then, Turn, Write};
use crate::{
    alarm::{AlarmKind, Detail},
    orders::Became,
    outbox::Advice,
    registered::Household,
};

impl Core {
    pub(super) fn announcement(&mut self, now: Now, json: &[u8]) {
        let Some(Announcement { open, orders_from }) = self.parse(json, "an announcement") else { return };
        let length = self.head.interval.length();
        if let Some(other) = [open, orders_from].into_iter().flatten().find(|interval| interval.length() != length) {
            return self.alarms.raise(AlarmKind::MarketUnclear, Detail::OtherLength(length.minutes(), other));
        }
        self.alarms.clear(AlarmKind::MarketUnclear);
        self.live.announced = open;
        self.live.orders_from = orders_from;
        self.live.ended = open.is_none();
        if let Some(open) = self.open(now) {
            let horizon = self.horizon(now);
            self.outbox.opened(|interval| interval == open || horizon.may_be_open(interval));
            if let Some(announced) = self.live.announced.filter(|announced| *announced > open) {
                tracing::info!("{announced} is announced as open; without a later receipt, readings go up to {open}");
            }
        }
        self.begin_round(now);
    }

    /// What the validators have decided of this household after the genesis. It goes by what it was started with; where
    /// that is something else, somebody has to correct it.
    pub(super) fn registration(&mut self, json: &[u8]) {
        let Identity { genesis, verifier, device_key, member_key, registration, .. } = &self.identity;
        let household = Household { genesis, verifier, device: device_key.public(), member_key: member_key.public() };
        match household.check(json) {
            Ok(decided) if decided.agrees_with(registration) => self.alarms.clear(AlarmKind::RegistrationDiffers),
            Ok(decided) => {
                let detail = Detail::RegistrationDiffers(registration.to_string(), decided.to_string());
                self.alarms.raise(AlarmKind::RegistrationDiffers, detail);
            }
            Err(fault) => tracing::warn!(refusal = fault.name(), "a registration is not believed: {fault}"),
        }
    }

    pub(super) fn answer(&mut self, turn: &mut Turn<'_>, json: &[u8]) {
        let Some(Answer { message, outcome }) = self.parse(json, "an answer") else { return };
        let refusal = match &outcome {
            Outcome::Accepted => None,
            Outcome::Refused { refusal, detail } => Some((*refusal, detail.clone())),
        };
        if let Some((refusal, _)) = refusal {
            *self.live.refused.entry(refusal.name().to_string()).or_default() += 1;
        }
        if self.status_answered(&message, refusal.as_ref()) {
            return;
        }
        if let Some(advice) = self.outbox.answered(&message, &outcome, turn.now.monotonic) {
            if let Some((refusal, detail)) = refusal {
                self.reading_refused(refusal, &detail);
            }
            if advice == Advice::ReachBack {
                self.reach_back(turn);
            }
        } else {
            self.order_answered(turn, message, refusal);
        }
    }

    fn reading_refused(&mut self, refusal: Refusal, detail: &str) {
        let detail: String = detail.chars().filter(|c| !c.is_control()).take(300).collect();
        match refusal {
            Refusal::Duplicate => {}
            Refusal::SequenceConflict => {
                self.alarms.raise(AlarmKind::SequenceConflict, Detail::OtherReading(detail));
            }
            _ => self.alarms.raise(AlarmKind::ReadingRefused, Detail::Refused(refusal, detail)),
        }
    }

    /// The market lacks readings that are settled already: it lost them, or they were never its. They go again.
    fn reach_back(&mut self, turn: &Turn<'_>) {
        let Some((oldest, _)) = self.outbox.oldest() else { return };
        match turn.records.settled_before(oldest) {
            Ok(readings) => {
                for (sequence, record) in readings {
                    self.outbox.push_settled(sequence, record.message.hash(), record.interval);
                }
            }
            Err(fault) => self.halt(&fault),
        }
    }

    fn order_answered(&mut self, turn: &mut Turn<'_>, message: Hash, refusal: Option<(Refusal, String)>) {
        let name = refusal.as_ref().map(|(refusal, _)| *refusal);
        let Some((became, record)) = self.orders.answered(&message, name) else { return };
        let record = record.clone();
        match became {
            Became::Standing => {
                tracing::info!("the order stands from {} on", record.order.valid_from);
                self.alarms.clear(AlarmKind::OrderRefused);
            }
            Became::Late => {}
            // It is sent again as if nobody had answered.
            Became::Waiting => self.order_alarm(refusal),
            Became::Refused => {
                // What was chosen on the page since is another order.
                self.live.order_refused = self.placed(&record).why.is_some();
                self.order_alarm(refusal);
            }
        }
        self.write(turn, Write::Order(record), Then::Nothing);
    }

    fn order_alarm(&mut self, refusal: Option<(Refusal, String)>) {
        if let Some((refusal, detail)) = refusal {
            self.alarms.raise(AlarmKind::OrderRefused, Detail::Refused(refusal, detail));
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&mut self, json: &[u8], expected: &'static str) -> Option<T> {
        let found = if json.len() > ANSWER_BYTES_MAX {
            format!("{} bytes", json.len())
        } else {
            match serde_json::from_slice(json) {
                Ok(value) => return Some(value),
                Err(error) => error.to_string(),
            }
        };
        self.alarms.raise(AlarmKind::MarketUnclear, Detail::NotUnderstood { expected, found });
        None
    }
}
