//! The published test vectors: what an agent in another language is written against.
//!
//! `WRITE_VECTORS=1 cargo test -p protocol --test vectors` writes them anew after a deliberate change of the protocol.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::PathBuf};

use protocol::{
    block::Header,
    cbor,
    checkpoint::{Checkpoint, Cosigner, SignedCheckpoint, add_checkpoint, cosigner_key, log_key},
    commit::{VoteKind, vote_bytes},
    envelope::{EnvelopeError, Payload, Signed},
    genesis::Genesis,
    hash::Hash,
    key::{PublicKey, SecretKey, Signature},
    log::{Log, LogProof, ProofExtra, grows, header_leaf},
    member::MemberId,
    merkle::MerkleRoot,
    note::{NoteKey, SignatureKind},
    order::Order,
    reading::{Reading, Registers},
    status::DeviceStatus,
};
use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Compares with the published file; writes it instead if asked to.
fn check(name: &str, vectors: &Value) {
    let text = format!("{vectors:#}\n");
    if std::env::var_os("WRITE_VECTORS").is_some() {
        fs::write(file(name), &text).unwrap();
    }
    let published = fs::read_to_string(file(name)).unwrap();
    assert_eq!(text, published, "{name}: the protocol differs from its published vectors");
}

fn chain() -> Hash {
    Hash::of(b"voisin test vectors")
}

/// A signed message with everything that led to it, and messages like it that must be refused.
fn vector<T: Payload>(name: &str, fields: Value, payload: T, seed: [u8; 32]) -> Value {
    let key = SecretKey::from_seed(&seed);
    let signed = Signed::sign(payload, &chain(), &key);
    let payload = cbor::encode(signed.payload());
    let aad = cbor::encode(&(T::DOMAIN, &chain()));
    let protected = [&[0xa2, 0x01, 0x27, 0x04, 0x58, 0x20], key.public().as_bytes().as_slice()].concat();
    let bytes = |bytes: &[u8]| minicbor::bytes::ByteVec::from(bytes.to_vec());
    let to_sign = cbor::encode(&("Signature1", bytes(&protected), bytes(&aad), bytes(&payload)));
    let signature = key.sign(&to_sign);

    let mut flipped = signed.bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let refused = [("BadSignature", flipped), ("Malformed", [signed.bytes(), &[0]].concat())];
    for (expected, message) in &refused {
        let found = match Signed::<T>::open(message, &chain(), |_| true).err() {
            Some(EnvelopeError::BadSignature) => "BadSignature",
            Some(EnvelopeError::Malformed(_)) => "Malformed",
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(found, *expected, "{name}");
    }
    json!({
        "name": name,
        "domain": T::DOMAIN,
        "chain": chain(),
        "secret_key": hex::encode(seed),
        "public_key": hex::encode(key.public().as_bytes()),
        "did": key.public(),
        "fields": fields,
        "payload": hex::encode(&payload),
        "external_aad": hex::encode(&aad),
        "sig_structure": hex::encode(&to_sign),
        "signature": signature,
        "message": hex::encode(signed.bytes()),
        "message_hash": signed.hash(),
        "refused": refused.map(|(refusal, message)| json!({ "refusal": refusal, "message": hex::encode(message) })),
    })
}

/// The message of a vector, opened again from the published file alone.
fn reopen<T: Payload>(name: &str) -> Vec<Signed<T>> {
    let published: Value = serde_json::from_slice(&fs::read(file(name)).unwrap()).unwrap();
    let open = |vector: &Value| {
        let text = |field: &str| vector[field].as_str().unwrap();
        let message = hex::decode(text("message")).unwrap();
        let signed = Signed::<T>::open(&message, &text("chain").parse().unwrap(), |_| true).unwrap();
        assert_eq!(signed.signer(), text("did").parse().unwrap());
        let signature: Signature = text("signature").parse().unwrap();
        assert!(signed.signer().verifies(&hex::decode(text("sig_structure")).unwrap(), &signature));
        assert!(message.ends_with(signature.as_bytes()));
        signed
    };
    published.as_array().unwrap().iter().map(open).collect()
}

#[test]
fn readings() {
    let reading = |sequence: u64, previous: Hash, import_wh, export_wh| Reading {
        interval: "2026-06-01T12:00:00Z/PT15M"
            .parse::<protocol::interval::Interval>()
            .unwrap()
            .offset(sequence as i64)
            .unwrap(),
        sequence,
        previous,
        registers: Registers { import_wh, export_wh },
        salt: [sequence as u8; 16],
    };
    let fields = |reading: &Reading| {
        json!({
            "interval": reading.interval,
            "sequence": reading.sequence,
            "previous": reading.previous,
            "import_wh": reading.registers.import_wh,
            "export_wh": reading.registers.export_wh,
            "salt": hex::encode(reading.salt),
        })
    };
    let first = reading(1, Hash::ZERO, 23, 0);
    let previous = Signed::sign(first.clone(), &chain(), &SecretKey::from_seed(&[1; 32])).hash();
    let second = reading(2, previous, 24, 1_000_000);
    let vectors = json!([
        vector("first reading of a device", fields(&first), first.clone(), [1; 32]),
        vector("second reading, linked to the first", fields(&second), second.clone(), [1; 32]),
    ]);
    check("readings.json", &vectors);
    let opened = reopen::<Reading>("readings.json");
    assert_eq!([opened[0].payload(), opened[1].payload()], [&first, &second]);
}

#[test]
fn orders() {
    let order = Order {
        sequence: 1,
        valid_from: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        buy: Some("0.28".parse().unwrap()),
        sell: Some("-0.01".parse().unwrap()),
        buy_cap: None,
        sell_cap: Some(protocol::energy::Energy::from_wh(2_500)),
    };
    let none = Order { buy: None, sell: None, sell_cap: None, sequence: 2, ..order.clone() };
    let fields = |order: &Order| {
        json!({
            "sequence": order.sequence,
            "valid_from": order.valid_from,
            "buy": order.buy,
            "sell": order.sell,
            "buy_cap_wh": order.buy_cap,
            "sell_cap_wh": order.sell_cap,
        })
    };
    let vectors = json!([
        vector("an order with a negative price and a cap", fields(&order), order.clone(), [2; 32]),
        vector("an order that takes every limit back", fields(&none), none.clone(), [2; 32]),
    ]);
    check("orders.json", &vectors);
    let opened = reopen::<Order>("orders.json");
    assert_eq!([opened[0].payload(), opened[1].payload()], [&order, &none]);
}

#[test]
fn statuses() {
    let status = DeviceStatus {
        interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        stored_wh: 4_000,
        capacity_wh: 10_000,
        max_w: 5_000,
        critical_w: 120,
        forecast: protocol::energy::Energy::from_wh(800),
    };
    let next = status.interval.next().unwrap();
    let none = DeviceStatus { interval: next, stored_wh: 0, capacity_wh: 0, max_w: 0, critical_w: 0, ..status };
    let fields = |status: &DeviceStatus| {
        json!({
            "interval": status.interval,
            "stored_wh": status.stored_wh,
            "capacity_wh": status.capacity_wh,
            "max_w": status.max_w,
            "critical_w": status.critical_w,
            "forecast_wh": status.forecast,
        })
    };
    let vectors = json!([
        vector("a home with a battery and a breathing aid", fields(&status), status, [3; 32]),
        vector("a roof without a battery", fields(&none), none, [3; 32]),
    ]);
    check("statuses.json", &vectors);
    let opened = reopen::<DeviceStatus>("statuses.json");
    assert_eq!([opened[0].payload(), opened[1].payload()], [&status, &none]);
}

#[test]
fn votes_and_names() {
    let key = SecretKey::from_seed(&[4; 32]);
    let block = Hash::of(b"a block");
    let votes = [(VoteKind::Precommit, Some(&block)), (VoteKind::Precommit, None), (VoteKind::Prevote, Some(&block))];
    let votes = votes.map(|(kind, block)| {
        let bytes = vote_bytes(&chain(), kind, 7, 1, block);
        json!({
            "kind": format!("{kind:?}"),
            "chain": chain(),
            "height": 7,
            "round": 1,
            "block": block,
            "did": key.public(),
            "bytes": hex::encode(&bytes),
            "signature": key.sign(&bytes),
        })
    });
    check("votes.json", &json!(votes));
    let salt = [3; 16];
    let member = MemberId::pseudonym(&salt, "d001");
    check("members.json", &json!([{ "name": "d001", "salt": hex::encode(salt), "member": member }]));
}

/// Headers of a chain that nobody settles anything on: the log does not look into them.
fn headers(count: u64) -> Vec<Header> {
    let root = |text: &str| MerkleRoot { leaves: 1, hash: Hash::of(text.as_bytes()) };
    let mut headers: Vec<Header> = Vec::new();
    for height in 1..=count {
        headers.push(Header {
            chain: chain(),
            height,
            previous: headers.last().map_or(chain(), Header::hash),
            validators: Hash::of(b"validators"),
            next_validators: Hash::of(b"validators"),
            transactions: root("transactions"),
            entries: root("entries"),
            state: root("state"),
        });
    }
    headers
}

#[test]
fn checkpoints() {
    const TIME_S: u64 = 1_780_000_000;
    let headers = headers(7);
    let mut nodes: Vec<Vec<Hash>> = Vec::new();
    let node = |nodes: &Vec<Vec<Hash>>, level: u8, place: u64| {
        nodes[(((place + 1) << level) - 1) as usize][usize::from(level)]
    };
    for header in &headers {
        let read = |level, place| Ok::<_, ()>(node(&nodes, level, place));
        let next = Log::new(nodes.len() as u64, read).append(header_leaf(header)).unwrap();
        nodes.push(next);
    }
    let log = |size: u64| Log::new(size, |level, place| Ok::<_, ()>(node(&nodes, level, place)));
    let [old, new] = [5, 7].map(|size| log(size).root().unwrap());
    let growth = log(7).prove_growth(5).unwrap().unwrap();
    assert!(grows(&old, &new, &growth));

    let network = SecretKey::from_seed(&[10; 32]);
    let validators = [1, 2, 3, 4].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let witness_secret = SecretKey::from_seed(&[11; 32]);
    let witness = NoteKey::new("witness.example/w1", SignatureKind::Cosignature, witness_secret.public()).unwrap();
    let (log_secret, log_public) = log_key(&chain(), &network);
    let mut signed = SignedCheckpoint::sign(Checkpoint::of(&chain(), new), &log_secret, &log_public);
    let mut cosigners: Vec<Cosigner> = validators.iter().map(|key| Cosigner::of(&chain(), key)).collect();
    cosigners.sort_by_key(|cosigner| cosigner.validator);
    for validator in &validators[..3] {
        let (secret, key) = cosigner_key(&chain(), validator);
        signed.add(key.sign(signed.note().text(), &secret, TIME_S));
    }
    let submitted = add_checkpoint(5, &growth, &signed);
    signed.add(witness.sign(signed.note().text(), &witness_secret, TIME_S));
    let proof = LogProof {
        extra: ProofExtra { header: headers[2].clone(), steps: Vec::new(), cosigners: cosigners.clone() },
        proof: log(7).prove(3).unwrap().unwrap(),
        checkpoint: signed.clone(),
    };
    check(
        "checkpoints.json",
        &json!({
            "chain": chain(),
            "headers": headers.iter().map(|header| json!({
                "header": header,
                "cbor": hex::encode(cbor::encode(header)),
                "leaf_hash": header_leaf(header),
            })).collect::<Vec<_>>(),
            "roots": [old, new],
            "consistency": growth,
            "inclusion": { "height": 3, "proof": proof.proof },
            "log": { "network_secret_key": hex::encode(network.seed()), "key": log_public },
            "validators": cosigners.iter().map(|cosigner| {
                let secret = validators.iter().find(|key| key.public() == cosigner.validator).unwrap();
                json!({
                    "validator_secret_key": hex::encode(secret.seed()),
                    "cosigner_secret_key": hex::encode(cosigner_key(&chain(), secret).0.seed()),
                    "cosigner": cosigner,
                    "key": cosigner.note_key(&chain()).unwrap(),
                })
            }).collect::<Vec<_>>(),
            "witness": witness,
            "time": TIME_S,
            "checkpoint": signed.to_string(),
            "add_checkpoint": submitted,
            "tlog_proof": proof.to_string(),
        }),
    );
}

#[test]
fn a_genesis_with_everything_in_it() {
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public();
    let member = |number: u8| hex::encode([number; 16]);
    let ascending = |mut keys: [PublicKey; 2]| {
        keys.sort();
        keys
    };
    let genesis = json!({
        "community": "Rue des Voisins",
        "currency": "EUR",
        "first_interval": "2026-06-01T12:00:00Z/PT15M",
        "rules": {
            "retail_price": "0.30",
            "feed_in_price": "-0.000001",
            "mechanism": "feeder",
            "parameters": {
                "community_price": "0.19",
                "shares": [{"member": member(1), "ppm": 600_000}],
                "priority": [member(2), member(1)],
                "derate_ppm": 500_000,
                "fees": {"transformer": "0.01", "lines": [{"line": "L1", "fee": "0.002"}]},
                "participation": [{"member": member(1), "ppm": 10_000}, {"member": member(2), "ppm": 750_000}],
                "island": {
                    "posted_price": "0.4",
                    "price_cap": "0.35",
                    "basic_w": 150,
                    "recharge_intervals": 40,
                    "reserve_ppm": 100_000,
                    "claims": [
                        {"member": member(1), "life_safety_w": 200, "other_w": 0},
                        {"member": member(2), "critical_w": 1_500, "persons": 4},
                    ],
                    "validators": ascending([key(7), key(8)]),
                },
            },
            "transformer": {"member": member(3), "tolerance_wh": 50},
            "pack": {
                "id": "at-eeg-local-2026",
                "hash": Hash::of(b"a rule pack's file"),
                "currency": "EUR",
                "first": "2025-12-31T23:00:00Z/PT15M",
                "last": "2026-12-31T22:45:00Z/PT15M",
                "mechanisms": ["dynamic_key", "feeder"],
                "network": {"price": "0.07", "ppm": 570_000},
            },
        },
        "market": key(9),
        "validators": [{"key": key(7), "power": 2}, {"key": key(8), "power": 1}],
        "members": [
            {"member": member(1), "key": key(1), "device": key(4), "rated_power_w": 10_000, "bus": "B", "technology": "wind"},
            {"member": member(2), "key": key(2), "device": key(5), "rated_power_w": 17_000, "import_wh": 70, "bus": "A"},
            {"member": member(3), "key": key(3), "device": key(6), "rated_power_w": 160_000, "export_wh": 4_294_967_296_u64},
        ],
        "grid": {
            "transformer": "T",
            "transformer_va": 160_000,
            "root": "A",
            "lines": [{"line": "L1", "from": "A", "to": "B", "rated_va": 97_000}],
        },
        "time_zone": "Europe/Luxembourg",
    });
    let read = Genesis::from_json(genesis.to_string().as_bytes()).unwrap();
    let cbor = hex::encode(cbor::encode(&read));
    check("genesis.json", &json!({"genesis": genesis, "genesis_cbor": cbor, "chain": read.chain()}));
}
