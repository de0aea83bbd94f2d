//! What a clearing knows of each member, in the form in which a settlement commits to it and a correction brings it
//! back.

use protocol::{
    correction::{MemberInput, Values},
    energy::Energy,
    genesis::Technology,
    interval::Interval,
    key::DeviceId,
    member::MemberId,
    order::PriceLimits,
    reading::Flow,
};

#[cfg(test)]
use protocol::island::Quota;

use crate::{grid::BusIndex, metering::Metered};

/// A member that was read, as the clearing takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteredMember {
    /// Who.
    pub member: MemberId,
    /// Where on the grid.
    pub bus: BusIndex,
    /// At what prices it trades.
    pub limits: PriceLimits,
    /// What its meter says.
    pub metered: Metered,
    /// What it feeds in is made from; none where no certificates are minted for it.
    pub technology: Option<Technology>,
    /// What it was entitled to draw, Wh; none where the interval was on no island.
    pub quota: Option<Energy>,
}

/// The inputs of all members, in ascending order, and those of them that were read. The second follows from the first,
/// and is made nowhere else, so that what is cleared is what the settlement commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    all: Vec<MemberInput>,
    metered: Vec<MeteredMember>,
}

impl Inputs {
    /// Takes the inputs in any order. `bus` says where each member is connected, and is asked in ascending order of
    /// member, also for who was not read: a member that has no bus is an error before it is first read.
    pub fn new<E>(
        mut inputs: Vec<MemberInput>,
        mut bus: impl FnMut(&MemberInput) -> Result<BusIndex, E>,
    ) -> Result<Inputs, E> {
        if !inputs.is_sorted_by_key(|input| input.member) {
            inputs.sort_by_key(|input| input.member);
        }
        let mut metered = Vec::with_capacity(inputs.len());
        for input in &inputs {
            metered.extend(metered_member(input, bus(input)?));
        }
        Ok(Inputs { all: inputs, metered })
    }

    /// The inputs of all members, in ascending order.
    pub fn all(&self) -> &[MemberInput] {
        &self.all
    }

    /// The members that were read, in ascending order.
    pub fn metered(&self) -> &[MeteredMember] {
        &self.metered
    }

    /// The members, in ascending order, that had a device which did not measure this very interval.
    pub fn unread(&self) -> Vec<MemberId> {
        self.all.iter().filter(|input| input.is_unread()).map(|input| input.member).collect()
    }

    /// Gives the inputs back, in ascending order.
    pub fn into_all(self) -> Vec<MemberInput> {
        self.all
    }
}

/// The device that has to measure `interval`, where the last reading before ended `read`: none where it was revoked, or
/// begins later.
pub fn measuring(device: Option<DeviceId>, read: Interval, interval: Interval) -> Option<DeviceId> {
    device.filter(|_| takes_part(read, interval))
}

/// Whether a member takes part in `interval`, whose last reading before ended `read`: who was registered while an
/// interval was open does from the next one on.
pub fn takes_part(read: Interval, interval: Interval) -> bool {
    read < interval
}

/// The input of a member: who measures, at what prices it trades, and what was measured, if it was read. On no island.
pub fn member_input(
    member: MemberId,
    device: Option<DeviceId>,
    technology: Option<Technology>,
    limits: PriceLimits,
    metered: Option<Metered>,
) -> MemberInput {
    let values = metered.map(|Metered { measured, late }| {
        let Flow { import, export } = measured.unwrap_or_default();
        let late_only = measured.is_none();
        Values { import, export, late_import: late.import, late_export: late.export, late_only }
    });
    let PriceLimits { buy, sell, buy_cap, sell_cap } = limits;
    MemberInput { member, device, technology, buy, sell, buy_cap, sell_cap, values, quota: None }
}

/// The member connected to `bus`; none if it was not read.
fn metered_member(input: &MemberInput, bus: BusIndex) -> Option<MeteredMember> {
    let Values { import, export, late_import, late_export, late_only } = input.values?;
    let measured = (!late_only).then_some(Flow { import, export });
    Some(MeteredMember {
        member: input.member,
        bus,
        limits: input.limits(),
        metered: Metered { measured, late: Flow { import: late_import, export: late_export } },
        technology: input.technology,
        quota: input.quota.as_ref().map(|quota| quota.total()),
    })
}

#[cfg(test)]
impl Inputs {
    /// Of members that were read, wherever they are: none has a device, so none is missed.
    pub(crate) fn of_metered(members: &[MeteredMember]) -> Inputs {
        let quota = |of: &MeteredMember| {
            let awarded = of.quota?;
            let awards = [awarded, Energy::ZERO, Energy::ZERO, Energy::ZERO];
            Some(Box::new(Quota { claims: awards, awards }))
        };
        let input = |of: &MeteredMember| MemberInput {
            quota: quota(of),
            ..member_input(of.member, None, of.technology, of.limits, Some(of.metered))
        };
        let bus = |input: &MemberInput| members.iter().find(|of| of.member == input.member).map(|of| of.bus).ok_or(());
        Inputs::new(members.iter().map(input).collect(), bus).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use protocol::{energy::Energy, key::SecretKey};

    use super::*;
    use crate::grid::Grid;

    #[test]
    fn inputs_are_in_ascending_order_and_who_was_not_read_is_no_metered_member() {
        let id = |number: u8| MemberId::from_bytes([number; 16]);
        let input = |number: u8, metered: Option<Metered>| {
            let device = Some(SecretKey::from_seed(&[number; 32]).public());
            member_input(id(number), device, None, PriceLimits::default(), metered)
        };
        let wh = Energy::from_wh;
        let measured = Metered { measured: Some(Flow { import: wh(5), export: wh(0) }), late: Flow::default() };
        let late = Metered { measured: None, late: Flow { import: wh(0), export: wh(7) } };
        let given = vec![input(3, Some(late)), input(2, None), input(1, Some(measured))];
        let ascending: Vec<MemberInput> = given.iter().rev().cloned().collect();
        let mut asked = Vec::new();
        let inputs = Inputs::new(given, |input| {
            asked.push(input.member);
            Ok::<_, ()>(Grid::ROOT)
        });
        let inputs = inputs.unwrap();
        assert_eq!(asked, [id(1), id(2), id(3)]);
        let metered: Vec<_> = inputs.metered().iter().map(|of| (of.member, of.metered)).collect();
        assert_eq!(metered, [(id(1), measured), (id(3), late)]);
        assert_eq!(inputs.unread(), [id(2), id(3)]);
        assert_eq!((inputs.all(), inputs.clone().into_all()), (&ascending[..], ascending.clone()));
        assert_eq!(Inputs::new(ascending, |input| Err(input.member)), Err(id(1)));
    }
}
