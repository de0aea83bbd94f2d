//! The command line. Exit code 0: done; 2: bad input, said in one line; 1: everything else.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use crate::Config;
use clap::{Args, Parser, Subcommand};
use market::{
    book::{BOOK_BYTES_MAX, BookError, clear_json_on},
    clearing::{self, Network, PictureKind, Terms, mechanisms, member_by_name},
};
use market_files as files;
use protocol::{interval::Interval, money::Price, parameters::Parameters};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

mod alarms;
mod backup;
mod credential;
mod erase;
mod init;

const BAD_INPUT: u8 = 2;
const FAILURE: u8 = 1;

const EXAMPLES: &str = "Examples:
  market clear book.json
  market clear book.json --mechanism uniform
  market mechanisms
  market init market
  market erase ada --names market/members.csv --state market/data --cards cards
  market credential issue ada --office cards --holder ada.jwk
  market serve --config config/market.toml
  market backup --config config/market.toml --to backups/2026-12-01
  market alarms --config config/market.toml

Logs go to stderr; RUST_LOG=market=debug shows more of them.";

const CLEAR_EXAMPLES: &str = r#"A book holds bids and offers, prices per kWh as decimal text, quantities in whole Wh, the bus optional:
  {"bids":   [{"id": "ada", "price": "0.30", "quantity": 1200, "bus": "bus_7"}],
   "offers": [{"id": "bob", "price": "0.10", "quantity": 900}]}

The answer names what was traded, at which price, and what every order got:
  {"mechanism": …, "quantity": Wh, "price": …, "price_interval": [low, high], "surplus": …,
   "fills": {id: Wh}, "trades": [{"bid", "offer", "quantity", "price"}]}
Where a seller receives less than the buyer pays, the trade also has "received". `feeder` also answers
  "welfare": …, "flows": {line: Wh, positive away from the transformer}, "nodal_prices": {bus: …}

Examples:
  market clear book.json
  market clear book.json --mechanism pay_as_bid
  market clear book.json --mechanism mid_market_rate --price 0.19
  market clear book.json --mechanism priority_key --keys keys.csv
  market clear book.json --mechanism feeder --feeder config/neighbourhood --fees fees.csv --derate 0.05
  cat book.json | market clear -"#;

const SERVE_HELP: &str = "The configuration file config/market.toml explains every key. The market runs until SIGINT \
(Ctrl-C) or SIGTERM; it can be stopped and started at any time, also by pulling the plug: what it acknowledged is on disk.

Example:
  market serve --config config/market.toml";

/// The market of a neighbourhood: takes in signed meter readings, clears every interval, settles it on the ledger.
#[derive(Parser)]
#[command(name = "market", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Clear one book of orders: JSON in, JSON out.
    #[command(after_help = CLEAR_EXAMPLES)]
    Clear {
        /// The book, a JSON file; `-` reads standard input.
        book: PathBuf,
        /// How to clear it; `market mechanisms` lists them.
        #[arg(long, value_name = "NAME", default_value = "uniform")]
        mechanism: String,
        #[command(flatten)]
        terms: ClearTerms,
    },
    /// List the mechanisms.
    Mechanisms,
    /// Make the market's key, and what whoever founds the community has to know of it.
    Init(init::Init),
    /// Issue members' cards, say how each stands; and verify one.
    Credential(credential::Credential),
    /// Take a member's name out of the directory of names, for good.
    Erase(erase::Erase),
    /// Copy what a stopped market keeps into a backup; its key and the names stay where they are.
    Backup(backup::Backup),
    /// Put back from a backup what a market has lost.
    Restore(backup::Restore),
    /// List the alarms, or acknowledge one.
    Alarms(alarms::Alarms),
    /// Run the market of a community.
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// The configuration, a TOML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// What mechanisms may want to know beside the book.
#[derive(Args)]
struct ClearTerms {
    /// Price per kWh of `mid_market_rate` and the keys [default: midpoint of the highest bid and the lowest offer]
    #[arg(long, value_name = "PRICE", allow_negative_numbers = true)]
    price: Option<Price>,
    /// Consumers of the keys, a CSV: `id,share` for `static_key` and `cascading_key` (shares as decimals, in all at
    /// most 1); `id` in the order in which `priority_key` serves them [default: equal shares, no order]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Directory of the grid: grid_buses.csv, grid_lines.csv, grid_transformer.csv; every order then names its bus, or
    /// the transformer for whoever is beyond it
    #[arg(long, value_name = "DIR")]
    feeder: Option<PathBuf>,
    /// Fees of `feeder`, decimal per kWh, a CSV: `line_id,fee`, the transformer by its `trafo_id`; or `class,fee`, all
    /// that a trade `same_bus`, `same_feeder` or `beyond_transformer` pays [default: no fees]
    #[arg(long, value_name = "FILE", requires = "feeder")]
    fees: Option<PathBuf>,
    /// Part of every rating that `feeder` may use, from 0 to 1; the interval is a quarter of an hour
    #[arg(long, value_name = "X", default_value = "1", requires = "feeder", allow_negative_numbers = true, value_parser = files::part)]
    derate: u32,
}

/// What went wrong, and whose fault it is.
struct Failure {
    code: u8,
    line: String,
}

fn bad_input(error: impl Display) -> Failure {
    Failure { code: BAD_INPUT, line: error.to_string() }
}

fn failure(error: impl Display) -> Failure {
    Failure { code: FAILURE, line: error.to_string() }
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let cli: Cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let done = match cli.command {
        Command::Clear { book, mechanism, terms } => clear(&book, &mechanism, &terms),
        Command::Mechanisms => list_mechanisms(),
        Command::Init(init) => init.run(),
        Command::Credential(credential) => credential.run(),
        Command::Erase(erase) => erase.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Alarms(alarms) => alarms.run(),
        Command::Serve { config } => serve(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, line }) => {
            let _ = writeln!(io::stderr(), "market: {}", line.replace('\n', " "));
            ExitCode::from(code)
        }
    }
}

fn clear(path: &Path, mechanism: &str, options: &ClearTerms) -> Result<(), Failure> {
    let grid = options.feeder.as_deref().map(files::grid).transpose().map_err(bad_input)?;
    let keys = options.keys.as_deref().map(files::keys).transpose().map_err(bad_input)?.unwrap_or_default();
    let fees = options.fees.as_deref().map(files::fees).transpose().map_err(bad_input)?;
    let (shares, priority) = keys.by_member(member_by_name);
    let parameters = Parameters {
        community_price: options.price,
        shares,
        priority,
        derate_ppm: Some(options.derate),
        fees,
        participation: None,
        island: None,
    };
    parameters.check().map_err(bad_input)?;
    let network = grid.as_ref().map(|grid| Network::new(grid, &parameters, quarter_hour(), &[]));
    let terms =
        Terms { parameters: Some(&parameters), network: network.transpose().map_err(bad_input)?, ..Terms::default() };

    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let json = read_book(path).map_err(|error| bad_input(format!("{name}: cannot be read: {error}")))?;
    let answer = clear_json_on(&json, mechanism, grid.as_ref(), &terms).map_err(|error| match error {
        BookError::BrokenClearing { .. } => failure(error),
        BookError::UnknownMechanism(_) => bad_input(error),
        _ => bad_input(format!("{name}: {error}")),
    })?;
    let of_grid = clearing::mechanism(mechanism).is_ok_and(|found| found.picture() == PictureKind::NodalPrices);
    if of_grid && grid.is_none() {
        let _ = writeln!(
            io::stderr(),
            "market: note: `{mechanism}` without --feeder DIR knows no grid: nothing limits a trade, and none pays fees"
        );
    }
    print(&serde_json::to_string(&answer).map_err(failure)?)
}

/// A book has no time, only a length: what lines carry in a quarter of an hour.
fn quarter_hour() -> Interval {
    match "1970-01-01T00:00:00Z/PT15M".parse() {
        Ok(interval) => interval,
        Err(error) => unreachable!("the text is an interval: {error}"),
    }
}

/// Reads no more than a byte past what a book may have: the book's own check refuses that.
fn read_book(path: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(std::fs::File::open(path)?) };
    let mut json = Vec::new();
    source.take(BOOK_BYTES_MAX as u64 + 1).read_to_end(&mut json)?;
    Ok(json)
}

fn list_mechanisms() -> Result<(), Failure> {
    let width = mechanisms().iter().map(|mechanism| mechanism.name().len()).max().unwrap_or_default();
    let line = |mechanism: &&dyn clearing::Mechanism| format!("{:width$}  {}", mechanism.name(), mechanism.summary());
    print(&mechanisms().iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// Seconds since 1970, UTC.
fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// Prints a line; a reader that went away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failure(error)),
        _ => Ok(()),
    }
}

fn serve(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path).map_err(bad_input)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    // A line that cannot be written would be told by a panic: nobody left to read the log ends no market.
    log.log_internal_errors(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failure)?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt()).map_err(failure)?, signal(SignalKind::terminate()).map_err(failure)?);
        let scheme = if config.console_tls.is_some() { "https" } else { "http" };
        let mut market = crate::start(config).await.map_err(bad_input)?;
        if let Some(address) = market.console_addr {
            tracing::info!("console: {scheme}://{address}");
        }
        let until_the_end = async {
            market.finished().await.map_err(failure)?;
            // The end of a replay is not the end of the program: the console can still be looked at.
            tracing::info!("all intervals are settled; stop with Ctrl-C");
            Err(failure(market.failed().await))
        };
        let ended: Result<(), Failure> = tokio::select! {
            failed = until_the_end => failed,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        };
        tracing::info!("the market stops");
        // What failed first is the reason for the rest.
        let stopped = market.stop().await.map_err(failure);
        ended.and(stopped)
    })
}
