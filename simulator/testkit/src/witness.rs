//! A witness of logs, as C2SP tlog-witness v1.0.0 has it: it cosigns what goes on from what it cosigned before.

use protocol::{
    checkpoint::read_add_checkpoint,
    key::SecretKey,
    log::grows,
    merkle::MerkleRoot,
    note::{NoteKey, SignatureKind},
};

/// It knows one log, by whoever signs for it.
pub struct Witness {
    secret: SecretKey,
    pub key: NoteKey,
    logs: Vec<NoteKey>,
    /// What it cosigned last.
    pub seen: Option<MerkleRoot>,
    /// The time that it signs; nobody's clock.
    pub time_s: u64,
}

impl Witness {
    /// A witness that believes `logs` to sign for the log of their name.
    pub fn new(name: &str, seed: u8, logs: Vec<NoteKey>) -> Witness {
        let secret = SecretKey::from_seed(&[seed; 32]);
        let key = NoteKey::new(name, SignatureKind::Cosignature, secret.public()).unwrap();
        Witness { secret, key, logs, seen: None, time_s: 1_780_000_000 }
    }

    /// Answers `POST add-checkpoint`: the status, and the body.
    pub fn add_checkpoint(&mut self, body: &str) -> (u16, String) {
        let Ok((old, proof, signed)) = read_add_checkpoint(body) else { return (400, "no request\n".into()) };
        let root = signed.checkpoint().root;
        if self.logs.iter().all(|log| log.name() != signed.checkpoint().origin) {
            return (404, "no log of mine\n".into());
        }
        if !self.logs.iter().any(|log| signed.note().signed_by(log).flatten().is_some()) {
            return (403, "no signature of its log\n".into());
        }
        if old > root.leaves {
            return (400, "it shrinks\n".into());
        }
        let seen = self.seen.unwrap_or(MerkleRoot { leaves: 0, hash: protocol::hash::Hash::of(b"") });
        if seen.leaves != old || (old == root.leaves && seen.hash != root.hash && old > 0) {
            return (409, format!("{}\n", seen.leaves));
        }
        if !grows(&seen, &root, &proof) {
            return (422, "another history\n".into());
        }
        self.seen = Some(root);
        (200, format!("{}\n", self.key.sign(signed.note().text(), &self.secret, self.time_s)))
    }
}
