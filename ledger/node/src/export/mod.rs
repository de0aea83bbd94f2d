//! The export: accounts, certificates, settlements, lines and trades of a ledger as tables, for billing and research.
//!
//! Everything is a whole number with its unit in the column's name, or an ISO 8601 time in UTC, so nothing is rounded
//! on the way. An export believes what is stored; [the audit](crate::audit) is what checks it.

mod csv;
pub mod energytag;
mod parquet;
mod table;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use ledger::{
    chain::{self, Settled},
    state::State,
};
use protocol::{
    block::Block,
    cbor,
    energy::Energy,
    envelope::ChainId,
    genesis::Genesis,
    interval::Interval,
    member::{AccountId, MemberId},
    money::Amount,
};

use self::table::{ACCOUNTS, CERTIFICATES, LINES, SETTLEMENTS, TRADES, Table, Value};
use crate::{
    node::LedgerError,
    store::{Store, StoreError, damaged},
};

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        }
    }
}

/// Which intervals: from the first to before the second, by their starts in seconds after 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first.
    pub from_s: Option<i64>,
    /// The first that is left out.
    pub to_s: Option<i64>,
}

impl Period {
    /// Whether an interval is one of them.
    pub fn holds(&self, interval: Interval) -> bool {
        let start_s = interval.start_s();
        self.from_s.is_none_or(|from_s| start_s >= from_s) && self.to_s.is_none_or(|to_s| start_s < to_s)
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// Rows in it, without the header.
    pub rows: u64,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file is there already.
    #[error("{}: expected no such file yet, found one; move it away or choose another directory", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system, or the library that writes it, says.
        reason: String,
    },
    /// What is said of a device that the ledger does not have.
    #[error(transparent)]
    Registry(#[from] energytag::RegistryError),
    /// Certificates whose producer is no member, or did not take part in the interval.
    #[error(
        "expected {producer}, who has certificates of {interval}, among those that were settled, found no such member; \
         `ledger audit` finds out more"
    )]
    NoProducer {
        /// When they were minted.
        interval: Interval,
        /// Who is not there.
        producer: MemberId,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes rows of one table to a file.
trait Rows {
    fn row(&mut self, values: &[Value]) -> Result<(), String>;
    fn finish(self: Box<Self>) -> Result<(), String>;
}

/// A file being written, under a name that nobody takes for the whole.
struct Draft {
    path: PathBuf,
    partial: PathBuf,
}

impl Draft {
    /// A new file of this name, whose directory is made if there is none.
    fn create(directory: &Path, name: &str) -> Result<(Draft, File), ExportError> {
        let unwritable =
            |path: &Path, error: io::Error| ExportError::Write { path: path.into(), reason: error.to_string() };
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, error))?;
        let path = directory.join(name);
        if path.exists() {
            return Err(ExportError::Exists(path));
        }
        let partial = directory.join(format!("{name}.partial"));
        let file = File::create(&partial).map_err(|error| unwritable(&partial, error))?;
        Ok((Draft { path, partial }, file))
    }

    fn write<T>(&self, written: Result<T, String>) -> Result<T, ExportError> {
        written.map_err(|reason| ExportError::Write { path: self.partial.clone(), reason })
    }

    /// All of it is written.
    fn finish(self, rows: u64) -> Result<Written, ExportError> {
        self.write(fs::rename(&self.partial, &self.path).map_err(|error| error.to_string()))?;
        Ok(Written { path: self.path, rows })
    }
}

/// A table being written.
struct Output {
    draft: Draft,
    rows: Box<dyn Rows>,
    count: u64,
}

impl Output {
    fn create(directory: &Path, table: &'static Table, format: Format) -> Result<Output, ExportError> {
        let (draft, file) = Draft::create(directory, &format!("{}.{}", table.name, format.extension()))?;
        let open = || -> Result<Box<dyn Rows>, String> {
            Ok(match format {
                Format::Csv => Box::new(csv::Writer::new(file, table)?),
                Format::Parquet => Box::new(parquet::Writer::new(file, table)?),
            })
        };
        let rows = draft.write(open())?;
        Ok(Output { draft, rows, count: 0 })
    }

    fn row(&mut self, values: &[Value]) -> Result<(), ExportError> {
        self.count += 1;
        self.draft.write(self.rows.row(values))
    }

    fn finish(self) -> Result<Written, ExportError> {
        let Output { draft, rows, count } = self;
        draft.write(rows.finish())?;
        draft.finish(count)
    }
}

/// Writes the tables of a ledger to new files in `directory`: the accounts as they are now, and what was settled in
/// `period`.
pub fn export(
    genesis: &Genesis,
    store: &dyn Store,
    directory: &Path,
    format: Format,
    period: Period,
    progress: &ProgressBar,
) -> Result<Vec<Written>, ExportError> {
    let mut outputs = Vec::new();
    for table in [&ACCOUNTS, &SETTLEMENTS, &LINES, &TRADES, &CERTIFICATES] {
        outputs.push(Output::create(directory, table, format)?);
    }
    let [accounts, settlements, lines, trades, certificates] = outputs.as_mut_slice() else {
        unreachable!("five tables")
    };

    let entries = store.entries()?;
    let state = State::from_entries(genesis, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
        .map_err(|error| damaged(store, "the state", error))?;
    write_accounts(genesis, &state, accounts)?;
    write_certificates(&state, period, certificates)?;
    let chain = genesis.chain();
    let last = store.height()?;
    progress.set_length(last);
    for height in 1..=last {
        for settled in settlements_of(&chain, store, height)? {
            if period.holds(settled.settlement.interval) {
                settlements.row(&settlement_row(height, &settled))?;
                write_lines(&settled, lines)?;
                write_trades(&settled, trades)?;
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    outputs.into_iter().map(Output::finish).collect()
}

fn settlements_of(chain: &ChainId, store: &dyn Store, height: u64) -> Result<Vec<Settled>, ExportError> {
    let named = || format!("the block of height {height}");
    let stored = store.block(height)?.ok_or_else(|| damaged(store, named(), "it is missing"))?;
    let block: Block = cbor::decode(&stored.body).map_err(|error| damaged(store, named(), error))?;
    Ok(chain::settlements(chain, &block).map_err(|error| damaged(store, named(), error))?)
}

fn write_accounts(genesis: &Genesis, state: &State, output: &mut Output) -> Result<(), ExportError> {
    for (id, account) in state.accounts() {
        let (kind, member) = match id {
            AccountId::Supplier => ("supplier", Value::Missing),
            AccountId::Operator => ("operator", Value::Missing),
            AccountId::Member(member) => ("member", Value::Text(member.to_string())),
        };
        let [debits, credits, balance] = [account.debits(), account.credits(), account.balance()].map(amount);
        let currency = Value::Text(genesis.currency.clone());
        output.row(&[Value::Text(kind.into()), member, debits, credits, balance, currency])?;
    }
    Ok(())
}

fn write_certificates(state: &State, period: Period, output: &mut Output) -> Result<(), ExportError> {
    for interval in state.recorded().filter(|interval| period.holds(*interval)) {
        for issue in state.record(interval).map(|record| record.issues).unwrap_or_default() {
            for (first, bundle) in issue.numbered() {
                output.row(&[
                    Value::Time(interval),
                    Value::Text(issue.device.to_string()),
                    Value::Text(issue.technology.name().into()),
                    Value::Text(issue.producer.to_string()),
                    energy(Energy::from_wh(first)),
                    energy(bundle.energy),
                    Value::Text(bundle.holder.to_string()),
                    bundle.retired.map_or(Value::Missing, |instruction| Value::Text(instruction.to_string())),
                ])?;
            }
        }
    }
    Ok(())
}

fn settlement_row(height: u64, settled: &Settled) -> [Value; 12] {
    let Settled { settlement, correction, .. } = settled;
    let provisional = settlement.provisional.as_ref();
    let unread = provisional.map_or(0, |provisional| provisional.unread.len());
    let difference_wh = provisional.and_then(|provisional| provisional.balance?.difference_wh());
    [
        Value::Time(settlement.interval),
        Value::Integer((*correction).into()),
        Value::Integer(settlement.interval.length().minutes().into()),
        Value::Integer(i64::try_from(height).unwrap_or(i64::MAX)),
        settlement.price.map_or(Value::Missing, |price| Value::Integer(price.micro())),
        amount(settlement.supplier),
        amount(settlement.operator),
        Value::Integer(settlement.tariffs.retail_price.micro()),
        Value::Integer(settlement.tariffs.feed_in_price.micro()),
        Value::Integer(provisional.is_some().into()),
        Value::Integer(i64::try_from(unread).unwrap_or(i64::MAX)),
        difference_wh.map_or(Value::Missing, Value::Integer),
    ]
}

fn write_lines(settled: &Settled, output: &mut Output) -> Result<(), ExportError> {
    for line in &settled.settlement.lines {
        let [bought, sold, imported, exported] = [line.bought, line.sold, line.imported, line.exported].map(energy);
        output.row(&[
            Value::Time(settled.settlement.interval),
            Value::Integer(settled.correction.into()),
            Value::Text(line.member.to_string()),
            bought,
            sold,
            imported,
            exported,
            amount(line.paid),
            amount(line.earned),
            amount(line.supply_cost),
            amount(line.supply_revenue),
        ])?;
    }
    Ok(())
}

fn write_trades(settled: &Settled, output: &mut Output) -> Result<(), ExportError> {
    for trade in &settled.settlement.trades {
        output.row(&[
            Value::Time(settled.settlement.interval),
            Value::Integer(settled.correction.into()),
            Value::Text(trade.seller.to_string()),
            Value::Text(trade.buyer.to_string()),
            energy(trade.energy),
            Value::Integer(trade.price.micro()),
        ])?;
    }
    Ok(())
}

fn amount(amount: Amount) -> Value {
    Value::Integer(amount.nano())
}

fn energy(energy: Energy) -> Value {
    // An energy on the ledger is at most ENERGY_WH_MAX.
    Value::Integer(i64::try_from(energy.wh()).unwrap_or(i64::MAX))
}
