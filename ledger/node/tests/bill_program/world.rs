//! A stopped node around the end of June, and the program that bills it.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use protocol::{
    correction::Values, energy::Energy, genesis::Genesis, instruction::MemberAction, interval::Interval,
    member::AccountId, member::MemberId, money::Amount, pack::RulePack,
};
use tempfile::TempDir;

use crate::support::{Community, history::History};

/// By the clock in Zurich, June ends eight intervals later.
pub(crate) const FIRST: &str = "2026-06-30T20:00:00Z/PT15M";
pub(crate) const OF_JUNE: usize = 8;
/// Transfers are booked before these intervals are settled: two in June, one in July.
const TRANSFERS: [usize; 3] = [1, 3, OF_JUNE];
/// In this interval a member is not read, and its energy comes late with the next.
const UNREAD: usize = 4;

/// Rows by column.
pub(crate) type Rows = Vec<BTreeMap<String, String>>;

/// A stopped node's state directory.
pub(crate) struct World {
    directory: TempDir,
    pub(crate) members: Vec<MemberId>,
    pub(crate) genesis: Genesis,
}

impl World {
    /// A ledger in which everything happens around the end of June.
    pub(crate) fn new(intervals: usize) -> World {
        World::following(intervals, None)
    }

    /// The same by a rule pack.
    pub(crate) fn following(intervals: usize, pack: Option<RulePack>) -> World {
        let mut community = community(FIRST.parse().unwrap());
        community.genesis.rules.pack = pack.map(Box::new);
        let mut history = History::of(community);
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
        // It gives, and in one interval it takes.
        let import = |wh| Values { import: Energy::from_wh(wh), ..Values::default() };
        for (decision, interval, number, values) in
            [(2, 1, 1, export(400)), (3, 1, 2, export(650)), (4, 2, 1, import(123))]
        {
            history.correct(decision, settled[interval], number, &[(giver, values)]);
        }
        let directory = tempfile::tempdir().unwrap();
        let genesis = history.community.genesis.clone();
        let members = history.community.members.iter().map(|member| member.id).collect();
        let world = World { directory, members, genesis };
        world.write("genesis.json", &serde_json::to_string(&world.genesis).unwrap());
        history.keep(&world.path("node"));
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn ledger(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.args(arguments).current_dir(&self.directory).output().unwrap()
    }

    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.ledger(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn rows(&self, path: &str) -> Rows {
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

pub(crate) fn number(row: &BTreeMap<String, String>, column: &str) -> i128 {
    row[column].parse().unwrap_or_else(|error| panic!("{column}: {error} in `{}`", row[column]))
}

pub(crate) fn sum(rows: &Rows, column: &str) -> i128 {
    rows.iter().map(|row| number(row, column)).sum()
}

pub(crate) const JUNE: [&str; 9] =
    ["bill", "node", "--month", "2026-06", "--time-zone", "Europe/Zurich", "--genesis", "genesis.json", "--out"];
