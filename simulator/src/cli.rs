//! The command line: what was asked for, checked as a whole before anything is started.

use std::{
    io::{self, IsTerminal, Write},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use market::clearing;
use protocol::money::Price;
use tracing_subscriber::EnvFilter;

use crate::{
    dataset::{Dataset, Source},
    live,
    orders::Orders,
    state::{self, Broker, Run, Setup, State},
    terms::TermsOptions,
};

/// Whole neighbourhoods on one machine, through the same code as production.
///
/// Without a subcommand, `live` runs with the options given.
#[derive(Debug, Parser)]
#[command(name = "simulator", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    live: Live,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the live neighbourhood: broker, agents, market, validators and console, over their real sockets
    Live(Box<Live>),
    /// Write genesis, keys and all configuration files, and run nothing
    Init(Box<Init>),
}

#[derive(Debug, Args)]
struct Neighbourhood {
    /// Directory with participants.csv, profiles_NAME.csv(.gz) and, where there is a grid, grid_*.csv
    /// [default: the neighbourhood that is built in]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which profile to use; `summer` and `winter` are built in
    #[arg(long, value_name = "NAME", default_value = "summer")]
    profile: String,
    /// How many intervals, counted from the start of the profile [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    intervals: Option<u64>,
    /// Least time from one interval to the next, ms; 0 is as fast as it goes
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(..=INTERVAL_MS_MAX))]
    interval_ms: u64,
    /// Clearing mechanism
    #[arg(long, value_name = "NAME", default_value_t = clearing_default())]
    mechanism: String,
    #[command(flatten)]
    terms: TermsOptions,
    /// How many validators keep the ledger
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=VALIDATORS_MAX))]
    validators: u16,
    /// What the supplier takes for a kWh
    #[arg(long, value_name = "PRICE", default_value = "0.30", allow_hyphen_values = true)]
    retail: Price,
    /// What the supplier gives for a kWh
    #[arg(long, value_name = "PRICE", default_value = "0.08", allow_hyphen_values = true)]
    feed_in: Price,
    /// CSV file participant_id,buy,sell: price limits per kWh that participants place; an empty field is no limit
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// MQTT broker: `embedded`, or mqtt://HOST:PORT of one that runs already
    #[arg(long, value_name = "BROKER", default_value = "embedded", value_parser = parse_broker)]
    broker: Broker,
    /// Where the console listens: HOST:PORT, or `off`
    #[arg(long, value_name = "HOST:PORT|off", default_value = "127.0.0.1:8080", value_parser = parse_console)]
    console: Console,
}

#[derive(Debug, Args)]
struct Live {
    #[command(flatten)]
    neighbourhood: Neighbourhood,
    /// Directory that keeps everything; the next start on it goes on where this one ended
    /// [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write the closing summary to this file, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Init {
    #[command(flatten)]
    neighbourhood: Neighbourhood,
    /// Directory to write to; `simulator live --state DIR` runs it
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

/// Slowest pace: an interval a day.
const INTERVAL_MS_MAX: u64 = 86_400_000;
/// Validators of one process: enough to see consensus among many, few enough for one machine.
const VALIDATORS_MAX: i64 = 31;
/// How long tasks get to end once everything is stopped.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Logs unless `RUST_LOG` says otherwise. Peers that come and go at start and end are no news to who runs them all.
const LOG_DEFAULT: &str = "warn,arc_malachitebft=off,libp2p=off,multistream_select=off,ractor=off,rumqttc=off,\
                           rumqttd=off,yamux=off";

#[derive(Debug, Clone, Copy)]
enum Console {
    Off,
    At(SocketAddr),
}

fn clearing_default() -> String {
    clearing::mechanisms().first().map(|mechanism| mechanism.name().to_owned()).unwrap_or_default()
}

fn parse_console(text: &str) -> Result<Console, String> {
    if text == "off" {
        return Ok(Console::Off);
    }
    let address = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    address.map(Console::At).ok_or_else(|| "expected an address such as 127.0.0.1:8080, or off".to_owned())
}

fn parse_broker(text: &str) -> Result<Broker, String> {
    let expected = || "expected embedded, or a broker such as mqtt://127.0.0.1:1883".to_owned();
    if text == "embedded" {
        return Ok(Broker::Embedded);
    }
    let (host, port) = text.strip_prefix("mqtt://").and_then(|rest| rest.rsplit_once(':')).ok_or_else(expected)?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or_else(expected)?;
    if host.is_empty() || host.contains(['/', '@', ' ', '?', '#']) {
        return Err(expected());
    }
    Ok(Broker::Existing(format!("mqtt://{host}:{port}")))
}

/// Why the program ends without having done what it was asked to.
#[derive(Debug)]
enum Failure {
    /// What it was given cannot be used; nothing was started.
    BadInput(String),
    /// Something went wrong on the way.
    Failed(String),
}

fn bad_input(error: impl ToString) -> Failure {
    Failure::BadInput(error.to_string())
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Nobody left to read the help is no failure.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return end(Err(bad_input(one_line(&error)))),
    };
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) => EnvFilter::new(directives),
        Err(_) => EnvFilter::new(LOG_DEFAULT),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written would be told by a panic: nobody left to read the log ends no run.
        .log_internal_errors(false)
        .init();
    end(match cli.command {
        Some(Command::Init(options)) => init(*options),
        Some(Command::Live(options)) => run_live(*options),
        None => run_live(cli.live),
    })
}

fn end(outcome: Result<(), Failure>) -> ExitCode {
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::BadInput(message)) => (message, 2),
        Err(Failure::Failed(message)) => (message, 1),
    };
    let _ = writeln!(std::io::stderr(), "simulator: {message}");
    ExitCode::from(code)
}

/// What clap says in several lines, as one.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let message = lines.join(" ");
    format!("{}; see --help", message.strip_prefix("error: ").unwrap_or(&message))
}

impl Neighbourhood {
    /// Reads and checks everything that the options name.
    fn check(&self) -> Result<(Setup, Run, usize), Failure> {
        clearing::mechanism(&self.mechanism).map_err(|error| bad_input(format!("--mechanism: {error}")))?;
        if self.feed_in > self.retail {
            let message =
                format!("--feed-in: expected at most the retail price {}, found {}", self.retail, self.feed_in);
            return Err(Failure::BadInput(message));
        }
        let source = self.data.clone().map_or(Source::BuiltIn, Source::Directory);
        let dataset = Dataset::load(&source, &self.profile).map_err(bad_input)?;
        let orders = match &self.orders {
            Some(path) => Orders::load(path, &dataset).map_err(bad_input)?,
            None => Orders::default(),
        };
        let terms = self.terms.read(&dataset).map_err(bad_input)?;
        let intervals = match self.intervals {
            None => dataset.intervals,
            Some(intervals) => usize::try_from(intervals).unwrap_or(usize::MAX),
        };
        let until = dataset.last_of(intervals).ok_or_else(|| {
            let found = dataset.intervals;
            bad_input(format!("--intervals: expected 1 to {found}, as the profile has, found {intervals}"))
        })?;
        let console = match self.console {
            Console::Off => None,
            Console::At(address) => Some(address),
        };
        let run = Run { broker: self.broker.clone(), console, interval_ms: self.interval_ms, until };
        let setup = Setup {
            dataset,
            mechanism: self.mechanism.clone(),
            retail: self.retail,
            feed_in: self.feed_in,
            validators: self.validators.into(),
            orders,
            terms,
        };
        Ok((setup, run, intervals))
    }
}

fn init(options: Init) -> Result<(), Failure> {
    let (setup, run, _) = options.neighbourhood.check()?;
    let state = State::prepare(&options.state, &setup, &run).map_err(bad_input)?;
    let root = state.root().display();
    let mut lines = vec![format!(
        "{root} is ready: {} participants, {} validators, broker {}",
        state.names.len(),
        setup.validators,
        state.addresses.broker
    )];
    let validators = state.validator_configs();
    lines.extend(validators.iter().map(|config| format!("  ledger serve --config {}", config.display())));
    lines.push(format!("  market serve --config {}", state.market_config().display()));
    lines.push(format!("  meter-agent run --config {root}/agents/ID/agent.toml     for each participant ID"));
    print(&lines.join("\n"))
}

/// Prints a line; a reader that went away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Failed(error.to_string())),
        _ => Ok(()),
    }
}

fn run_live(options: Live) -> Result<(), Failure> {
    let (setup, run, intervals) = options.neighbourhood.check()?;
    if let Some(path) = &options.summary {
        live::check_summary_path(path).map_err(bad_input)?;
    }
    if let Some(address) = run.console.filter(|address| !state::is_free(*address)) {
        return Err(bad_input(format!(
            "--console: expected a free port, found {address} taken; name another one, or off"
        )));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        if let Broker::Existing(address) = &run.broker {
            live::check_broker(address).await.map_err(bad_input)?;
        }
        // Named, so that it is removed when all parts have let go of it.
        let temporary;
        let directory = match &options.state {
            Some(directory) => directory.clone(),
            None => {
                temporary = tempfile::Builder::new()
                    .prefix("voisin-")
                    .tempdir()
                    .map_err(|error| Failure::Failed(format!("cannot make a temporary directory: {error}")))?;
                temporary.path().to_owned()
            }
        };
        let state = State::prepare(&directory, &setup, &run).map_err(bad_input)?;
        let plan = live::Plan {
            setup: &setup,
            run: &run,
            intervals,
            keeps_state: options.state.is_some(),
            summary: options.summary.as_deref(),
        };
        live::run(&state, &plan).await.map_err(|error| Failure::Failed(error.to_string()))
    });
    runtime.shutdown_timeout(SHUTDOWN);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_subcommand_is_live() {
        let cli = Cli::try_parse_from(["simulator", "--intervals", "12", "--console", "off"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.live.neighbourhood.intervals, Some(12));
        assert!(Cli::try_parse_from(["simulator", "--intervals", "12", "live"]).is_err());
    }

    #[test]
    fn a_bad_option_gets_one_line_that_says_what_was_expected() {
        for (arguments, expected) in [
            (vec!["--intervals", "0"], "0 is not in 1.."),
            (vec!["--validators", "0"], "0 is not in 1..=31"),
            (vec!["--interval-ms", "-1"], "-1"),
            (vec!["--retail", "dear"], "expected a price per kWh such as 0.125, found `dear`"),
            (vec!["--broker", "http://localhost:1"], "expected embedded, or a broker such as mqtt://127.0.0.1:1883"),
            (vec!["--broker", "mqtt://localhost"], "expected embedded, or a broker such as"),
            (vec!["--console", "8080"], "expected an address such as 127.0.0.1:8080, or off"),
            (vec!["--colour"], "unexpected argument '--colour'"),
            (vec!["init"], "--state <DIR>"),
            (vec!["dance"], "dance"),
        ] {
            let error = Cli::try_parse_from([&["simulator"], arguments.as_slice()].concat()).unwrap_err();
            let line = one_line(&error);
            assert!(line.contains(expected) && !line.contains('\n'), "{line}\nexpected: {expected}");
        }
    }

    #[test]
    fn options_are_checked_together() {
        for (arguments, expected) in [
            (vec!["--mechanism", "lottery"], "--mechanism: expected a mechanism"),
            (vec!["--feed-in", "0.31"], "--feed-in: expected at most the retail price 0.3, found 0.31"),
            (vec!["--intervals", "1345"], "--intervals: expected 1 to 1344, as the profile has, found 1345"),
            (vec!["--profile", "spring"], "expected one of the profiles summer, winter"),
            (vec!["--data", "/nowhere/at/all"], "expected a directory of CSV files at /nowhere/at/all"),
            (vec!["--orders", "/nowhere/at/all"], "/nowhere/at/all: cannot be read"),
            (vec!["--keys", "/nowhere/at/all"], "/nowhere/at/all: "),
            (vec!["--derate", "2"], "--derate: expected a number from 0 to 1"),
        ] {
            let cli = Cli::try_parse_from([&["simulator"], arguments.as_slice()].concat()).unwrap();
            match cli.live.neighbourhood.check() {
                Err(Failure::BadInput(line)) => assert!(line.contains(expected) && !line.contains('\n'), "{line}"),
                other => panic!("{arguments:?}: {other:?}"),
            }
        }
    }
}
