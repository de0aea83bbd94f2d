//! The validators of a height, and whose turn it is.

use std::sync::Arc;

use protocol::{commit::Validator as Member, key::ValidatorId};

use super::{Halt, words::Address};

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validator {
    pub(super) address: Address,
    pub(super) power: u64,
}

/// The validators of a height: at least one, in ascending order of key, none twice, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValidatorSet {
    pub(super) validators: Arc<[Validator]>,
    pub(super) total: u64,
}

impl ValidatorSet {
    pub(super) fn new(height: u64, members: &[Member]) -> Result<ValidatorSet, Halt> {
        let bad = |reason| Halt::BadValidators { height, reason };
        let mut validators: Vec<_> =
            members.iter().map(|member| Validator { address: Address(member.key), power: member.power }).collect();
        validators.sort_by_key(|validator| validator.address);
        if validators.is_empty() {
            return Err(bad("expected at least one, found none"));
        }
        if !validators.is_sorted_by(|a, b| a.address < b.address) {
            return Err(bad("one appears twice"));
        }
        // The engine multiplies powers by 3 and panics where that overflows.
        let total = validators.iter().try_fold(0u64, |sum, validator| sum.checked_add(validator.power));
        let total = total.filter(|&total| total > 0 && total.checked_mul(3).is_some());
        let total = total.ok_or_else(|| bad("their power is zero, or too large to count"))?;
        Ok(ValidatorSet { validators: validators.into(), total })
    }

    /// Whose turn a round is.
    pub(super) fn proposer(&self, height: u64, round: u32) -> &Validator {
        &self.validators[turn(height, round, self.validators.len())]
    }

    pub(super) fn contains(&self, key: &ValidatorId) -> bool {
        self.of(&Address(*key)).is_some()
    }

    /// The validator of an address, if it is one.
    pub(super) fn of(&self, address: &Address) -> Option<&Validator> {
        let index = self.validators.binary_search_by_key(address, |validator| validator.address).ok()?;
        self.validators.get(index)
    }

    /// The set in the words of `protocol`, in order of key.
    pub(super) fn members(&self) -> Vec<Member> {
        self.validators.iter().map(|validator| Member { key: validator.address.0, power: validator.power }).collect()
    }
}

/// Index of the validator whose turn a round is: round robin over heights, and over rounds within one. Plain, not
/// weighted by power: everyone proposes equally often, and a voter can predict it with nothing but the set.
fn turn(height: u64, round: u32, count: usize) -> usize {
    let count = count as u64;
    ((height % count + u64::from(round) % count) % count) as usize
}

/// Whose turn it is to propose: entry `(height + round) mod n` of the validators in ascending order of key.
/// `None` if there are no validators.
pub fn proposer(validators: &[Member], height: u64, round: u32) -> Option<ValidatorId> {
    let mut keys: Vec<_> = validators.iter().map(|validator| validator.key).collect();
    keys.sort_unstable();
    (!keys.is_empty()).then(|| keys[turn(height, round, keys.len())])
}

#[cfg(test)]
mod tests {
    use protocol::key::SecretKey;

    use super::*;

    fn member(seed: u8, power: u64) -> Member {
        Member { key: SecretKey::from_seed(&[seed; 32]).public(), power }
    }

    #[test]
    fn everyone_proposes_in_turn() {
        let members = [member(1, 1), member(2, 100), member(3, 1)];
        let set = ValidatorSet::new(1, &members).unwrap();
        let turns: Vec<_> = (0..3).map(|round| set.proposer(7, round).address.0).collect();
        assert_eq!(set.proposer(8, 0).address.0, turns[1]);
        assert_eq!(set.proposer(u64::MAX, u32::MAX).address, set.proposer(u64::MAX % 3, u32::MAX % 3).address);
        for member in &members {
            assert!(turns.contains(&member.key));
        }
        for round in 0..9 {
            assert_eq!(proposer(&members, 7, round), Some(turns[round as usize % 3]));
        }
        assert_eq!(proposer(&[], 7, 0), None);
    }

    #[test]
    fn a_set_that_cannot_decide_is_refused() {
        let reason = |members: &[Member]| match ValidatorSet::new(1, members) {
            Err(Halt::BadValidators { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason(&[]).contains("none"));
        assert!(reason(&[member(1, 1), member(1, 2)]).contains("twice"));
        assert!(reason(&[member(1, 0)]).contains("power"));
        assert!(reason(&[member(1, u64::MAX / 2), member(2, u64::MAX / 2)]).contains("power"));
    }
}
