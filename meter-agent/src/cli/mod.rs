//! The command line.

mod accesses;
mod check;
mod credential;
mod devices;
mod enrolment;
mod home_assistant;
mod http;
mod init;
mod keys;
mod nodes;
mod passphrase;
mod pin;
mod qr;
mod recover;
mod report;
mod rotate;
mod service;
mod verify;
mod waiting;

use std::pin::Pin;
use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use protocol::{interval::parse_utc, money::Price, pack::NetworkDiscount, parameters::WHOLE_PPM};
use rust_decimal::Decimal;
use settings::owner_only;

use self::waiting::Waited;
use crate::{Config, StartError, start};

/// One clear line: what was expected, what was found, where, what to do.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The agent beside your meter. It reads, signs and publishes what the meter shows at the end of every interval, and
/// checks every receipt of the market, so that nobody has to be trusted.
///
/// A first time: `meter-agent init`, hand enrolment.json to your operator, put the genesis file you get beside
/// agent.toml, `meter-agent check`, `meter-agent run`.
#[derive(Debug, Parser)]
#[command(name = "meter-agent", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the keys, a commented agent.toml and the request to be enrolled. Without options it asks, if it is run in a
    /// terminal. Nothing is ever overwritten.
    Init(init::Init),
    /// Print the request to be enrolled again, as text and as QR code, and write its file.
    Enrolment(enrolment::Enrolment),
    /// Back up the keys under a passphrase, or put them back.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Check everything that has to be right before `run`: files, keys, registration, meter, clock, broker.
    Check {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List the meters that have a template, or print one.
    Devices {
        /// The template to print; `blueprint` explains the format.
        name: Option<String>,
    },
    /// Run the agent until it is stopped (Ctrl-C, or SIGTERM).
    Run {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Show how the running agent is doing.
    Status {
        #[command(flatten)]
        config: ConfigFile,
        /// Ask the agent at this address instead, such as http://127.0.0.1:8080.
        #[arg(long, value_name = "URL", conflicts_with = "config")]
        url: Option<String>,
    },
    /// Set the PIN that the page asks for before it changes your prices. Without one it changes nothing.
    Pin(pin::Pin),
    /// Verify a receipt offline, against nothing but the genesis file.
    Verify {
        /// The receipt, JSON.
        receipt: PathBuf,
        /// The community's genesis file.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
    },
    /// Cards that show others of your membership what you choose.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Who looked this household up at a ledger node: when, and under which role.
    Accesses(accesses::AccessesArgs),
    /// Make a damaged or lost state anew: the last signature from its own files, or as the ledger has it; receipts from
    /// the ledger, each verified. The agent must not run.
    Recover(recover::Recover),
    /// Sign with another device key from now on: it was stolen or lost, or the ledger has suspended it. The meter, its
    /// chain and its receipts stay.
    #[command(subcommand)]
    Rotate(rotate::Rotate),
    /// Remove this household's device from Home Assistant. Stop the agent first, or it
    /// makes it anew with its next start; and take `[home_assistant]` out of agent.toml afterwards.
    RemoveFromHomeAssistant {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print your own statement, from the receipts that this agent verified.
    Statement(StatementArgs),
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "agent.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct StatementArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// From this moment on (UTC), such as 2026-06-01T00:00:00Z or 2026-06-01.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<i64>,
    /// Up to this moment (UTC), not included.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<i64>,
    /// As CSV, for a spreadsheet.
    #[arg(long)]
    csv: bool,
    /// With whom was traded, by neighbour, instead of by interval; as CSV, by both.
    #[arg(long)]
    neighbours: bool,
    /// Also write the receipts themselves, one JSON file each, and refused ones as evidence; the agent must not run.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// What the network costs for a kWh, where the community's rule pack has it cost less among neighbours.
    #[arg(long, value_name = "PRICE", requires = "network_discount")]
    network_price: Option<Price>,
    /// Which part of that is saved, such as 0.57.
    #[arg(long, value_name = "PART", requires = "network_price", value_parser = part_ppm)]
    network_discount: Option<u32>,
}

impl StatementArgs {
    fn network(&self) -> Option<NetworkDiscount> {
        Some(NetworkDiscount { price: self.network_price?, ppm: self.network_discount? })
    }
}

/// A part of a whole, in parts per million.
fn part_ppm(text: &str) -> Result<u32, String> {
    let ppm = Decimal::from_str_exact(text).ok().and_then(|part| part.checked_mul(WHOLE_PPM.into()));
    let ppm = ppm.filter(|ppm| ppm.fract().is_zero()).and_then(|ppm| u32::try_from(ppm).ok());
    ppm.filter(|ppm| *ppm <= WHOLE_PPM).ok_or_else(|| {
        let found: String = text.chars().take(80).collect();
        format!("expected a number from 0 to 1 with at most six decimals, found `{found}`")
    })
}

fn moment(text: &str) -> Result<i64, String> {
    // A day is its beginning.
    parse_utc(text).or_else(|_| parse_utc(&format!("{text}T00:00:00Z"))).map_err(|_| {
        let found: String = text.chars().take(80).collect();
        format!("expected a UTC time or day such as 2026-06-01T12:00:00Z or 2026-06-01, found `{found}`")
    })
}

/// Does what the command line says.
pub fn run(cli: Cli) -> Pin<Box<dyn Future<Output = Result<ExitCode, Failure>>>> {
    // Boxed here, it is compiled with this crate and not again with the program.
    Box::pin(run_here(cli))
}

async fn run_here(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Init(args) => init::init(args),
        Command::Enrolment(args) => enrolment::enrolment(args),
        Command::Keys(command) => keys::keys(command),
        Command::Pin(args) => pin::pin(&args),
        Command::Check { config } => check::check(&config.config).await,
        Command::Devices { name } => devices::devices(name.as_deref()),
        Command::Run { config } => run_agent(&config.config).await,
        Command::Status { config, url } => report::status(&config.config, url.as_deref()).await,
        Command::Verify { receipt, genesis } => verify::verify(&receipt, &genesis),
        Command::Credential(command) => credential::credential(&command),
        Command::Accesses(args) => accesses::accesses(&args).await,
        Command::Recover(args) => recover::recover(args).await,
        Command::Rotate(command) => rotate::rotate(command).await,
        Command::RemoveFromHomeAssistant { config } => home_assistant::remove(&config.config).await,
        Command::Statement(args) => report::statement(args).await,
    }
}

/// Prints; a reader that went away (`| head`) is no failure.
fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    match write!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

async fn run_agent(path: &std::path::Path) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    if let Some(warning) = owner_only::warning(&config.state) {
        tracing::warn!("{warning}");
    }
    let broker = config.broker.clone();
    let mut running = loop {
        match start(config.clone()).await {
            Err(StartError::NotRegistered { .. }) => match waiting::wait(&config, stopped()).await? {
                Waited::Registered => {}
                Waited::Stopped => return Ok(ExitCode::SUCCESS),
            },
            started => break started?,
        }
    };
    if let Some(address) = running.status_addr {
        tracing::info!("status page at http://{address}/");
    }
    tracing::info!("broker {broker}");
    let telling = service::tell(running.pulse.clone(), running.status.clone());
    let ended = tokio::select! {
        // First, so that who hears that it runs can stop it.
        biased;
        signal = stopped() => {
            signal?;
            None
        }
        ended = running.failed() => Some(ended.to_string()),
        never = telling => match never {},
    };
    tracing::info!("stopping");
    service::stopping();
    // What stands in the way of the next reading is no success, whoever ends the agent.
    let failed = ended.or_else(|| running.storage_failed());
    running.stop().await;
    Ok(match failed {
        Some(why) => {
            let _ = writeln!(std::io::stderr(), "meter-agent: {why}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

/// Waits for Ctrl-C or, as systemd does, SIGTERM.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_times_are_utc() {
        Cli::command().debug_assert();
        assert_eq!(moment("1970-01-02"), Ok(86_400));
        assert_eq!(moment("1970-01-01T01:00:00Z"), Ok(3_600));
        for text in ["yesterday", "2026-06-01T12:00:00", "2026-02-30", ""] {
            let error = moment(text).unwrap_err();
            assert!(error.starts_with("expected a UTC time or day such as"), "{error}");
            assert!(error.ends_with(&format!(", found `{text}`")), "{error}");
        }
    }
}
