//! The program `simulator`; without a subcommand it runs the live neighbourhood.

use std::process::ExitCode;

fn main() -> ExitCode {
    simulator::cli::main()
}
