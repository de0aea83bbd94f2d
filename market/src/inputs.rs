//! What a clearing knows of each member, in the form in which a settlement commits to it and a correction brings it back.

use protocol::{
    api::StandingOrder,
    correction::{MemberInput, Values},
    energy::Energy,
    interval::Interval,
    key::DeviceId,
    member::MemberId,
    money::Price,
    order::Order,
    reading::Flow,
};

use crate::{grid::BusIndex, metering::Metered};

/// A member's price limits and caps for one interval; without any it is a price taker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Highest price to buy at; without it, the retail price.
    pub buy: Option<Price>,
    /// Lowest price to sell at; without it, the feed-in price.
    pub sell: Option<Price>,
    /// Most energy to buy from neighbours.
    pub buy_cap: Option<Energy>,
    /// Most energy to sell to neighbours.
    pub sell_cap: Option<Energy>,
}

impl From<&StandingOrder> for Limits {
    fn from(order: &StandingOrder) -> Limits {
        Limits { buy: order.buy, sell: order.sell, buy_cap: order.buy_cap, sell_cap: order.sell_cap }
    }
}

impl From<&Order> for Limits {
    fn from(order: &Order) -> Limits {
        Limits { buy: order.buy, sell: order.sell, buy_cap: order.buy_cap, sell_cap: order.sell_cap }
    }
}

/// A member that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteredMember {
    /// Who.
    pub member: MemberId,
    /// Where on the grid.
    pub bus: BusIndex,
    /// At what prices it trades.
    pub limits: Limits,
    /// What its meter says.
    pub metered: Metered,
    /// Whether what it feeds in is renewable, so that certificates are minted for it.
    pub renewable: bool,
}

/// The device that has to measure `interval`, where the last reading before ended `read`: none where it was revoked, or
/// begins later.
pub fn measuring(device: Option<DeviceId>, read: Interval, interval: Interval) -> Option<DeviceId> {
    device.filter(|_| takes_part(read, interval))
}

/// Whether a member takes part in `interval`, whose last reading before ended `read`: who was registered while an interval
/// was open does from the next one on.
pub fn takes_part(read: Interval, interval: Interval) -> bool {
    read < interval
}

/// The members, in the order of the inputs, that had a device which did not measure this very interval.
pub fn unread(inputs: &[MemberInput]) -> Vec<MemberId> {
    inputs.iter().filter(|input| input.is_unread()).map(|input| input.member).collect()
}

/// The input of a member: who measures, at what prices it trades, and what was measured, if it was read.
pub fn member_input(
    member: MemberId,
    device: Option<DeviceId>,
    renewable: bool,
    limits: Limits,
    metered: Option<Metered>,
) -> MemberInput {
    let values = metered.map(|Metered { measured, late }| {
        let Flow { import, export } = measured.unwrap_or_default();
        let late_only = measured.is_none();
        Values { import, export, late_import: late.import, late_export: late.export, late_only }
    });
    let Limits { buy, sell, buy_cap, sell_cap } = limits;
    MemberInput { member, device, renewable, buy, sell, buy_cap, sell_cap, values }
}

/// The member as the clearing takes it, connected to `bus`; none if it was not read.
pub fn metered_member(input: &MemberInput, bus: BusIndex) -> Option<MeteredMember> {
    let &MemberInput { member, renewable, buy, sell, buy_cap, sell_cap, values, .. } = input;
    let Values { import, export, late_import, late_export, late_only } = values?;
    let measured = (!late_only).then_some(Flow { import, export });
    Some(MeteredMember {
        member,
        bus,
        limits: Limits { buy, sell, buy_cap, sell_cap },
        metered: Metered { measured, late: Flow { import: late_import, export: late_export } },
        renewable,
    })
}
