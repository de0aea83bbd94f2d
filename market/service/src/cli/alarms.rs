//! `market alarms`: what is on and what was, and that somebody knows of it.

use std::path::{Path, PathBuf};

use crate::{
    Config,
    alarms::{Alarm, AlarmName, Directory, notices::Channels},
    read_genesis,
};
use clap::{Args, Subcommand};
use protocol::interval::utc_text;

use super::{Failure, bad_input, failure, now, print};

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "The market need not run to be asked, and it is said where it does not; it takes an acknowledgement within a second, or when it is started again. Run it as
the market's own user: the list is in the state directory, which nobody else may read or write.

Examples:
  market alarms --config config/market.toml
  market alarms acknowledge validators_silent --by ada --config config/market.toml
  market alarms try --config config/market.toml"
)]
pub(super) struct Alarms {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Say that somebody knows of an alarm that is on.
    Acknowledge {
        /// The alarm's name, as `market alarms` lists it
        name: AlarmName,
        /// Who knows of it
        #[arg(long, value_name = "WHO")]
        by: String,
        /// The configuration, a TOML file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Send a test by each channel of [notices], once, and say what came of it.
    Try {
        /// The configuration, a TOML file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

impl Alarms {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match (&self.action, &self.config) {
            (Some(Action::Acknowledge { name, by, config }), _) => {
                directory(config)?.acknowledge(*name, by, now()).map_err(bad_input)?;
                print(&format!("{name} is acknowledged"))
            }
            (Some(Action::Try { config }), _) => try_out(config),
            (None, Some(config)) => list(&directory(config)?),
            (None, None) => Err(bad_input("expected --config FILE, found none")),
        }
    }
}

/// Sends a test by each channel, also where one before it does not get through.
fn try_out(config: &Path) -> Result<(), Failure> {
    let config = Config::load(config).map_err(bad_input)?;
    let genesis = read_genesis(&config).map_err(bad_input)?;
    let channels = Channels::open(&config.notices, &genesis.community).map_err(bad_input)?;
    let configured = channels.configured();
    if configured.is_empty() {
        return Err(bad_input("expected [notices.webhook] or [notices.mail] in the configuration, found neither"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failure)?;
    let mut undelivered = Vec::new();
    for channel in configured {
        match runtime.block_on(channels.test(channel, now())) {
            Ok(()) => print(&format!("{channel}: a test was delivered to {}", channels.place(channel)))?,
            Err(reason) => undelivered.push(format!("{channel}: {reason}")),
        }
    }
    if undelivered.is_empty() { Ok(()) } else { Err(failure(undelivered.join("; "))) }
}

fn directory(config: &Path) -> Result<Directory, Failure> {
    Ok(Directory::of(&Config::load(config).map_err(bad_input)?.state))
}

fn list(directory: &Directory) -> Result<(), Failure> {
    let alarms = directory.read().map_err(bad_input)?;
    let ended = directory.is_occupied() == Some(false);
    if ended {
        let left = directory.changed().map_or_else(
            || "has left no list".to_owned(),
            |at| format!("has left this list, last changed at {}", utc_text(at)),
        );
        print(&format!("the market is not running; it {left}"))?;
    }
    if alarms.on().is_empty() {
        print(if ended { "no alarm was on" } else { "no alarm is on" })?;
    }
    for alarm in alarms.on() {
        let Alarm { name, since, cause, action, acknowledged, .. } = alarm;
        print(&format!("{name}  since {}", utc_text(*since)))?;
        print(&format!("  {cause}\n  {action}"))?;
        if let Some(known) = acknowledged {
            print(&format!("  acknowledged by {} at {}", known.by, utc_text(known.at)))?;
        }
    }
    if alarms.history().len() > 0 {
        print("\nover, the latest first:")?;
    }
    for Alarm { name, since, cleared, cause, .. } in alarms.history() {
        let cleared = cleared.map_or_else(String::new, utc_text);
        print(&format!("{name}  {} to {cleared}  {cause}", utc_text(*since)))?;
    }
    Ok(())
}
