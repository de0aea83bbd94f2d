//! What a clearing knows of each member, in the form in which a settlement commits to it and a correction brings it back.

use protocol::{
    correction::{MemberInput, Values},
    key::DeviceId,
    member::MemberId,
    reading::Flow,
};

use crate::{
    grid::BusIndex,
    metering::Metered,
    settlement::{Limits, MeteredMember},
};

/// The input of a member: who measures, at what prices it trades, and what was measured, if it was read.
pub fn member_input(
    member: MemberId,
    device: Option<DeviceId>,
    renewable: bool,
    limits: Limits,
    metered: Option<Metered>,
) -> MemberInput {
    let values = metered.map(|Metered { measured, late }| Values {
        import: measured.import,
        export: measured.export,
        late_import: late.import,
        late_export: late.export,
    });
    let Limits { buy, sell, buy_cap, sell_cap } = limits;
    MemberInput { member, device, renewable, buy, sell, buy_cap, sell_cap, values }
}

/// The member as the clearing takes it, connected to `bus`; none if it was not read.
pub fn metered_member(input: &MemberInput, bus: BusIndex) -> Option<MeteredMember> {
    let &MemberInput { member, renewable, buy, sell, buy_cap, sell_cap, values, .. } = input;
    let Values { import, export, late_import, late_export } = values?;
    Some(MeteredMember {
        member,
        bus,
        limits: Limits { buy, sell, buy_cap, sell_cap },
        metered: Metered { measured: Flow { import, export }, late: Flow { import: late_import, export: late_export } },
        renewable,
    })
}
