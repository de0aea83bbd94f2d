//! The ledger at one moment, as far as the next clearing depends on it.

use std::collections::BTreeMap;

use protocol::{
    api::{MemberStatus, RulesInForce, StandingOrder, Status},
    envelope::Sealed,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    member::MemberId,
    reading::{ChainHead, Registers},
};

/// All that the next clearing depends on beside the readings, as one validator has it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Which node it is from.
    pub(crate) source: usize,
    /// The last settled interval.
    pub(crate) settled: Option<Interval>,
    /// The next interval to settle.
    pub(crate) next: Interval,
    pub(crate) tie_seed: Hash,
    /// Where each device's chain is settled to.
    pub(crate) heads: BTreeMap<DeviceId, ChainHead>,
    /// Readings that the next settlement must not leave out.
    pub(crate) committed: Vec<Sealed>,
    /// Standing orders of the next interval.
    pub(crate) orders: BTreeMap<MemberId, StandingOrder>,
    /// Sequence number of each member's last order.
    pub(crate) order_sequences: BTreeMap<MemberId, u64>,
    /// All that is known of the members.
    pub(crate) members: Vec<MemberStatus>,
    pub(crate) rules: Box<RulesInForce>,
}

impl Snapshot {
    /// What the node `source` says.
    pub(crate) fn new(source: usize, status: &Status, members: Vec<MemberStatus>, rules: RulesInForce) -> Snapshot {
        let head = |member: &MemberStatus| {
            let registers = Registers { import_wh: member.import_wh, export_wh: member.export_wh };
            let head = ChainHead { sequence: member.sequence, hash: member.reading, interval: member.read, registers };
            Some((member.device?, head))
        };
        Snapshot {
            source,
            settled: status.settled,
            next: status.next,
            tie_seed: status.tie_seed,
            heads: members.iter().filter_map(head).collect(),
            committed: members.iter().filter_map(|member| member.committed.clone()).collect(),
            orders: members.iter().filter_map(|member| Some((member.member, member.order.clone()?))).collect(),
            order_sequences: members.iter().map(|member| (member.member, member.order_sequence)).collect(),
            members,
            rules: Box::new(rules),
        }
    }
}
