//! Runs a scenario, and writes what it came to.
//!
//! The intervals are cut into chunks, whose bounds follow from the scenario alone. Threads take them by number, play
//! and encode them, and append them in order: a thread that is ahead waits for its turn, so that no more chunks are in
//! memory than there are threads.

mod chunk;
mod detail_rows;
mod directory;
mod manifest;
mod results;

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use market::economics::SettleError;
use protocol::{hash::Hash, interval::Interval};

use self::{
    chunk::{Player, Stop},
    detail_rows::DetailRows,
    manifest::{Manifest, Written},
};
use super::{
    community::Community,
    details::{self, Detail, DetailError},
    dishonest::Dishonest,
    figures::{Figures, Known, LinePeak, Ratio, watts},
    member::Member,
    outage::Outage,
    output::Who,
    sums::IntervalSums,
    turns::Turns,
};
use crate::{
    scenario::{Scenario, ScenarioError},
    tables::TableError,
};

pub use self::directory::OutError;
pub(crate) use self::{
    chunk::{Played, ROWS, Rows, pooled_nano},
    directory::Draft,
    results::Results,
};

/// How to run, which changes nothing of what is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the files go.
    pub out: PathBuf,
    /// How many threads play.
    pub threads: usize,
    /// Whether `lines.parquet` is written, which is by far the largest.
    pub lines: bool,
    /// Which tables of details are written.
    pub details: BTreeSet<Detail>,
    /// Whether `report.html` is written.
    pub report: bool,
}

/// Why a run did not come to its end. What it had written does not stand under its name.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario cannot be.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// It has nothing for a table that is asked for.
    #[error(transparent)]
    Detail(#[from] DetailError),
    /// Its files cannot be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There is something else where they should go.
    #[error(transparent)]
    Out(#[from] OutError),
    /// An interval cannot be settled.
    #[error("{}: {error}", interval.start_text())]
    Settle {
        /// Which one.
        interval: Interval,
        /// Why.
        error: SettleError,
    },
    /// Whoever watched it wanted no more.
    #[error("interrupted: nothing of the run stands under its name")]
    Interrupted,
    /// A thread ended before its time: a bug.
    #[error("a thread stopped before its work was done")]
    Stopped,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its figures.
    pub figures: Figures,
    /// Its intervals, in their order.
    pub intervals: Vec<(Interval, IntervalSums)>,
}

/// Is told after each chunk how many intervals are done, and says whether to go on.
pub type Done<'a> = &'a (dyn Fn(usize) -> ControlFlow<()> + Sync);

/// Plays `scenario`, and writes its files.
pub fn run(scenario: &Scenario, community: &Community, options: &Options, done: Done<'_>) -> Result<Outcome, RunError> {
    details::check(&options.details, community)?;
    let Options { lines, details, report, .. } = options;
    let written = Written { lines: *lines, tables: details.clone(), report: *report };
    let manifest = Manifest::of(scenario, community, written);
    let draft = Draft::begin(&options.out, manifest.json(), "scenario, seed")?;
    let results = Results::create(draft.path(), community.members(), options.lines)?;
    let results = results.with_details(draft.path(), &options.details)?;
    let results = play(community, &manifest, options.threads, results, done)?;
    let figures = figures_of(&results, community);
    let report = options.report.then(|| results.report(&manifest, community, &figures));
    let intervals = results.finish(draft.path(), &who(community))?;
    draft.finish(&figures, report)?;
    Ok(Outcome { figures, intervals })
}

/// Plays `scenario`, and writes nothing.
pub fn figures(
    scenario: &Scenario,
    community: &Community,
    threads: usize,
    done: Done<'_>,
) -> Result<Figures, RunError> {
    let manifest = Manifest::of(scenario, community, Written::default());
    let results = play(community, &manifest, threads, Results::without_tables(community.members()), done)?;
    Ok(figures_of(&results, community))
}

/// What the ties of a scenario's intervals follow from, in every run of it.
pub(super) fn ties(scenario: &Scenario, community: &Community) -> Hash {
    Manifest::of(scenario, community, Written::default()).ties(community)
}

fn figures_of(results: &Results, community: &Community) -> Figures {
    let lines = line_peaks(community, results.flows());
    let known = Known {
        rules: Some(community.rules.base()),
        intensity: community.intensity.as_ref(),
        pool: community.pool(),
        dishonest: community.dishonest.as_ref().map(Dishonest::count),
        outage: community.outage.as_ref().map(Outage::intervals),
    };
    results.figures(known, lines)
}

/// The members, as the table of members says them.
fn who(community: &Community) -> Vec<Who> {
    let buses: Vec<String> = community.bus_names();
    let who = |(number, home): (usize, &Member)| Who {
        name: home.name.clone(),
        bus: buses.get(home.bus.number()).cloned().unwrap_or_default(),
        strategy: community.strategies[home.strategy].name().to_owned(),
        has_roof: home.has_roof,
        has_battery: community.has_battery(number),
    };
    community.homes.iter().enumerate().map(who).collect()
}

fn line_peaks(community: &Community, flows: &[(u64, u64)]) -> Vec<LinePeak> {
    let minutes = community.first.length().minutes();
    let peak = |(bus, (import, export)): (usize, &(u64, u64))| {
        let line = community.grid.line_above(bus)?;
        let (peak_import_w, peak_export_w) = (watts(*import, minutes), watts(*export, minutes));
        let loading = Ratio::of(peak_import_w.max(peak_export_w), line.rated_va);
        Some(LinePeak { line: line.name.clone(), peak_import_w, peak_export_w, rated_va: line.rated_va, loading })
    };
    flows.iter().enumerate().filter_map(peak).collect()
}

fn play(
    community: &Community,
    manifest: &Manifest,
    threads: usize,
    results: Results,
    done: Done<'_>,
) -> Result<Results, RunError> {
    let chunks = chunk::chunks(community);
    let (encoder, details) = (results.line_encoder(), results.detail_encoders());
    let ties = manifest.ties(community);
    let next = AtomicUsize::new(0);
    let memories = Turns::new(community.start());
    let turns = Turns::new(results);
    let failed = Mutex::new(None);
    let work = || -> Option<()> {
        let leaving = turns.stays();
        let remembering = memories.stays();
        let mut player = Player::new(community, ties, encoder.clone(), DetailRows::new(details.clone()), &memories);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = chunks.get(number) else { break };
            let played = match player.play(number, chunk.clone()) {
                Ok(played) => Ok(played),
                Err(Stop::Failed(error)) => Err(error),
                Err(Stop::Before) => return None,
            };
            let mut results = turns.take(number)?;
            let appended = played.and_then(|played| results.append(played).map_err(RunError::from));
            let appended = appended.and_then(|()| match done(chunk.end) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(RunError::Interrupted),
            });
            if let Err(error) = appended {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return None;
            }
            turns.give(results);
        }
        remembering.done();
        leaving.done();
        Some(())
    };
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, chunks.len().max(1)) {
            scope.spawn(work);
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => turns.into_inner().ok_or(RunError::Stopped),
    }
}
