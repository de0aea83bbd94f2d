//! `simulator compare`: several scenarios side by side.

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf, thread};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use usage::whole;

use super::{
    Failure, bad_input, print,
    run::{failure, rows},
};
use crate::{
    offline::{self, Community, Options},
    progress,
    scenario::Scenario,
};

const EXAMPLES: &str = "Examples:
  simulator compare config/scenarios/uniform.toml config/scenarios/pay-as-bid.toml --out comparison

Each scenario's tables go to a directory by its name; comparison.csv has the figures side by side.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Compare {
    /// The scenarios, TOML files with different names
    #[arg(value_name = "SCENARIO.toml", required = true)]
    scenarios: Vec<PathBuf>,
    /// Directory to write to
    #[arg(long, value_name = "DIR", default_value = "comparison")]
    out: PathBuf,
    /// How many threads play; the files are the same for any number [default: as many as there are cores]
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = whole::<u16>(1..=1024))]
    threads: Option<u16>,
}

pub(super) fn compare(options: Compare) -> Result<(), Failure> {
    if options.scenarios.len() < 2 {
        return Err(bad_input("expected two scenarios or more, found 1; `run` plays a single one"));
    }
    let mut names = BTreeSet::new();
    let mut prepared = Vec::new();
    // All of them before the first is played, which may take long.
    for path in &options.scenarios {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !names.insert(name.clone()) {
            return Err(bad_input(format!("expected scenarios with different names, found {name} twice")));
        }
        let scenario = Scenario::load(path).map_err(bad_input)?;
        let community = Community::of(&scenario).map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
        prepared.push((path, name, scenario, community));
    }
    let threads = match options.threads {
        Some(threads) => threads.into(),
        None => thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    std::fs::create_dir_all(&options.out)
        .map_err(|error| bad_input(format!("--out: expected a directory that can be made, found {error}")))?;
    let mut columns = Vec::new();
    for (path, name, scenario, community) in &prepared {
        let bar = progress::over(community.intervals() as u64, "intervals");
        let how = Options { out: options.out.join(name), threads, lines: false };
        let outcome = offline::run(scenario, community, &how, &|done| bar.set_position(done as u64));
        bar.finish_and_clear();
        columns.push(rows(&outcome.map_err(|error| failure(path, error))?));
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([""].into_iter().chain(prepared.iter().map(|(_, name, ..)| name.as_str())));
    let mut lines = Vec::new();
    for (index, (what, _)) in columns.first().into_iter().flatten().enumerate() {
        let row: Vec<&str> = columns.iter().map(|column| column[index].1.as_str()).collect();
        let line: Vec<&str> = std::iter::once(*what).chain(row).collect();
        table.add_row(line.iter().map(|cell| cell.trim_end()));
        lines.push(line);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let path = options.out.join("comparison.csv");
    let write = || {
        let mut csv = csv::Writer::from_path(&path)?;
        csv.write_record(["figure"].into_iter().chain(prepared.iter().map(|(_, name, ..)| name.as_str())))?;
        lines.iter().try_for_each(|line| csv.write_record(line.iter().map(|cell| cell.trim())))?;
        csv.flush().map_err(csv::Error::from)
    };
    write().map_err(|error: csv::Error| Failure::Failed(format!("{}: {error}", path.display())))?;
    print(&format!("{table}\n{} has the tables of each, and comparison.csv", options.out.display()))
}
