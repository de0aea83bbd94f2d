//! A validator that cannot know what it has signed keeps silent: it follows like a node without a key until no height
//! is left at which it may have voted.
//!
//! Why the others can tell: to vote at a height, it had to see the one before decided, so more than two thirds of the
//! power had begun that one, and had the block before it. It asks everyone, with a random word so that no old answer
//! passes for a new one. Once validators with two thirds of all power, its own not counted, have said which block they
//! have, at least one honest one among them was there, and **the highest of their heights plus two is the last at which
//! it can have voted**. Others that keep silent do not answer: they may know less than they once did. Pure.

use std::collections::BTreeMap;

use protocol::{
    hash::Hash,
    key::{SecretKey, ValidatorId},
};

use super::{
    part::{Answer, Ask},
    record::Silent,
    signing,
    validators::ValidatorSet,
};

impl Ask {
    pub(super) fn sign(chain: &Hash, key: &SecretKey, word: Hash) -> Ask {
        Ask { word, validator: key.public(), signature: key.sign(&signing::ask(chain, &word)) }
    }

    pub(super) fn is_signed(&self, chain: &Hash) -> bool {
        self.validator.verifies(&signing::ask(chain, &self.word), &self.signature)
    }
}

impl Answer {
    pub(super) fn sign(chain: &Hash, key: &SecretKey, word: Hash, height: u64) -> Answer {
        let signature = key.sign(&signing::answer(chain, &word, height));
        Answer { word, height, validator: key.public(), signature }
    }

    fn is_signed(&self, chain: &Hash) -> bool {
        self.validator.verifies(&signing::answer(chain, &self.word, self.height), &self.signature)
    }
}

/// Until when a validator keeps silent, and what it has heard about that.
#[derive(Debug)]
pub(super) struct Silence {
    until: Silent,
    /// What it asks with.
    pub(super) word: Hash,
    answers: BTreeMap<ValidatorId, u64>,
}

impl Silence {
    pub(super) fn new(until: Silent, word: Hash) -> Silence {
        Silence { until, word, answers: BTreeMap::new() }
    }

    /// Whether it has to ask.
    pub(super) fn asks(&self) -> bool {
        self.until == Silent::UntilAnswered
    }

    /// Takes an answer in.
    pub(super) fn hear(&mut self, chain: &Hash, validators: &ValidatorSet, answer: &Answer) {
        let is_new = self.answers.get(&answer.validator).is_none_or(|height| answer.height < *height);
        if self.asks()
            && answer.word == self.word
            && is_new
            && validators.contains(&answer.validator)
            && answer.is_signed(chain)
        {
            // Any answer after the question bounds what was before it; the lowest one bounds it best.
            self.answers.insert(answer.validator, answer.height);
        }
    }

    /// The last height at which the validator `me` may have voted, once that is known.
    pub(super) fn last_vote(&self, me: &ValidatorId, validators: &ValidatorSet) -> Option<u64> {
        if let Silent::Until(height) = self.until {
            return Some(height);
        }
        let members = validators.members();
        let total: u64 = members.iter().map(|member| member.power).sum();
        let mut answers: Vec<_> = members
            .iter()
            .filter(|member| member.key != *me)
            .filter_map(|member| self.answers.get(&member.key).map(|height| (*height, member.power)))
            .collect();
        answers.sort_unstable();
        let mut power = 0;
        // The sum of all powers times three does not overflow (`ValidatorSet::new`).
        let enough = answers.into_iter().find(|(_, more)| {
            power += more;
            3 * power >= 2 * total
        });
        enough.map(|(height, _)| height.saturating_add(2))
    }
}

#[cfg(test)]
mod tests {
    use protocol::commit::Validator;

    use super::*;

    const CHAIN: Hash = Hash::from_bytes([3; 32]);
    const WORD: Hash = Hash::from_bytes([4; 32]);

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn set(powers: &[u64]) -> ValidatorSet {
        let members: Vec<_> =
            (1..).zip(powers).map(|(seed, power)| Validator { key: key(seed).public(), power: *power }).collect();
        ValidatorSet::new(1, &members).unwrap()
    }

    fn silence() -> Silence {
        Silence::new(Silent::UntilAnswered, WORD)
    }

    /// What validator 1 knows after these answers.
    fn after(powers: &[u64], answers: &[(u8, u64)]) -> Option<u64> {
        let (set, mut silence) = (set(powers), silence());
        for (seed, height) in answers {
            silence.hear(&CHAIN, &set, &Answer::sign(&CHAIN, &key(*seed), WORD, *height));
        }
        silence.last_vote(&key(1).public(), &set)
    }

    #[test]
    fn two_thirds_of_the_others_must_have_answered() {
        assert_eq!(after(&[1; 4], &[(2, 7), (3, 8)]), None);
        assert_eq!(after(&[1; 4], &[(1, 7), (2, 7), (3, 8)]), None, "its own answer does not count");
        assert_eq!(after(&[1; 4], &[(2, 7), (3, 8), (4, 5)]), Some(10));
        assert_eq!(
            after(&[1; 4], &[(2, 7), (3, 8), (3, 9), (4, 5)]),
            Some(10),
            "the first of two rising answers counts"
        );
        assert_eq!(after(&[1; 4], &[(2, 7), (3, 8), (5, 5)]), None, "no validator");
        assert_eq!(after(&[1; 7], &[(2, 7), (3, 8), (4, 5), (5, 7), (6, u64::MAX)]), Some(u64::MAX));
        assert_eq!(after(&[1; 7], &[(2, 7), (3, 8), (4, 5), (5, 7), (6, u64::MAX), (7, 9)]), Some(11));
        assert_eq!(after(&[1, 5, 1], &[(2, 7)]), Some(9));
        assert_eq!(after(&[5, 1, 1], &[(2, 7), (3, 7)]), None, "the others cannot decide without it");
        assert_eq!(after(&[1], &[]), None);
    }

    #[test]
    fn old_and_forged_answers_do_not_count() {
        let set = set(&[1; 2]);
        let good = Answer::sign(&CHAIN, &key(2), WORD, 7);
        let forged: [(&str, Answer); 4] = [
            ("another word", Answer::sign(&CHAIN, &key(2), Hash::ZERO, 7)),
            ("another chain", Answer::sign(&Hash::ZERO, &key(2), WORD, 7)),
            ("another height", Answer { height: 6, ..good.clone() }),
            ("another validator", Answer { validator: key(1).public(), ..good.clone() }),
        ];
        for (what, answer) in forged {
            let mut silence = silence();
            silence.hear(&CHAIN, &set, &answer);
            assert!(silence.answers.is_empty(), "{what}");
        }
        let mut silence = silence();
        silence.hear(&CHAIN, &set, &good);
        assert_eq!(silence.answers.len(), 1);
        assert!(Ask::sign(&CHAIN, &key(2), WORD).is_signed(&CHAIN));
        assert!(!Ask::sign(&CHAIN, &key(2), WORD).is_signed(&Hash::ZERO));
    }

    #[test]
    fn where_the_height_is_known_nobody_is_asked() {
        let silence = Silence::new(Silent::Until(9), WORD);
        assert!(!silence.asks());
        assert_eq!(silence.last_vote(&key(1).public(), &set(&[1; 4])), Some(9));
    }
}
