//! `ledger enrol`: from a household's request to the draft of the decision that takes it in.

use std::{fs, path::PathBuf};

use clap::Args;
use ledger_client::api::Node;
use protocol::{
    decision::{Action, Decision},
    enrolment::EnrolmentRequest,
    genesis::{GenesisMember, Technology},
    member::MemberId,
};

use super::{Asked, Failure, bad_input, decide::Draft, failed, print_json};

#[derive(Args)]
#[command(
    after_help = "Both keys of the household have to have signed the request. Whose it is, the request does not prove:
take it from somebody you know. The draft is written to stdout, the member's pseudonym to stderr: note which household it
is. Go on with `ledger approve`, and tell the household its pseudonym, and from which interval on it takes part."
)]
pub(super) struct Enrol {
    /// The request, enrolment.json or the text of its QR code in a file; - for standard input
    request: PathBuf,
    /// What its meter's import register shows, Wh
    #[arg(long, value_name = "WH", value_parser = usage::whole::<u64>(0..=u64::MAX))]
    import_wh: u64,
    /// What its meter's export register shows, Wh
    #[arg(long, value_name = "WH", value_parser = usage::whole::<u64>(0..=u64::MAX))]
    export_wh: u64,
    /// Rated power of its connection, W
    #[arg(long, value_name = "W", value_parser = usage::whole::<u64>(1..=u64::MAX))]
    rated_power_w: u64,
    /// The bus of the grid that it is at, where there is a grid
    #[arg(long, value_name = "NAME")]
    bus: Option<String>,
    /// What it produces from: solar, wind, hydro, biomass or geothermal
    #[arg(long, value_name = "TECHNOLOGY", value_parser = technology)]
    technology: Option<Technology>,
    /// Its pseudonym, 32 hex digits; without it, a random one
    #[arg(long, value_name = "MEMBER")]
    member: Option<MemberId>,
    #[command(flatten)]
    node: Asked,
}

fn technology(text: &str) -> Result<Technology, String> {
    let cut = || text.chars().take(80).collect::<String>();
    serde_json::from_value(text.into())
        .map_err(|_| format!("expected solar, wind, hydro, biomass or geothermal, found `{}`", cut()))
}

impl Enrol {
    /// Writes the draft to stdout.
    pub(super) fn write(self) -> Result<(), Failure> {
        let Enrol { import_wh, export_wh, rated_power_w, bus, technology, .. } = self;
        let named = |error: String| bad_input(format!("{}: {error}", self.request.display()));
        let text = match self.request.to_str() {
            Some("-") => std::io::read_to_string(std::io::stdin()),
            _ => fs::read_to_string(&self.request),
        };
        let text = text.map_err(|error| named(error.to_string()))?;
        let request = EnrolmentRequest::read(&text).map_err(|error| named(error.to_string()))?;
        let member = self.member.map_or_else(random, Ok)?;
        let rules = self.node.ask(Node::rules)?;
        let (key, device) = (request.key(), request.device());
        let registered = GenesisMember { member, key, device, rated_power_w, bus, import_wh, export_wh, technology };
        let decision =
            Decision { sequence: rules.decision_sequence + 1, action: Action::RegisterMember(Box::new(registered)) };
        eprintln!("ledger: {} is {member}", request.name().unwrap_or("this household"));
        print_json(&Draft { decision, approvals: Vec::new() })
    }
}

fn random() -> Result<MemberId, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| failed(format!("no randomness for a pseudonym: {error}")))?;
    Ok(MemberId::from_bytes(bytes))
}
