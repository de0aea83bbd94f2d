//! `meter-agent status` and `meter-agent statement`: what the agent knows, for people.

use std::{fs, path::Path, process::ExitCode};

use protocol::receipt::Receipt;
use serde::de::DeserializeOwned;

use super::{Failure, StatementArgs, http, print};
use crate::{
    NeighbourLine, StatementLine, Status,
    config::Config,
    neighbours,
    period::Period,
    start::{STATUS_FILE, read_genesis},
    statement,
    store::{Store, StoreError},
    waiting::Waiting,
};

pub(crate) async fn status(config: &Path, url: Option<&str>) -> Result<ExitCode, Failure> {
    let url = match url {
        Some(url) => url.to_string(),
        None => running_at(&Config::load(config)?)?,
    };
    let json = http::get(&url, "/status").await?;
    if let Ok(waiting) = serde_json::from_slice::<Waiting>(&json) {
        print(waiting.to_text())?;
        return Ok(ExitCode::SUCCESS);
    }
    let status: Status = serde_json::from_slice(&json)
        .map_err(|error| format!("expected a meter-agent at {url}, found something else: {error}"))?;
    print(status.to_text())?;
    Ok(ExitCode::SUCCESS)
}

/// Where the running agent's status page is.
fn running_at(config: &Config) -> Result<String, Failure> {
    let path = config.state.join(STATUS_FILE);
    let address = fs::read_to_string(&path).map_err(|_| {
        format!(
            "expected a running agent with a status page on the state in {}, found none: start it with `meter-agent run`, \
             and do not set `status` to \"off\"",
            config.state.display()
        )
    })?;
    Ok(address.trim().to_string())
}

pub(crate) async fn statement(args: StatementArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config.config)?;
    let currency = read_genesis(&config.genesis)?.currency;
    if !config.state.join("db").exists() {
        let state = config.state.display();
        return Err(format!("expected the state of an agent in {state}, found none: run the agent first").into());
    }
    let period = Period { from_s: args.from, to_s: args.to };
    let store = match Store::open(&config.state, false) {
        Ok(store) => Some(store),
        // The agent runs: ask it.
        Err(StoreError::InUse(_)) if args.export.is_none() => None,
        Err(error) => return Err(error.into()),
    };
    if let (Some(store), Some(dir)) = (&store, &args.export) {
        export(store, period, dir)?;
    }
    let text = if args.neighbours {
        let mut lines: Vec<NeighbourLine> = match &store {
            Some(store) => statement::neighbour_lines(store, period)?,
            None => asked(&config, "/neighbours").await?,
        };
        lines.retain(|line| period.holds(line.interval));
        if args.csv { neighbours::to_csv(&lines)? } else { neighbours::to_text(&lines) }
    } else {
        let mut lines: Vec<StatementLine> = match &store {
            Some(store) => statement::lines(store, period)?,
            None => asked(&config, "/statement").await?,
        };
        lines.retain(|line| period.holds(line.interval));
        if args.csv { statement::to_csv(&lines)? } else { statement::to_text(&lines, &currency, args.network()) }
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// What the running agent answers.
async fn asked<T: DeserializeOwned>(config: &Config, path: &str) -> Result<T, Failure> {
    Ok(serde_json::from_slice(&http::get(&running_at(config)?, path).await?)?)
}

/// Writes the receipts, as they were received, one file each.
fn export(store: &Store, period: Period, dir: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("expected to write receipts to {}: {error}", dir.display());
    fs::create_dir_all(dir).map_err(failed)?;
    let mut count = 0;
    for json in store.receipts_of(period) {
        let json = json?;
        let Ok(receipt) = Receipt::from_json(&json) else { continue };
        // Colons are not for file names everywhere.
        let name = format!("{}.json", receipt.entry.interval.start_text().replace(':', "-"));
        fs::write(dir.join(name), &json).map_err(failed)?;
        count += 1;
    }
    let mut refused = 0;
    for received in store.evidence() {
        refused += 1;
        fs::write(dir.join(format!("refused-{refused}.json")), received?).map_err(failed)?;
    }
    eprintln!("{count} receipts and {refused} refused ones written to {}", dir.display());
    Ok(())
}
