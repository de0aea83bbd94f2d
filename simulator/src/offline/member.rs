//! A member of a community that is played.

use market::grid::BusIndex;
use protocol::member::MemberId;

/// A member of the community.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) id: MemberId,
    pub(crate) bus: BusIndex,
    /// Its strategy, by its place in the list.
    pub(crate) strategy: usize,
    pub(crate) has_roof: bool,
}

/// Whose the line of this place is: in the order of the homes, because lines are in ascending order of member.
pub(crate) fn member_id(number: usize) -> MemberId {
    MemberId::from_bytes((number as u128 + 1).to_be_bytes())
}

/// The number of a member in the tables, from 1 on.
pub(crate) fn number_of(id: MemberId) -> i32 {
    // As `member_id` makes it, of fewer than 2³¹ members.
    u128::from_be_bytes(*id.as_bytes()) as i32
}
