//! A light client, written from `docs/protocol.md` and with nothing of this project but its published vectors: whoever
//! writes one in another language does the same. It believes a genesis, and of everybody else only what validators have
//! signed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;

use ct_merkle::{InclusionProof, RootHash};
use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::{Encoder, bytes::ByteSlice};
use serde_json::Value;
use sha2::{Digest, Sha256};

type Bytes = Vec<u8>;
/// The validators in their order: key and power.
type Validators = Vec<([u8; 32], u64)>;

// How values are written in CBOR.

fn text(text: &str) -> Bytes {
    minicbor::to_vec(text).unwrap()
}

fn bytes(bytes: &[u8]) -> Bytes {
    minicbor::to_vec(<&ByteSlice>::from(bytes)).unwrap()
}

fn unsigned(number: u64) -> Bytes {
    minicbor::to_vec(number).unwrap()
}

fn signed(number: i64) -> Bytes {
    minicbor::to_vec(number).unwrap()
}

/// The beginning of an array, before its items.
fn array_of(length: usize) -> Bytes {
    let mut encoder = Encoder::new(Vec::new());
    encoder.array(length as u64).unwrap();
    encoder.into_writer()
}

/// What is absent at the end is left out, what is absent in the middle is null.
fn array<const N: usize>(fields: [Option<Bytes>; N]) -> Bytes {
    let length = N - fields.iter().rev().take_while(|field| field.is_none()).count();
    let mut array = array_of(length);
    for field in fields.into_iter().take(length) {
        array.extend(field.unwrap_or_else(|| minicbor::to_vec(None::<u64>).unwrap()));
    }
    array
}

fn list(items: &Value, item: impl Fn(&Value) -> Option<Bytes>) -> Option<Bytes> {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut array = array_of(items.len());
    for one in items {
        array.extend(item(one)?);
    }
    Some(array)
}

// How they are read in JSON. None where it is something else.

fn hex(value: &Value, length: usize) -> Option<Bytes> {
    let text = value.as_str()?;
    hex::decode(text).ok().filter(|bytes| bytes.len() == length && hex::encode(bytes) == text)
}

fn key(value: &Value) -> Option<[u8; 32]> {
    let bytes = bs58::decode(value.as_str()?.strip_prefix("did:key:z")?).into_vec().ok()?;
    bytes.strip_prefix(&[0xed, 0x01])?.try_into().ok()
}

/// `2026-06-01T12:00:00Z/PT15M` as `[start, minutes]`.
fn interval(value: &Value) -> Option<Bytes> {
    let (start, length) = value.as_str()?.split_once('/')?;
    let start: jiff::Timestamp = start.parse().ok()?;
    let minutes = length.strip_prefix("PT")?.strip_suffix('M')?.parse().ok()?;
    Some(array([Some(signed(start.as_second())), Some(unsigned(minutes))]))
}

/// A decimal in units of its last possible digit.
fn decimal(value: &Value, digits: usize) -> Option<i64> {
    let text = value.as_str()?;
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |number| (-1, number));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    Some(sign * format!("{whole}{part:0<digits$}").parse::<i64>().ok()?)
}

fn price(value: &Value) -> Option<Bytes> {
    decimal(value, 6).map(signed)
}

fn money(value: &Value) -> Option<Bytes> {
    decimal(value, 9).map(signed)
}

fn number(value: &Value) -> Option<Bytes> {
    value.as_u64().map(unsigned)
}

fn number_or_zero(value: &Value) -> Option<Bytes> {
    if value.is_null() { Some(unsigned(0)) } else { number(value) }
}

fn name(value: &Value) -> Option<Bytes> {
    value.as_str().map(text)
}

fn public_key(value: &Value) -> Option<Bytes> {
    key(value).map(|key| bytes(&key))
}

fn member(value: &Value) -> Option<Bytes> {
    hex(value, 16).map(|member| bytes(&member))
}

fn technology(value: &Value) -> Option<Bytes> {
    let technologies = ["solar", "wind", "hydro", "biomass", "geothermal"];
    technologies.iter().zip(0..).find(|(name, _)| value == **name).map(|(_, number)| unsigned(number))
}

fn hash(value: &Value) -> Option<Bytes> {
    hex(value, 32).map(|hash| bytes(&hash))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

// The genesis.

fn chain(genesis: &Value) -> [u8; 32] {
    sha256(&genesis_cbor(genesis))
}

fn genesis_cbor(genesis: &Value) -> Bytes {
    let enrolled = |it: &Value| {
        Some(array([
            member(&it["member"]),
            public_key(&it["key"]),
            public_key(&it["device"]),
            number(&it["rated_power_w"]),
            name(&it["bus"]),
            number_or_zero(&it["import_wh"]),
            number_or_zero(&it["export_wh"]),
            technology(&it["technology"]),
        ]))
    };
    let line =
        |it: &Value| Some(array([name(&it["line"]), name(&it["from"]), name(&it["to"]), number(&it["rated_va"])]));
    let grid = genesis["grid"].as_object().map(|it| {
        array([name(&it["transformer"]), number(&it["transformer_va"]), name(&it["root"]), list(&it["lines"], line)])
    });
    array([
        name(&genesis["community"]),
        name(&genesis["currency"]),
        interval(&genesis["first_interval"]),
        Some(rules_cbor(&genesis["rules"])),
        public_key(&genesis["market"]),
        Some(validators_cbor(&validators(&genesis["validators"]).unwrap())),
        list(&genesis["members"], enrolled),
        grid,
        name(&genesis["time_zone"]),
    ])
}

fn rules_cbor(rules: &Value) -> Bytes {
    let given = |value: &Value, list: Option<Bytes>| if value.is_null() { None } else { list };
    let parameters = &rules["parameters"];
    let share = |it: &Value| Some(array([member(&it["member"]), number(&it["ppm"])]));
    let fee = |it: &Value| Some(array([name(&it["line"]), price(&it["fee"])]));
    let fees = &parameters["fees"];
    let fees = fees
        .is_object()
        .then(|| array([price(&fees["between_buses"]), price(&fees["transformer"]), list(&fees["lines"], fee)]));
    let claim = |it: &Value| {
        Some(array([
            member(&it["member"]),
            number_or_zero(&it["life_safety_w"]),
            number_or_zero(&it["critical_w"]),
            if it["persons"].is_null() { Some(unsigned(1)) } else { number(&it["persons"]) },
            number(&it["other_w"]),
        ]))
    };
    let list_or_empty = |value: &Value, element: fn(&Value) -> Option<Bytes>| {
        if value.is_null() { Some(array_of(0)) } else { list(value, element) }
    };
    let island = &parameters["island"];
    let island = island.is_object().then(|| {
        array([
            price(&island["posted_price"]),
            price(&island["price_cap"]),
            number(&island["zero_intervals"]),
            number(&island["basic_w"]),
            number(&island["recharge_intervals"]),
            number(&island["reserve_ppm"]),
            list_or_empty(&island["claims"], claim),
            list_or_empty(&island["validators"], public_key),
        ])
    });
    let parameters = parameters.is_object().then(|| {
        array([
            price(&parameters["community_price"]),
            given(&parameters["shares"], list(&parameters["shares"], share)),
            given(&parameters["priority"], list(&parameters["priority"], member)),
            number(&parameters["derate_ppm"]),
            fees,
            given(&parameters["participation"], list(&parameters["participation"], share)),
            island,
        ])
    });
    let meter = &rules["transformer"];
    let meter = meter.is_object().then(|| {
        array([
            member(&meter["member"]),
            number_or_zero(&meter["tolerance_wh"]),
            number_or_zero(&meter["tolerance_ppm"]),
        ])
    });
    let pack = &rules["pack"];
    let network = &pack["network"];
    let network = network.is_object().then(|| array([price(&network["price"]), number(&network["ppm"])]));
    let pack = pack.is_object().then(|| {
        array([
            name(&pack["id"]),
            hash(&pack["hash"]),
            name(&pack["currency"]),
            interval(&pack["first"]),
            interval(&pack["last"]),
            list(&pack["mechanisms"], name),
            network,
        ])
    });
    let prices = [price(&rules["retail_price"]), price(&rules["feed_in_price"])];
    array([prices[0].clone(), prices[1].clone(), name(&rules["mechanism"]), parameters, meter, pack])
}

fn validators(value: &Value) -> Option<Validators> {
    value.as_array()?.iter().map(|it| Some((key(&it["key"])?, it["power"].as_u64()?))).collect()
}

fn validators_cbor(validators: &Validators) -> Bytes {
    let mut array = array_of(validators.len());
    validators.iter().for_each(|(key, power)| array.extend(self::array([Some(bytes(key)), Some(unsigned(*power))])));
    array
}

// Receipts.

/// Checks a receipt as the documentation says, or names the first thing that is wrong.
fn check(receipt: &Value, genesis: &Value) -> Result<(), &'static str> {
    let header = check_way(receipt, genesis)?;
    check_leaf(&receipt["proof"], &header["entries"], &entry_cbor(&receipt["entry"]))?;
    check_neighbours(receipt)?;
    check_tariffs(&receipt["entry"])
}

/// Checks a proved registration.
fn check_registration(proved: &Value, genesis: &Value) -> Result<(), &'static str> {
    let header = check_way(proved, genesis)?;
    check_leaf(&proved["proof"], &header["state"], &registration_leaf(proved).ok_or("registration")?)
}

fn registration_leaf(proved: &Value) -> Option<Bytes> {
    let of = &proved["registration"];
    let value = array([
        public_key(&of["key"]),
        public_key(&of["device"]),
        number(&of["rated_power_w"]),
        name(&of["bus"]),
        technology(&of["technology"]),
        interval(&of["after"]),
        Some(array([number(&of["registers"]["import_wh"]), number(&of["registers"]["export_wh"])])),
    ]);
    let key = [b"member/".to_vec(), hex(&proved["member"], 16)?].concat();
    Some(array([Some(bytes(&key)), Some(bytes(&sha256(&value)))]))
}

/// Checks that certificates were retired.
fn check_retirement(proved: &Value, genesis: &Value) -> Result<(), &'static str> {
    let header = check_way(proved, genesis)?;
    let message = instruction_message(proved).ok_or("retirement")?;
    check_leaf(&proved["proof"], &header["transactions"], sha256(&message).as_ref())?;
    let (signer, signature) = (key(&proved["key"]).ok_or("key")?, hex(&proved["signature"], 64).ok_or("signature")?);
    let signed = array([
        Some(text("Signature1")),
        Some(bytes(&protected(&signer))),
        Some(bytes(&array([Some(text("voisin/instruction/v1")), Some(bytes(&chain(genesis)))]))),
        Some(bytes(&instruction(proved).ok_or("retirement")?)),
    ]);
    let signature = Signature::from_slice(&signature).map_err(|_| "signature")?;
    let signer = VerifyingKey::from_bytes(&signer).map_err(|_| "key")?;
    signer.verify_strict(&signed, &signature).map_err(|_| "signature")
}

/// The instruction that retires, as its member signed it.
fn instruction(proved: &Value) -> Option<Bytes> {
    let of = &proved["retirement"];
    let it = &of["certificates"];
    let certificates =
        array([interval(&it["interval"]), public_key(&it["device"]), number(&it["first"]), number(&it["energy"])]);
    let fields = array([Some(certificates), name(&of["purpose"]), name(&of["beneficiary"])]);
    Some(array([member(&of["member"]), number(&of["sequence"]), Some(array([Some(unsigned(5)), Some(fields)]))]))
}

fn protected(key: &[u8; 32]) -> Bytes {
    [&[0xa2, 0x01, 0x27, 0x04][..], &bytes(key)].concat()
}

fn instruction_message(proved: &Value) -> Option<Bytes> {
    Some(array([
        Some(bytes(&protected(&key(&proved["key"])?))),
        Some(vec![0xa0]),
        Some(bytes(&instruction(proved)?)),
        Some(bytes(&hex(&proved["signature"], 64)?)),
    ]))
}

/// The UUID by which EnergyTag's bundles name something.
fn uuid(genesis: &Value, kind: &str, value: Bytes) -> String {
    let name = array([Some(text("voisin/energytag/v1")), Some(bytes(&chain(genesis))), Some(text(kind)), Some(value)]);
    let mut id = sha256(&name);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let digits = hex::encode(&id[..16]);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// Goes from the genesis' validators to those who committed a block.
fn check_way<'a>(of: &'a Value, genesis: &Value) -> Result<&'a Value, &'static str> {
    let chain = chain(genesis);
    let mut present = validators(&genesis["validators"]).ok_or("validators")?;
    let mut height = 0;
    for step in of["steps"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let header = check_block(step, &chain, &present, &mut height)?;
        if header["next_validators"] == header["validators"] {
            return Err("a step that changes nothing");
        }
        let next = validators(&step["validators"]).ok_or("validators")?;
        if hex(&header["next_validators"], 32).ok_or("hash")? != sha256(&validators_cbor(&next)) {
            return Err("other validators");
        }
        present = next;
    }
    check_block(of, &chain, &present, &mut height)
}

fn check_block<'a>(
    of: &'a Value,
    chain: &[u8; 32],
    validators: &Validators,
    height: &mut u64,
) -> Result<&'a Value, &'static str> {
    let (header, certificate) = (&of["header"], &of["certificate"]);
    if hex(&header["chain"], 32).as_deref() != Some(chain) {
        return Err("another chain");
    }
    let found = header["height"].as_u64().filter(|found| found > height).ok_or("height")?;
    *height = found;
    if hex(&header["validators"], 32).ok_or("hash")? != sha256(&validators_cbor(validators)) {
        return Err("decided by others");
    }
    let block = sha256(&header_cbor(header));
    if hex(&certificate["block"], 32).ok_or("hash")? != block || certificate["height"] != header["height"] {
        return Err("a certificate of something else");
    }
    let vote = array([
        Some(text("voisin/vote/v1")),
        Some(bytes(chain)),
        Some(unsigned(1)),
        Some(unsigned(found)),
        number(&certificate["round"]),
        Some(bytes(&block)),
    ]);
    let powers: BTreeMap<[u8; 32], u64> = validators.iter().copied().collect();
    let (mut power, mut last) = (0, None);
    for entry in certificate["signatures"].as_array().ok_or("signatures")? {
        let validator = key(&entry["validator"]).filter(|key| Some(*key) > last).ok_or("order of signatures")?;
        last = Some(validator);
        let signature =
            Signature::from_slice(&hex(&entry["signature"], 64).ok_or("signature")?).map_err(|_| "signature")?;
        let signer = VerifyingKey::from_bytes(&validator).map_err(|_| "key")?;
        signer.verify_strict(&vote, &signature).map_err(|_| "signature")?;
        power += powers.get(&validator).ok_or("a stranger signs")?;
    }
    if 3 * power <= 2 * powers.values().sum::<u64>() {
        return Err("too few signatures");
    }
    Ok(header)
}

fn header_cbor(header: &Value) -> Bytes {
    let root = |it: &Value| Some(array([number(&it["leaves"]), hash(&it["hash"])]));
    array([
        hash(&header["chain"]),
        number(&header["height"]),
        hash(&header["previous"]),
        hash(&header["validators"]),
        hash(&header["next_validators"]),
        root(&header["transactions"]),
        root(&header["entries"]),
        root(&header["state"]),
    ])
}

fn entry_cbor(entry: &Value) -> Bytes {
    let line = &entry["line"];
    let line = array([
        member(&line["member"]),
        number(&line["bought"]),
        number(&line["sold"]),
        number(&line["imported"]),
        number(&line["exported"]),
        money(&line["paid"]),
        money(&line["earned"]),
        money(&line["supply_cost"]),
        money(&line["supply_revenue"]),
    ]);
    let tariffs = &entry["tariffs"];
    let provisional = entry["provisional"].as_bool().filter(|provisional| *provisional);
    array([
        interval(&entry["interval"]),
        price(&entry["price"]),
        Some(line),
        number(&entry["correction"]),
        Some(array([price(&tariffs["retail_price"]), price(&tariffs["feed_in_price"])])),
        hash(&entry["neighbours"]),
        provisional.map(|_| minicbor::to_vec(true).unwrap()),
    ])
}

fn check_leaf(proof: &Value, root: &Value, leaf: &[u8]) -> Result<(), &'static str> {
    let path = proof["path"].as_array().ok_or("path")?.iter().map(|hash| hex(hash, 32));
    let path: Bytes = path.collect::<Option<Vec<_>>>().ok_or("path")?.concat();
    let path = InclusionProof::<Sha256>::try_from_bytes(path).map_err(|_| "path")?;
    let digest: [u8; 32] = hex(&root["hash"], 32).and_then(|hash| hash.try_into().ok()).ok_or("hash")?;
    let root = RootHash::<Sha256>::new(digest.into(), root["leaves"].as_u64().ok_or("leaves")?);
    let index = proof["index"].as_u64().ok_or("index")?;
    root.verify_inclusion(&leaf, index, &path).map_err(|_| "not in the block")
}

/// The neighbours are those that the entry names by their hash, and add up to its line.
fn check_neighbours(receipt: &Value) -> Result<(), &'static str> {
    let neighbour = |it: &Value| {
        Some(array([member(&it["member"]), number(&it["bought"]), number(&it["sold"]), technology(&it["technology"])]))
    };
    let neighbours = &receipt["neighbours"];
    let Some(named) = hex(&receipt["entry"]["neighbours"], 32) else {
        return if neighbours.is_null() { Ok(()) } else { Err("neighbours of nobody") };
    };
    // Held back, they say nothing, and the line is proved all the same.
    if neighbours.is_null() {
        return Ok(());
    }
    let listed = list(neighbours, neighbour).ok_or("neighbours")?;
    if sha256(&[array_of(2), text("voisin/neighbours/v1"), listed].concat()) != *named {
        return Err("other neighbours");
    }
    for side in ["bought", "sold"] {
        let sum: u64 = neighbours.as_array().into_iter().flatten().filter_map(|it| it[side].as_u64()).sum();
        if receipt["entry"]["line"][side] != sum {
            return Err("neighbours that do not add up");
        }
    }
    Ok(())
}

/// The supplier's prices per kWh in millionths times Wh are billionths.
fn check_tariffs(entry: &Value) -> Result<(), &'static str> {
    let (line, tariffs) = (&entry["line"], &entry["tariffs"]);
    for (energy, tariff, amount) in
        [("imported", "retail_price", "supply_cost"), ("exported", "feed_in_price", "supply_revenue")]
    {
        let energy = line[energy].as_u64().and_then(|wh| i64::try_from(wh).ok()).ok_or("energy")?;
        let expected = decimal(&tariffs[tariff], 6).and_then(|price| price.checked_mul(energy));
        if expected.is_none() || expected != decimal(&line[amount], 9) {
            return Err("another tariff");
        }
    }
    Ok(())
}

// What it makes of the published vectors.

fn vectors(file: &str) -> Value {
    let path = format!("{}/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_client_written_from_the_documentation_names_every_genesis_alike() {
    let mut all = vectors("receipts.json").as_array().unwrap().clone();
    all.push(vectors("genesis.json"));
    for vector in all {
        assert_eq!(hex::encode(genesis_cbor(&vector["genesis"])), vector["genesis_cbor"]);
        assert_eq!(hex::encode(chain(&vector["genesis"])), vector["chain"]);
    }
}

#[test]
fn a_client_written_from_the_documentation_believes_the_receipts_and_none_that_was_changed() {
    let mut changes = 0;
    for vector in vectors("receipts.json").as_array().unwrap() {
        let (genesis, receipt) = (&vector["genesis"], &vector["receipt"]);
        assert_eq!(hex::encode(header_cbor(&receipt["header"])), vector["header_cbor"]);
        assert_eq!(hex::encode(entry_cbor(&receipt["entry"])), vector["entry_cbor"]);
        assert_eq!(check(receipt, genesis), Ok(()));
        for path in leaves(receipt, "") {
            let mut changed = receipt.clone();
            change(changed.pointer_mut(&path).unwrap());
            assert_ne!(check(&changed, genesis), Ok(()), "{path}");
            changes += 1;
        }
        let mut silent = receipt.clone();
        silent.as_object_mut().unwrap().remove("neighbours");
        assert_eq!(check(&silent, genesis), Ok(()));
        let mut longer = receipt.clone();
        longer["entry"]["provisional"] = true.into();
        assert_ne!(check(&longer, genesis), Ok(()));
    }
    assert!(changes > 100, "{changes}");
}

#[test]
fn a_client_written_from_the_documentation_believes_the_registrations_and_none_that_was_changed() {
    let mut changes = 0;
    for vector in vectors("registrations.json").as_array().unwrap() {
        let (genesis, proved) = (&vector["genesis"], &vector["proved"]);
        assert_eq!(hex::encode(registration_leaf(proved).unwrap()), vector["leaf"]);
        assert_eq!(check_registration(proved, genesis), Ok(()));
        for path in leaves(proved, "").into_iter().filter(|path| !proved.pointer(path).unwrap().is_null()) {
            let mut changed = proved.clone();
            change(changed.pointer_mut(&path).unwrap());
            assert_ne!(check_registration(&changed, genesis), Ok(()), "{path}");
            changes += 1;
        }
    }
    assert!(changes > 30, "{changes}");
}

#[test]
fn a_client_written_from_the_documentation_believes_what_was_retired_and_nothing_that_was_changed() {
    let mut changes = 0;
    for vector in vectors("bundles.json").as_array().unwrap() {
        let genesis = &vector["genesis"];
        let retirements = vector["retirements"].as_array().unwrap();
        for ((proved, message), cancellation) in retirements
            .iter()
            .zip(vector["messages"].as_array().unwrap())
            .zip(vector["cancellations"].as_array().unwrap())
        {
            assert_eq!(hex::encode(instruction_message(proved).unwrap()), *message);
            assert_eq!(check_retirement(proved, genesis), Ok(()));
            for path in leaves(proved, "") {
                let mut changed = proved.clone();
                change(changed.pointer_mut(&path).unwrap());
                assert_ne!(check_retirement(&changed, genesis), Ok(()), "{path}");
                changes += 1;
            }
            let (of, action) = (&proved["retirement"], sha256(&hex::decode(message.as_str().unwrap()).unwrap()));
            let it = &of["certificates"];
            let issuance = array([interval(&it["interval"]), public_key(&it["device"])]);
            for (key, expected) in [
                ("action_id", uuid(genesis, "action", bytes(&action))),
                ("source_id", uuid(genesis, "account", member(&of["member"]).unwrap())),
                ("id", uuid(genesis, "device", public_key(&it["device"]).unwrap())),
                ("source_certificate_issuance_id", uuid(genesis, "issuance", issuance)),
            ] {
                assert_eq!(cancellation[key], expected, "{key}");
            }
        }
    }
    assert!(changes > 60, "{changes}");
}

/// JSON pointers to all that is neither an object nor a list.
fn leaves(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, it)| leaves(it, &format!("{path}/{name}"))).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, it)| leaves(it, &format!("{path}/{index}"))).collect()
        }
        _ => vec![path.to_owned()],
    }
}

/// A number one higher, a text with another last digit before its last letter.
fn change(value: &mut Value) {
    *value = match value {
        Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
        Value::String(text) => {
            let Some(digit) = text.rfind(|c: char| c.is_ascii_digit()) else {
                *value = (if text == "wind" { "solar" } else { "wind" }).into();
                return;
            };
            let other = if &text[digit..=digit] == "5" { "6" } else { "5" };
            format!("{}{other}{}", &text[..digit], &text[digit + 1..]).into()
        }
        other => panic!("{other}"),
    };
}
