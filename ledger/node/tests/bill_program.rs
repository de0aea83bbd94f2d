//! Bills from the program itself: each line is what a receipt proves, everything adds up to the last nano-unit, and
//! whatever is wrong is one line and no file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ledger::{
    chain::{Readings, Tip, execute},
    proof::Verifier,
};
use ledger_node::{
    node::{GENESIS_FILE, STORE_DIRECTORY, commit_of},
    store::{SledStore, Store},
};
use protocol::{
    block::Block, cbor, correction::Values, energy::Energy, genesis::Genesis, instruction::MemberAction,
    interval::Interval, member::AccountId, member::MemberId, money::Amount, receipt::Receipt,
};
use support::{Community, history::History};
use tempfile::TempDir;

/// By the clock in Zurich, June ends eight intervals later.
const FIRST: &str = "2026-06-30T20:00:00Z/PT15M";
const OF_JUNE: usize = 8;
/// Transfers are booked before these intervals are settled: two in June, one in July.
const TRANSFERS: [usize; 3] = [1, 3, OF_JUNE];
/// In this interval a member is not read, and its energy comes late with the next.
const UNREAD: usize = 4;

/// Rows by column.
type Rows = Vec<BTreeMap<String, String>>;

/// A stopped node's state directory.
struct World {
    directory: TempDir,
    members: Vec<MemberId>,
    genesis: Genesis,
}

impl World {
    /// A ledger in which everything happens around the end of June.
    fn new(intervals: usize) -> World {
        let mut history = History::of(community(FIRST.parse().unwrap()));
        let mut settled = Vec::new();
        for number in 0..intervals {
            if let Some(sequence) = TRANSFERS.iter().position(|at| *at == number) {
                let sequence = sequence as u64 + 1;
                let action = MemberAction::Transfer {
                    to: AccountId::Member(history.community.members[1].id),
                    amount: Amount::from_nano(1_000 * sequence as i64),
                    reference: "<b>ladder</b>".into(),
                };
                history.block(vec![history.community.instruct(0, sequence, action)]);
            }
            settled.push(if number == UNREAD { miss_one(&mut history) } else { history.settle() });
        }
        history.replace_validator(1, 201);
        let giver = history.community.members[0].id;
        let export = |wh| Values { export: Energy::from_wh(wh), ..Values::default() };
        for (decision, interval, number, wh) in [(2, 1, 1, 400), (3, 1, 2, 650), (4, 2, 1, 123)] {
            history.correct(decision, settled[interval], number, &[(giver, export(wh))]);
        }
        let directory = tempfile::tempdir().unwrap();
        let genesis = history.community.genesis.clone();
        let members = history.community.members.iter().map(|member| member.id).collect();
        let world = World { directory, members, genesis };
        let json = serde_json::to_string(&world.genesis).unwrap();
        fs::create_dir(world.path("node")).unwrap();
        fs::write(world.path("node").join(GENESIS_FILE), &json).unwrap();
        world.write("genesis.json", &json);
        store(&history, &world.path("node").join(STORE_DIRECTORY));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
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

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn rows(&self, path: &str) -> Rows {
        csv::Reader::from_path(self.path(path)).unwrap().deserialize().map(Result::unwrap).collect()
    }
}

/// Five members whose ledger begins with `first`.
fn community(first: Interval) -> Community {
    let mut community = Community::new(5, 4);
    community.genesis.first_interval = first;
    community.members.iter_mut().for_each(|member| member.head.interval = first.offset(-1).unwrap());
    community
}

/// Settles an interval without the reading of the last member. Its next one says what flowed meanwhile.
fn miss_one(history: &mut History) -> Interval {
    let interval = history.state.next();
    let last = history.community.members.len() - 1;
    let head = history.community.members[last].head;
    let device = history.community.members[last].device.public();
    let mut readings = history.community.read_all(interval);
    readings.retain(|reading| reading.signer() != device);
    history.community.members[last].head = head;
    let settlement = history.community.settlement(&history.state, &readings);
    history.block(vec![history.community.transaction(settlement, &readings)]);
    interval
}

/// Brings a ledger to the disk, block by block.
fn store(history: &History, directory: &Path) {
    let genesis = &history.community.genesis;
    let disk = SledStore::open(directory, &genesis.chain()).unwrap();
    let mut state = history.community.state();
    let mut tip = Tip { height: 0, block: genesis.chain() };
    for height in 1..=history.store.height().unwrap() {
        let stored = history.store.block(height).unwrap().unwrap();
        let block: Block = cbor::decode(&stored.body).unwrap();
        let executed = execute(&state, tip, &block, Readings::Sealed).unwrap();
        disk.commit(&commit_of(&state, &block, &stored, &executed)).unwrap();
        tip = Tip { height, block: block.header.hash() };
        state = executed.state;
    }
}

fn number(row: &BTreeMap<String, String>, column: &str) -> i128 {
    row[column].parse().unwrap_or_else(|error| panic!("{column}: {error} in `{}`", row[column]))
}

fn sum(rows: &Rows, column: &str) -> i128 {
    rows.iter().map(|row| number(row, column)).sum()
}

const JUNE: [&str; 9] =
    ["bill", "node", "--month", "2026-06", "--time-zone", "Europe/Zurich", "--genesis", "genesis.json", "--out"];

#[test]
fn bills_add_up_to_their_receipts_to_the_last_nano_unit() {
    let world = World::new(OF_JUNE + 1);
    world.write("who.csv", &format!("member,name\n{},\"<i>Ada</i> & Söhne, Basel\"\n", world.members[0]));
    let said = world.succeeds(&[&JUNE[..], &["june/zurich", "--names", "who.csv"]].concat());

    let bills = world.rows("june/zurich/bills.csv");
    assert_eq!(bills.iter().map(|bill| bill["member"].parse().unwrap()).collect::<Vec<MemberId>>(), world.members);
    let verifier = Verifier::new(&world.genesis);
    let (mut rounded, mut exact, mut remainders) = (0, 0, 0);
    for bill in &bills {
        let member = &bill["member"];
        let lines = world.rows(&format!("june/zurich/{member}.csv"));
        let is_last = *member == world.members.last().unwrap().to_string();
        assert_eq!(lines.len(), OF_JUNE - usize::from(is_last), "{member}");
        for line in &lines {
            let (start, correction) = (&line["interval"], &line["correction"]);
            let arguments = ["receipt", "node", "--member", member, "--interval", start, "--correction", correction];
            let receipt = Receipt::from_json(world.succeeds(&arguments).as_bytes()).unwrap();
            assert_eq!(verifier.verify(&receipt), Ok(()));
            assert_eq!(number(line, "block"), receipt.header.height.into());
            let entry = &receipt.entry;
            assert_eq!(line["provisional"] == "1", entry.provisional);
            let proved = &entry.line;
            for (column, energy) in [
                ("bought_wh", proved.bought),
                ("sold_wh", proved.sold),
                ("imported_wh", proved.imported),
                ("exported_wh", proved.exported),
            ] {
                assert_eq!(number(line, column), energy.wh().into(), "{column}");
            }
            for (column, amount) in [
                ("paid_nano", proved.paid),
                ("earned_nano", proved.earned),
                ("supply_cost_nano", proved.supply_cost),
                ("supply_revenue_nano", proved.supply_revenue),
                ("net_nano", proved.net().unwrap()),
            ] {
                assert_eq!(number(line, column), amount.nano().into(), "{column}");
            }
            // No later correction has taken its place.
            let next = (correction.parse::<u32>().unwrap() + 1).to_string();
            let later = ["receipt", "node", "--member", member, "--interval", start, "--correction", &next];
            assert_eq!(world.ledger(&later).status.code(), Some(2), "{start}, {next}");
        }
        let corrections: Vec<&str> = lines.iter().map(|line| line["correction"].as_str()).take(4).collect();
        assert_eq!(corrections, ["0", "2", "1", "0"]);
        for column in ["bought_wh", "sold_wh", "imported_wh", "exported_wh", "paid_nano", "earned_nano", "net_nano"] {
            assert_eq!(number(bill, column), sum(&lines, column), "{column}");
        }
        assert_eq!((number(bill, "corrected"), number(bill, "intervals")), (2, lines.len() as i128));
        // What the member did not measure in time came late, with the interval after.
        let late = sum(&lines, "late_import_wh") + sum(&lines, "late_export_wh");
        assert_eq!(late > 0, is_last, "{member}: {late}");
        assert_eq!(number(bill, "late_import_wh") + number(bill, "late_export_wh"), late);

        let cents: i128 = bill["bill"].replace('.', "").parse().unwrap();
        let (net, remainder) = (number(bill, "net_nano"), number(bill, "remainder_nano"));
        assert_eq!(cents * 10_000_000 + remainder, net);
        assert!(remainder.abs() <= 5_000_000, "{remainder}");
        rounded += cents * 10_000_000;
        exact += net;
        remainders += remainder;
    }
    assert_eq!(rounded + remainders, exact);
    assert!(exact != 0 && remainders != 0, "{exact}, {remainders}");
    let transfers: Vec<i128> = bills.iter().map(|bill| number(bill, "transfers_nano")).collect();
    assert_eq!(transfers, [-3_000, 3_000, 0, 0, 0]);
    for expected in ["sum         0.000000000 EUR", "bills       5 of 2026-06 in june/zurich"] {
        assert!(said.contains(expected), "{said}");
    }

    let page = fs::read_to_string(world.path(&format!("june/zurich/{}.html", world.members[0]))).unwrap();
    let chain = world.genesis.chain().to_string();
    for expected in ["&lt;i&gt;Ada&lt;/i&gt; &amp; Söhne, Basel", "&lt;b&gt;ladder&lt;/b&gt;", &chain, "ledger verify"]
    {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(!page.contains("<i>") && !page.contains("<b>ladder"), "{page}");
    let other = fs::read_to_string(world.path(&format!("june/zurich/{}.html", world.members[2]))).unwrap();
    assert!(!other.contains("Ada"), "{other}");

    // By the clock of UTC the month is not over.
    let refused = world.ledger(&[
        "bill",
        "node",
        "--month",
        "2026-06",
        "--time-zone",
        "UTC",
        "--genesis",
        "genesis.json",
        "--out",
        "utc",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(world.files(), ["genesis.json", "june", "node", "who.csv"]);
}

#[test]
fn what_cannot_be_billed_is_one_line_and_no_file() {
    let world = World::new(OF_JUNE - 1);
    let bill = |changes: &[(&str, &str)]| {
        let mut arguments: Vec<&str> = JUNE[..].iter().copied().chain(["out"]).collect();
        for (option, value) in changes {
            match arguments.iter().position(|argument| argument == option) {
                Some(at) => arguments[at + 1] = value,
                None => arguments.extend([*option, *value]),
            }
        }
        world.ledger(&arguments)
    };
    world.write("other.json", &serde_json::to_string(&Community::new(3, 1).genesis).unwrap());
    world.write("no-names.csv", "name,member\nAda,00\n");
    world.write("bad-names.csv", "member,name\nAda,Basel\n");
    fs::create_dir(world.path("taken")).unwrap();
    world.write("taken/mine", "mine");
    world.write("file", "mine");
    let before = world.files();
    for (changes, said) in [
        (&[][..], "expected June 2026 to be settled, found settled until 2026-06-30T23:45:00+02:00"),
        (&[("--month", "2026-07")], "expected July 2026 to be settled, found settled until"),
        (&[("--month", "2026-05")], "expected a month from 2026-06 on, in which the ledger begins, found 2026-05"),
        (&[("--month", "2026-13")], "--month: expected a month such as 2026-06"),
        (&[("--month", "last\nmonth")], "--month: expected a month such as 2026-06"),
        (&[("--time-zone", "Europe/Zuerich")], "--time-zone: expected an IANA time zone such as Europe/Zurich"),
        (&[("--genesis", "other.json")], "expected the ledger of the chain"),
        (&[("--names", "no-names.csv")], "no-names.csv: expected the columns member,name, found `name,member`"),
        (&[("--names", "bad-names.csv")], "bad-names.csv: "),
        (&[("--names", "missing.csv")], "missing.csv: "),
    ] {
        let output = bill(changes);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{changes:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{changes:?}: {stderr}\nexpected: {said}");
        assert_eq!(world.files(), before, "{changes:?}");
    }

    let world = World::new(OF_JUNE);
    fs::create_dir(world.path("taken")).unwrap();
    world.write("taken/mine", "mine");
    world.write("file", "mine");
    fs::create_dir(world.path("empty")).unwrap();
    for (out, said) in [("taken", "found one with something in it"), ("file", "found a file")] {
        let output = world.ledger(&[&JUNE[..], &[out]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{out}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{out}: {stderr}");
    }
    assert_eq!(fs::read_to_string(world.path("taken/mine")).unwrap(), "mine");
    assert_eq!(world.files(), ["empty", "file", "genesis.json", "node", "taken"]);
    world.succeeds(&[&JUNE[..], &["empty"]].concat());
    assert_eq!(fs::read_dir(world.path("empty")).unwrap().count(), 1 + 2 * world.members.len());
}
