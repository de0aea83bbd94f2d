//! `ledger draft`: decisions from the command line, with their number and what is in force looked up at a node.

mod island;
mod register;
mod rules;
mod validators;

use clap::{Args, Subcommand};
use ledger_client::api::Node;
use protocol::{
    api::{OpenDraft, RulesInForce},
    decision::{Action, Decision, Draft},
    envelope::ChainId,
    genesis::Technology,
    key::{DeviceId, PublicKey, SecretKey},
    member::{AccountId, MemberId},
    money::Amount,
    reading::Registers,
};

use super::{Asked, Failure, approve::Approver, bad_input, decide::send_draft, plausible, print_json};

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger draft register-member enrolment.json --import-wh 1204310 --export-wh 88120 \\
      --rated-power-w 43470 --name \"Ada\" --directory market/members.csv \\
      --config validator-0/validator.toml
  ledger draft set-rules --from 2027-01-01T00:00:00Z --retail-price 0.31 \\
      --config validator-0/validator.toml
  ledger draft revoke-device 5f0c1f3ad4ba6e1a7f0e1f5a3c2b1d00 --config validator-0/validator.toml
  ledger drafts                    what waits; the other validators go on with `ledger approve`

With --config, or --key and --genesis, the draft gets this validator's approval and waits at all
nodes for those of the others. Without, it is written to stdout, as a file for `ledger approve`.
Corrections are drafted by `ledger correct` and `ledger true-up`.")]
pub(super) struct DraftCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Take in a household, from the request that its agent makes
    RegisterMember(register::RegisterMember),
    /// Let a household move: it leaves its old place, and is taken in at its new one
    MoveMember(register::MoveMember),
    /// Give a member another meter, from the interval after the open one on
    ReplaceMeter(ReplaceMeter),
    /// Take no more readings of a member's device: it leaves, or its meter was stolen
    RevokeDevice(RevokeDevice),
    /// Give a member another key: the old one was lost or stolen
    ReplaceKey(ReplaceKey),
    /// Set tariffs and mechanism; what is not said stays
    SetRules(rules::SetRules),
    /// Begin the island that the rules plan: the grid above is gone, or will be
    DeclareIsland(island::DeclareIsland),
    /// End the island, or never begin it
    EndIsland(island::EndIsland),
    /// Let another key sign settlements
    SetMarket(SetMarket),
    /// Add, remove or re-weight validators
    SetValidators(validators::SetValidators),
    /// Move money between two accounts, such as a payout that the bank has made
    Transfer(Transfer),
}

impl DraftCommand {
    pub(super) fn open(self) -> Result<(), Failure> {
        match self.what {
            What::RegisterMember(register) => register.open(),
            What::MoveMember(moving) => moving.open(),
            What::ReplaceMeter(replace) => replace.open(),
            What::RevokeDevice(revoke) => revoke.open(),
            What::ReplaceKey(replace) => replace.open(),
            What::SetRules(rules) => rules.open(),
            What::DeclareIsland(declare) => declare.open(),
            What::EndIsland(end) => end.open(),
            What::SetMarket(market) => market.open(),
            What::SetValidators(validators) => validators.open(),
            What::Transfer(transfer) => transfer.open(),
        }
    }
}

/// Where a draft goes.
#[derive(Args)]
struct Opening {
    #[command(flatten)]
    approver: Approver,
    /// Take the number of a draft that is not to be decided
    #[arg(long, value_name = "NUMBER", value_parser = usage::whole::<u64>(1..=u64::MAX))]
    instead_of: Option<u64>,
    #[command(flatten)]
    node: Asked,
}

impl Opening {
    /// Drafts two actions, the second under the next free number, and opens both at the node.
    fn open_both(mut self, actions: [Action; 2]) -> Result<(), Failure> {
        let Some(approver) = self.approver.open(&mut self.node)? else {
            return Err(bad_input(
                "expected a validator's key, found none, and two decisions are not written to one file: name its \
                 configuration with --config",
            ));
        };
        let (in_force, open) = self.known()?;
        let first = number(&in_force, &open, self.instead_of)?;
        let second = number(&in_force, &open, None)?.max(first + 1);
        for (sequence, action) in [first, second].into_iter().zip(actions) {
            send_draft(&self.node, &approved(Decision { sequence, action }, Some(&approver)))?;
        }
        Ok(())
    }

    /// Drafts what `action` makes of the rules in force, and opens it at the node, or writes it to stdout.
    fn open(mut self, action: impl FnOnce(&RulesInForce, &Asked) -> Result<Action, Failure>) -> Result<(), Failure> {
        let approver = self.approver.open(&mut self.node)?;
        let (in_force, open) = self.known()?;
        let sequence = number(&in_force, &open, self.instead_of)?;
        let decision = Decision { sequence, action: action(&in_force, &self.node)? };
        let draft = approved(decision, approver.as_ref());
        if approver.is_some() { send_draft(&self.node, &draft) } else { print_json(&draft) }
    }

    /// What is in force, and what waits.
    fn known(&self) -> Result<(RulesInForce, Vec<OpenDraft>), Failure> {
        Ok((self.node.ask(Node::rules)?, self.node.ask(Node::drafts)?))
    }
}

/// A draft, with the approval of whoever drafts it, if they can give one.
fn approved(decision: Decision, approver: Option<&(ChainId, SecretKey)>) -> Draft {
    let mut draft = Draft { decision, approvals: Vec::new() };
    if let Some((chain, key)) = approver {
        draft.approve(chain, key);
    }
    draft
}

/// The next number that no decision and no draft has, unless one is to be taken again.
fn number(in_force: &RulesInForce, open: &[OpenDraft], instead_of: Option<u64>) -> Result<u64, Failure> {
    let decided = in_force.decision_sequence;
    let free = open.last().map_or(decided, |last| last.decision.sequence.max(decided)) + 1;
    match instead_of {
        None => Ok(free),
        Some(number) if (decided + 1..=free).contains(&number) => Ok(number),
        Some(number) => Err(bad_input(format!("--instead-of: expected {} to {free}, found {number}", decided + 1))),
    }
}

/// A meter as it begins to count for a member.
#[derive(Args)]
struct Meter {
    /// What its import register shows, Wh
    #[arg(long, value_name = "WH", value_parser = usage::whole::<u64>(0..=u64::MAX))]
    import_wh: u64,
    /// What its export register shows, Wh
    #[arg(long, value_name = "WH", value_parser = usage::whole::<u64>(0..=u64::MAX))]
    export_wh: u64,
    /// Rated power of the connection, W
    #[arg(long, value_name = "W", value_parser = usage::whole::<u64>(1..=u64::MAX))]
    rated_power_w: u64,
    /// What is produced behind it: solar, wind, hydro, biomass or geothermal
    #[arg(long, value_name = "TECHNOLOGY", value_parser = technology)]
    technology: Option<Technology>,
    /// Believe it although it looks like a slip
    #[arg(long)]
    implausible: bool,
}

impl Meter {
    fn check(&self) -> Result<(), Failure> {
        if self.implausible {
            return Ok(());
        }
        plausible::check(self.rated_power_w, self.import_wh, self.export_wh).map_err(bad_input)
    }
}

#[derive(Args)]
struct ReplaceMeter {
    /// Whose, its pseudonym
    member: MemberId,
    /// The new device's key, did:key:…, as `meter-agent init` prints it
    #[arg(long, value_name = "KEY")]
    device: DeviceId,
    #[command(flatten)]
    meter: Meter,
    #[command(flatten)]
    opening: Opening,
}

impl ReplaceMeter {
    fn open(self) -> Result<(), Failure> {
        let ReplaceMeter { member, device, meter, opening } = self;
        meter.check()?;
        let Meter { import_wh, export_wh, rated_power_w, technology, .. } = meter;
        let registers = Registers { import_wh, export_wh };
        let action = Action::ReplaceMeter { member, device, registers, rated_power_w, technology };
        opening.open(|_, _| Ok(action))
    }
}

#[derive(Args)]
struct RevokeDevice {
    /// Whose, its pseudonym
    member: MemberId,
    #[command(flatten)]
    opening: Opening,
}

impl RevokeDevice {
    fn open(self) -> Result<(), Failure> {
        let RevokeDevice { member, opening } = self;
        opening.open(|_, _| Ok(Action::RevokeDevice { member }))
    }
}

#[derive(Args)]
struct ReplaceKey {
    /// Whose, its pseudonym
    member: MemberId,
    /// The new key, did:key:…
    #[arg(long, value_name = "KEY")]
    to: PublicKey,
    #[command(flatten)]
    opening: Opening,
}

impl ReplaceKey {
    fn open(self) -> Result<(), Failure> {
        let ReplaceKey { member, to: key, opening } = self;
        opening.open(|_, _| Ok(Action::ReplaceKey { member, key }))
    }
}

#[derive(Args)]
struct SetMarket {
    /// The market's new key, did:key:…
    #[arg(value_name = "KEY")]
    market: PublicKey,
    #[command(flatten)]
    opening: Opening,
}

impl SetMarket {
    fn open(self) -> Result<(), Failure> {
        let SetMarket { market: key, opening } = self;
        opening.open(|_, _| Ok(Action::SetMarket { key }))
    }
}

#[derive(Args)]
struct Transfer {
    /// Whose account gives: a pseudonym, supplier or operator
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    from: AccountId,
    /// Whose account gets
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    to: AccountId,
    /// How much, such as 12.50
    #[arg(long, value_name = "AMOUNT")]
    amount: Amount,
    /// What for, for everyone to read
    #[arg(long, value_name = "TEXT", default_value = "")]
    reference: String,
    #[command(flatten)]
    opening: Opening,
}

impl Transfer {
    fn open(self) -> Result<(), Failure> {
        let Transfer { from, to, amount, reference, opening } = self;
        opening.open(|_, _| Ok(Action::Transfer { from, to, amount, reference }))
    }
}

fn account(text: &str) -> Result<AccountId, String> {
    match text {
        "supplier" => Ok(AccountId::Supplier),
        "operator" => Ok(AccountId::Operator),
        member => member.parse().map(AccountId::Member).map_err(|_| {
            let cut: String = text.chars().take(80).collect();
            format!("expected a pseudonym of 32 hex digits, supplier or operator, found `{cut}`")
        }),
    }
}

fn technology(text: &str) -> Result<Technology, String> {
    let cut = || text.chars().take(80).collect::<String>();
    serde_json::from_value(text.into())
        .map_err(|_| format!("expected solar, wind, hydro, biomass or geothermal, found `{}`", cut()))
}
