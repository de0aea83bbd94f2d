//! The cosignatures of validators, by the size of the log that they are of.

use std::collections::BTreeMap;

use protocol::{
    checkpoint::{Checkpoint, Cosigned, Cosigner},
    commit::{Power, Validator},
    envelope::ChainId,
    hash::Hash,
    key::ValidatorId,
    merkle::MerkleRoot,
    note::NoteSignature,
};

/// Sizes that are gathered at once: that long the slowest of two thirds may take.
pub(super) const SIZES_MAX: u64 = 64;

/// What became of a cosignature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathering {
    /// It is new.
    New,
    /// It was known.
    Known,
    /// Of a size that is not gathered any more, or not yet.
    OutOfReach,
    /// Of no validator.
    NoValidator,
    /// It does not hold, or its key is not the validator's.
    BadSignature,
    /// It holds, and is of another log than this node's.
    OtherHistory,
}

/// Cosignatures of the last sizes.
#[derive(Default)]
pub(super) struct Gathered {
    sizes: BTreeMap<u64, OfSize>,
}

#[derive(Default)]
struct OfSize {
    /// The root here, once the log has this size.
    own: Option<Hash>,
    cosigned: BTreeMap<ValidatorId, (Cosigned, NoteSignature)>,
}

impl Gathered {
    /// Takes one in, while the ledger's last block is `height`.
    pub(super) fn take(
        &mut self,
        chain: &ChainId,
        validators: &[Validator],
        height: u64,
        cosigned: &Cosigned,
    ) -> Gathering {
        let validator = cosigned.cosigner.validator;
        if cosigned.size.abs_diff(height) > SIZES_MAX || cosigned.size == 0 {
            return Gathering::OutOfReach;
        }
        if validators.iter().all(|known| known.key != validator) {
            return Gathering::NoValidator;
        }
        let known = self.sizes.get(&cosigned.size);
        if known.is_some_and(|it| it.cosigned.get(&validator).is_some_and(|(known, _)| known.root == cosigned.root)) {
            return Gathering::Known;
        }
        let Some(line) = cosigned.line(chain) else { return Gathering::BadSignature };
        let of_size = self.sizes.entry(cosigned.size).or_default();
        if of_size.own.is_some_and(|own| own != cosigned.root) || of_size.cosigned.contains_key(&validator) {
            return Gathering::OtherHistory;
        }
        of_size.cosigned.insert(validator, (*cosigned, line));
        Gathering::New
    }

    /// Says what the log's root is here at a size, and forgets what is long past. Returns those who have cosigned
    /// another.
    pub(super) fn reach(&mut self, root: &MerkleRoot) -> Vec<Cosigned> {
        self.sizes = self.sizes.split_off(&root.leaves.saturating_sub(SIZES_MAX));
        let of_size = self.sizes.entry(root.leaves).or_default();
        of_size.own = Some(root.hash);
        let others = of_size.cosigned.extract_if(.., |_, (cosigned, _)| cosigned.root != root.hash);
        others.map(|(_, (cosigned, _))| cosigned).collect()
    }

    /// The last size that was reached.
    pub(super) fn last_reached(&self) -> Option<u64> {
        self.sizes.iter().rev().find(|(_, of_size)| of_size.own.is_some()).map(|(size, _)| *size)
    }

    /// What a validator cosigned last.
    pub(super) fn last_of(&self, validator: &ValidatorId) -> Option<Cosigned> {
        self.sizes.values().rev().find_map(|of_size| of_size.cosigned.get(validator)).map(|(cosigned, _)| *cosigned)
    }

    /// The largest checkpoint here that validators with more than two thirds of the power have cosigned: with the
    /// cosigners in ascending order of validator, and their lines.
    pub(super) fn enough(
        &self,
        chain: &ChainId,
        validators: &[Validator],
    ) -> Option<(Checkpoint, Vec<(Cosigner, NoteSignature)>)> {
        let total = validators.iter().map(|validator| u128::from(validator.power)).sum();
        let mut sizes = self.sizes.iter().rev().filter_map(|(size, of_size)| Some((*size, of_size.own?, of_size)));
        sizes.find_map(|(leaves, hash, OfSize { cosigned, .. })| {
            let signers = validators.iter().filter(|validator| cosigned.contains_key(&validator.key));
            let power = Power { signed: signers.clone().map(|signer| u128::from(signer.power)).sum(), total };
            let is_signer = |key: &ValidatorId| signers.clone().any(|signer| signer.key == *key);
            let lines = cosigned.iter().filter(|(key, _)| is_signer(key));
            let lines = lines.map(|(_, (cosigned, line))| (cosigned.cosigner, line.clone())).collect();
            power.is_enough().then(|| (Checkpoint::of(chain, MerkleRoot { leaves, hash }), lines))
        })
    }
}

#[cfg(test)]
mod tests {
    use protocol::key::SecretKey;

    use super::*;

    fn root(leaves: u64, of: &str) -> MerkleRoot {
        MerkleRoot { leaves, hash: Hash::of(of.as_bytes()) }
    }

    #[test]
    fn a_checkpoint_is_cosigned_by_more_than_two_thirds_or_is_none() {
        let chain = Hash::of(b"a chain");
        let keys = [1, 2, 3, 4].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let validators: Vec<Validator> = keys.iter().map(|key| Validator { key: key.public(), power: 1 }).collect();
        let mut gathered = Gathered::default();
        let take = |gathered: &mut Gathered, root: &MerkleRoot, key: &SecretKey| {
            gathered.take(&chain, &validators, 7, &Cosigned::sign(&chain, root, key, 9))
        };
        let honest = root(7, "honest");
        for key in &keys[..3] {
            assert_eq!(take(&mut gathered, &honest, key), Gathering::New);
            assert_eq!(take(&mut gathered, &honest, key), Gathering::Known);
            assert_eq!(gathered.enough(&chain, &validators), None, "not the root of this node's own log yet");
        }
        assert_eq!(gathered.reach(&honest), []);
        let (checkpoint, lines) = gathered.enough(&chain, &validators).unwrap();
        assert_eq!((checkpoint.root, lines.len()), (honest, 3));
        assert!(lines.is_sorted_by(|(a, _), (b, _)| a.validator < b.validator));
        assert_eq!(gathered.enough(&chain, &validators[1..]), None, "two of three");

        assert_eq!(take(&mut gathered, &root(7, "forged"), &keys[3]), Gathering::OtherHistory);
        assert_eq!(take(&mut gathered, &root(7, "forged"), &keys[0]), Gathering::OtherHistory);
        // What is ahead of this node is held against its log when that gets there.
        assert_eq!(take(&mut gathered, &root(8, "forged"), &keys[3]), Gathering::New);
        assert_eq!(take(&mut gathered, &root(8, "honest"), &keys[3]), Gathering::OtherHistory, "two of one size");
        let others = gathered.reach(&root(8, "honest"));
        assert_eq!((others.len(), others[0].cosigner.validator), (1, keys[3].public()));
        assert_eq!((gathered.last_reached(), gathered.last_of(&keys[3].public())), (Some(8), None));

        let far = [0, 7 + SIZES_MAX + 1].map(|size| take(&mut gathered, &root(size, "honest"), &keys[0]));
        assert_eq!(far, [Gathering::OutOfReach; 2]);
        let stranger = SecretKey::from_seed(&[5; 32]);
        assert_eq!(take(&mut gathered, &honest, &stranger), Gathering::NoValidator);
        let mut forged = Cosigned::sign(&chain, &root(9, "honest"), &keys[0], 9);
        forged.time_s += 1;
        assert_eq!(gathered.take(&chain, &validators, 7, &forged), Gathering::BadSignature);
        gathered.reach(&root(8 + SIZES_MAX, "honest"));
        assert_eq!(gathered.sizes.keys().copied().collect::<Vec<_>>(), [8, 8 + SIZES_MAX]);
    }
}
