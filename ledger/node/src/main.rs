//! The `ledger` program: a validator or replica of the shared ledger, and the tools to check one.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
