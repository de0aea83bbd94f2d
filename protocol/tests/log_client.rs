//! The log of a chain, checked from `docs/protocol.md` with nothing of this project but its published vectors, by
//! libraries that are not linked: what somebody outside the community writes who wants to see that it is told what all
//! others are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use base64::{Engine, prelude::BASE64_STANDARD};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/checkpoints.json")).unwrap()
}

fn hex_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn path(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().flat_map(hex_of).collect()
}

fn root(value: &Value) -> RootHash<Sha256> {
    let hash: [u8; 32] = hex_of(&value["hash"]).try_into().unwrap();
    RootHash::new(hash.into(), value["leaves"].as_u64().unwrap())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A cosignature (type 0x04) by its specification.
struct Cosigner {
    name: String,
    key: VerifyingKey,
}

impl Cosigner {
    fn of_vkey(vkey: &str) -> Cosigner {
        // Base64 has pluses of its own.
        let [name, _, key] = vkey.splitn(3, '+').collect::<Vec<_>>()[..] else { panic!("{vkey}") };
        let bytes = BASE64_STANDARD.decode(key).unwrap();
        assert_eq!((bytes[0], bytes.len()), (4, 33));
        Cosigner { name: name.into(), key: VerifyingKey::from_bytes(bytes[1..].try_into().unwrap()).unwrap() }
    }
}

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        signed_note::key_id(&self.name, &[&[4], &self.key.as_bytes()[..]].concat())
    }

    fn verify(&self, msg: &[u8], sig: &[u8]) -> bool {
        let (time, signature) = sig.split_at(8);
        let time = u64::from_be_bytes(time.try_into().unwrap());
        let signed = [format!("cosignature/v1\ntime {time}\n").as_bytes(), msg].concat();
        self.key.verify_strict(&signed, &Signature::from_slice(signature).unwrap()).is_ok()
    }
}

#[test]
fn the_log_is_the_tree_over_the_headers_and_grows() {
    let vectors = vectors();
    let [old, new] = [0, 1].map(|index| root(&vectors["roots"][index]));
    let growth = ConsistencyProof::<Sha256>::try_from_bytes(path(&vectors["consistency"])).unwrap();
    new.verify_consistency(&old, &growth).unwrap();
    let mut tree = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for header in vectors["headers"].as_array().unwrap() {
        let leaf = hex_of(&header["cbor"]);
        let leaf_hash = Sha256::new().chain_update([0]).chain_update(&leaf).finalize();
        assert_eq!(leaf_hash.to_vec(), hex_of(&header["leaf_hash"]));
        tree.push(leaf);
        if tree.len() == 5 {
            assert_eq!(tree.root(), old);
        }
    }
    assert_eq!(tree.root(), new);
    let inclusion = &vectors["inclusion"];
    let height = inclusion["height"].as_u64().unwrap();
    let leaf = hex_of(&vectors["headers"][height as usize - 1]["cbor"]);
    let proof = InclusionProof::<Sha256>::try_from_bytes(path(&inclusion["proof"]["path"])).unwrap();
    new.verify_inclusion(&leaf, height - 1, &proof).unwrap();
    assert_eq!(inclusion["proof"]["index"], height - 1);
}

#[test]
fn the_checkpoint_is_signed_by_its_log_cosigned_by_validators_and_seen_by_a_witness() {
    let vectors = vectors();
    let chain = hex_of(&vectors["chain"]);
    let array = |purpose: &str, seed: &[u8]| {
        let mut encoder = minicbor::Encoder::new(Vec::new());
        encoder.array(2).unwrap().str(purpose).unwrap().bytes(seed).unwrap();
        Sha256::digest(encoder.into_writer())
    };
    // The keys, from those that they are derived from.
    let log = array("voisin/log-key/v1", &hex_of(&vectors["log"]["network_secret_key"]));
    let log = SigningKey::from_bytes(&log.into()).verifying_key();
    let vkey = signed_note::new_ed25519_verifier_key(&format!("voisin/{}", text(&vectors["chain"])), &log);
    assert_eq!(vkey, text(&vectors["log"]["key"]));
    for validator in vectors["validators"].as_array().unwrap() {
        let secret = array("voisin/cosigner-key/v1", &hex_of(&validator["validator_secret_key"]));
        assert_eq!(secret.to_vec(), hex_of(&validator["cosigner_secret_key"]));
        let key = SigningKey::from_bytes(&secret.into()).verifying_key();
        assert_eq!(key, Cosigner::of_vkey(text(&validator["key"])).key);
        // Which validator it is, that says itself.
        let mut encoder = minicbor::Encoder::new(Vec::new());
        encoder.array(3).unwrap().str("voisin/cosigner/v1").unwrap().bytes(&chain).unwrap();
        encoder.bytes(key.as_bytes()).unwrap();
        let votes: [u8; 32] = hex_of(&validator["validator_secret_key"]).try_into().unwrap();
        let signature = Signature::from_slice(&hex_of(&validator["cosigner"]["signature"])).unwrap();
        SigningKey::from_bytes(&votes).verifying_key().verify_strict(&encoder.into_writer(), &signature).unwrap();
    }

    let note = Note::from_bytes(text(&vectors["checkpoint"]).as_bytes()).unwrap();
    let mut known: Vec<Box<dyn Verifier>> = vec![
        Box::new(StandardVerifier::new(text(&vectors["log"]["key"])).unwrap()),
        Box::new(Cosigner::of_vkey(text(&vectors["witness"]))),
    ];
    for validator in vectors["validators"].as_array().unwrap() {
        known.push(Box::new(Cosigner::of_vkey(text(&validator["key"]))));
    }
    let (good, unknown) = note.verify(&VerifierList::new(known)).unwrap();
    // The log, three of four validators, the witness.
    assert_eq!((good.len(), unknown.len()), (5, 0));
    let body = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(body.origin(), format!("voisin/{}", text(&vectors["chain"])));
    assert_eq!((body.size(), body.hash().0.to_vec()), (7, hex_of(&vectors["roots"][1]["hash"])));
}

#[test]
fn the_proof_and_the_question_to_a_witness_are_lines_of_text() {
    let vectors = vectors();
    let base64 = |hashes: &Value| {
        let hashes = hashes.as_array().unwrap().iter().map(hex_of);
        hashes.map(|hash| BASE64_STANDARD.encode(hash) + "\n").collect::<String>()
    };
    let (head, checkpoint) = text(&vectors["tlog_proof"]).split_once("\n\n").unwrap();
    assert_eq!(checkpoint, text(&vectors["checkpoint"]));
    let [first, extra, index, hashes] = head.splitn(4, '\n').collect::<Vec<_>>()[..] else { panic!("{head}") };
    assert_eq!((first, index), ("c2sp.org/tlog-proof@v1", "index 2"));
    assert_eq!(format!("{hashes}\n"), base64(&vectors["inclusion"]["proof"]["path"]));
    let extra = BASE64_STANDARD.decode(extra.strip_prefix("extra ").unwrap()).unwrap();
    let extra: Value = serde_json::from_slice(&extra).unwrap();
    let cosigners: Vec<_> = vectors["validators"].as_array().unwrap().iter().map(|it| it["cosigner"].clone()).collect();
    assert_eq!(
        extra,
        serde_json::json!({"header": vectors["headers"][2]["header"], "steps": [], "cosigners": cosigners})
    );

    let (head, asked) = text(&vectors["add_checkpoint"]).split_once("\n\n").unwrap();
    assert_eq!(format!("{head}\n"), format!("old 5\n{}", base64(&vectors["consistency"])));
    assert!(checkpoint.starts_with(asked) && checkpoint.len() > asked.len(), "before the witness has signed");
}
