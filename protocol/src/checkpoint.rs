//! Checkpoints of a chain's log (C2SP tlog-checkpoint v1.0.0): one text that says how many blocks there are, and what
//! all of them are, for whoever is to see that everybody is told the same.
//!
//! The log is one RFC 6962 tree over the headers ([`crate::log`]). Nodes sign checkpoints as logs do, validators cosign
//! them, and so do witnesses that have nothing to do with the community.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use tlog_tiles::tlog;

use crate::{
    cbor,
    envelope::ChainId,
    hash::Hash,
    key::{PublicKey, SecretKey, Signature, ValidatorId},
    limits::LOG_PATH_MAX,
    merkle::MerkleRoot,
    note::{Note, NoteKey, NoteSignature, SignatureKind},
    text::ParseError,
};

const EXPECTED: &str = "a checkpoint: origin, size and root, without extensions";
/// Purpose of the key with which a node signs its checkpoints, derived from that of its connections.
const LOG_KEY: &str = "voisin/log-key/v1";
/// Purpose of the key with which a validator cosigns checkpoints, derived from that of its votes.
const COSIGNER_KEY: &str = "voisin/cosigner-key/v1";

/// The name of a chain's log: every node's, so that all of them can be held against each other.
pub fn origin(chain: &ChainId) -> String {
    format!("voisin/{chain}")
}

/// The key with which a node signs checkpoints of a chain as its log, from the one of its connections.
pub fn log_key(chain: &ChainId, network: &SecretKey) -> (SecretKey, NoteKey) {
    named(&origin(chain), SignatureKind::Note, network.derive(LOG_KEY))
}

/// The key with which a validator cosigns checkpoints of a chain, from the one of its votes.
pub fn cosigner_key(chain: &ChainId, validator: &SecretKey) -> (SecretKey, NoteKey) {
    named(&cosigner_name(chain, &validator.public()), SignatureKind::Cosignature, validator.derive(COSIGNER_KEY))
}

fn cosigner_name(chain: &ChainId, validator: &ValidatorId) -> String {
    format!("{}/{}", origin(chain), validator.multibase())
}

fn named(name: &str, kind: SignatureKind, secret: SecretKey) -> (SecretKey, NoteKey) {
    let key = NoteKey::new(name, kind, secret.public());
    let Some(key) = key else { unreachable!("digits and letters are the name of a key") };
    (secret, key)
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log it is of.
    pub origin: String,
    /// How many blocks there are, and the root of the tree over their headers.
    pub root: MerkleRoot,
}

impl Checkpoint {
    /// The checkpoint of a chain's log.
    pub fn of(chain: &ChainId, root: MerkleRoot) -> Checkpoint {
        Checkpoint { origin: origin(chain), root }
    }
}

impl fmt::Display for Checkpoint {
    /// The text that is signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.root.leaves, tlog::Hash(*self.root.hash.as_bytes()))
    }
}

impl FromStr for Checkpoint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Checkpoint, ParseError> {
        let read = || {
            let mut lines = text.split('\n');
            let [Some(origin), Some(size), Some(hash)] = [lines.next(), lines.next(), lines.next()] else {
                return None;
            };
            let root = MerkleRoot { leaves: size.parse().ok()?, hash: hash_of_base64(hash)? };
            let checkpoint = Checkpoint { origin: origin.into(), root };
            // One text for one checkpoint; and nobody here signs extensions.
            (!origin.is_empty() && checkpoint.to_string() == text).then_some(checkpoint)
        };
        read().ok_or_else(|| ParseError::new(EXPECTED, text))
    }
}

/// A hash as logs write it, in base64.
pub(crate) fn hash_of_base64(text: &str) -> Option<Hash> {
    let hash = Hash::from_bytes(tlog::Hash::parse_hash(text).ok()?.0);
    (hash_to_base64(&hash) == text).then_some(hash)
}

/// A hash as logs write it, in base64.
pub(crate) fn hash_to_base64(hash: &Hash) -> String {
    tlog::Hash(*hash.as_bytes()).to_string()
}

/// A checkpoint and the signatures under it, of which none is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// A checkpoint that a log signs.
    pub fn sign(checkpoint: Checkpoint, secret: &SecretKey, key: &NoteKey) -> SignedCheckpoint {
        let text = checkpoint.to_string();
        let line = key.sign(&text, secret, 0);
        let Some(note) = Note::new(text, vec![line]) else { unreachable!("a checkpoint has no control characters") };
        SignedCheckpoint { checkpoint, note }
    }

    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a signature, in place of one of the same key if there is one.
    pub fn add(&mut self, line: NoteSignature) {
        self.note.add(line);
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.note, f)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<SignedCheckpoint, ParseError> {
        let note: Note = text.parse()?;
        Ok(SignedCheckpoint { checkpoint: note.text().parse()?, note })
    }
}

/// What a witness is asked with (`POST add-checkpoint`, C2SP tlog-witness v1.0.0): the size that it saw last, the proof
/// that the checkpoint goes on from there, and the checkpoint.
pub fn add_checkpoint(old: u64, proof: &[Hash], checkpoint: &SignedCheckpoint) -> String {
    let proof: String = proof.iter().map(|hash| format!("{}\n", hash_to_base64(hash))).collect();
    format!("old {old}\n{proof}\n{checkpoint}")
}

/// Reads what [`add_checkpoint`] writes: the size, the proof, and the checkpoint.
pub fn read_add_checkpoint(text: &str) -> Result<(u64, Vec<Hash>, SignedCheckpoint), ParseError> {
    let read = || {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?.parse().ok()?;
        let proof = lines.take(LOG_PATH_MAX + 1).map(hash_of_base64).collect::<Option<Vec<_>>>()?;
        (proof.len() <= LOG_PATH_MAX).then_some((old, proof, checkpoint.parse().ok()?))
    };
    read().ok_or_else(|| ParseError::new("a size, a proof and a checkpoint (C2SP tlog-witness)", text))
}

/// Which key a validator cosigns with: said with the key of its votes, because nobody else could tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Cosigner {
    /// The validator.
    #[n(0)]
    pub validator: ValidatorId,
    /// The key with which it cosigns.
    #[n(1)]
    pub key: PublicKey,
    /// Its signature over `["voisin/cosigner/v1", chain, key]`, with the key of its votes.
    #[n(2)]
    pub signature: Signature,
}

impl Cosigner {
    /// What a validator says of the key that it cosigns with.
    pub fn of(chain: &ChainId, validator: &SecretKey) -> Cosigner {
        let key = cosigner_key(chain, validator).0.public();
        Cosigner { validator: validator.public(), key, signature: validator.sign(&cosigner_bytes(chain, &key)) }
    }

    /// The key and its name, if the validator has said so.
    pub fn note_key(&self, chain: &ChainId) -> Option<NoteKey> {
        let said = self.validator.verifies(&cosigner_bytes(chain, &self.key), &self.signature);
        said.then(|| NoteKey::new(&cosigner_name(chain, &self.validator), SignatureKind::Cosignature, self.key))?
    }
}

/// A validator's cosignature of a checkpoint, on its way to the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Cosigned {
    /// Blocks of the log.
    #[n(0)]
    pub size: u64,
    /// Its root.
    #[n(1)]
    pub root: Hash,
    /// Who cosigned.
    #[n(2)]
    pub cosigner: Cosigner,
    /// When, Unix seconds.
    #[n(3)]
    pub time_s: u64,
    /// The signature, of type 0x04.
    #[n(4)]
    pub signature: Signature,
}

impl Cosigned {
    /// A validator's cosignature of the checkpoint with a root.
    pub fn sign(chain: &ChainId, root: &MerkleRoot, validator: &SecretKey, time_s: u64) -> Cosigned {
        let (secret, key) = cosigner_key(chain, validator);
        let signature = key.cosign(&Checkpoint::of(chain, *root).to_string(), &secret, time_s);
        Cosigned { size: root.leaves, root: root.hash, cosigner: Cosigner::of(chain, validator), time_s, signature }
    }

    /// The line of the cosignature, if it holds and its key is the one that the validator has said.
    pub fn line(&self, chain: &ChainId) -> Option<NoteSignature> {
        let key = self.cosigner.note_key(chain)?;
        let line = key.line([&self.time_s.to_be_bytes(), &self.signature.as_bytes()[..]].concat());
        let root = MerkleRoot { leaves: self.size, hash: self.root };
        key.verify(&Checkpoint::of(chain, root).to_string(), &line).map(|_| line)
    }
}

fn cosigner_bytes(chain: &ChainId, key: &PublicKey) -> Vec<u8> {
    cbor::encode(&("voisin/cosigner/v1", chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_one_text() {
        let chain = Hash::of(b"a chain");
        let checkpoint = Checkpoint::of(&chain, MerkleRoot { leaves: 13, hash: Hash::of(b"root") });
        let text = checkpoint.to_string();
        assert_eq!(text.parse(), Ok(checkpoint.clone()));
        let other = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        assert_eq!(
            (other.origin(), other.size(), other.hash().0),
            (&*origin(&chain), 13, *checkpoint.root.hash.as_bytes())
        );
        for wrong in [
            &text[1..text.len() - 1],
            &text.replace("\n13\n", "\n013\n"),
            &text.replace("\n13\n", "\n+13\n"),
            &text.replace("\n13\n", "\n-1\n"),
            &text.replace("\n13\n", "\n18446744073709551616\n"),
            &format!("{text}extension\n"),
            &text.replace('=', ""),
            &format!("\n{text}"),
        ] {
            assert!(wrong.parse::<Checkpoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cosigner_is_who_its_validator_says() {
        let chain = Hash::of(b"a chain");
        let [one, two] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let cosigner = Cosigner::of(&chain, &one);
        let (secret, key) = cosigner_key(&chain, &one);
        assert_eq!(cosigner.note_key(&chain), Some(key.clone()));
        assert_ne!(secret.public(), one.public(), "a key for this alone");
        assert_ne!(log_key(&chain, &one).0.public(), secret.public());
        assert_eq!(cosigner.note_key(&Hash::ZERO), None, "of another chain");
        assert_eq!(Cosigner { key: two.public(), ..cosigner }.note_key(&chain), None);
        assert_eq!(Cosigner { validator: two.public(), ..cosigner }.note_key(&chain), None);

        let root = MerkleRoot { leaves: 13, hash: Hash::of(b"root") };
        let cosigned = Cosigned::sign(&chain, &root, &one, 9);
        assert_eq!(cosigned.cosigner, cosigner);
        let line = cosigned.line(&chain).unwrap();
        assert_eq!(key.verify(&Checkpoint::of(&chain, root).to_string(), &line), Some(9));
        for forged in [
            Cosigned { size: 14, ..cosigned },
            Cosigned { root: Hash::ZERO, ..cosigned },
            Cosigned { time_s: 10, ..cosigned },
            Cosigned { cosigner: Cosigner::of(&chain, &two), ..cosigned },
        ] {
            assert_eq!(forged.line(&chain), None);
        }
    }
}
