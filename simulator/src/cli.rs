//! The command line: what was asked for, checked as a whole before anything is started.

mod compare;
mod import;
mod options;
mod replay;
mod run;
mod sweep;

use std::{
    io::{self, IsTerminal, Write},
    num::NonZeroUsize,
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{
    live,
    state::{self, Broker, Neighbourhood},
};
use options::{Asked, Init, Live, LiveOf};

const EXAMPLES: &str = "Examples:
  simulator                                             the demonstration, at http://127.0.0.1:8080
  simulator --intervals 96 --interval-ms 0              a day from midnight, as fast as it goes
  simulator --from 2016-07-04T04:00:00Z --orders built-in --mechanism feeder
  simulator --state my-neighbourhood                    kept; the same command goes on after Ctrl-C
  simulator --data my-data --profile june --summary june.json
  simulator init --state run --broker mqtt://127.0.0.1:1883
  simulator run config/scenarios/who-gains.toml         a year of 200 homes, in seconds

docs/researcher.md has the files, the summary and the exit codes.";

/// Whole neighbourhoods on one machine, through the same code as production.
///
/// Without a subcommand, `live` runs with the options given. With no option at all, or with none but --console,
/// --broker, --interval-ms and --validators, it plays the demonstration: the built-in summer from an early morning on,
/// with members that have prices of their own, as with --from 2016-07-04T04:00:00Z --orders built-in. With any other
/// option, each missing one has the default that stands beside it.
#[derive(Debug, Parser)]
#[command(name = "simulator", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    live: Live,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the live neighbourhood: broker, agents, market, validators and console, over their real sockets
    Live(Box<LiveOf>),
    /// Play a scenario offline, through the market's own clearing, as fast as it goes
    Run(run::Run),
    /// Play several scenarios, and set their figures side by side
    Compare(compare::Compare),
    /// Play variants of a scenario with several seeds, here or on many machines
    Sweep(sweep::Sweep),
    /// Replay a real ledger under its own rules and under others
    Replay(Box<replay::Replay>),
    /// Make a data set of others into a directory for --data
    Import(import::Import),
    /// Write genesis, keys and all configuration files, and run nothing
    Init(Box<Init>),
}

/// How long tasks get to end once everything is stopped.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Logs unless `RUST_LOG` says otherwise. Peers that come and go at start and end are no news to who runs them all.
const LOG_DEFAULT: &str = "warn,arc_malachitebft=off,libp2p=off,multistream_select=off,ractor=off,rumqttc=off,\
                           rumqttd=off,yamux=off";

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
    let cli: Cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
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
        Some(Command::Live(options)) => run_live(options.live, options.scenario.as_deref()),
        Some(Command::Run(options)) => run::run(options),
        Some(Command::Compare(options)) => compare::compare(options),
        Some(Command::Sweep(options)) => sweep::sweep(options),
        Some(Command::Replay(options)) => replay::replay(&options),
        Some(Command::Import(options)) => import::import(options),
        None => run_live(cli.live, None),
    })
}

/// How many threads are asked for; else as many as there are cores.
fn threads(asked: Option<u16>) -> usize {
    asked.map_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get), usize::from)
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

fn init(options: Init) -> Result<(), Failure> {
    let Asked { setup, run, .. } = options.neighbourhood.check()?;
    let state = Neighbourhood::prepare(&options.state, &setup, &run).map_err(bad_input)?;
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

fn run_live(mut options: Live, scenario: Option<&Path>) -> Result<(), Failure> {
    let (demonstration, Asked { setup, run, intervals }) = match scenario {
        Some(scenario) => (None, options.neighbourhood.check_scenario(scenario)?),
        None => (options.demonstrate(), options.neighbourhood.check()?),
    };
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
        let state = Neighbourhood::prepare(&directory, &setup, &run).map_err(bad_input)?;
        let plan = live::Plan {
            setup: &setup,
            run: &run,
            intervals,
            note: demonstration.as_deref(),
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
            (vec!["--intervals", "0"], "--intervals: expected a whole number from 1 on, found `0`"),
            (vec!["--intervals", "-5"], "--intervals: expected a whole number from 1 on, found `-5`"),
            (vec!["--validators", "0"], "--validators: expected a whole number from 1 to 31, found `0`"),
            (vec!["--interval-ms", "-1"], "--interval-ms: expected a whole number from 0 to 86400000, found `-1`"),
            (
                vec!["--from", "yesterday"],
                "--from: expected a UTC time such as 2026-06-01T12:00:00Z, found `yesterday`",
            ),
            (vec!["--retail", "dear"], "expected a price per kWh such as 0.125, found `dear`"),
            (
                vec!["--broker", "http://localhost:1"],
                "--broker: expected embedded, or a broker such as mqtt://127.0.0.1:1883, found `http://localhost:1`",
            ),
            (
                vec!["--broker", "mqtts://localhost"],
                "found `mqtts://localhost`: name one that takes agents without TLS",
            ),
            (vec!["--broker", "mqtt://localhost:+1883"], "found `mqtt://localhost:+1883`: write the port in digits"),
            (
                vec!["--console", "8080"],
                "--console: expected an address such as 127.0.0.1:8080, or off, found `8080`: write the host",
            ),
            (vec!["--colour"], "expected an option that simulator takes, found `--colour`"),
            (vec!["live", "--colour"], "see simulator live --help"),
            (vec!["init"], "expected --state <DIR>, found none; see simulator init --help"),
            (
                vec!["dance"],
                "expected one of the commands live, run, compare, sweep, replay, import and init, found `dance`",
            ),
            (vec!["--derate", "2"], "--derate: expected a number from 0 to 1 with at most six decimals, found `2`"),
        ] {
            let line = usage::mistake::<Cli>([&["simulator"], arguments.as_slice()].concat()).unwrap();
            assert!(line.contains(expected) && !line.contains('\n'), "{line}\nexpected: {expected}");
        }
    }

    #[test]
    fn options_are_checked_together() {
        for (arguments, expected) in [
            (vec!["--mechanism", "lottery"], "--mechanism: expected a mechanism"),
            (vec!["--feed-in", "0.31"], "--feed-in: expected at most the retail price 0.3, found 0.31"),
            (vec!["--intervals", "1345"], "--intervals: expected 1 to 1344, as the profile summer has, found 1345"),
            (
                vec!["--from", "2016-07-17T23:00:00Z", "--intervals", "5"],
                "--intervals: expected 1 to 4, as the profile summer has from --from on, found 5",
            ),
            (
                vec!["--from", "2016-07-03T23:45:00Z"],
                "--from: expected the start of an interval of 15 minutes of the profile summer, \
                 from 2016-07-04T00:00:00Z to 2016-07-17T23:45:00Z, found 2016-07-03T23:45:00Z",
            ),
            (vec!["--from", "2016-07-18T00:00:00Z"], "to 2016-07-17T23:45:00Z, found 2016-07-18T00:00:00Z"),
            (vec!["--from", "2016-07-04T04:05:00Z"], "found 2016-07-04T04:05:00Z"),
            (
                vec!["--profile", "winter", "--from", "2016-07-04T04:00:00Z"],
                "of the profile winter, from 2016-01-11T00:00:00Z to 2016-01-24T23:45:00Z",
            ),
            (vec!["--profile", "spring"], "expected one of the profiles summer, winter"),
            (vec!["--data", "/nowhere/at/all"], "expected a directory of CSV files at /nowhere/at/all"),
            (vec!["--orders", "/nowhere/at/all"], "/nowhere/at/all: cannot be read"),
            (vec!["--keys", "/nowhere/at/all"], "/nowhere/at/all: "),
        ] {
            let cli = Cli::try_parse_from([&["simulator"], arguments.as_slice()].concat()).unwrap();
            match cli.live.neighbourhood.check() {
                Err(Failure::BadInput(line)) => assert!(line.contains(expected) && !line.contains('\n'), "{line}"),
                other => panic!("{arguments:?}: {other:?}"),
            }
        }
    }
}
