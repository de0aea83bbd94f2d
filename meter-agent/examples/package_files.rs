//! What the package holds beside the program, made from what the program knows of itself: manual pages, completions for
//! the shells, and the configuration with the places of an installation. The program itself need not carry the makers.
//!
//! `meter-agent/packaging/build` runs it, with the directory to make them in.

#![allow(clippy::expect_used, reason = "whoever makes the package reads the message")]

use std::{env, fs, io, path::Path};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use meter_agent::cli::Cli;

/// The example, and what of it is said otherwise to an installed agent.
const CONFIGURATION: &str = include_str!("../../config/agent.toml");
const PLACES: [(&str, &str); 2] = [
    ("`meter-agent run --config agent.toml`", "the service `meter-agent` runs with it, as the user `voisin`"),
    ("\nstate = \"state\"\n", "\nstate = \"/var/lib/voisin/state\"\n"),
];

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).expect("expected a directory, found none; say where to make the files");
    let directory = Path::new(&directory);
    for part in ["man", "completions"] {
        fs::create_dir_all(directory.join(part))?;
    }
    fs::write(directory.join("agent.toml"), configuration())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "meter-agent", directory.join("completions"))?;
    }
    // A page on each subcommand; `help` is none of the program's own.
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), directory.join("man"))
}

fn configuration() -> String {
    PLACES.iter().fold(CONFIGURATION.to_owned(), |text, (example, installed)| {
        assert!(text.contains(example), "expected {example:?} in config/agent.toml, found none; change it here, too");
        text.replace(example, installed)
    })
}
