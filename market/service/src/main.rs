//! The program `market`: clears a book, or serves a community.

use std::process::ExitCode;

fn main() -> ExitCode {
    market_service::cli::run()
}
