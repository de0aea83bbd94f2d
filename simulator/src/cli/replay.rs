//! `simulator replay`: a real ledger, under its own rules and under others.

use std::path::PathBuf;

use clap::Args;
use ledger_node::{
    audit::{self, AuditError},
    export::Period,
    store::StoreError,
};
use market_files as files;
use protocol::{interval::parse_utc, money::Price};

use super::{
    Failure, bad_input,
    compare::{COMPARISON, SideBySide},
    print,
    run::rows,
};
use crate::{
    offline::RunError,
    progress,
    replay::{self, Changes, Options, ReplayError, Replayed},
};

const EXAMPLES: &str = "Examples:
  simulator replay validator-0                          is all as the ledger has it?
  simulator replay validator-0 --mechanism pay_as_bid --out pay-as-bid
  simulator replay validator-0 --from 2026-07-01T00:00:00Z --to 2026-08-01T00:00:00Z --retail 0.42

The validator has to be stopped; a copy of its ledger is read, and nothing in its directory is changed. What a ledger
does not know, and what is left out, is in docs/researcher.md.

Exit codes: 0 all as the ledger has it, 1 not so or failed, 2 bad input.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Replay {
    /// The state directory of a stopped validator, such as validator-0
    #[arg(value_name = "LEDGER_DIR")]
    directory: PathBuf,
    /// The genesis to trust, instead of the copy in the directory
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The first interval, by its start in UTC [default: the ledger's first]
    #[arg(long, value_name = "START", value_parser = parse_utc)]
    from: Option<i64>,
    /// The first interval to leave out, by its start in UTC [default: none]
    #[arg(long, value_name = "START", value_parser = parse_utc)]
    to: Option<i64>,
    /// Another clearing mechanism; `market mechanisms` lists them
    #[arg(long, value_name = "NAME")]
    mechanism: Option<String>,
    /// Another price per kWh within the community, of `mid_market_rate` and the keys
    #[arg(long, value_name = "PRICE", allow_hyphen_values = true)]
    price: Option<Price>,
    /// Another part of every rating that `feeder` may use, from 0 to 1
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = files::part)]
    derate: Option<u32>,
    /// Another price that the supplier takes for a kWh
    #[arg(long, value_name = "PRICE", allow_hyphen_values = true)]
    retail: Option<Price>,
    /// Another price that the supplier gives for a kWh
    #[arg(long, value_name = "PRICE", allow_hyphen_values = true)]
    feed_in: Option<Price>,
    /// Directory to write tables to, with the changes if there are any: a new one, or one of the same replay
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out lines.parquet, which has a row for each member and interval
    #[arg(long, requires = "out")]
    no_lines: bool,
}

pub(super) fn replay(asked: &Replay) -> Result<(), Failure> {
    let changes = Changes {
        mechanism: asked.mechanism.clone(),
        retail_price: asked.retail,
        feed_in_price: asked.feed_in,
        community_price: asked.price,
        derate_ppm: asked.derate,
    };
    if let Some(mechanism) = &changes.mechanism {
        market::clearing::mechanism(mechanism).map_err(|error| bad_input(format!("--mechanism: {error}")))?;
    }
    let period = Period { from_s: asked.from, to_s: asked.to };
    let options = Options { period, changes, out: asked.out.clone(), lines: !asked.no_lines };
    let failed = |error: AuditError| failure(asked, ReplayError::Audit(error));
    let opened = audit::open_copy(&asked.directory).map_err(failed)?;
    asked.genesis.as_ref().map_or(Ok(()), |trusted| opened.check_chain(trusted)).map_err(failed)?;
    let bar = progress::over(0, "blocks");
    let outcome = replay::replay(&opened, &options, &bar);
    bar.finish_and_clear();
    report(asked, &outcome.map_err(|error| failure(asked, error))?)
}

fn report(asked: &Replay, replayed: &Replayed) -> Result<(), Failure> {
    let Replayed { ledger, first, last, corrections, own, changed } = replayed;
    let mut columns = vec![rows(own)];
    let mut names = vec!["as settled".to_owned()];
    if let Some(changed) = changed {
        columns.push(rows(changed));
        names.push("with the changes".to_owned());
    }
    let figures = SideBySide { names, columns };
    let (from, to) = (first.start_text(), last.start_text());
    let mut lines = vec![
        format!("chain {}, {} blocks in order", ledger.chain, ledger.height),
        format!("{} intervals from {from} to {to}, all as the ledger has them", own.intervals),
        figures.table().to_string(),
        "A ledger knows what passes the meters: consumed is what they have drawn, and produced what they have fed in."
            .into(),
    ];
    if *corrections > 0 {
        lines.push(format!("Intervals are replayed as first settled; {corrections} corrections are left out."));
    }
    if let Some(out) = &asked.out {
        let what = match changed {
            Some(_) => {
                figures.write(out)?;
                format!("the tables and all figures with the changes, and {COMPARISON}")
            }
            None => "the tables and all figures".into(),
        };
        lines.push(format!("{} has {what}", out.display()));
    }
    print(&lines.join("\n"))
}

fn failure(asked: &Replay, error: ReplayError) -> Failure {
    let directory = asked.directory.display();
    match error {
        // What the store says is of the copy.
        ReplayError::Audit(AuditError::Store(StoreError::Damaged { key, reason, .. })) => {
            bad_input(format!("{directory}: expected a ledger in order, found {key} damaged: {reason}"))
        }
        ReplayError::Audit(AuditError::Store(StoreError::Io { error, .. })) => {
            Failure::Failed(format!("the copy of {directory}: {error}"))
        }
        ReplayError::Audit(
            error @ (AuditError::Block { .. }
            | AuditError::Certificate { .. }
            | AuditError::OtherBlock { .. }
            | AuditError::OtherState { .. }
            | AuditError::Unbalanced(_)),
        ) => bad_input(format!("{directory}: expected a ledger in order, found that it is not: {error}")),
        ReplayError::Audit(_)
        | ReplayError::Nothing
        | ReplayError::Pruned { .. }
        | ReplayError::AllPruned
        | ReplayError::Change { .. }
        | ReplayError::Out(_)
        | ReplayError::Finish(RunError::Out(_)) => bad_input(error),
        ReplayError::Differs { .. } | ReplayError::Settle { .. } | ReplayError::Table(_) | ReplayError::Finish(_) => {
            Failure::Failed(error.to_string())
        }
    }
}
