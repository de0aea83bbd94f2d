//! The command line of `ledger`.

mod approve;
mod backup;
mod bill;
mod card;
mod community;
mod correct;
mod decide;
mod draft;
mod evidence;
mod export;
mod init;
mod names;
mod packs;
mod paying;
mod plausible;
mod reach;
mod receipt;
mod rules;
mod shown;
mod true_up;
mod validated;
mod verify;
mod withdraw;

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{audit, node};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ledger_client::{
    Client,
    api::{ApiError, Node},
};
use protocol::{
    interval::{Interval, IntervalLength, parse_utc},
    text::ParseError,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Exit code for input that is not what was expected; nothing was changed.
const BAD_INPUT: u8 = 2;
/// How long a node may take to say how it is doing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Where a node listens that nothing else was said to.
const URL_DEFAULT: &str = "http://127.0.0.1:26000";
/// Quiet where consensus and its network talk to themselves: they log every attempt to reach a node. Who comes and
/// goes, the ledger says itself.
const LOG_DEFAULT: &str = "info,arc_malachitebft=warn,arc_malachitebft_network=off,arc_malachitebft_discovery=off,\
                           informalsystems_malachitebft=warn,libp2p=error,sled=warn";

/// The shared ledger of a Voisin neighbourhood.
///
/// A node keeps the ledger on disk, agrees on every block with the other nodes, and runs every clearing again before it
/// votes. The other commands check a ledger or a receipt without trusting anyone.
#[derive(Parser)]
#[command(
    name = "ledger",
    version,
    after_help = "EXAMPLES:
  ledger init validator-0                        keys and a commented configuration
  ledger community init community.toml --out community    found a community
  ledger serve --config validator-0/validator.toml
  ledger status                                  how the node on this machine is doing
  ledger drafts                                  decisions that wait for approvals
  ledger audit validator-0                       redo everything from the genesis (node stopped)
  ledger bill validator-0 --month 2026-06 --time-zone Europe/Zurich --genesis genesis.json --out june
  ledger receipt validator-0 --member d001 --interval 2016-07-04T12:00:00Z > receipt.json
  ledger verify receipt.json --genesis genesis.json
  ledger evidence validator-0 --genesis genesis.json    what it has kept against other validators

Exit codes: 0 in order, 1 not in order or failed, 2 bad input."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make keys and a configuration for a new node in DIR
    Init(init::Init),
    /// Found a community: from a file to its genesis and a configuration for each part
    #[command(subcommand)]
    Community(community::Community),
    /// Run a node until Ctrl-C
    Serve {
        /// The node's configuration, see config/validator-0.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Take responsibility that a validator's key has signed nothing above a height, where nothing else can tell
    Vouch {
        /// The configuration of the node, which must be stopped
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The highest height at which the key may have signed anything; nothing up to it will be signed
        #[arg(long, value_name = "HEIGHT", allow_negative_numbers = true, value_parser = usage::whole::<u64>(0..=u64::MAX))]
        signed: u64,
    },
    /// Ask a running node how it is doing, how many validators are up, and whether it reaches other nodes
    Status(Asked),
    /// Draft the correction of an interval from validated values, as a decision to be approved
    Correct(correct::Correct),
    /// Draft the corrections that readings which came late, or validated values, lead to, as one decision to be
    /// approved
    TrueUp(true_up::TrueUp),
    /// Draft a decision of the validators: a household, a meter, rules, validators, a payout
    Draft(Box<draft::DraftCommand>),
    /// Look at a country's rule pack: what it says, and whom it excludes
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// List the decisions that wait for approvals
    Drafts(approve::Drafts),
    /// Approve a decision with a validator's key: one that waits, by its number, or in a file
    Approve(approve::Approve),
    /// Take back a validator's approval of a decision that waits
    Withdraw(withdraw::Withdraw),
    /// Hand in a decision with the approvals that it has, or an instruction that a member has signed
    Submit(decide::Submit),
    /// Sign an instruction with a member's key, and hand it in
    Instruct(decide::Instruct),
    /// Redo every signature, clearing, transfer, root and certificate of a stopped node's state directory
    Audit {
        /// The state directory, such as validator-0
        directory: PathBuf,
        /// The genesis to trust, instead of the copy in the directory
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy what a stopped node keeps into a backup; its keys stay where they are
    Backup(backup::Backup),
    /// Put back from a backup what a node has lost
    Restore(backup::Restore),
    /// Write accounts, settlements, lines and trades as CSV or Parquet, or certificates as EnergyTag has them, from a
    /// stopped node's state directory
    Export(export::Export),
    /// Write each member's bill of a month as a page and as CSV, from a stopped node's state directory
    Bill(bill::Bill),
    /// Write the receipt of one member and interval to stdout, from a stopped node's state directory
    Receipt(receipt::Receipt),
    /// Check what a node has kept against validators that signed two contradicting messages, offline
    Evidence(evidence::Kept),
    /// Check a receipt, or the proof that certificates were retired, offline, against nothing but the genesis; and
    /// whether witnesses have seen its block
    Verify(verify::Verify),
}

/// A running node, and how to speak to it.
#[derive(Args)]
pub(crate) struct Asked {
    /// The node's API [default: http://127.0.0.1:26000]
    #[arg(long)]
    url: Option<String>,
    /// PEM file with the certificates that the node's own must lead to; an https address needs one
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with a token of the role `read` or `submit`, where the node asks for one
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
}

impl Asked {
    /// Asks the node of this configuration, where no other one is named: also over TLS, by its own certificate.
    pub(crate) fn at(&mut self, config: &node::Config) {
        if self.url.is_some() {
            return;
        }
        let scheme = if config.api_tls.is_some() { "https" } else { "http" };
        self.url = Some(format!("{scheme}://{}", config.api));
        if let (None, Some(tls)) = (&self.ca, &config.api_tls) {
            self.ca = Some(tls.certificate_chain.clone());
        }
    }

    /// Asks the node something.
    pub(crate) fn ask<T>(&self, question: impl AsyncFnOnce(&Node) -> Result<T, ApiError>) -> Result<T, Failure> {
        let url = self.url.as_deref().unwrap_or(URL_DEFAULT);
        let client = Client::new(url, self.ca.as_deref(), self.token.as_deref()).map_err(bad_input)?;
        let node = Node::new(client, ANSWER_TIMEOUT);
        runtime()?.block_on(question(&node)).map_err(|error| match error {
            ApiError::Unanswered(error) => {
                let url = node.url();
                bad_input(format!(
                    "expected a node at {url}, found none: {error}; start it, or name another with --url"
                ))
            }
            error @ (ApiError::Refused { .. } | ApiError::MembersUnordered { .. } | ApiError::MembersTooMany) => {
                bad_input(format!("{}{error}", node.url()))
            }
            // Of what was handed in nobody knows what became.
            error @ ApiError::Malformed { .. } => failed(format!("{}{error}", node.url())),
        })
    }
}

/// How a command ends when it does not succeed.
pub(crate) enum Failure {
    /// Bad input: exit code 2.
    Input(String),
    /// Anything else: exit code 1.
    Failed(String),
}

pub(crate) fn bad_input(error: impl ToString) -> Failure {
    Failure::Input(error.to_string())
}

/// Checks that a moment on the command line is one.
pub(crate) fn moment(text: &str) -> Result<String, ParseError> {
    parse_utc(text).map(|_| text.to_owned())
}

/// The interval that starts at `text`.
pub(crate) fn interval(text: &str, length: IntervalLength) -> Result<Interval, Failure> {
    let start_s = parse_utc(text).map_err(bad_input)?;
    let minutes = length.minutes();
    let expected = || bad_input(format!("expected the start of a {minutes}-minute interval, found {text}"));
    Interval::new(start_s, length).ok_or_else(expected)
}

pub(crate) fn failed(error: impl ToString) -> Failure {
    Failure::Failed(error.to_string())
}

/// Seconds since 1970 by this machine's clock, for what is not to be done by a wrong one.
fn now_s() -> Result<i64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| failed(format!("the clock: {error}")))?;
    i64::try_from(now.as_secs()).map_err(|error| failed(format!("the clock: {error}")))
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli: Cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let outcome = match cli.command {
        Command::Init(init) => init.make(),
        Command::Community(community) => community.run(),
        Command::Serve { config } => serve(&config),
        Command::Vouch { config, signed } => vouch(&config, signed),
        Command::Status(node) => reach::status(&node),
        Command::Correct(correct) => correct.write(),
        Command::TrueUp(true_up) => true_up.write(),
        Command::Draft(draft) => draft.open(),
        Command::Rules(rules) => rules.run(),
        Command::Drafts(drafts) => drafts.list(),
        Command::Approve(approve) => approve.give(),
        Command::Withdraw(withdraw) => withdraw.send(),
        Command::Submit(submit) => submit.send(),
        Command::Instruct(instruct) => instruct.send(),
        Command::Audit { directory, genesis, json } => audit_directory(&directory, genesis.as_deref(), json),
        Command::Backup(backup) => backup.make(),
        Command::Restore(restore) => restore.put_back(),
        Command::Export(export) => export.write(),
        Command::Bill(bill) => bill.write(),
        Command::Receipt(receipt) => receipt.write(),
        Command::Evidence(kept) => kept.check(),
        Command::Verify(verify) => verify.check(),
    };
    let (code, message) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Input(message)) => (BAD_INPUT, message),
        Err(Failure::Failed(message)) => (1, message),
    };
    let _ = writeln!(std::io::stderr(), "ledger: {message}");
    ExitCode::from(code)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)
}

fn serve(config: &Path) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // A line that cannot be written would be told by a panic: nobody left to read the log ends no validator.
    log.log_internal_errors(false).init();
    let config = node::Config::load(config).map_err(bad_input)?;
    runtime()?.block_on(async {
        // From now on: who asks a node that is starting to stop waits for it, and it stops in order.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
        let name = config.name.clone();
        let mut node = node::start(config).await.map_err(bad_input)?;
        let status = node.ledger.status();
        tracing::info!(name, api = %node.api, height = status.height, chain = %status.chain, "node started");
        tokio::select! {
            halt = node.failed() => Err(match halt {
                crate::consensus::Halt::BadAddress { .. } | crate::consensus::Halt::Listen { .. } => bad_input(halt),
                _ => failed(halt),
            }),
            _ = interrupt.recv() => stop(node).await,
            _ = terminate.recv() => stop(node).await,
        }
    })
}

async fn stop(node: node::Running) -> Result<(), Failure> {
    tracing::info!("stopping");
    node.stop().await.map_err(failed)
}

fn vouch(config: &Path, signed: u64) -> Result<(), Failure> {
    let config = node::Config::load(config).map_err(bad_input)?;
    let (Some(key), Some(record)) = (&config.key, config.signed_path()) else {
        return Err(bad_input(
            "expected a configuration with a validator's `key`, found none: a replica signs nothing",
        ));
    };
    let validator = node::read_key(key).map_err(bad_input)?.public();
    let failed = |error| bad_input(format!("{}: {error}; stop the node first", record.display()));
    crate::consensus::new_record(&record, validator, signed).map_err(failed)?;
    print(format_args!("{}: {validator} votes from height {} on", record.display(), signed.saturating_add(1)))
}

fn audit_directory(directory: &Path, genesis: Option<&Path>, json: bool) -> Result<(), Failure> {
    let opened = audit::open(directory).map_err(bad_input)?;
    genesis.map_or(Ok(()), |trusted| opened.check_chain(trusted)).map_err(bad_input)?;
    let report = audit::audit(&opened.genesis, &opened.store, &progress_bar("auditing")).map_err(|error| match error {
        audit::AuditError::Store(error) => failed(error),
        error => failed(format!(
            "{}: {error}; not in order: where other nodes' ledgers are, move this directory away, keep its keys, and start \
             the node again: it fetches the ledger from the others",
            directory.display()
        )),
    })?;
    if json {
        return print_json(&report);
    }
    let settlements = report.settlements;
    let recomputed = match (report.settlements_pruned, report.recomputed_from) {
        (0, _) => format!("settlements  {settlements}, every clearing computed again"),
        (pruned, from) => format!(
            "settlements  {settlements}, of which {pruned} can no longer be computed again: their\n             \
             readings were pruned. Transfers, certificates, roots and signatures were followed\n\
             recomputed   from {} on",
            from.map_or("none".into(), |from| from.to_string())
        ),
    };
    print(format_args!(
        "chain        {}\n\
         blocks       {}, every one executed again\n\
         {recomputed}\n\
         corrections  {}, every one computed again\n\
         signatures   {} of readings, {} of commits\n\
         state root   {}\n\
         balances     sum to {}\n\
         in order",
        report.chain,
        report.blocks,
        report.corrections,
        report.readings,
        report.commit_signatures,
        report.state_root,
        report.balances_sum
    ))
}

/// A bar that counts blocks.
fn progress_bar(doing: &'static str) -> ProgressBar {
    let progress = ProgressBar::new(0).with_message(doing);
    match ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} blocks, {eta} left") {
        Ok(style) => progress.with_style(style),
        Err(_) => progress,
    }
}

pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).map_err(failed)?)
}

/// Prints a line; a reader that went away (`| head`) is no failure.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}
