//! `meter-agent accesses`: who looked this household up at a ledger node. What was seen once is remembered, and has to
//! be there the next time.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path, process::ExitCode};

use access_log::{Access, Accesses, Question, Seen};
use clap::Args;
use ledger_client::{Client, api::get};
use protocol::{
    envelope::{ChainId, Sealed, Signed},
    key::SecretKey,
    member::MemberId,
};

use super::{ConfigFile, Failure, nodes::Nodes, print};
use crate::{
    config::Config,
    key::read_key,
    looked_up::LookedUp,
    recover::PATIENCE,
    start::{read_genesis, registration},
    state_file, wall_clock,
};

/// What was seen at each node, in the state directory.
const FILE: &str = "accesses.json";
/// Most pages that are read of one node: a hundred thousand look-ups.
const PAGES_MAX: usize = 100;

#[derive(Debug, Args)]
#[command(
    after_help = "Every node has a log of its own, so ask each that you know. What a node leaves out nobody can see; what it once showed you it
cannot take back. The household's page shows what was found last.

Example:
  meter-agent accesses --node https://node.example:26000 --ca node.pem --token read.token"
)]
pub(super) struct AccessesArgs {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    nodes: Nodes,
}

/// What a household asks with.
struct Household {
    chain: ChainId,
    member: MemberId,
    key: SecretKey,
}

pub(super) async fn accesses(args: &AccessesArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config.config)?;
    let genesis = read_genesis(&config.genesis)?;
    let key = read_key(&config.member_key())?;
    let device = read_key(&config.device_key())?.public();
    let member = registration(&config, &genesis, &device, &key.public())?.member;
    let household = Household { chain: genesis.chain(), member, key };
    let clients = args.nodes.clients()?;
    if clients.is_empty() {
        return Err("expected a ledger node to ask, found none: name one with --node, best each that you know".into());
    }
    let path = config.state.join(FILE);
    let mut seen = remembered(&path)?;
    // What the page showed and cannot be read any more begins anew.
    let mut looked_up = LookedUp::read(&config.state).unwrap_or_default();
    let mut refused = Vec::new();
    for client in &clients {
        match household.ask(client, seen.get(client.url())).await {
            Ok((now, found)) => {
                show(client.url(), now.entries, &found)?;
                looked_up.found(client.url(), wall_clock::now_s(), found);
                seen.insert(client.url().to_owned(), now);
            }
            // What was seen before stays, to be held against the next answer.
            Err(error) => {
                looked_up.refused(client.url(), wall_clock::now_s(), &error.to_string());
                refused.push(format!("{}: {error}", client.url()));
            }
        }
    }
    let json = serde_json::to_vec_pretty(&seen)?;
    state_file::replace(&path, true, |_| Ok(json)).map_err(|error| format!("{}: {error}", path.display()))?;
    looked_up.keep(&config.state).map_err(|error| format!("{}: {error}", config.state.display()))?;
    if refused.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(refused.join("; ").into()) }
}

impl Household {
    /// All look-ups of a node, page by page.
    async fn ask(&self, client: &Client, before: Option<&Seen>) -> Result<(Seen, Vec<Access>), Failure> {
        let (mut since, mut all) = (0, Vec::new());
        let mut seen = before.cloned();
        for _ in 0..PAGES_MAX {
            let question = Question { member: self.member, at: wall_clock::now_s() };
            let signed: Sealed = (&Signed::sign(question, &self.chain, &self.key)).into();
            let known = seen.as_ref().map_or(0, |seen| seen.entries);
            let path = format!("/v1/members/{}/accesses?since={since}&seen={known}&question={signed}", self.member);
            let answer: Accesses = get(client, path, PATIENCE).await?;
            let (now, found) = answer.check(&self.chain, self.member, since, seen.as_ref())?;
            all.extend(found);
            if answer.next == now.entries {
                return Ok((now, all));
            }
            (since, seen) = (answer.next, Some(now));
        }
        Err("expected an end of its look-ups, found none".into())
    }
}

/// What was seen at each node, by its address.
fn remembered(path: &Path) -> Result<BTreeMap<String, Seen>, Failure> {
    let named = |error: &dyn std::fmt::Display| -> Failure {
        format!(
            "{}: {error}; without it, what was seen before cannot be held against what is there now",
            path.display()
        )
        .into()
    };
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| named(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(named(&error)),
    }
}

fn show(url: &str, entries: u64, found: &[Access]) -> Result<(), Failure> {
    print(format_args!("{url}: {entries} look-ups, of which these were of you or of everybody\n"))?;
    for Access { hour, who, role, call, member } in found {
        let call = serde_json::to_value(call)?;
        let of = if member.is_some() { "you" } else { "everybody" };
        print(format_args!("{hour}  {:12}  {of:9}  role {role:6}  {who}\n", call.as_str().unwrap_or_default()))?;
    }
    Ok(())
}
