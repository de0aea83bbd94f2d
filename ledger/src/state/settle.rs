//! Settling an interval: every signature verified, the clearing run again, then the accounts moved.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use market::{
    inputs::{Inputs, takes_part},
    metering::{Metered, measure},
    settlement::{IntervalInput, settle, tie_seed_after},
};
use protocol::{
    correction::{MemberInput, inputs_hash},
    envelope::{EnvelopeError, Sealed, Signed},
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    member::{AccountId, MemberId},
    money::Amount,
    reading::{ChainHead, Reading, SignedReading},
    settlement::{Entry, Settlement, SignedSettlement},
};

use super::{Change, Record, Refusal, State, directory::Directory, entries::Key, in_order::InOrder, records::day_of};

/// A settlement that is booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// What was booked.
    pub settlement: Settlement,
    /// 0 as first settled, then the number of the correction.
    pub correction: u32,
    /// What it was computed from, in ascending order of member; none where the readings were pruned.
    pub inputs: Vec<MemberInput>,
}

impl Booked {
    /// Its entries in a block's tree.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.settlement.entries(self.correction)
    }
}

/// What was opened of a transaction before it is applied, for this very chain: these signatures are not verified again.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// The settlement.
    pub settlement: Option<Arc<SignedSettlement>>,
    /// The readings.
    pub readings: OpenedReadings,
}

/// The readings of one transaction, opened.
pub type OpenedReadings = Arc<[SignedReading]>;

impl<R: Into<OpenedReadings>> From<R> for Opened {
    fn from(readings: R) -> Opened {
        Opened { settlement: None, readings: readings.into() }
    }
}

/// Where the chains of the devices that were read stand afterwards.
pub(super) enum Heads {
    /// As the readings say. In ascending order of member.
    Read(Vec<(MemberId, ChainHead)>),
    /// The readings were pruned; their hashes are left.
    Pruned(BTreeMap<MemberId, Hash>),
}

/// What the readings say of a member.
type Measured = (MemberId, (Metered, ChainHead));

impl State {
    /// Recomputes the settlement from the signed readings and books it. What is in `opened` was verified already, if it
    /// is the very settlement, or its very readings.
    pub(super) fn settle(&mut self, sealed: &Sealed, readings: &[Sealed], opened: &Opened) -> Result<Booked, Refusal> {
        let proposed = match &opened.settlement {
            Some(known) if known.sealed() == sealed && known.signer() == self.totals.market => Cow::Borrowed(&**known),
            _ => Cow::Owned(self.open_settlement(sealed)?),
        };
        self.check_next(&proposed)?;
        check_commitments(&proposed.readings, readings)?;
        self.check_committed(&proposed)?;
        let opened = if readings.iter().eq(opened.readings.iter().map(Signed::sealed)) {
            Cow::Borrowed(&*opened.readings)
        } else {
            Cow::Owned(self.open_readings(readings)?)
        };
        check_ascending(&opened)?;
        let measured = self.measure_devices(proposed.interval, &opened)?;
        let inputs = self.inputs(&proposed, &measured);
        let tie_seed = self.totals.tie_seed;
        let (expected, inputs) = self.recompute(proposed.interval, &tie_seed, inputs, proposed.readings.clone())?;
        compare(&expected, &proposed)?;
        let heads = measured.into_iter().map(|(id, (_, head))| (id, head)).collect();
        self.book(expected, proposed.content_hash(), inputs, Heads::Read(heads))
    }

    /// Opens a settlement that is signed by the market.
    pub fn open_settlement(&self, sealed: &Sealed) -> Result<SignedSettlement, EnvelopeError> {
        let market = self.totals.market;
        sealed.open(&self.chain, |signer| *signer == market)
    }

    /// Checks that a settlement is of the next interval.
    pub(super) fn check_next(&self, proposed: &Settlement) -> Result<(), Refusal> {
        let (expected, found) = (self.totals.next, proposed.interval);
        if found == expected { Ok(()) } else { Err(Refusal::IntervalNotNext { expected, found }) }
    }

    /// Checks that a settlement says the tariffs that are in force in its interval, and no others.
    pub(super) fn check_tariffs(&self, proposed: &Settlement) -> Result<(), Refusal> {
        differs("tariffs", &self.rules_at(proposed.interval).0.rules.tariffs(), &proposed.tariffs)
    }

    fn open_readings(&self, readings: &[Sealed]) -> Result<Vec<SignedReading>, Refusal> {
        let device = |key: &[u8; 32]| self.directory.known_device(key).map(DeviceId::from);
        Signed::<Reading>::open_all(readings, &self.chain, device).map_err(|(_, error)| Refusal::from(error))
    }

    /// What ascending readings say, in ascending order of member.
    fn measure_devices(&self, interval: Interval, readings: &[SignedReading]) -> Result<Vec<Measured>, Refusal> {
        let mut measured = Vec::with_capacity(self.members.len());
        let mut devices = self.directory.devices();
        for readings in readings.chunk_by(|a, b| a.signer() == b.signer()) {
            let device: DeviceId = readings[0].signer();
            let id = devices.find(&device).copied().ok_or(Refusal::UnknownSigner(device))?;
            let member = self.member(id)?;
            if member.is_pruned() {
                return Err(Refusal::ReadingsPruned(id));
            }
            let said = measure(member.head(), readings, interval, member.rated_power_w())
                .map_err(|error| Refusal::ReadingRefused { device, error: Box::new(error) })?;
            measured.push((id, said));
        }
        measured.sort_unstable_by_key(|(id, _)| *id);
        Ok(measured)
    }

    /// What the clearing of the interval knows of every member that takes part in it.
    ///
    /// Who was registered while the interval was open takes part from the next one on. A settlement may name them all
    /// the same, as settlements did before: without a device, limits or values, they change nothing else in it.
    fn inputs(&self, proposed: &Settlement, measured: &[Measured]) -> Vec<MemberInput> {
        let interval = proposed.interval;
        let inputs = |taking_part: fn(&super::Member, Interval) -> bool| -> Vec<MemberInput> {
            let mut measured = InOrder::new(measured.iter().map(|(id, said)| (id, said)));
            let mut input = |(id, member): (&MemberId, &super::Member)| {
                let metered = measured.find(id).map(|(metered, _)| *metered);
                let quota = self.quota(*id, interval).map(Box::new);
                MemberInput { quota, ..member.input(*id, interval, metered) }
            };
            let members = self.members.iter().filter(|(_, member)| taking_part(member, interval));
            members.map(&mut input).collect()
        };
        let taking_part = inputs(|member, interval| takes_part(member.head().interval, interval));
        if taking_part.len() == self.members.len() || inputs_hash(&taking_part) == proposed.inputs {
            return taking_part;
        }
        let all = inputs(|_, _| true);
        if inputs_hash(&all) == proposed.inputs { all } else { taking_part }
    }

    /// Clears an interval, as it was to be cleared at its time, and gives the inputs back, in ascending order of
    /// member.
    pub(super) fn recompute(
        &self,
        interval: Interval,
        tie_seed: &Hash,
        inputs: Vec<MemberInput>,
        readings: Vec<Hash>,
    ) -> Result<(Settlement, Vec<MemberInput>), Refusal> {
        let (version, grid) = self.rules_at(interval);
        let mut registered = InOrder::new(self.members.iter());
        let inputs = Inputs::new(inputs, |input| {
            let member = registered.find(&input.member).ok_or(Refusal::UnknownMember(input.member))?;
            // Every grid that was ever set has all buses of the members.
            grid.bus(member.bus()).map_err(Refusal::BadGrid)
        })?;
        let cleared =
            settle(IntervalInput { interval, rules: &version.rules, grid, tie_seed, readings, inputs: &inputs });
        Ok((cleared.map_err(Refusal::CannotSettle)?, inputs.into_all()))
    }

    /// Moves the accounts, mints the certificates, and opens the next interval. Whatever can be refused comes before
    /// the first change. `content` is the hash of the settlement's content.
    pub(super) fn book(
        &mut self,
        settlement: Settlement,
        content: Hash,
        inputs: Vec<MemberInput>,
        heads: Heads,
    ) -> Result<Booked, Refusal> {
        let interval = settlement.interval;
        let next = interval.next().ok_or(Refusal::EndOfTime(interval))?;
        let issues = self.issues(&settlement, |_, member| member.device())?;
        self.post(postings(&settlement)?)?;
        let record = Record { settlement: content, tie_seed: self.totals.tie_seed, corrections: 0, issues };
        self.put_record(interval, &record);
        self.advance(heads);

        let totals = &mut self.totals;
        totals.settled = Some(interval);
        totals.next = next;
        totals.tie_seed = tie_seed_after(content);
        totals.settlements += 1;
        self.open_interval(next);
        self.follow_island(&settlement);
        Ok(Booked { settlement, correction: 0, inputs })
    }

    pub(super) fn put_record(&mut self, interval: Interval, record: &Record) {
        self.records.put(interval, record);
        self.leaves.touch(Key::Interval(interval));
        self.leaves.touch(Key::Day(day_of(interval)));
    }

    fn advance(&mut self, heads: Heads) {
        match heads {
            Heads::Read(heads) => self.advance_each(&heads, super::Member::advance),
            Heads::Pruned(heads) => {
                self.advance_each(&heads.into_iter().collect::<Vec<_>>(), super::Member::advance_pruned);
            }
        }
    }

    fn advance_each<H: Copy>(&mut self, heads: &[(MemberId, H)], advance: fn(&mut super::Member, H)) {
        for (id, head) in heads {
            if let Some(member) = self.members.get_mut(id) {
                advance(member, *head);
            }
        }
        let touched = |key: fn(MemberId) -> Key| heads.iter().map(move |(id, _)| key(*id));
        touched(Key::Account).chain(touched(Key::Head)).for_each(|key| self.leaves.touch(key));
    }

    /// What changes with the interval `next`, and what ends before it.
    fn open_interval(&mut self, next: Interval) {
        for (id, member) in &mut self.members {
            if member.retire_orders(next) {
                self.leaves.touch(Key::Account(*id));
            }
        }
        let due = self.schedule.due(next);
        if !due.is_empty() {
            self.leaves.touch(Key::Schedule);
            due.into_iter().for_each(|change| self.carry_out(change));
        }
        let expired = self.records.expire(next);
        for (day, intervals) in &expired {
            self.leaves.touch(Key::Day(*day));
            intervals.iter().for_each(|interval| self.leaves.touch(Key::Interval(*interval)));
        }
        if !expired.is_empty()
            && let Some(oldest) = self.records.intervals().next()
            && Arc::make_mut(&mut self.rulebook).expire(oldest)
        {
            self.leaves.touch(Key::Rules);
        }
    }

    fn carry_out(&mut self, change: Change) {
        // The interval that was settled just now: the new chain begins after it.
        let settled = self.totals.settled;
        match change {
            Change::Market(key) => self.totals.market = key,
            Change::Device(id, device) => self.change_member(id, |member| member.set_device(device)),
            Change::Meter { member: id, device, registers, rated_power_w, technology } => {
                let Some(before) = settled else { return };
                self.change_member(id, |member| {
                    member.set_meter(device, registers, rated_power_w, technology, before);
                });
            }
        }
    }

    /// Changes who a member is, and looks it up anew.
    pub(super) fn change_member(&mut self, id: MemberId, change: impl FnOnce(&mut super::Member)) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let directory: &mut Directory = Arc::make_mut(&mut self.directory);
        directory.remove(member);
        change(member);
        directory.add(id, member);
        for key in [Key::Account(id), Key::Head(id), Key::Member(id)] {
            self.leaves.touch(key);
        }
    }

    /// Lets a change wait for the interval after the open one.
    pub(super) fn schedule(&mut self, change: Change) -> Result<(), Refusal> {
        self.schedule.check_room()?;
        let open = self.totals.next;
        let from = open.next().ok_or(Refusal::EndOfTime(open))?;
        self.schedule.add(from, change);
        self.leaves.touch(Key::Schedule);
        Ok(())
    }
}

/// What a settlement moves, account by account.
pub(super) fn postings(settlement: &Settlement) -> Result<Vec<(AccountId, Amount)>, Refusal> {
    let others =
        [(AccountId::Supplier, settlement.supplier), (AccountId::Operator, settlement.operator)].into_iter().map(Ok);
    let lines = settlement
        .lines
        .iter()
        .map(|line| Ok((AccountId::Member(line.member), line.net().ok_or(Refusal::AmountOverflow)?)));
    others.chain(lines).collect()
}

fn check_ascending(readings: &[SignedReading]) -> Result<(), Refusal> {
    let name = |reading: &SignedReading| (reading.signer(), reading.sequence);
    match readings.windows(2).position(|pair| name(&pair[0]) >= name(&pair[1])) {
        Some(position) => Err(Refusal::ReadingsNotAscending(position + 1)),
        None => Ok(()),
    }
}

fn check_commitments(committed: &[Hash], readings: &[Sealed]) -> Result<(), Refusal> {
    let same = committed.iter().zip(readings).take_while(|(hash, reading)| **hash == reading.hash()).count();
    if same == committed.len() && same == readings.len() {
        return Ok(());
    }
    Err(Refusal::ReadingsDiffer { committed: committed.len(), found: readings.len(), at: same })
}

/// Names a field that is not what it must be.
fn differs<T: PartialEq + std::fmt::Debug>(field: &'static str, expected: &T, found: &T) -> Result<(), Refusal> {
    if expected == found {
        return Ok(());
    }
    let quote = |value: &T| format!("{value:?}").chars().take(200).collect();
    Err(Refusal::ClearingDiffers { field, expected: quote(expected), found: quote(found) })
}

/// Names the first field in which a settlement is not what the inputs lead to.
pub fn compare(expected: &Settlement, found: &Settlement) -> Result<(), Refusal> {
    differs("interval", &expected.interval, &found.interval)?;
    differs("readings", &expected.readings, &found.readings)?;
    differs("tariffs", &expected.tariffs, &found.tariffs)?;
    differs("price", &expected.price, &found.price)?;
    for (expected, found) in expected.lines.iter().zip(&found.lines) {
        differs("lines", expected, found)?;
    }
    differs("lines", &expected.lines.len(), &found.lines.len())?;
    for (expected, found) in expected.trades.iter().zip(&found.trades) {
        differs("trades", expected, found)?;
    }
    differs("trades", &expected.trades.len(), &found.trades.len())?;
    differs("minted", &expected.minted, &found.minted)?;
    differs("supplier", &expected.supplier, &found.supplier)?;
    differs("operator", &expected.operator, &found.operator)?;
    differs("inputs", &expected.inputs, &found.inputs)?;
    differs("provisional", &expected.provisional, &found.provisional)?;
    differs("exchange", &expected.exchange, &found.exchange)
}
