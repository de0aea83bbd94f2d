//! The program `market`: clears a book, or serves a community.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
