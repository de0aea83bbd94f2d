//! `meter-agent rotate`: another device key for the same meter, by the member's own instruction. It is also the way
//! back for a household whose device was suspended.
//!
//! In two steps, because the ledger takes the new key's readings from the interval after the open one on, and what the
//! chain goes on from is known only then. The new key lies beside the old one until the last step.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use ledger::proof::Verifier;
use ledger_client::api::{ApiError, Node};
use protocol::{
    api::{MemberStatus, Submitted},
    block::Transaction,
    cbor, code,
    envelope::{Sealed, Signed},
    genesis::Genesis,
    instruction::{Instruction, MemberAction},
    key::SecretKey,
};

use settings::owner_only;

use super::{ConfigFile, Failure, nodes::Nodes, print, qr};
use crate::{
    config::Config,
    key::{KeyError, create_key, file_of, read_key},
    recover::{Wanted, handed_over, standing},
    registered::Registration,
    start::{read_genesis, registration},
    store::Store,
};

/// The instruction, beside the configuration, for an operator to hand in.
const FILE: &str = "rotation.txt";

#[derive(Debug, Subcommand)]
pub(super) enum Rotate {
    /// Make a new device key, and tell the ledger to take its readings from the interval after the open one on. The
    /// agent may go on running with the old one until then.
    Request(Step),
    /// Go on with the new key, once the ledger takes its readings. The agent must not run.
    Finish(Step),
}

#[derive(Debug, Args)]
pub(super) struct Step {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    nodes: Nodes,
}

pub(super) async fn rotate(command: Rotate) -> Result<ExitCode, Failure> {
    match command {
        Rotate::Request(step) => request(&step).await,
        Rotate::Finish(step) => finish(&step).await,
    }
}

/// What both steps begin with.
struct Household {
    config: Config,
    genesis: Genesis,
    member_key: SecretKey,
    registered: Registration,
    nodes: Vec<Node>,
}

impl Household {
    fn read(step: &Step) -> Result<Household, Failure> {
        let config = Config::load(&step.config.config)?;
        let genesis = read_genesis(&config.genesis)?;
        let member_key = read_key(&config.member_key())?;
        let registered = match &config.registration {
            Some(registered) => registered.clone(),
            None => {
                let device = read_key(&config.device_key())?.public();
                registration(&config, &genesis, &device, &member_key.public())?
            }
        };
        let nodes = step.nodes.open()?;
        if nodes.is_empty() {
            return Err("expected a ledger node to ask, found none: name one with --node, best several".into());
        }
        Ok(Household { config, genesis, member_key, registered, nodes })
    }

    fn wanted<'a>(&self, verifier: &'a Verifier, device: &SecretKey) -> Wanted<'a> {
        let (chain, member) = (self.genesis.chain(), self.registered.member);
        Wanted { chain, verifier, member, device: device.public() }
    }
}

async fn request(step: &Step) -> Result<ExitCode, Failure> {
    let household = Household::read(step)?;
    let verifier = Verifier::new(&household.genesis);
    let next_path = next(&file_of(household.config.device_key())?);
    let standing = standing(&household.nodes, &household.wanted(&verifier, &household.member_key)).await?;
    let found = household.member_key.public();
    if standing.key != found {
        let (member, expected) = (household.registered.member, standing.key);
        return Err(
            format!("expected the member key {expected}, which the ledger has for {member}, found {found}").into()
        );
    }
    // One that was made before is used: whoever asks twice has one new key, not two.
    let device = if next_path.exists() {
        owner_only::read_key(&next_path).map_err(KeyError::from)?
    } else {
        create_key(&next_path)?
    };
    if standing.device == Some(device.public()) {
        print("The ledger takes readings of the new key already: stop the agent, and go on with `rotate finish`.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let signed = instruction(&household, &standing, &device)?;
    let transaction = cbor::encode(&Transaction::Instruct(Sealed::from(&signed)));
    let then = format!(
        "When the interval that is open now is settled, stop the agent, and\n\
         meter-agent rotate finish --config {} --node URL\n",
        step.config.config.display()
    );
    let new = format!("The new device key {} lies in {}.\n", device.public(), next_path.display());
    match household.nodes[0].submit(&transaction).await {
        Ok(Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. }) => {
            print(format_args!("{new}The ledger was told to take its readings. {then}"))?;
        }
        Ok(Submitted::Refused { refusal, .. }) if refusal == "device_in_use" => {
            print(format_args!("{new}The ledger was told so before. {then}"))?;
        }
        Ok(Submitted::Refused { refusal, detail, .. }) => {
            return Err(format!("the ledger refuses it as {refusal}: {detail}").into());
        }
        Err(ApiError::Refused { status, .. }) if matches!(status.as_u16(), 401 | 403) => {
            let code = code::write(code::INSTRUCTION, signed.bytes());
            let file = step.config.config.with_file_name(FILE);
            fs::write(&file, format!("{code}\n")).map_err(|error| format!("{}: {error}", file.display()))?;
            let image = if io::stdout().is_terminal() { qr::code(&code)? } else { String::new() };
            print(format_args!(
                "{new}This token may not hand it in. Hand {0} to your operator, who does: ledger submit {FILE}\n\n\
                 {code}\n\n{image}{then}",
                file.display()
            ))?;
        }
        Err(error) => return Err(format!("expected a ledger node at {}: {error}", household.nodes[0].url()).into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn instruction(
    household: &Household,
    standing: &MemberStatus,
    device: &SecretKey,
) -> Result<Signed<Instruction>, Failure> {
    let last = standing.instruction_sequence;
    let sequence = last.checked_add(1).ok_or_else(|| format!("no instruction can follow number {last}"))?;
    let action = MemberAction::RotateDevice { device: device.public() };
    let instruction = Instruction { member: household.registered.member, sequence, action };
    Ok(Signed::sign(instruction, &household.genesis.chain(), &household.member_key))
}

async fn finish(step: &Step) -> Result<ExitCode, Failure> {
    let household = Household::read(step)?;
    let config = &household.config;
    let verifier = Verifier::new(&household.genesis);
    let old_path = file_of(config.device_key())?;
    let next_path = next(&old_path);
    if !next_path.exists() {
        return Err(
            format!("expected a new key at {}, found none: begin with `rotate request`", next_path.display()).into()
        );
    }
    let device = owner_only::read_key(&next_path).map_err(KeyError::from)?;
    let wanted = household.wanted(&verifier, &device);
    let signed = handed_over(&household.nodes, &wanted).await?.ok_or_else(|| {
        format!(
            "the ledger takes no readings of {} yet: it does from the interval after the one in which it was told; let \
             the agent run until that is settled, and try again",
            device.public()
        )
    })?;
    let store = Store::open(&config.state, config.fsync)?;
    // First what says who this is without the old key; last the keys. Stopped in between, it is done again.
    if config.registration.is_none() {
        register(&step.config.config, &household.registered)?;
    }
    let sequence = signed.sequence();
    store.hand_over(signed, wanted.chain)?;
    let aside = aside(&old_path);
    match fs::rename(&old_path, &aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(format!("{}: {error}", old_path.display()).into());
        }
        _ => {}
    }
    fs::rename(&next_path, &old_path).map_err(|error| format!("{}: {error}", next_path.display()))?;
    print(format_args!(
        "Readings are signed with {} from now on, after number {sequence}. The old key is {}.\n\
         Your broker may know you by the old one: ask your operator for a login of the new one, then start the agent.\n\
         Receipts of the last intervals under the old key: meter-agent recover --config {} --node URL\n",
        device.public(),
        aside.display(),
        step.config.config.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes into the configuration how this household is registered: by the new key the genesis does not know it.
fn register(path: &Path, registered: &Registration) -> Result<(), Failure> {
    let named = |error: String| format!("{}: {error}", path.display());
    let before = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    let Registration { member, first_interval, import_wh, export_wh, rated_power_w, transformer } = registered;
    let rated = rated_power_w.map_or(String::new(), |rated| format!("rated_power_w = {rated}\n"));
    let text = format!(
        "{before}\n# Written by `meter-agent rotate`: the genesis has the device key that was replaced.\n[registration]\n\
         member = \"{member}\"\nfirst_interval = \"{first_interval}\"\nimport_wh = {import_wh}\nexport_wh = {export_wh}\n\
         {rated}transformer = {transformer}\n"
    );
    let parsed = Config::parse(&text, path)?;
    if parsed.registration.as_ref() != Some(registered) {
        return Err(
            named("expected room for [registration] at its end, found none: write it there by hand".into()).into()
        );
    }
    let draft = with_ending(path, ".new");
    let permissions = fs::metadata(path).map(|metadata| metadata.permissions());
    fs::write(&draft, text)
        .and_then(|()| fs::set_permissions(&draft, permissions?))
        .and_then(|()| fs::rename(&draft, path))
        .map_err(|error| named(error.to_string()).into())
}

/// Where the new key waits.
fn next(key: &Path) -> PathBuf {
    with_ending(key, ".next")
}

/// Where the old key is kept: under the first number that is free.
fn aside(key: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let path = with_ending(key, &format!(".old-{number}"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}
