//! What the packages hold beside the programs, made from what these know of themselves: manual pages, completions for
//! the shells, and the agent's configuration with the places of an installation. No program need carry the makers.
//!
//! `config/packaging/build` runs it, with the directory to make them in, a folder for each program.

#![allow(clippy::expect_used, reason = "whoever makes the packages reads the message")]

use std::{env, fs, io, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};

/// The example, and what of it is said otherwise to an installed agent.
const AGENT: &str = include_str!("../../agent.toml");
const AGENT_PLACES: [(&str, &str); 2] = [
    ("`meter-agent run --config agent.toml`", "the service `meter-agent` runs with it, as the user `voisin`"),
    ("\nstate = \"state\"\n", "\nstate = \"/var/lib/voisin/state\"\n"),
];

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).expect("expected a directory, found none; say where to make the files");
    let directory = Path::new(&directory);
    let programs =
        [ledger_node::cli::Cli::command(), market_service::cli::Cli::command(), meter_agent::cli::Cli::command()];
    for program in programs {
        describe(&program, &directory.join(program.get_name()))?;
    }
    fs::write(directory.join("meter-agent/agent.toml"), installed_agent())
}

/// Writes a program's manual pages and completions.
fn describe(program: &Command, directory: &Path) -> io::Result<()> {
    let (man, completions) = (directory.join("man"), directory.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut program.clone(), program.get_name(), &completions)?;
    }
    // A page on each subcommand; `help` is none of the program's own.
    clap_mangen::generate_to(program.clone().disable_help_subcommand(true), man)
}

fn installed_agent() -> String {
    AGENT_PLACES.iter().fold(AGENT.to_owned(), |text, (example, installed)| {
        assert!(text.contains(example), "expected {example:?} in config/agent.toml, found none; change it here, too");
        text.replace(example, installed)
    })
}
