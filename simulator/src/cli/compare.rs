//! `simulator compare`: several scenarios side by side.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use usage::whole;

use super::{
    Failure, bad_input, print,
    run::{failure, rows},
    threads,
};
use crate::{
    draft::place,
    offline::{self, Community, Options},
    progress,
    report::{Side, comparison},
    scenario::Scenario,
};

const EXAMPLES: &str = "Examples:
  simulator compare config/scenarios/uniform.toml config/scenarios/pay-as-bid.toml --out comparison

Each scenario's tables go to a directory by its name; comparison.csv has the figures side by side, comparison.html
shows them.";

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
    let threads = threads(options.threads);
    std::fs::create_dir_all(&options.out)
        .map_err(|error| bad_input(format!("--out: expected a directory that can be made, found {error}")))?;
    let mut outcomes = Vec::new();
    for (path, name, scenario, community) in &prepared {
        let bar = progress::over(community.intervals() as u64, "intervals");
        let out = options.out.join(name);
        let how = Options { out, threads, lines: false, details: BTreeSet::new(), report: true };
        let outcome = offline::run(scenario, community, &how, &|done| {
            bar.set_position(done as u64);
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        outcomes.push(outcome.map_err(|error| failure(path, error))?);
    }
    let sides: Vec<Side<'_>> = prepared
        .iter()
        .zip(&outcomes)
        .map(|((_, name, scenario, _), outcome)| Side {
            name,
            question: scenario.question.as_deref(),
            mechanism: &scenario.market.mechanism,
            seed: scenario.seed,
            figures: &outcome.figures,
            intervals: &outcome.intervals,
        })
        .collect();
    let report = options.out.join(REPORT);
    place(&report, comparison(env!("CARGO_PKG_VERSION"), &sides).as_bytes())
        .map_err(|error| Failure::Failed(format!("{}: {error}", report.display())))?;
    let columns = outcomes.iter().map(|outcome| rows(&outcome.figures)).collect();
    let names = prepared.iter().map(|(_, name, ..)| name.clone()).collect();
    let figures = SideBySide { names, columns };
    figures.write(&options.out)?;
    let (table, out) = (figures.table(), options.out.display());
    print(&format!("{table}\n{out}/{REPORT} shows them, beside the tables of each and {COMPARISON}"))
}

const REPORT: &str = "comparison.html";
/// The file that has figures side by side.
pub(super) const COMPARISON: &str = "comparison.csv";

/// The same figures of several runs.
pub(super) struct SideBySide {
    pub(super) names: Vec<String>,
    /// By run.
    pub(super) columns: Vec<Vec<(&'static str, String)>>,
}

impl SideBySide {
    /// Each figure's name, and what it is for each run.
    fn lines(&self) -> Vec<Vec<&str>> {
        let line = |(index, (what, _)): (usize, &(&'static str, String))| {
            let values = self.columns.iter().map(|column| column[index].1.as_str());
            std::iter::once(*what).chain(values).collect()
        };
        self.columns.first().into_iter().flatten().enumerate().map(line).collect()
    }

    /// For people.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header([""].into_iter().chain(self.names.iter().map(String::as_str)));
        for line in self.lines() {
            table.add_row(line.iter().map(|cell| cell.trim_end()));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Writes them to a file in `directory`.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Failure> {
        let path = directory.join(COMPARISON);
        let write = || {
            let mut csv = csv::Writer::from_path(&path)?;
            csv.write_record(["figure"].into_iter().chain(self.names.iter().map(String::as_str)))?;
            self.lines().iter().try_for_each(|line| csv.write_record(line.iter().map(|cell| cell.trim())))?;
            csv.flush().map_err(csv::Error::from)
        };
        write().map_err(|error: csv::Error| Failure::Failed(format!("{}: {error}", path.display())))
    }
}
