//! `meter-agent pin`: the PIN that the page asks for before it changes anything.

use std::process::ExitCode;

use clap::Args;
use zeroize::Zeroizing;

use super::{ConfigFile, Failure, passphrase, print};
use crate::{config::Config, pin};

#[derive(Debug, Args)]
pub(super) struct Pin {
    #[command(flatten)]
    config: ConfigFile,
    /// Draw one, and show it this once, instead of asking.
    #[arg(long, conflicts_with = "remove")]
    draw: bool,
    /// Take it away: the page changes nothing any more. What was set there stays: `order.toml` in the state directory.
    #[arg(long)]
    remove: bool,
}

pub(super) fn pin(args: &Pin) -> Result<ExitCode, Failure> {
    let Config { state, .. } = Config::load(&args.config.config)?;
    if !state.is_dir() {
        let state = state.display();
        return Err(format!("expected the state directory {state}, found none; `meter-agent init` makes it").into());
    }
    if args.remove {
        let said = match pin::remove(&state)? {
            true => "The PIN is gone: the page changes nothing any more.\n",
            false => "There was no PIN: the page changes nothing.\n",
        };
        print(said)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.draw {
        let drawn = pin::draw().map_err(|error| format!("no randomness for a PIN: {error}"))?;
        pin::set(&state, &drawn)?;
        print(format_args!("The PIN is {}. It is not shown again; `meter-agent pin` sets another.\n", *drawn))?;
    } else {
        pin::set(&state, &asked()?)?;
        print("The PIN is set. On the page, it is asked for beside the prices.\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn asked() -> Result<Zeroizing<String>, Failure> {
    let otherwise = "let one be drawn with --draw";
    let entered = passphrase::ask("PIN for the page", otherwise)?;
    if *passphrase::ask("Once more", otherwise)? != *entered {
        return Err("expected the same PIN twice, found two; nothing was changed".into());
    }
    let (count, (min, max)) = (entered.chars().count(), (pin::CHARACTERS_MIN, pin::CHARACTERS_MAX));
    if (min..=max).contains(&count) {
        return Ok(entered);
    }
    Err(format!("expected a PIN of {min} to {max} characters, found {count}; nothing was changed").into())
}
