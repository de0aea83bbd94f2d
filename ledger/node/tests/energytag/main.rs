//! Certificates for other registries, from the program itself: whatever is on the ledger is in a bundle, each line has
//! its proof, and EnergyTag's own schemas take them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use ledger::proof::{ProofError, Verifier};
use ledger_node::node::Ledger;
use protocol::{interval::Interval, receipt::Receipt, retirement::ProvedRetirement};
use serde_json::Value;
use support::history::{BAKERY, History};
use tempfile::TempDir;

const FILES: [&str; 4] = ["bundles.jsonl", "receipts.jsonl", "cancellations.jsonl", "retirements.jsonl"];
/// A stopped node's state directory, and the program beside it.
struct World {
    directory: TempDir,
    history: History,
    first: Interval,
}

impl World {
    fn new() -> World {
        let history = History::claimed();
        let first = history.community.genesis.first_interval;
        let directory = tempfile::tempdir().unwrap();
        history.keep(&directory.path().join("validator-0"));
        let world = World { directory, history, first };
        fs::copy(shipped(), world.path("energytag.toml")).unwrap();
        let genesis = serde_json::to_string(&world.history.community.genesis).unwrap();
        fs::write(world.path("genesis.json"), genesis).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ledger(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.args(arguments).current_dir(&self.directory).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.ledger(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn exported(&self, out: &str, more: &[&str]) -> Exported {
        let base = ["export", "validator-0", "--out", out, "--format", "energytag", "--registry", "energytag.toml"];
        self.succeeds(&[&base[..], more].concat());
        let read = |file| fs::read_to_string(self.path(out).join(file)).unwrap();
        let [bundles, receipts, cancellations, retirements] = FILES.map(read);
        let json = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        Exported {
            bundles: json(&bundles),
            receipts: receipts.lines().map(|line| Receipt::from_json(line.as_bytes()).unwrap()).collect(),
            cancellations: json(&cancellations),
            retirements: retirements
                .lines()
                .map(|line| ProvedRetirement::from_json(line.as_bytes()).unwrap())
                .collect(),
        }
    }
}

struct Exported {
    bundles: Vec<Value>,
    receipts: Vec<Receipt>,
    cancellations: Vec<Value>,
    retirements: Vec<ProvedRetirement>,
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/energytag.toml")
}

fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"))
}

#[test]
fn every_certificate_is_in_one_bundle_with_the_proof_of_its_energy_beside_it() {
    let world = World::new();
    let Exported { bundles, receipts, .. } = world.exported("all", &[]);
    assert_eq!(bundles.len(), receipts.len());
    let verifier = Verifier::new(&world.history.community.genesis);
    let mut issued: BTreeMap<&str, u64> = BTreeMap::new();
    let mut fed_in: BTreeMap<&str, u64> = BTreeMap::new();
    for (bundle, receipt) in bundles.iter().zip(&receipts) {
        assert_eq!(verifier.verify(receipt), Ok(()));
        let entry = &receipt.entry;
        assert_eq!(bundle["production_starting_interval"], entry.interval.start_text());
        assert_eq!(bundle["production_ending_interval"], entry.interval.next().unwrap().start_text());
        let issuance = bundle["issuance_id"].as_str().unwrap();
        let (start, end) = ("certificate_bundle_id_range_start", "certificate_bundle_id_range_end");
        let next = issued.entry(issuance).or_default();
        assert_eq!(number(bundle, start), *next, "no number is left out and none stands twice");
        assert_eq!(number(bundle, "bundle_quantity"), number(bundle, end) - number(bundle, start) + 1);
        assert_eq!(number(bundle, "face_value"), 1);
        *next += number(bundle, "bundle_quantity");
        fed_in.insert(issuance, entry.line.sold.wh() + entry.line.exported.wh());
        assert_eq!(bundle["issuance_datestamp"], "2026-06-01");
        assert_eq!(bundle["expiry_datestamp"], "2027-06-03", "367 days later nobody can retire them any more");
        assert_eq!(bundle["energy_source"], "Solar");
        assert_eq!(bundle["device_location"], serde_json::json!([48.21, 16.37]));
    }
    assert!(issued.len() > 3, "{issued:?}");
    assert_eq!(issued.keys().collect::<Vec<_>>(), fed_in.keys().collect::<Vec<_>>());
    // What a holder has moved stays as it was issued when its interval is corrected.
    let same = issued.iter().filter(|(issuance, sum)| fed_in[*issuance] == **sum).count();
    assert_eq!(same, issued.len(), "{issued:?} {fed_in:?}");
    let devices: BTreeSet<&str> = bundles.iter().map(|bundle| bundle["id"].as_str().unwrap()).collect();
    let issuances: BTreeSet<&str> = issued.keys().copied().collect();
    assert_eq!(devices.intersection(&issuances).count(), 0);
    let accounts: BTreeSet<&str> = bundles.iter().map(|bundle| bundle["account_id"].as_str().unwrap()).collect();
    assert!(devices.len() > 1 && accounts.len() > 1, "{devices:?} {accounts:?}");

    let one = world.first.start_text();
    let next = world.first.next().unwrap().start_text();
    let of_one = world.exported("one", &["--from", &one, "--to", &next]).bundles;
    let expected: Vec<&Value> = bundles.iter().filter(|it| it["production_starting_interval"] == *one).collect();
    assert_eq!(of_one.iter().collect::<Vec<_>>(), expected, "the same names in every export");
}

#[test]
fn what_was_retired_is_cancelled_for_whom_it_was_claimed_and_that_is_proved() {
    let world = World::new();
    let Exported { bundles, cancellations, retirements, .. } = world.exported("all", &[]);
    let cancelled: Vec<&Value> = bundles.iter().filter(|it| it["certificate_bundle_status"] == "Cancelled").collect();
    assert_eq!((cancelled.len(), cancellations.len(), retirements.len()), (2, 2, 2));
    let verifier = Verifier::new(&world.history.community.genesis);
    for ((bundle, cancellation), proved) in cancelled.iter().zip(&cancellations).zip(&retirements) {
        assert_eq!(verifier.verify_retirement(proved), Ok(()));
        let retirement = &proved.retirement;
        assert_eq!(cancellation["source_certificate_issuance_id"], bundle["issuance_id"]);
        assert_eq!(cancellation["source_id"], bundle["account_id"]);
        assert_eq!(cancellation["id"], bundle["id"]);
        for (of, prefix) in [
            ("start", retirement.certificates.first),
            ("end", retirement.certificates.first + retirement.certificates.energy.wh() - 1),
        ] {
            assert_eq!(number(bundle, &format!("certificate_bundle_id_range_{of}")), prefix);
            assert_eq!(number(cancellation, &format!("source_certificate_certificate_bundle_id_range_{of}")), prefix);
        }
        assert_eq!(cancellation.get("beneficiary"), bundle.get("beneficiary"));
    }
    let for_whom: Vec<Option<&str>> = cancellations.iter().map(|it| it["beneficiary"].as_str()).collect();
    assert_eq!(for_whom.iter().filter(|name| **name == Some(BAKERY)).count(), 1, "{for_whom:?}");
    assert_eq!(for_whom.iter().filter(|name| name.is_none()).count(), 1, "the holder itself");

    let baked = retirements.iter().find(|proved| proved.retirement.beneficiary.is_some()).unwrap();
    fs::write(world.path("proof.json"), baked.to_json()).unwrap();
    let said = world.succeeds(&["verify", "proof.json", "--genesis", "genesis.json"]);
    for expected in [BAKERY, "bread of \"June\"", "4 Wh from number 414 on", "proved"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let text = String::from_utf8(baked.to_json()).unwrap();
    for (from, to, code) in
        [("Café", "Cafe", 1), ("\"first\":", "\"first\": ", 2), ("\"sequence\":1", "\"sequence\":2", 1)]
    {
        assert!(text.contains(from), "{from}: {text}");
        fs::write(world.path("proof.json"), text.replacen(from, to, 1)).unwrap();
        let refused = world.ledger(&["verify", "proof.json", "--genesis", "genesis.json"]);
        assert_eq!(refused.status.code(), Some(code), "{from}");
        assert_eq!(String::from_utf8_lossy(&refused.stderr).lines().count(), 1);
    }
}

/// One such proof: of a change of validators before it, and of another member's instruction in the same ledger.
fn proved(history: History) -> (Verifier, ProvedRetirement) {
    let genesis = history.community.genesis.clone();
    let first = genesis.first_interval;
    let issues = history.state.record(first).unwrap().issues;
    let (ledger, _) = Ledger::open(genesis.clone(), Arc::new(history.store), None).unwrap();
    let (device, number) = issues
        .iter()
        .flat_map(|issue| issue.numbered().map(move |(number, bundle)| (issue.device, number, bundle)))
        .find(|(.., bundle)| bundle.retired.is_some())
        .map(|(device, number, _)| (device, number))
        .unwrap();
    let found = ledger.retired_certificate(first, device, number).unwrap().unwrap();
    (Verifier::new(&genesis), found.proved)
}

#[test]
fn a_proved_retirement_with_any_byte_changed_is_refused() {
    let (verifier, proved) = proved(History::claimed());
    assert!(!proved.steps.is_empty(), "other validators than those of the genesis");
    assert_eq!(verifier.verify_retirement(&proved), Ok(()));
    let none = ProvedRetirement { steps: Vec::new(), ..proved.clone() };
    assert!(matches!(verifier.verify_retirement(&none), Err(ProofError::OtherValidators { .. })));
    let json = proved.to_json();
    assert_eq!(ProvedRetirement::from_json(&json).as_ref(), Ok(&proved));
    let mut parsed = 0;
    for position in 0..json.len() {
        for change in [1, 2, 0x20] {
            let mut changed = json.clone();
            changed[position] ^= change;
            if let Ok(proved) = ProvedRetirement::from_json(&changed) {
                parsed += 1;
                assert!(verifier.verify_retirement(&proved).is_err(), "byte {position} ^ {change}");
            }
        }
    }
    assert!(parsed > 500, "changes that are still well-formed were tried: {parsed}");
}

#[test]
fn what_was_retired_is_told_by_its_name_and_of_the_rest_nothing() {
    let history = History::claimed();
    let first = history.community.genesis.first_interval;
    let issues = history.state.record(first).unwrap().issues;
    let (ledger, _) = Ledger::open(history.community.genesis.clone(), Arc::new(history.store), None).unwrap();
    let (mut told, mut not_told) = (0, 0);
    // Backwards, and every one again: whatever was looked up before.
    for issue in issues.iter().rev().chain(&issues) {
        for (number, bundle) in issue.numbered() {
            for number in [number, number + bundle.energy.wh() - 1] {
                let found = ledger.retired_certificate(first, issue.device, number).unwrap();
                assert_eq!(found.is_some(), bundle.retired.is_some());
                let Some(found) = found else {
                    not_told += 1;
                    continue;
                };
                told += 1;
                assert_eq!(Some(found.proved.message().hash()), bundle.retired);
                assert_eq!((found.producer, found.technology), (issue.producer, issue.technology));
                let claim = found.proved.retirement;
                assert_eq!((claim.member, claim.certificates.device), (bundle.holder, issue.device));
                assert!(
                    (claim.certificates.first..claim.certificates.first + claim.certificates.energy.wh())
                        .contains(&number)
                );
                assert!(found.open > first);
            }
        }
        let beyond = issue.bundles.iter().map(|bundle| bundle.energy.wh()).sum();
        assert_eq!(ledger.retired_certificate(first, issue.device, beyond).unwrap(), None);
    }
    assert!(told == 8 && not_told > 8, "{told} {not_told}");
    assert_eq!(ledger.retired_certificate(first.offset(50).unwrap(), issues[0].device, 0).unwrap(), None);
}

#[test]
fn whatever_is_wrong_is_one_line_and_no_file() {
    let world = World::new();
    let shipped = fs::read_to_string(shipped()).unwrap();
    let stranger = "[devices.\"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"]\nname = \"School roof\"\n";
    for (name, text) in [
        ("unknown.toml", format!("issuer = \"X\"\n{shipped}")),
        ("stranger.toml", format!("{shipped}\n{stranger}")),
        ("country.toml", shipped.replace("\"AT\"", "\"Austria\"")),
        ("long.toml", format!("{shipped}\n# {}", "x".repeat(1_024 * 1_024))),
        ("empty.toml", String::new()),
    ] {
        fs::write(world.path(name), text).unwrap();
    }
    let energytag = ["--format", "energytag"];
    for (arguments, expected) in [
        (vec!["--format", "energytag"], "--registry <FILE>"),
        (vec!["--registry", "energytag.toml"], "--registry: expected with --format energytag"),
        ([&energytag[..], &["--registry", "nowhere.toml"]].concat(), "nowhere.toml: No such file"),
        ([&energytag[..], &["--registry", "unknown.toml"]].concat(), "unknown field `issuer`"),
        (
            [&energytag[..], &["--registry", "stranger.toml"]].concat(),
            "expected a device that measures or has certificates",
        ),
        ([&energytag[..], &["--registry", "country.toml"]].concat(), "country: expected a code of two letters"),
        ([&energytag[..], &["--registry", "long.toml"]].concat(), "expected at most 1048576 bytes"),
        ([&energytag[..], &["--registry", "empty.toml"]].concat(), "missing field `issuing_body`"),
    ] {
        let output = world.ledger(&[&["export", "validator-0", "--out", "out"][..], &arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!world.path("out").exists(), "{arguments:?}");
    }
    world.exported("out", &[]);
    let again = world.ledger(&[
        "export",
        "validator-0",
        "--out",
        "out",
        "--format",
        "energytag",
        "--registry",
        "energytag.toml",
    ]);
    assert_eq!(again.status.code(), Some(2));
    let left: BTreeSet<_> = fs::read_dir(world.path("out")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, FILES.iter().map(Into::into).collect());
}

#[test]
fn what_is_known_of_a_plant_stands_in_its_bundles_and_in_no_others() {
    let world = World::new();
    let device = world.history.state.record(world.first).unwrap().issues[0].device;
    let shipped = fs::read_to_string(shipped()).unwrap();
    let plant = "name = \"School roof\"\ntechnology_type = \"Rooftop\"\nproduction_start = \"2019-05-01\"\ncapacity_w = 9800\nlocation = [1.5, 2.5]\n";
    fs::write(world.path("energytag.toml"), format!("{shipped}[devices.\"{device}\"]\n{plant}")).unwrap();
    let bundles = world.exported("all", &[]).bundles;
    let (mut own, mut others) = (0, 0);
    for bundle in &bundles {
        if bundle["device_name"] == "School roof" {
            own += 1;
            assert_eq!(
                (&bundle["device_technology_type"], number(bundle, "device_capacity")),
                (&"Rooftop".into(), 9_800)
            );
            assert_eq!(bundle["device_production_start_date"], "2019-05-01");
            assert_eq!(bundle["device_location"], serde_json::json!([1.5, 2.5]));
        } else {
            others += 1;
            assert!(bundle["device_name"].as_str().unwrap().starts_with("did:key:"));
            assert_eq!(bundle["device_production_start_date"], "2026-06-01");
        }
    }
    assert!(own > 0 && others > 0, "{own} {others}");
}

#[test]
fn the_operators_commands_run_as_they_stand_on_the_page() {
    let page = include_str!("../../../../docs/operator.md");
    let section = page.split("### Certificates for other registries\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let commands = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let world = World::new();
    let program = Path::new(env!("CARGO_BIN_EXE_ledger")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    let output = shell.args(["-euc", commands]).env("PATH", path).current_dir(&world.directory).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| *line == "proved").count(), 2, "{said}");
}

/// The validator, on what is in a directory: what it says, or why it refuses.
fn validated(directory: &Path) -> Result<Value, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(here.join("../../target/bank/bin/python"));
    let of_tests = here.join("tests/energytag");
    python.arg(of_tests.join("validate.py")).arg(of_tests.join("schemas.json")).arg(directory);
    let output = python.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
#[ignore = "needs jsonschema, which .ci/run installs"]
fn energytags_schemas_take_every_line_and_refuse_what_is_none() {
    let world = World::new();
    let out = world.path("all");
    world.exported("all", &[]);
    let said = validated(&out).unwrap();
    assert_eq!(said["cancellations"], 2, "{said}");
    assert_eq!(said["bundles"]["Cancelled"], 2, "{said}");
    assert!(said["bundles"]["Active"].as_u64().unwrap() > 5, "{said}");

    let with_all = fs::read_to_string(shipped()).unwrap().replace("# dissemination_level", "dissemination_level");
    fs::write(world.path("energytag.toml"), with_all).unwrap();
    world.exported("more", &[]);
    assert_eq!(validated(&world.path("more")), Ok(said));

    let bundles = fs::read_to_string(out.join(FILES[0])).unwrap();
    for (from, to, expected) in [
        ("\"issuing_body\":", "\"issuer\":", "'issuing_body' is a required property"),
        ("\"face_value\":1", "\"face_value\":\"1\"", "face_value: '1' is not of type 'integer'"),
        ("T12:00:00Z", " noon", "is not a 'date-time'"),
        ("\"issuance_datestamp\":\"2026-06-01\"", "\"issuance_datestamp\":\"1 June\"", "is not a 'date'"),
        ("\"issuance_id\":\"", "\"issuance_id\":\"x", "is not a 'uuid'"),
        ("\"device_type\":", "\"colour\":\"red\",\"device_type\":", "no keys of GranularCertificateBundle: ['colour']"),
    ] {
        assert!(bundles.contains(from), "{from}");
        fs::write(out.join(FILES[0]), bundles.replacen(from, to, 1)).unwrap();
        let refused = validated(&out).unwrap_err();
        assert!(refused.contains(expected), "{from}: {refused}");
    }
}

/// A genesis, bundles and a proof to check another program against. Made anew with `VOISIN_WRITE_VECTORS=1`.
#[test]
fn the_published_vectors_are_what_this_program_makes_and_accepts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/vectors/bundles.json");
    let world = World::new();
    let next = world.first.next().unwrap().start_text();
    let Exported { bundles, cancellations, retirements, .. } = world.exported("one", &["--to", &next]);
    let genesis = &world.history.community.genesis;
    let messages: Vec<String> = retirements.iter().map(|proved| proved.message().to_string()).collect();
    let made = serde_json::json!([{
        "genesis": genesis,
        "chain": genesis.chain(),
        "bundles": bundles,
        "cancellations": cancellations,
        "retirements": retirements,
        "messages": messages,
    }]);
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if std::env::var_os("VOISIN_WRITE_VECTORS").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), text);
}
