//! The program `meter-agent`.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use meter_agent::cli::{Cli, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli: Cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A line that cannot be written would be told by a panic: nobody left to read the log ends no agent.
        .log_internal_errors(false)
        .init();
    // One thread is enough for one household, and costs the least memory.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(format!("the agent could not be started: {error}").into()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "meter-agent: {error}");
            ExitCode::from(2)
        }
    }
}
