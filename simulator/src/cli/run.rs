//! `simulator run`: a scenario, offline.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use protocol::money::{Amount, Price};
use rust_decimal::Decimal;
use usage::whole;

use super::{Failure, bad_input, print, threads};
use crate::{
    offline::{self, Community, Detail, Figures, Options, RunError, figures::Ratio},
    progress,
    scenario::Scenario,
};

const EXAMPLES: &str = "Examples:
  simulator run config/scenarios/self-sufficiency.toml --out results
  simulator run SCENARIO.toml --seed 7 --out results-7 --threads 1
  simulator run SCENARIO.toml --tables trades,orders --no-report

docs/scenarios.md has the keys of a scenario, docs/figures.md what is written and how each figure is defined.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    /// The scenario, a TOML file; config/scenarios has some that are ready
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// What all draws follow from, instead of the scenario's own
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,
    /// Directory to write to: a new one, or one of the same run
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// How many threads play; the files are the same for any number [default: as many as there are cores]
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = whole::<u16>(1..=1024))]
    threads: Option<u16>,
    /// Leave out lines.parquet, which has a row for each member and interval
    #[arg(long)]
    no_lines: bool,
    /// Tables to write beside, each with many rows
    #[arg(long, value_name = "TABLE,TABLE", value_delimiter = ',')]
    tables: Vec<Detail>,
    /// Leave out report.html
    #[arg(long)]
    no_report: bool,
}

pub(super) fn run(options: Run) -> Result<(), Failure> {
    let mut scenario = Scenario::load(&options.scenario).map_err(bad_input)?;
    if let Some(seed) = options.seed {
        scenario.seed = seed;
    }
    let community = Community::of(&scenario).map_err(|error| failure(&options.scenario, error.into()))?;
    let threads = threads(options.threads);
    let bar = progress::over(community.intervals() as u64, "intervals");
    let how = Options {
        out: options.out.clone(),
        threads,
        lines: !options.no_lines,
        details: options.tables.into_iter().collect(),
        report: !options.no_report,
    };
    let outcome = offline::run(&scenario, &community, &how, &|done| {
        bar.set_position(done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let figures = outcome.map_err(|error| failure(&options.scenario, error))?.figures;
    let out = options.out.display();
    let written = match options.no_report {
        true => format!("{out} has the tables and all figures"),
        false => format!("{out}/report.html shows it, beside the tables and all figures"),
    };
    print(&format!("{}\n{written}", table(&figures)))
}

/// What ended a run of the scenario at `path`.
pub(super) fn failure(path: &Path, error: RunError) -> Failure {
    match error {
        RunError::Scenario(error) => bad_input(format!("{}: {error}", path.display())),
        RunError::Out(error) => bad_input(error),
        RunError::Detail(error) => bad_input(error),
        error => Failure::Failed(error.to_string()),
    }
}

fn table(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    for (what, value) in rows(figures) {
        table.add_row([what, &value]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The figures that people look for first.
pub(super) fn rows(figures: &Figures) -> Vec<(&'static str, String)> {
    let Figures { energy, money, market, grid, fairness, welfare, .. } = figures;
    let kwh = |wh: u64| format!("{} kWh", crate::live::kwh(wh.into()));
    let part = |ratio: Option<Ratio>| ratio.map_or_else(|| "none".to_owned(), |ratio| ratio.percent());
    let euros =
        |nano: i128| i64::try_from(nano).map_or_else(|_| nano.to_string(), |nano| Amount::from_nano(nano).to_string());
    let price =
        |micro: Option<i64>| micro.and_then(Price::from_micro).map_or_else(|| "none".into(), |price| price.to_string());
    let kw = |watts: u64| format!("{}.{:03} kW", watts / 1_000, watts % 1_000);
    let pooled = part(energy.pooled_batteries.as_ref().and_then(|pooled| pooled.self_sufficiency));
    let avoided = figures.carbon.as_ref().map_or_else(
        || "none".to_owned(),
        |carbon| format!("{} kg CO₂", Decimal::from_i128_with_scale(carbon.avoided_mg, 6).round_dp(1)),
    );
    vec![
        ("intervals", figures.intervals.to_string()),
        ("members", figures.members.to_string()),
        ("consumed", kwh(energy.consumption_wh)),
        ("produced", kwh(energy.production_wh)),
        ("traded between neighbours", kwh(energy.traded_wh)),
        ("self-sufficiency alone", part(energy.alone.self_sufficiency)),
        ("  with the market", part(energy.market.self_sufficiency)),
        ("  at most, as one household", part(energy.pooled.self_sufficiency)),
        ("  with all batteries as one", pooled),
        ("self-consumption alone", part(energy.alone.self_consumption)),
        ("  with the market", part(energy.market.self_consumption)),
        ("cost alone", euros(money.alone_nano)),
        ("  with the market", euros(money.cost_nano)),
        ("saved", format!("{} ({})", euros(money.saving_nano), part(money.saving_share))),
        ("  of what could be saved", part(money.value_tapping)),
        ("welfare, of what the orders allow", part(welfare.efficiency)),
        ("members worse off", part(fairness.losers)),
        ("Gini coefficient of savings", fairness.gini.map_or_else(|| "none".into(), |gini| gini.to_string())),
        ("price paid to neighbours, mean", price(market.paid_micro_per_kwh)),
        ("emissions avoided", avoided),
        ("peak drawn, fed in", format!("{}, {}", kw(grid.peak_import_w), kw(grid.peak_export_w))),
    ]
}
