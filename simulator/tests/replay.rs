//! Replayed ledgers: under their own rules as they are, under others as the market's economics say, and never changed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/kept.rs"]
mod kept;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use indicatif::ProgressBar;
use kept::{FirstSettled, Kept};
use ledger_node::audit::{AuditError, each_settled, open_copy};
use market::economics::{Circumstances, Economics, economics};
use protocol::{energy::Energy, genesis::Rules, member::MemberId};
use serde_json::Value;
use simulator::replay::{Changes, Options, Replayed, difference, replay};

fn replayed(directory: &Path, options: &Options) -> Result<Replayed, String> {
    let opened = open_copy(directory).map_err(|error| error.to_string())?;
    replay(&opened, options, &ProgressBar::hidden()).map_err(|error| error.to_string())
}

fn simulator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulator")).arg("replay").args(arguments).output().unwrap()
}

/// The line that says why not.
fn refused(arguments: &[&str]) -> String {
    let output = simulator(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{arguments:?}\n{stderr}");
    stderr
}

/// Every file below, with its bytes.
fn bytes(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(bytes(&path)),
            false => drop(found.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

type Row = BTreeMap<String, String>;

fn csv_rows(path: &Path) -> Vec<Row> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

fn number(row: &Row, column: &str) -> i128 {
    row[column].parse().unwrap()
}

fn by_name(rows: Vec<Row>) -> BTreeMap<String, Row> {
    rows.into_iter().map(|row| (row["name"].clone(), row)).collect()
}

/// What each member pays in all, n€.
fn costs<'a>(all: impl Iterator<Item = &'a Economics>) -> BTreeMap<MemberId, i128> {
    let mut costs = BTreeMap::new();
    for line in all.flat_map(|economics| &economics.lines) {
        let cost = line.paid.nano() + line.supply_cost.nano() - line.earned.nano() - line.supply_revenue.nano();
        *costs.entry(line.member).or_insert(0) += i128::from(cost);
    }
    costs
}

fn under(kept: &Kept, change: impl Fn(&mut Rules)) -> Vec<Economics> {
    let economics = |first: &FirstSettled| {
        let (grid, inputs) = kept.inputs(first);
        let mut rules = first.rules.clone();
        change(&mut rules);
        let interval = first.settlement.interval;
        let circumstances = Circumstances { interval, rules: &rules, grid: &grid, tie_seed: &first.tie_seed };
        economics(inputs.metered(), &circumstances).unwrap()
    };
    kept.settled.iter().map(economics).collect()
}

#[test]
fn each_interval_is_handed_on_with_what_it_was_settled_from() {
    let mut kept = Kept::eventful();
    let opened = open_copy(&kept.stopped()).unwrap();
    let mut expected = kept.settled.iter();
    let report = each_settled::<AuditError>(&opened.genesis, &opened.store, &ProgressBar::hidden(), |found| {
        let expected = expected.next().unwrap();
        assert_eq!(*found.settlement, expected.settlement);
        assert_eq!((found.rules, found.tie_seed), (&expected.rules, expected.tie_seed));
        assert_eq!(found.inputs, Some(kept.inputs(expected).1));
        Ok(())
    });
    assert_eq!((report.unwrap().settlements, expected.next().is_none()), (7, true));
}

#[test]
fn under_its_own_rules_a_ledger_comes_to_its_own_lines_and_accounts() {
    let mut kept = Kept::eventful();
    let directory = kept.stopped();
    let before = bytes(&directory);
    let out = tempfile::tempdir().unwrap();
    let tables = out.path().join("tables");
    let options = Options { out: Some(tables.clone()), lines: true, ..Options::default() };
    let found = replayed(&directory, &options).unwrap();
    assert_eq!(bytes(&directory), before, "nothing is changed");
    assert_eq!((found.own.intervals, found.corrections), (7, 1));
    assert!(found.changed.is_none());
    assert_eq!(found.own.members, 7, "with the one who came later");
    let settlements = || kept.settled.iter().map(|it| &it.settlement);
    let lines = || settlements().flat_map(|settlement| &settlement.lines);
    let traded: u64 = lines().map(|line| line.bought.wh()).sum();
    assert!(traded > 0);
    assert_eq!(found.own.energy.traded_wh, traded);
    let supplier: i128 = settlements().map(|settlement| i128::from(settlement.supplier.nano())).sum();
    assert_eq!(found.own.money.supplier_nano, supplier);
    assert!(found.own.fairness.quality_of_experience.is_none(), "the supplier's prices changed on the way");

    // Beside the corrected one, all accounts are what the members paid and earned.
    let rows = by_name(csv_rows(&tables.join("members.csv")));
    let own = under(&kept, |_| {});
    for (member, cost) in costs(own.iter()) {
        let row = &rows[&member.to_string()];
        assert_eq!(number(row, "cost_nano"), cost, "{member}");
        // A meter's interval is netted, and what is left is traded or the supplier's.
        let balance = |one: &str, two: &str| number(row, one) + number(row, two);
        assert_eq!(
            number(row, "consumption_wh") - number(row, "production_wh"),
            balance("bought_wh", "imported_wh") - balance("sold_wh", "exported_wh")
        );
    }
    let intervals = csv_rows(&tables.join("intervals.csv"));
    let prices: Vec<String> =
        settlements().map(|it| it.price.map_or_else(String::new, |price| price.micro().to_string())).collect();
    assert_eq!(intervals.iter().map(|row| row["price_micro_per_kwh"].clone()).collect::<Vec<_>>(), prices);
    let manifest: Value = serde_json::from_slice(&fs::read(tables.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["ledger"]["chain"], kept.community.genesis.chain().to_string());
    assert_eq!(manifest["ledger"]["state_root"], kept.state.root().hash.to_string());
    for table in ["lines.parquet", "member_days.parquet", "members.parquet", "intervals.parquet", "summary.json"] {
        assert!(tables.join(table).is_file(), "{table}");
    }
}

#[test]
fn what_comes_late_was_not_there_to_be_traded() {
    let mut kept = Kept::eventful();
    let found = replayed(&kept.stopped(), &Options::default()).unwrap();
    let late = kept.settled.iter().flat_map(|it| &it.inputs).filter_map(|input| input.values);
    let late: u64 = late.map(|values| values.late_import.wh() + values.late_export.wh()).sum();
    assert!(late > 0, "the test has a reading that comes late");
    let tradable: u64 = kept
        .settled
        .iter()
        .map(|first| {
            let (_, inputs) = kept.inputs(first);
            let flows = || inputs.metered().iter().filter_map(|of| of.metered.measured);
            let lacking: u64 = flows().map(|flow| flow.import.saturating_sub(flow.export).wh()).sum();
            lacking.min(flows().map(|flow| flow.export.saturating_sub(flow.import).wh()).sum())
        })
        .sum();
    let energy = &found.own.energy;
    assert_eq!(energy.alone.imported_wh - energy.pooled.imported_wh, tradable);
    let peaks = &found.own.grid;
    assert_eq!(peaks.lines.iter().map(|line| &*line.line).collect::<Vec<_>>(), ["t", "north", "south"]);
    assert_eq!(peaks.peak_import_w, peaks.lines[0].peak_import_w, "the transformer carries what all draw");
}

/// What is changed, as an option and in the rules.
type Case = (Changes, fn(&mut Rules));

#[test]
fn under_other_rules_it_comes_to_what_the_economics_say_of_the_same_energy() {
    let mut kept = Kept::eventful();
    let directory = kept.stopped();
    let price = |text: &str| text.parse().unwrap();
    let none = Changes::default;
    let cases: [Case; 3] = [
        (Changes { mechanism: Some("pay_as_bid".into()), ..none() }, |rules| rules.mechanism = "pay_as_bid".into()),
        (Changes { mechanism: Some("feeder".into()), derate_ppm: Some(100_000), ..none() }, |rules| {
            rules.mechanism = "feeder".into();
            rules.parameters.get_or_insert_default().derate_ppm = Some(100_000);
        }),
        (
            Changes {
                mechanism: Some("mid_market_rate".into()),
                community_price: Some(price("0.2")),
                retail_price: Some(price("0.5")),
                ..none()
            },
            |rules| {
                rules.mechanism = "mid_market_rate".into();
                rules.parameters.get_or_insert_default().community_price = Some("0.2".parse().unwrap());
                rules.retail_price = "0.5".parse().unwrap();
            },
        ),
    ];
    for (changes, change) in cases {
        let out = tempfile::tempdir().unwrap();
        let tables = out.path().join("tables");
        let options = Options { changes: changes.clone(), out: Some(tables.clone()), ..Options::default() };
        let found = replayed(&directory, &options).unwrap();
        let (own, changed) = (found.own, found.changed.unwrap());
        let expected = under(&kept, change);
        let rows = by_name(csv_rows(&tables.join("members.csv")));
        for (member, cost) in costs(expected.iter()) {
            assert_eq!(number(&rows[&member.to_string()], "cost_nano"), cost, "{changes:?}");
        }
        let traded: u64 = expected.iter().flat_map(|it| &it.lines).map(|line| line.bought.wh()).sum();
        assert_eq!(changed.energy.traded_wh, traded, "{changes:?}");
        // The same energy, and money that sums to zero.
        let all = |it: &simulator::offline::Figures| {
            (it.energy.consumption_wh, it.energy.production_wh, it.energy.alone.clone(), it.energy.pooled.clone())
        };
        assert_eq!(all(&own), all(&changed), "{changes:?}");
        assert_eq!(own.grid, changed.grid, "{changes:?}");
        let money = &changed.money;
        assert_eq!(money.cost_nano, money.supplier_nano + money.operator_nano, "{changes:?}");
        let differs = (money.cost_nano, changed.market.paid_micro_per_kwh);
        assert_ne!((own.money.cost_nano, own.market.paid_micro_per_kwh), differs, "{changes:?}");
        assert!(!tables.join("lines.parquet").exists());
    }
}

#[test]
fn the_program_says_what_it_found_and_the_same_replay_writes_the_same_files() {
    let mut kept = Kept::eventful();
    let directory = kept.stopped();
    let output = simulator(&[text(&directory)]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(
        stdout.contains("7 intervals from 2026-06-01T12:00:00Z to 2026-06-01T13:30:00Z, all as the ledger has them"),
        "{stdout}"
    );
    assert!(
        stdout.contains("1 corrections are left out") && stdout.contains("A ledger knows what passes the meters"),
        "{stdout}"
    );

    let out = tempfile::tempdir().unwrap();
    let tables = out.path().join("tables");
    let arguments = [text(&directory), "--mechanism", "mcafee", "--out", text(&tables)];
    let run = || {
        let output = simulator(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        bytes(&tables)
    };
    let first = run();
    assert!(first.contains_key(&tables.join("comparison.csv")) && first.contains_key(&tables.join("lines.parquet")));
    assert_eq!(run(), first);
    let other = refused(&[text(&directory), "--mechanism", "feeder", "--out", text(&tables)]);
    assert!(other.contains("--out: expected no directory, or one of the same ledger, options and version"), "{other}");
    let entries = fs::read_dir(out.path()).unwrap().count();
    assert_eq!(entries, 1, "and nothing is left beside it");
}

#[test]
fn a_period_is_replayed_by_itself() {
    let mut kept = Kept::eventful();
    let directory = kept.stopped();
    let stdout = |arguments: &[&str]| String::from_utf8(simulator(arguments).stdout).unwrap();
    let found = stdout(&[text(&directory), "--from", "2026-06-01T12:15:00Z", "--to", "2026-06-01T13:00:00Z"]);
    assert!(found.contains("3 intervals from 2026-06-01T12:15:00Z to 2026-06-01T12:45:00Z"), "{found}");
    let out = tempfile::tempdir().unwrap();
    let tables = out.path().join("tables");
    let none = refused(&[text(&directory), "--from", "2027-01-01T00:00:00Z", "--out", text(&tables)]);
    assert!(none.contains("expected settled intervals in the period, found none"), "{none}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_is_no_ledger_in_order_is_refused_in_one_line() {
    let mut kept = Kept::eventful();
    let directory = kept.path().to_owned();
    let in_use = refused(&[text(&directory)]);
    assert!(in_use.contains("in use by another process"), "{in_use}");
    kept.stopped();
    let before = bytes(&directory);
    let elsewhere = tempfile::tempdir().unwrap();
    let empty = elsewhere.path().join("empty");
    fs::create_dir_all(empty.join("ledger")).unwrap();
    fs::copy(directory.join("genesis.json"), empty.join("genesis.json")).unwrap();
    for path in [elsewhere.path().to_owned(), elsewhere.path().join("nowhere"), empty] {
        let none = refused(&[text(&path)]);
        assert!(none.contains("expected a node's state directory, with `genesis.json` and `ledger/` in it"), "{none}");
    }
    let other = Kept::new();
    let foreign = refused(&[text(&directory), "--genesis", text(&other.path().join("nowhere.json"))]);
    assert!(foreign.contains("nowhere.json"), "{foreign}");
    let mut genesis = kept.community.genesis.clone();
    genesis.community = "another".into();
    let strange = elsewhere.path().join("genesis.json");
    fs::write(&strange, serde_json::to_vec(&genesis).unwrap()).unwrap();
    let foreign = refused(&[text(&directory), "--genesis", text(&strange)]);
    assert!(foreign.contains("expected the ledger of the chain") && foreign.contains("found one of"), "{foreign}");
    assert!(simulator(&[text(&directory), "--genesis", text(&directory.join("genesis.json"))]).status.success());
    for (arguments, expected) in [
        (["--mechanism", "lottery"], "--mechanism: expected a mechanism"),
        (["--retail", "0.05"], "expected a feed-in price of at most the retail price 0.05, found 0.08"),
        (["--derate", "2"], "--derate: expected a number from 0 to 1"),
        (["--from", "noon"], "--from: expected a UTC time"),
    ] {
        let found = refused(&[&[text(&directory)], arguments.as_slice()].concat());
        assert!(found.contains(expected), "{found}");
    }
    assert_eq!(bytes(&directory), before, "nothing is changed, whatever is asked");
    fs::copy(&strange, directory.join("genesis.json")).unwrap();
    let foreign = refused(&[text(&directory)]);
    assert!(foreign.contains("use another state directory"), "{foreign}");
}

#[test]
fn wherever_it_is_damaged_it_is_refused_or_nothing_of_it_was_needed() {
    let mut kept = Kept::eventful();
    let directory = kept.stopped();
    let whole = simulator(&[text(&directory)]).stdout;
    let store = directory.join("ledger").join("db");
    let bytes = fs::read(&store).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refusals = 0;
    for at in (1..24).map(|part| part * written / 24) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&store, damaged).unwrap();
        let output = simulator(&[text(&directory)]);
        if output.status.success() {
            assert_eq!(output.stdout, whole, "{at}");
        } else {
            refused(&[text(&directory)]);
            refusals += 1;
        }
    }
    assert!(refusals > 0);
}

#[test]
fn where_readings_were_pruned_it_says_from_when_on_they_are_there() {
    let mut kept = Kept::eventful();
    // The orders are in the second block.
    kept.prune(3);
    let directory = kept.stopped();
    let pruned = refused(&[text(&directory)]);
    assert!(
        pruned.contains(
            "found those before 2026-06-01T12:30:00Z pruned: replay what is left with --from 2026-06-01T12:30:00Z"
        ),
        "{pruned}"
    );
    let rest = simulator(&[text(&directory), "--from", "2026-06-01T12:30:00Z"]);
    let rest = String::from_utf8(rest.stdout).unwrap();
    assert!(rest.contains("5 intervals from 2026-06-01T12:30:00Z to 2026-06-01T13:30:00Z, all as"), "{rest}");

    let mut kept = Kept::eventful();
    kept.prune(20);
    let all = refused(&[text(&kept.stopped())]);
    assert!(all.contains("found all pruned"), "{all}");
}

#[test]
fn what_differs_is_named_with_its_member() {
    let kept = Kept::eventful();
    let economics = &under(&kept, |_| {})[1];
    let settlement = &kept.settled[1].settlement;
    assert_eq!(difference(settlement, economics), None);
    let mut other = settlement.clone();
    let line = other.lines.iter_mut().find(|line| line.bought.wh() > 0).unwrap();
    line.bought = Energy::from_wh(line.bought.wh() - 1);
    let line = *line;
    let found = difference(&other, economics).unwrap();
    assert_eq!((found.member, found.what), (Some(line.member), "bought"));
    let said = found.to_string();
    assert!(said.starts_with(&format!("member {}: expected `bought` {} Wh", line.member, line.bought.wh())), "{said}");
    let mut other = settlement.clone();
    other.trades.pop();
    assert_eq!(difference(&other, economics).unwrap().what, "trades");
    let mut other = settlement.clone();
    other.price = None;
    assert_eq!(difference(&other, economics).unwrap().what, "price");
}
