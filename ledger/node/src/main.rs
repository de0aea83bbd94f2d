//! The `ledger` program: a validator or replica of the shared ledger, and the tools to check one.

use std::process::ExitCode;

fn main() -> ExitCode {
    ledger_node::cli::main()
}
