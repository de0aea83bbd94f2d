//! `meter-agent recover`: what is left of a state, and what the ledger has, made a state again.

use std::{io::Write, process::ExitCode};

use clap::Args;
use ledger::proof::Verifier;
use ledger_client::api::Node;
use protocol::{interval::Interval, key::DeviceId};

use super::{ConfigFile, Failure, moment, nodes::Nodes, print};
use crate::{
    config::Config,
    key::read_key,
    new_record,
    recover::{Wanted, fetch_receipts, where_it_stands},
    signed::{self, Doubt, Signed},
    start::{read_genesis, registration},
    store::{Known, Store, StoreError, set_aside},
};

#[derive(Debug, Args)]
pub(super) struct Recover {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    nodes: Nodes,
    /// Fetch receipts from this moment on (UTC) only; without it, all of them.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<i64>,
    /// Say that the device key has never signed anything, on this machine or any other: it is new, and `init` did not
    /// make it. If it has, the device is suspended.
    #[arg(long, conflicts_with_all = ["node", "from"])]
    never_signed: bool,
}

pub(super) async fn recover(args: Recover) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config.config)?;
    let genesis = read_genesis(&config.genesis)?;
    let chain = genesis.chain();
    let device = read_key(&config.device_key())?.public();
    let member_key = read_key(&config.member_key())?.public();
    let registered = registration(&config, &genesis, &device, &member_key)?;
    let verifier = Verifier::new(&genesis);
    let wanted = Wanted { chain, verifier: &verifier, member: registered.member, device };
    let nodes = args.nodes.open()?;

    let store = opened(&config)?;
    let known = store.known(device, chain)?;
    if args.never_signed {
        return never_signed(&config, device, &known);
    }
    let signed = match known {
        Known::All { signed, .. } => {
            print(format_args!("The last signature is known: {}.\n", in_words(&signed)))?;
            signed
        }
        Known::Doubtful(doubt, hint) => asked(doubt, hint, &nodes, &wanted).await?,
    };
    store.join(signed.clone(), chain)?;

    let Some(node) = nodes.first() else {
        print("Receipts were not fetched: no node was named (--node).\n")?;
        return Ok(ExitCode::SUCCESS);
    };
    // Those of unsettled readings the agent gets from the market, and checks against what it measured.
    let before = signed.unsettled.first().map(|(_, record)| record.interval);
    let first = registered.first_interval;
    let from = args.from.and_then(|from_s| first_from(first, from_s)).unwrap_or(first);
    let fetched = fetch_receipts(node, &wanted, &store, from, before, tell).await?;
    let totals = store.add_up()?;
    print(format_args!(
        "{} receipts fetched and verified, {} were here; {} in all.\n\
         Not to be had again: what you consumed and produced behind the meter before, and refused receipts that were kept \
         as evidence.\n\
         {} readings wait to be settled: the agent sends them again.\n",
        fetched.kept,
        fetched.known,
        totals.receipts_verified,
        signed.unsettled.len()
    ))?;
    if fetched.refused > 0 {
        let faults = fetched.faults.join("; ");
        return Err(format!("{} receipts do not verify and are not kept: {faults}", fetched.refused).into());
    }
    Ok(ExitCode::SUCCESS)
}

/// The state, with a new database where the old one is damaged.
fn opened(config: &Config) -> Result<Store, Failure> {
    let open = || Store::open(&config.state, config.fsync);
    match open().and_then(|store| store.check().map(|()| store)) {
        Err(StoreError::Damaged { error, .. }) => {
            let aside = set_aside(&config.state)?;
            print(format_args!("The database was damaged ({error}); it is now {}.\n", aside.display()))?;
            Ok(open()?)
        }
        opened => Ok(opened?),
    }
}

fn never_signed(config: &Config, device: DeviceId, known: &Known) -> Result<ExitCode, Failure> {
    let path = config.state.join(signed::FILE);
    match known {
        Known::Doubtful(Doubt::Missing, found) if found.head.is_none() => {
            new_record(&config.state, device).map_err(|error| format!("{}: {error}", path.display()))?;
            print(format_args!("{}: {device} begins with its first reading.\n", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Known::All { signed, .. } if signed.head.is_none() => {
            print(format_args!("{}: it is there already, and nothing was signed.\n", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Known::Doubtful(doubt, found) => {
            Err(format!("{}: {doubt}; {}: it is not a new key", path.display(), in_words(found)).into())
        }
        Known::All { signed, .. } => {
            Err(format!("{}: {}: it is not a new key", path.display(), in_words(signed)).into())
        }
    }
}

/// What the ledger says of a device whose last signature is not known here.
async fn asked(doubt: Doubt, hint: Signed, nodes: &[Node], wanted: &Wanted<'_>) -> Result<Signed, Failure> {
    if nodes.is_empty() {
        return Err(format!(
            "{doubt}, so the ledger has to be asked: name nodes with --node, best of several operators; or \
             --never-signed, for a key that is new"
        )
        .into());
    }
    print(format_args!("{doubt}; what is here: {}.\n", in_words(&hint)))?;
    let signed = where_it_stands(nodes, wanted, hint, tell).await?;
    print(format_args!(
        "The ledger says where the chain stands: {}. A reading that was sent and that nobody has settled since would come \
         to light as a sequence conflict.\n",
        in_words(&signed)
    ))?;
    Ok(signed)
}

/// Says how far it is; that nobody listens is no failure.
fn tell(line: String) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn in_words(signed: &Signed) -> String {
    match &signed.head {
        Some(head) => format!("reading {} of {}", head.sequence, head.interval),
        None => "nothing signed yet".into(),
    }
}

/// The first interval that starts at a moment or later.
fn first_from(first: Interval, from_s: i64) -> Option<Interval> {
    let length_s = first.end_s() - first.start_s();
    let count = from_s.checked_sub(first.start_s())?.max(0);
    first.offset(count / length_s + i64::from(count % length_s > 0))
}
