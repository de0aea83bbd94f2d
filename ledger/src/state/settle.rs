//! Settling an interval: every signature verified, the clearing run again, then the accounts moved.

use market::{
    metering::{Metered, measure},
    settlement::{IntervalInput, MeteredMember, settle, tie_seed_after},
};
use protocol::{
    envelope::{Sealed, Signed},
    hash::Hash,
    key::DeviceId,
    member::MemberId,
    reading::{ChainHead, Reading, SignedReading},
    settlement::{Settlement, SignedSettlement},
};

use super::{Refusal, State};

/// A member as the readings say, and where its chain stands after them.
struct Measured {
    member: MemberId,
    metered: Metered,
    head: ChainHead,
}

impl State {
    /// Recomputes the settlement from the signed readings and books it. Readings in `opened` that are the very ones of
    /// the settlement were verified already.
    pub(super) fn settle(
        &mut self,
        sealed: &Sealed,
        readings: &[Sealed],
        opened: Vec<SignedReading>,
    ) -> Result<SignedSettlement, Refusal> {
        let market = self.community.market;
        let proposed = Signed::<Settlement>::open(&sealed.0, &self.community.chain, |signer| *signer == market)?;
        self.check_interval(&proposed)?;
        check_commitments(&proposed.readings, readings)?;
        self.check_committed(&proposed)?;
        let opened = if readings.iter().map(|reading| &reading.0[..]).eq(opened.iter().map(Signed::bytes)) {
            opened
        } else {
            self.open_readings(readings)?
        };
        check_ascending(&opened)?;
        let measured = self.measure_devices(&proposed, &opened)?;
        let expected = self.recompute(&proposed, &measured)?;
        compare(&expected, &proposed)?;
        self.book(&proposed, measured)?;
        Ok(proposed)
    }

    fn check_interval(&self, proposed: &Settlement) -> Result<(), Refusal> {
        let (expected, found) = (self.totals.next, proposed.interval);
        if found == expected { Ok(()) } else { Err(Refusal::IntervalNotNext { expected, found }) }
    }

    fn open_readings(&self, readings: &[Sealed]) -> Result<Vec<SignedReading>, Refusal> {
        let devices = &self.community.devices;
        let messages = readings.iter().map(|sealed| sealed.0.as_slice());
        let is_known = |device: &DeviceId| devices.contains_key(device);
        Signed::<Reading>::open_all(messages, &self.community.chain, is_known)
            .map_err(|(_, error)| Refusal::from(error))
    }

    fn measure_devices(&self, proposed: &Settlement, readings: &[SignedReading]) -> Result<Vec<Measured>, Refusal> {
        let measure_device = |readings: &[SignedReading]| {
            let device: DeviceId = readings[0].signer();
            let id = self.community.devices.get(&device).copied().ok_or(Refusal::UnknownSigner(device))?;
            let member = self.members.get(&id).ok_or(Refusal::UnknownSigner(device))?;
            let (metered, head) = measure(member.head(), readings, proposed.interval, member.rated_power_w())
                .map_err(|error| Refusal::ReadingRefused { device, error: Box::new(error) })?;
            Ok(Measured { member: id, metered, head })
        };
        readings.chunk_by(|a, b| a.signer() == b.signer()).map(measure_device).collect()
    }

    fn recompute(&self, proposed: &Settlement, measured: &[Measured]) -> Result<Settlement, Refusal> {
        let members: Vec<MeteredMember> = measured
            .iter()
            .filter_map(|measured| {
                let member = self.members.get(&measured.member)?;
                Some(MeteredMember {
                    member: measured.member,
                    bus: member.bus(),
                    limits: member.limits(proposed.interval),
                    metered: measured.metered,
                    renewable: member.technology().is_some(),
                })
            })
            .collect();
        settle(IntervalInput {
            interval: proposed.interval,
            rules: &self.community.rules,
            grid: &self.community.grid,
            tie_seed: &self.totals.tie_seed,
            members: &members,
            readings: proposed.readings.clone(),
        })
        .map_err(Refusal::CannotSettle)
    }

    /// Moves the accounts. All sums are computed before the first is written, so that a refusal changes nothing.
    fn book(&mut self, settlement: &Settlement, measured: Vec<Measured>) -> Result<(), Refusal> {
        let next = settlement.interval.next().ok_or(Refusal::AmountOverflow)?;
        let mut totals = self.totals.clone();
        totals.supplier = totals.supplier.checked_add(settlement.supplier).ok_or(Refusal::AmountOverflow)?;
        totals.operator = totals.operator.checked_add(settlement.operator).ok_or(Refusal::AmountOverflow)?;
        totals.settled = Some(settlement.interval);
        totals.next = next;
        totals.tie_seed = tie_seed_after(settlement);
        totals.settlements += 1;

        let mut changed = Vec::with_capacity(settlement.lines.len());
        for line in &settlement.lines {
            let mut member = self.members.get(&line.member).cloned().ok_or(Refusal::AmountOverflow)?;
            member.book(line.net().ok_or(Refusal::AmountOverflow)?)?;
            changed.push((line.member, member));
        }
        self.members.extend(changed);
        for Measured { member, head, .. } in measured {
            if let Some(member) = self.members.get_mut(&member) {
                member.advance(head);
            }
        }
        for member in self.members.values_mut() {
            member.retire_orders(next);
        }
        self.totals = totals;
        Ok(())
    }
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

/// Names the first field in which the market's settlement is not what the inputs lead to.
fn compare(expected: &Settlement, found: &Settlement) -> Result<(), Refusal> {
    fn differs<T: PartialEq + std::fmt::Debug>(field: &'static str, expected: &T, found: &T) -> Result<(), Refusal> {
        if expected == found {
            return Ok(());
        }
        let quote = |value: &T| format!("{value:?}").chars().take(200).collect();
        Err(Refusal::ClearingDiffers { field, expected: quote(expected), found: quote(found) })
    }
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
    differs("operator", &expected.operator, &found.operator)
}
