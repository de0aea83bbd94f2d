//! Receipts: whose they are, whether the validators committed them, and what they settle.

use std::cmp::Ordering;

use protocol::{interval::Interval, limits::ANSWER_BYTES_MAX, receipt::Receipt, settlement::Entry};

use super::{Core, Now, Records, StoreFault, Then, Turn, Write};
use crate::{
    alarm::{AlarmKind, Detail},
    check::{Limits, ReceiptFault, check_correction, check_entry, check_neighbours, check_transformer_entry},
    record::{ReadingRecord, Today, day_of},
    status::in_words,
    totals::Totals,
};

/// Readings that a receipt settles, by sequence number.
type Covered = Vec<(u64, ReadingRecord)>;

/// A receipt that was judged.
enum Verdict {
    /// It proves what it must, and settles these readings; perhaps in the place of an earlier line of its interval.
    Good { entry: Box<Entry>, covered: Covered, before: Option<Box<Entry>> },
    /// It was verified before.
    Known,
    /// It was verified before, without the neighbours that it lists.
    Completes { interval: Interval },
    /// A later one of its interval was verified before. It settles these readings all the same.
    Superseded { interval: Interval, covered: Covered },
    /// It is not of this household: it says nothing of it.
    NotOurs(ReceiptFault),
    /// It does not.
    Bad(ReceiptFault),
    /// It proves another entry under the number of one that is proved here: the receipt of that.
    Contradicts { interval: Interval, known: Vec<u8> },
    /// It is proved, and what is kept here of its interval cannot be read any more.
    InPlaceOfUnreadable { interval: Interval, covered: Covered },
}

/// What a receipt changes here, once that is stored.
pub(super) struct Settled {
    sequences: Vec<u64>,
    /// What changes of the sums; none where no sum does.
    booked: Option<Booked>,
}

/// An entry with the sums that it makes.
struct Booked {
    entry: Box<Entry>,
    /// The one whose place it takes.
    before: Option<Box<Entry>>,
    totals: Totals,
    today: Today,
    /// Whether it is of a later interval than all receipts before.
    latest: bool,
}

impl Core {
    pub(super) fn receipt(&mut self, turn: &mut Turn<'_>, json: Vec<u8>) {
        let judged = self.judge(turn.records, &json);
        // A second receipt of a block that is known already says nothing new of it.
        if matches!(judged, Ok(Verdict::Good { .. } | Verdict::Contradicts { .. }))
            && let (Some(witnessed), Ok(receipt)) = (&mut self.witnessed, Receipt::from_json(&json))
        {
            witnessed.wait_for(receipt.header, &json);
        }
        match judged {
            Ok(Verdict::Known) => {}
            Ok(Verdict::Completes { interval }) => self.cover(turn, interval, Some(json), Covered::new()),
            Ok(Verdict::Good { entry, covered, before }) => self.settle(turn, entry, json, covered, before),
            Ok(Verdict::Superseded { interval, covered }) => self.cover(turn, interval, None, covered),
            Ok(Verdict::NotOurs(fault)) => self.misdelivered(&fault),
            Ok(Verdict::Bad(fault)) => self.refuse(turn, fault, json),
            Ok(Verdict::Contradicts { interval, known }) => self.contradicts(turn, interval, known, json),
            Ok(Verdict::InPlaceOfUnreadable { interval, covered }) => self.replace(turn, interval, json, covered),
            Err(fault) => self.halt(&fault),
        }
    }

    fn judge(&self, records: &dyn Records, json: &[u8]) -> Result<Verdict, StoreFault> {
        let receipt = match self.parsed(json) {
            Ok(receipt) => receipt,
            Err(fault) => return Ok(Verdict::Bad(fault)),
        };
        // Before anything that it says of an interval: whose it is. An honest receipt of somebody else proves nothing
        // about this household, whatever was settled here.
        if let Err(fault) = self.is_ours(&receipt) {
            return Ok(Verdict::NotOurs(fault));
        }
        if let Err(fault) = self.is_proved(&receipt) {
            return Ok(Verdict::Bad(fault));
        }
        let lists_neighbours = !receipt.lacks_neighbours();
        let entry = Box::new(receipt.entry);
        let interval = entry.interval;
        let Some(json_known) = records.receipt(interval)? else {
            return Ok(match self.check(records, &entry)? {
                Ok(covered) => Verdict::Good { entry, covered, before: None },
                Err(fault) => Verdict::Bad(fault),
            });
        };
        // Only a receipt that can be read, is of this household and of this interval, can be contradicted.
        let known = Receipt::from_json(&json_known).ok().filter(|known| known.entry.interval == interval);
        let Some(known) = known.filter(|known| self.is_ours(known).is_ok()) else {
            let covered = self.check(records, &entry)?.unwrap_or_default();
            return Ok(Verdict::InPlaceOfUnreadable { interval, covered });
        };
        let completes = lists_neighbours && known.lacks_neighbours();
        let known = known.entry;
        Ok(match entry.correction.cmp(&known.correction) {
            // Another certificate of the same entry is as good; another entry under the same number is a lie.
            Ordering::Equal if known == *entry && completes => Verdict::Completes { interval },
            Ordering::Equal if known == *entry => Verdict::Known,
            Ordering::Equal => Verdict::Contradicts { interval, known: json_known },
            Ordering::Less => {
                Verdict::Superseded { interval, covered: self.check(records, &entry)?.unwrap_or_default() }
            }
            Ordering::Greater => match check_correction(&entry, self.identity.member) {
                Ok(()) => {
                    let before = Some(Box::new(known));
                    Verdict::Good { entry, covered: Vec::new(), before }
                }
                Err(fault) => Verdict::Bad(fault),
            },
        })
    }

    /// Checks an entry that is proved, against the readings that no receipt covers yet: which of them it settles.
    fn check(&self, records: &dyn Records, entry: &Entry) -> Result<Result<Covered, ReceiptFault>, StoreFault> {
        let mut readings = Vec::new();
        for sequence in self.outbox.up_to(entry.interval) {
            readings.extend(records.reading(sequence)?.map(|record| (sequence, record)));
        }
        let own: Vec<_> = readings.iter().map(|(sequence, record)| record.own(*sequence)).collect();
        let member = self.identity.member;
        let checked = if self.identity.transformer {
            check_transformer_entry(entry, member, &own)
        } else {
            // On an island nobody's limit counts, and nobody pays another price than the island's.
            let limits = match self.island.quota_of(entry) {
                Some(_) => Limits::price_taker(&entry.tariffs),
                None => self.orders.limits(entry.interval, &entry.tariffs),
            };
            check_entry(entry, member, &limits, &own)
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

    fn parsed(&self, json: &[u8]) -> Result<Receipt, ReceiptFault> {
        if json.len() > ANSWER_BYTES_MAX {
            return Err(ReceiptFault::TooLarge { max: ANSWER_BYTES_MAX, found: json.len() });
        }
        Ok(Receipt::from_json(json)?)
    }

    /// Whether a receipt says that it is of this community and this member. It need not be true.
    fn is_ours(&self, receipt: &Receipt) -> Result<(), ReceiptFault> {
        let (expected, found) = (self.identity.chain, receipt.header.chain);
        if found != expected {
            return Err(ReceiptFault::OtherCommunity { expected, found });
        }
        let (expected, found) = (self.identity.member, receipt.entry.line.member);
        if found != expected {
            return Err(ReceiptFault::OtherMember { expected, found });
        }
        Ok(())
    }

    /// Whether the validators committed it, and it can be of an interval here.
    fn is_proved(&self, receipt: &Receipt) -> Result<(), ReceiptFault> {
        self.identity.verifier.verify(receipt)?;
        check_neighbours(receipt)?;
        let expected = self.head.interval;
        let found = receipt.entry.interval;
        if found.length() != expected.length() {
            return Err(ReceiptFault::OtherLength { expected, found });
        }
        Ok(())
    }

    /// Has a good receipt stored with everything that changes by it; `before` is the entry whose place it takes.
    fn settle(
        &mut self,
        turn: &mut Turn<'_>,
        entry: Box<Entry>,
        json: Vec<u8>,
        covered: Covered,
        before: Option<Box<Entry>>,
    ) {
        let interval = entry.interval;
        let with = |totals: Totals| match &before {
            Some(before) => totals.corrected(before, &entry),
            None => totals.with(&entry, covered.iter().filter_map(|(_, record)| record.gross())),
        };
        let day = self.today_at(interval);
        let is_today = day.day == day_of(interval);
        let today_totals = if is_today { with(day.totals) } else { Some(day.totals) };
        let (Some(totals), Some(today_totals)) = (with(self.totals), today_totals) else {
            return self.refuse(turn, ReceiptFault::OutOfRange, json);
        };
        let settled_until = day.settled_until.max(Some(interval));
        let today = Today { totals: today_totals, settled_until, ..day };
        let latest = day.settled_until < Some(interval);
        let booked = Some(Booked { entry, before, totals, today, latest });
        let settled = Settled { sequences: sequences_of(&covered), booked };
        let learned = self.learned.clone().map(Box::new);
        let write = Write::Receipt { interval, json: Some(json), covered, totals, today: Some(today), learned };
        self.write(turn, write, Then::Settle(Box::new(settled)));
    }

    /// A receipt and what it settles are stored.
    pub(super) fn settled(&mut self, now: Now, settled: Settled) {
        let Settled { sequences, booked } = settled;
        sequences.into_iter().for_each(|sequence| self.outbox.remove(sequence));
        let Some(booked) = booked else { return };
        self.book(booked);
        // It may bear out more of what was announced, or be what a modelled home waits for.
        if self.live.meter_retry.is_none() || self.live.meter_waits {
            self.begin_round(now);
        }
    }

    fn book(&mut self, booked: Booked) {
        let Booked { entry, before, totals, today, latest } = booked;
        let Entry { interval, price, line, tariffs, correction, .. } = *entry;
        self.totals = totals;
        self.today = Some(today);
        if latest {
            self.price = price;
            self.island.settled(&entry);
        }
        // Receipts may come in any order: the tariffs shown are those of the latest interval.
        if latest && let Some(earlier) = self.tariffs.replace(tariffs).filter(|earlier| *earlier != tariffs) {
            let currency = &self.identity.genesis.currency;
            let (now, before) = (in_words(&tariffs, currency), in_words(&earlier, currency));
            tracing::info!("in {interval}: {now}; before: {before}; decided by the validators, and proved");
        }
        if let Some(Entry { line: before, .. }) = before.as_deref()
            && let (Some(was), Some(is)) = (before.net(), line.net())
        {
            let (was_wh, is_wh) = (before.bought.wh() + before.sold.wh(), line.bought.wh() + line.sold.wh());
            tracing::info!(
                %interval,
                correction,
                "corrected: {is} instead of {was}, {is_wh} Wh instead of {was_wh} with neighbours"
            );
        }
    }

    /// Has readings marked as settled, by a receipt that is kept, or not where another one has replaced it already. No
    /// sum changes.
    fn cover(&mut self, turn: &mut Turn<'_>, interval: Interval, json: Option<Vec<u8>>, covered: Covered) {
        let settled = Settled { sequences: sequences_of(&covered), booked: None };
        let (totals, today, learned) = (self.totals, self.today, self.learned.clone().map(Box::new));
        let write = Write::Receipt { interval, json, covered, totals, today, learned };
        self.write(turn, write, Then::Settle(Box::new(settled)));
    }

    fn replace(&mut self, turn: &mut Turn<'_>, interval: Interval, json: Vec<u8>, covered: Covered) {
        self.alarms.raise(AlarmKind::StateDamaged, Detail::ReceiptUnreadable(interval));
        self.cover(turn, interval, Some(json), covered);
    }

    /// The day's sums so far; new ones if `interval` begins a later day. A receipt of an earlier day changes no sum of
    /// this one.
    fn today_at(&self, interval: Interval) -> Today {
        let day = day_of(interval);
        match self.today {
            Some(today) if today.day >= day => today,
            earlier => {
                Today { day, totals: Totals::default(), settled_until: earlier.and_then(|today| today.settled_until) }
            }
        }
    }

    fn refuse(&mut self, turn: &mut Turn<'_>, fault: ReceiptFault, json: Vec<u8>) {
        self.count(&fault);
        self.write(turn, Write::Evidence(json), Then::Accuse(fault));
    }

    /// Two entries of this household, both proved, under one number. Both receipts are kept.
    fn contradicts(&mut self, turn: &mut Turn<'_>, interval: Interval, known: Vec<u8>, received: Vec<u8>) {
        let fault = ReceiptFault::Contradiction(interval);
        self.count(&fault);
        self.write(turn, Write::Contradiction { known, received }, Then::Accuse(fault));
    }

    /// The evidence is kept: the alarm is raised, the gravest for a contradiction.
    pub(super) fn accuse(&mut self, fault: &ReceiptFault) {
        if let ReceiptFault::Contradiction(interval) = fault {
            return self.alarms.raise(AlarmKind::TwoTruths, Detail::TwoTruths(*interval));
        }
        let count = self.receipts_refused;
        self.alarms.raise(AlarmKind::ReceiptDoesNotVerify, Detail::ReceiptRefused(fault.clone(), count));
    }

    /// It proves nothing against anybody, so it is counted, and neither kept nor held against the validators.
    fn misdelivered(&mut self, fault: &ReceiptFault) {
        self.count(fault);
        self.alarms.raise(AlarmKind::ReceiptMisdelivered, Detail::Misdelivered(fault.clone()));
    }

    fn count(&mut self, fault: &ReceiptFault) {
        *self.live.receipts_refused.entry(fault.name().to_string()).or_default() += 1;
    }
}

fn sequences_of(covered: &Covered) -> Vec<u64> {
    covered.iter().map(|(sequence, _)| *sequence).collect()
}
