//! What the agent hears: announcements, answers, receipts. None of it is believed without proof.

use std::{cmp::Ordering, time::Instant};

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    interval::Interval,
    limits::ANSWER_BYTES_MAX,
    receipt::Receipt,
    settlement::{Entry, Line},
};
use rumqttc::Publish;

use super::Agent;
use crate::{
    alarm::AlarmKind,
    check::{ReceiptFault, check_correction, check_entry, check_transformer_entry},
    mqtt::Inbound,
    orders::Became,
    outbox::Advice,
    record::ReadingRecord,
    status::in_words,
    store::{Settling, StoreError, Today},
};

const DAY_S: i64 = 86_400;

/// Readings that a receipt settles, by sequence number.
type Covered = Vec<(u64, ReadingRecord)>;

/// A receipt that was judged.
enum Verdict {
    /// It proves what it must, and settles these readings; perhaps in the place of an earlier line of its interval.
    Good { receipt: Box<Receipt>, covered: Covered, before: Option<Box<Line>> },
    /// It was verified before.
    Known,
    /// A later one of its interval was verified before. It settles these readings all the same.
    Superseded { interval: Interval, covered: Covered },
    /// It does not.
    Bad(ReceiptFault),
}

impl Agent {
    pub(super) async fn message(&mut self, connection: u32, kind: Inbound, publish: Publish) {
        match kind {
            Inbound::Gate => self.announcement(&publish.payload).await,
            Inbound::Answer => self.answer(&publish.payload).await,
            Inbound::Receipt => self.receipt(&publish.payload).await,
        }
        // What could not be stored is not acknowledged: the broker delivers it again.
        if !self.live.halted {
            self.live.acks.push_back((connection, publish));
        }
    }

    async fn announcement(&mut self, json: &[u8]) {
        let Some(Announcement { open, orders_from }) = self.parse(json, "an announcement") else { return };
        let length = self.head.interval.length();
        if let Some(other) = [open, orders_from].into_iter().flatten().find(|interval| interval.length() != length) {
            let detail = format!("expected intervals of {} minutes, found {other}", length.minutes());
            return self.alarms.raise(AlarmKind::MarketUnclear, detail);
        }
        self.alarms.clear(AlarmKind::MarketUnclear);
        self.live.open = open;
        self.live.orders_from = orders_from;
        self.live.ended = open.is_none();
        self.read_meter().await;
    }

    async fn answer(&mut self, json: &[u8]) {
        let Some(Answer { message, outcome }) = self.parse(json, "an answer") else { return };
        let refusal = match &outcome {
            Outcome::Accepted => None,
            Outcome::Refused { refusal, detail } => Some((*refusal, detail.clone())),
        };
        if let Some((refusal, _)) = refusal {
            *self.live.refused.entry(refusal.name().to_string()).or_default() += 1;
        }
        if let Some(advice) = self.outbox.answered(&message, &outcome, Instant::now()) {
            if let Some((refusal, detail)) = refusal {
                self.reading_refused(refusal, &detail);
            }
            if advice == Advice::ReachBack {
                self.reach_back();
            }
        } else {
            self.order_answered(message, refusal).await;
        }
    }

    fn reading_refused(&mut self, refusal: Refusal, detail: &str) {
        let detail: String = detail.chars().filter(|c| !c.is_control()).take(300).collect();
        match refusal {
            Refusal::Duplicate => {}
            Refusal::SequenceConflict => self.alarms.raise(
                AlarmKind::SequenceConflict,
                format!(
                    "the market knows another reading under the same number ({detail}). Either this agent lost its state \
                     and counts anew, or somebody else signs with this device's key. Stop it, restore no older copy of \
                     the state, and ask your operator to register a new device key"
                ),
            ),
            _ => self.alarms.raise(AlarmKind::ReadingRefused, format!("{refusal}: {detail}")),
        }
    }

    /// The market lacks readings that are settled already: it lost them, or they were never its. They go again.
    fn reach_back(&mut self) {
        let Some((oldest, _)) = self.outbox.oldest() else { return };
        match self.store.settled_before(oldest) {
            Ok(readings) => {
                for (sequence, record) in readings {
                    self.outbox.push_settled(sequence, record.message.hash(), record.interval);
                }
            }
            Err(error) => self.halt(&error),
        }
    }

    async fn order_answered(&mut self, message: protocol::hash::Hash, refusal: Option<(Refusal, String)>) {
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
                self.live.order_refused = true;
                self.order_alarm(refusal);
            }
        }
        if let Err(error) = self.write(move |store| store.put_order(&record)).await {
            self.halt(&error);
        }
    }

    fn order_alarm(&mut self, refusal: Option<(Refusal, String)>) {
        if let Some((refusal, detail)) = refusal {
            self.alarms.raise(AlarmKind::OrderRefused, format!("{refusal}: {detail}"));
        }
    }

    async fn receipt(&mut self, json: &[u8]) {
        let verdict = match self.judge(json) {
            Ok(verdict) => verdict,
            Err(error) => return self.halt(&error),
        };
        let result = match verdict {
            Verdict::Known => Ok(()),
            Verdict::Good { receipt, covered, before } => self.settle(&receipt, json, covered, before.as_deref()).await,
            Verdict::Superseded { interval, covered } => self.cover(interval, covered).await,
            Verdict::Bad(fault) => self.refuse(&fault, json).await,
        };
        if let Err(error) = result {
            self.halt(&error);
        }
    }

    fn judge(&self, json: &[u8]) -> Result<Verdict, StoreError> {
        let receipt = match self.proved(json) {
            Ok(receipt) => receipt,
            Err(fault) => return Ok(Verdict::Bad(fault)),
        };
        let entry = &receipt.entry;
        let Some(known) = self.store.receipt(entry.interval)? else {
            return Ok(match self.check(entry)? {
                Ok(covered) => Verdict::Good { receipt: Box::new(receipt), covered, before: None },
                Err(fault) => Verdict::Bad(fault),
            });
        };
        let contradiction = Verdict::Bad(ReceiptFault::Contradiction(entry.interval));
        let Ok(Receipt { entry: known, .. }) = Receipt::from_json(&known) else { return Ok(contradiction) };
        Ok(match entry.correction.cmp(&known.correction) {
            // Another certificate of the same entry is as good; another entry under the same number is a lie.
            Ordering::Equal if known == *entry => Verdict::Known,
            Ordering::Equal => contradiction,
            Ordering::Less => {
                Verdict::Superseded { interval: entry.interval, covered: self.check(entry)?.unwrap_or_default() }
            }
            Ordering::Greater => match check_correction(entry, self.identity.member) {
                Ok(()) => {
                    let before = Some(Box::new(known.line));
                    Verdict::Good { receipt: Box::new(receipt), covered: Vec::new(), before }
                }
                Err(fault) => Verdict::Bad(fault),
            },
        })
    }

    /// Checks an entry that is proved, against the readings that no receipt covers yet: which of them it settles.
    fn check(&self, entry: &Entry) -> Result<Result<Covered, ReceiptFault>, StoreError> {
        let mut readings = Vec::new();
        for sequence in self.outbox.up_to(entry.interval) {
            readings.extend(self.store.reading(sequence)?.map(|record| (sequence, record)));
        }
        let own: Vec<_> = readings.iter().map(|(sequence, record)| record.own(*sequence)).collect();
        let member = self.identity.member;
        let checked = if self.identity.transformer {
            check_transformer_entry(entry, member, &own)
        } else {
            check_entry(entry, member, &self.orders.limits(entry.interval, &entry.tariffs), &own)
        };
        let checked = match checked {
            // A correction of what was never settled here before may say other energy than this meter does.
            Err(_) if entry.correction > 0 => check_correction(entry, member).map(|()| Vec::new()),
            checked => checked,
        };
        Ok(checked.map(|covered| {
            readings.retain(|(sequence, _)| covered.contains(sequence));
            readings
        }))
    }

    /// The receipt, if the validators committed it, and it can be this member's.
    fn proved(&self, json: &[u8]) -> Result<Receipt, ReceiptFault> {
        if json.len() > ANSWER_BYTES_MAX {
            return Err(ReceiptFault::TooLarge { max: ANSWER_BYTES_MAX, found: json.len() });
        }
        let receipt = Receipt::from_json(json)?;
        self.identity.verifier.verify(&receipt)?;
        let expected = self.head.interval;
        let found = receipt.entry.interval;
        if found.length() != expected.length() {
            return Err(ReceiptFault::OtherLength { expected, found });
        }
        Ok(receipt)
    }

    /// Stores a good receipt with everything that changes by it; `before` is the line whose place it takes.
    async fn settle(
        &mut self,
        receipt: &Receipt,
        json: &[u8],
        covered: Covered,
        before: Option<&Line>,
    ) -> Result<(), StoreError> {
        let Entry { interval, line, tariffs, correction, .. } = receipt.entry;
        let with = |totals: crate::Totals| match before {
            Some(before) => totals.corrected(before, &line),
            None => totals.with(&line, covered.iter().filter_map(|(_, record)| record.gross())),
        };
        let day = self.today_at(interval);
        let is_today = day.day == day_of(interval);
        let today_totals = if is_today { with(day.totals) } else { Some(day.totals) };
        let (Some(totals), Some(today_totals)) = (with(self.totals), today_totals) else {
            return self.refuse(&ReceiptFault::OutOfRange, json).await;
        };
        let settled_until = day.settled_until.max(Some(interval));
        let today = Some(Today { totals: today_totals, settled_until, ..day });
        let sequences: Vec<u64> = covered.iter().map(|(sequence, _)| *sequence).collect();
        let json = json.to_vec();
        self.write(move |store| {
            store.settle(&Settling { interval, json: Some(&json), covered: &covered, totals, today })
        })
        .await?;
        self.totals = totals;
        self.today = today;
        // Receipts may come in any order: the tariffs shown are those of the latest interval.
        if day.settled_until < Some(interval)
            && let Some(earlier) = self.tariffs.replace(tariffs).filter(|earlier| *earlier != tariffs)
        {
            let currency = &self.identity.genesis.currency;
            let (now, before) = (in_words(&tariffs, currency), in_words(&earlier, currency));
            tracing::info!("in {interval}: {now}; before: {before}; decided by the validators, and proved");
        }
        if let (Some(before), Some(was), Some(is)) = (before, before.and_then(Line::net), line.net()) {
            let (was_wh, is_wh) = (before.bought.wh() + before.sold.wh(), line.bought.wh() + line.sold.wh());
            tracing::info!(
                %interval, correction, "corrected: {is} instead of {was}, {is_wh} Wh instead of {was_wh} with neighbours"
            );
        }
        sequences.into_iter().for_each(|sequence| self.outbox.remove(sequence));
        Ok(())
    }

    /// Marks readings as settled whose receipt another one has replaced already.
    async fn cover(&mut self, interval: Interval, covered: Covered) -> Result<(), StoreError> {
        let sequences: Vec<u64> = covered.iter().map(|(sequence, _)| *sequence).collect();
        let (totals, today) = (self.totals, self.today);
        self.write(move |store| store.settle(&Settling { interval, json: None, covered: &covered, totals, today }))
            .await?;
        sequences.into_iter().for_each(|sequence| self.outbox.remove(sequence));
        Ok(())
    }

    /// The day's sums so far; new ones if `interval` begins a later day. A receipt of an earlier day changes no sum of
    /// this one.
    fn today_at(&self, interval: Interval) -> Today {
        let day = day_of(interval);
        match self.today {
            Some(today) if today.day >= day => today,
            earlier => Today {
                day,
                totals: crate::Totals::default(),
                settled_until: earlier.and_then(|today| today.settled_until),
            },
        }
    }

    async fn refuse(&mut self, fault: &ReceiptFault, json: &[u8]) -> Result<(), StoreError> {
        let json = json.to_vec();
        self.receipts_refused = self.write(move |store| store.keep_evidence(&json)).await?;
        let count = self.receipts_refused;
        self.alarms.raise(AlarmKind::ReceiptDoesNotVerify, format!("{fault} ({count} so far, kept as evidence)"));
        Ok(())
    }

    fn parse<T: serde::de::DeserializeOwned>(&mut self, json: &[u8], expected: &str) -> Option<T> {
        let found = if json.len() > ANSWER_BYTES_MAX {
            format!("{} bytes", json.len())
        } else {
            match serde_json::from_slice(json) {
                Ok(value) => return Some(value),
                Err(error) => error.to_string(),
            }
        };
        self.alarms.raise(AlarmKind::MarketUnclear, format!("expected {expected}, found {found}"));
        None
    }
}

fn day_of(interval: Interval) -> u64 {
    interval.start_s().div_euclid(DAY_S).unsigned_abs()
}
