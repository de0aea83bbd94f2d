//! A real ledger's readings, under the rules that were in force and under others.
//!
//! In: a validator's directory, of which a copy is read. The copy is audited on the way, so that what is replayed is
//! what the validators had: who was read and who was not, what came late, the orders that stood, the rules of the time,
//! and the seeds of the ties. Out: whether the market's own economics come to the ledger's own settlements, to the Wh
//! and n€, and what they come to with the changes.
//!
//! A ledger knows what passes the meters, and not what is behind them. So what a member consumes is what its meter has
//! drawn, and what it produces is what its meter has fed in. Intervals are replayed as they were first settled:
//! corrections, transfers and whatever else moves money later are left out.

mod changes;
mod members;
mod own;
mod peaks;
mod sheet;

use std::path::PathBuf;

use indicatif::ProgressBar;
use ledger_node::{
    audit::{AuditError, FirstSettled, Opened, each_settled},
    export::Period,
    store::{Store, StoreError},
};
use market::{
    economics::{Circumstances, Economics, SettleError, economics},
    welfare::welfare,
};
use protocol::{
    block::{Block, Transaction},
    cbor,
    genesis::Rules,
    hash::Hash,
    interval::{Interval, utc_text},
    settlement::Settlement,
};
use serde::Serialize;

use self::{members::Members, peaks::Peaks, sheet::Sheet};
use crate::{
    offline::{Draft, Figures, OutError, RunError},
    tables::TableError,
};

pub use self::{
    changes::{ChangeError, Changes},
    own::{Difference, difference},
};

/// What to replay, and what to write.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which intervals.
    pub period: Period,
    /// What is other than in the ledger.
    pub changes: Changes,
    /// Where tables go: those with the changes, if there are any.
    pub out: Option<PathBuf>,
    /// Whether `lines.parquet` is among them, which is by far the largest.
    pub lines: bool,
}

/// What a ledger came to.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Which ledger, and its state after which block.
    pub ledger: LedgerAt,
    /// The first interval that was replayed.
    pub first: Interval,
    /// The last one.
    pub last: Interval,
    /// Corrections in the ledger, which are left out.
    pub corrections: u64,
    /// The figures as the ledger has settled.
    pub own: Figures,
    /// The figures with the changes, if there are any.
    pub changed: Option<Figures>,
}

/// A ledger, and how far it has come.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerAt {
    /// The chain.
    pub chain: Hash,
    /// Height of its last block.
    pub height: u64,
    /// The state's root after it.
    pub state_root: Hash,
}

/// Why a ledger cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not in order.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Nothing is settled in the period.
    #[error("expected settled intervals in the period, found none: name others with --from and --to")]
    Nothing,
    /// Readings that are asked for are gone, and with them what the clearing knew.
    #[error(
        "expected the readings of all intervals, found those before {from} pruned: replay what is left with \
         --from {from}, or the ledger of a validator that keeps all",
        from = from.start_text()
    )]
    Pruned {
        /// The first interval whose readings are there.
        from: Interval,
    },
    /// All readings are gone.
    #[error("expected the readings of the intervals, found all pruned: take the ledger of a validator that keeps them")]
    AllPruned,
    /// The rules in force cannot be changed so.
    #[error("{error}, in what the rules of {} become", interval.start_text())]
    Change {
        /// From which interval on they are in force, or replayed.
        interval: Interval,
        /// Why not.
        error: ChangeError,
    },
    /// Under its own rules an interval comes to something else than the ledger has.
    #[error(
        "{}: {difference}; the ledger is in order, so this is a mistake of the simulator: please report it",
        interval.start_text()
    )]
    Differs {
        /// Which one.
        interval: Interval,
        /// What differs first.
        difference: Difference,
    },
    /// An interval cannot be settled.
    #[error("{}: {error}", interval.start_text())]
    Settle {
        /// Which one.
        interval: Interval,
        /// Why.
        error: SettleError,
    },
    /// A table cannot be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There is something else where the files should go.
    #[error(transparent)]
    Out(#[from] OutError),
    /// The files cannot be brought to an end.
    #[error(transparent)]
    Finish(#[from] RunError),
}

/// What the files of a replay follow from.
#[derive(Serialize)]
struct Manifest<'a> {
    version: &'static str,
    commit: Option<&'static str>,
    ledger: &'a LedgerAt,
    from: Option<String>,
    to: Option<String>,
    changes: &'a Changes,
    lines: bool,
}

/// Replays a ledger; `progress` counts its blocks.
pub fn replay(opened: &Opened, options: &Options, progress: &ProgressBar) -> Result<Replayed, ReplayError> {
    let ledger = last_block(opened)?;
    check_readings(opened, options.period)?;
    let Some(out) = &options.out else { return Walk::new(options, None)?.through(opened, ledger, progress, None) };
    let [from, to] = [options.period.from_s, options.period.to_s].map(|time| time.map(utc_text));
    let (version, commit) = (env!("CARGO_PKG_VERSION"), option_env!("VOISIN_COMMIT"));
    let Options { changes, lines, .. } = options;
    let manifest = Manifest { version, commit, ledger: &ledger, from, to, changes, lines: *lines };
    // All of it is text, numbers and lists of them.
    let mut manifest = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    manifest.push(b'\n');
    let draft = Draft::begin(out, manifest, "ledger, options")?;
    let replayed =
        Walk::new(options, Some(&draft)).and_then(|walk| walk.through(opened, ledger, progress, Some(&draft)));
    match replayed {
        Ok(replayed) => {
            draft.finish(replayed.changed.as_ref().unwrap_or(&replayed.own), None)?;
            Ok(replayed)
        }
        Err(error) => {
            draft.discard();
            Err(error)
        }
    }
}

/// The way through a ledger.
struct Walk<'a> {
    options: &'a Options,
    members: Members,
    peaks: Peaks,
    own: Sheet,
    changed: Option<Sheet>,
    /// The last rules that were changed, and to what.
    rules: Option<(Rules, Rules)>,
    first: Option<Interval>,
    last: Option<Interval>,
}

impl<'a> Walk<'a> {
    fn new(options: &'a Options, draft: Option<&Draft>) -> Result<Walk<'a>, ReplayError> {
        let written = match draft {
            Some(draft) => Sheet::create(draft.path(), options.lines)?,
            None => Sheet::default(),
        };
        let (own, changed) = match options.changes.is_empty() {
            true => (written, None),
            false => (Sheet::default(), Some(written)),
        };
        let (members, peaks) = (Members::default(), Peaks::default());
        Ok(Walk { options, members, peaks, own, changed, rules: None, first: None, last: None })
    }

    fn through(
        mut self,
        opened: &Opened,
        ledger: LedgerAt,
        progress: &ProgressBar,
        draft: Option<&Draft>,
    ) -> Result<Replayed, ReplayError> {
        let report = each_settled(&opened.genesis, &opened.store, progress, |settled| self.take(&settled))?;
        let (Some(first), Some(last)) = (self.first, self.last) else { return Err(ReplayError::Nothing) };
        let (who, lines) = (self.members.into_who(), self.peaks.into_lines(first.length()));
        let written = |is_written: bool| draft.filter(|_| is_written).map(Draft::path);
        let own = self.own.finish(written(self.changed.is_none()), &who, lines.clone())?;
        let changed = self.changed.map(|sheet| sheet.finish(written(true), &who, lines)).transpose()?;
        Ok(Replayed { ledger, first, last, corrections: report.corrections, own, changed })
    }

    fn take(&mut self, settled: &FirstSettled<'_>) -> Result<(), ReplayError> {
        let &FirstSettled { settlement, rules, grid, tie_seed, ref inputs } = settled;
        let interval = settlement.interval;
        let Some(inputs) = inputs.as_ref().filter(|_| self.options.period.holds(interval)) else { return Ok(()) };
        let under = |rules: &Rules| -> Result<Economics, ReplayError> {
            let circumstances = Circumstances { interval, rules, grid, tie_seed: &tie_seed };
            economics(inputs.metered(), &circumstances).map_err(|error| ReplayError::Settle { interval, error })
        };
        let own = under(rules)?;
        if let Some(difference) = difference(settlement, &own) {
            return Err(ReplayError::Differs { interval, difference });
        }
        let members = self.members.meet(inputs.metered(), rules, grid);
        self.peaks.add(interval, grid, &members);
        let worth = |rules: &Rules, economics: &Economics| welfare(inputs.metered(), &economics.lines, rules);
        self.own.add(interval, rules, &own, worth(rules, &own), &members)?;
        if let Some(sheet) = &mut self.changed {
            let changed = match self.rules.take().filter(|(before, _)| before == rules) {
                Some((_, changed)) => changed,
                None => {
                    let changed = self.options.changes.apply(rules, grid);
                    changed.map_err(|error| ReplayError::Change { interval, error })?
                }
            };
            let economics = under(&changed)?;
            sheet.add(interval, &changed, &economics, worth(&changed, &economics), &members)?;
            self.rules = Some((rules.clone(), changed));
        }
        self.first = self.first.or(Some(interval));
        self.last = Some(interval);
        Ok(())
    }
}

fn last_block(opened: &Opened) -> Result<LedgerAt, ReplayError> {
    let height = opened.store.height().map_err(AuditError::from)?;
    if height == 0 {
        return Err(ReplayError::Nothing);
    }
    let block = block(&opened.store, height)?;
    Ok(LedgerAt { chain: opened.genesis.chain(), height, state_root: block.header.state.hash })
}

/// Checks that no interval of the period has lost its readings.
fn check_readings(opened: &Opened, period: Period) -> Result<(), ReplayError> {
    let from = opened.store.unpruned_from().map_err(AuditError::from)?;
    if from <= 1 {
        return Ok(());
    }
    let chain = opened.genesis.chain();
    for height in from..=opened.store.height().map_err(AuditError::from)? {
        let block = block(&opened.store, height)?;
        if let Some(sealed) = block.transactions.iter().find_map(Transaction::settlement) {
            let settlement = sealed.open::<Settlement>(&chain, |_| true);
            let damage = |error| damaged(&opened.store, height, error);
            let interval = settlement.map_err(damage)?.interval;
            return match period.from_s {
                Some(from_s) if from_s >= interval.start_s() => Ok(()),
                _ => Err(ReplayError::Pruned { from: interval }),
            };
        }
    }
    Err(ReplayError::AllPruned)
}

fn block(store: &dyn Store, height: u64) -> Result<Block, AuditError> {
    let stored = store.block(height)?.ok_or_else(|| damaged(store, height, "it is missing"))?;
    cbor::decode(&stored.body).map_err(|error| damaged(store, height, error))
}

fn damaged(store: &dyn Store, height: u64, reason: impl ToString) -> AuditError {
    let key = format!("the block of height {height}");
    StoreError::Damaged { place: store.place(), key, reason: reason.to_string() }.into()
}
