//! What a decision changes, in words and tables, for whoever is to approve it: whom it is about by name, what was and
//! what is to be. The exact JSON is what `--json` prints.

mod corrections;
mod island;
mod table;

use std::{collections::BTreeMap, path::Path};

use calendar::Zone;
use ledger_client::api::Node;
use protocol::{
    commit::{CommitSignature, Validator},
    decision::Action,
    genesis::{GenesisMember, GridPlan, Rules, Technology},
    interval::Interval,
    key::{DeviceId, ValidatorId},
    member::{AccountId, MemberId},
    parameters::Parameters,
    reading::Registers,
};
use serde::Serialize;

use super::{Asked, Failure, bad_input, names};

/// What a decision is shown with.
pub(super) struct Known {
    names: BTreeMap<MemberId, String>,
    zone: Zone,
    currency: String,
    /// Those in force.
    rules: Rules,
    validators: Vec<Validator>,
    /// What nodes call themselves that have proved to hold a validator's key.
    called: BTreeMap<ValidatorId, String>,
}

impl Known {
    /// Asks a node, and reads the file of names, if there is one.
    pub(super) fn ask(node: &Asked, names: Option<&Path>) -> Result<Known, Failure> {
        let names = names.map(names::read).transpose()?.unwrap_or_default();
        let (community, in_force, validators, status) = node.ask(async |node: &Node| {
            Ok((node.community().await?, node.rules().await?, node.validators().await?, node.status().await?))
        })?;
        let zone = community.time_zone.as_deref().map(str::parse).transpose().map_err(bad_input)?;
        let connected = status.reach.into_iter().flat_map(|reach| reach.nodes);
        let mut called: BTreeMap<ValidatorId, String> =
            connected.filter_map(|node| Some((node.validator?, plain(&node.name)))).collect();
        if let Some(own) = status.validator {
            called.insert(own, "this node's own".into());
        }
        let (currency, rules) = (community.currency, in_force.rules);
        Ok(Known { names, zone: zone.unwrap_or(Zone::UTC), currency, rules, validators, called })
    }

    /// A decision as lines; of corrections each interval for itself where `details` are asked for.
    pub(super) fn action(&self, action: &Action, details: bool) -> Vec<String> {
        match action {
            Action::RegisterMember(member) => self.register(member),
            Action::ReplaceMeter { member, device, registers, rated_power_w, technology } => {
                let mut lines = vec![format!(
                    "give {} another meter, from the interval after the open one on",
                    self.member(member)
                )];
                lines.extend(meter(device, *registers, *rated_power_w, *technology));
                lines
            }
            Action::RevokeDevice { member } => {
                vec![format!("take no more readings of the device of {}", self.member(member))]
            }
            Action::ReplaceKey { member, key } => {
                vec![format!("give {} another key", self.member(member)), format!("key         {key}")]
            }
            Action::SetRules { from, rules, grid } => self.set_rules(*from, rules, grid.as_deref()),
            Action::SetMarket { key } => {
                vec![
                    "let another key sign settlements, from the interval after the open one on".into(),
                    format!("key         {key}"),
                ]
            }
            Action::SetValidators { validators } => self.set_validators(validators),
            Action::Transfer { from, to, amount, reference } => {
                let mut lines = vec![
                    format!("move {amount} {}", self.currency),
                    format!("from        {}", self.account(from)),
                    format!("to          {}", self.account(to)),
                ];
                if !reference.is_empty() {
                    lines.push(format!("for         {}", plain(reference)));
                }
                lines
            }
            Action::DeclareIsland { from, until } => vec![format!(
                "begin the island that the rules plan with {}, {}",
                self.interval(*from),
                until.map_or("until an end is decided".into(), |until| format!(
                    "and end it with {}",
                    self.interval(until)
                ))
            )],
            Action::EndIsland { from } => vec![format!("end the island with {}", self.interval(*from))],
            Action::Correct(_) | Action::TrueUp(_) => corrections::lines(self, action.corrections(), details),
        }
    }

    /// Those who approve, by name where it is known.
    pub(super) fn approving(&self, approvals: &[CommitSignature]) -> String {
        let names: Vec<String> = approvals.iter().map(|approval| self.validator(&approval.validator)).collect();
        names.join(", ")
    }

    fn register(&self, member: &GenesisMember) -> Vec<String> {
        let GenesisMember { member, key, device, rated_power_w, bus, import_wh, export_wh, technology } = member;
        let registers = Registers { import_wh: *import_wh, export_wh: *export_wh };
        let mut lines = vec![format!("take in {}", self.member(member)), format!("key         {key}")];
        lines.extend(meter(device, registers, *rated_power_w, *technology));
        lines.extend(bus.as_ref().map(|bus| format!("bus         {}", plain(bus))));
        lines
    }

    fn set_rules(&self, from: Interval, rules: &Rules, grid: Option<&GridPlan>) -> Vec<String> {
        let (old, currency) = (&self.rules, &self.currency);
        let mut lines = vec![format!("other rules, from {} on", self.interval(from))];
        let mut changed = |name: &str, before: String, after: String| {
            let said = if before == after { after } else { format!("{before} -> {after}") };
            lines.push(format!("{name:<12}{said}"));
        };
        let price = |price: protocol::money::Price| format!("{price} {currency} per kWh");
        changed("retail", price(old.retail_price), price(rules.retail_price));
        changed("feed-in", price(old.feed_in_price), price(rules.feed_in_price));
        changed("mechanism", plain(&old.mechanism), plain(&rules.mechanism));
        let pack = |rules: &Rules| {
            rules.pack.as_ref().map_or_else(|| "none".into(), |pack| format!("{} ({})", plain(&pack.id), pack.hash))
        };
        changed("rule pack", pack(old), pack(rules));
        if old.transformer != rules.transformer {
            changed("transformer", json(&old.transformer), json(&rules.transformer));
        }
        // The plan for an island is shown for itself.
        let others = |rules: &Rules| {
            let said = Parameters { island: None, ..rules.parameters.clone().unwrap_or_default() };
            (said != Parameters::default()).then_some(said)
        };
        if others(old) != others(rules) {
            changed("parameters", json(&others(old)), json(&others(rules)));
        }
        if old.island() != rules.island() {
            lines.extend(island::lines(self, rules.island()));
        }
        if let Some(grid) = grid {
            lines.push(format!("grid        another one, of {} lines; --json has it", grid.lines.len()));
        }
        lines
    }

    fn set_validators(&self, validators: &[Validator]) -> Vec<String> {
        let mut lines = vec!["other validators, from the next block on".to_owned()];
        let power = |key: &ValidatorId, of: &[Validator]| of.iter().find(|it| it.key == *key).map(|it| it.power);
        let gone = self.validators.iter().filter(|old| power(&old.key, validators).is_none());
        lines.extend(gone.map(|old| format!("remove      {}, power {}", self.validator(&old.key), old.power)));
        for Validator { key, power: new } in validators {
            let named = self.validator(key);
            match power(key, &self.validators) {
                None => lines.push(format!("add         {named}, power {new}")),
                Some(old) if old != *new => lines.push(format!("re-weight   {named}, power {old} -> {new}")),
                Some(_) => lines.push(format!("keep        {named}, power {new}")),
            }
        }
        let total: u128 = validators.iter().map(|it| u128::from(it.power)).sum();
        let (count, needed) = (validators.len(), total * 2 / 3 + 1);
        lines.push(format!("then        {count} validators of power {total}; each block needs {needed}"));
        lines
    }

    /// A member in a table: its name, or its pseudonym where nobody said its name.
    fn called(&self, member: &MemberId) -> String {
        self.names.get(member).map_or_else(|| member.to_string(), |name| plain(name))
    }

    fn member(&self, member: &MemberId) -> String {
        match self.names.get(member) {
            Some(name) => format!("{} ({member})", plain(name)),
            None => member.to_string(),
        }
    }

    fn account(&self, account: &AccountId) -> String {
        match account {
            AccountId::Supplier => "the supplier".into(),
            AccountId::Operator => "the grid operator".into(),
            AccountId::Member(member) => self.member(member),
        }
    }

    fn validator(&self, key: &ValidatorId) -> String {
        match self.called.get(key) {
            Some(name) => format!("{name} ({key})"),
            None => key.to_string(),
        }
    }

    /// By the community's clock, and in UTC: `2026-06-01 14:00 to 14:15 +02:00 (2026-06-01T12:00:00Z)`.
    fn interval(&self, interval: Interval) -> String {
        let local = self.zone.text(interval);
        let end = interval.next().map(|next| self.zone.text(next)).unwrap_or_default();
        let part = |text: &str, range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
        let offset = local.get(19..).unwrap_or_default();
        let (day, start, end) = (part(&local, 0..10), part(&local, 11..16), part(&end, 11..16));
        format!("{day} {start} to {end} {offset} ({})", interval.start_text())
    }
}

fn meter(device: &DeviceId, registers: Registers, rated_power_w: u64, technology: Option<Technology>) -> Vec<String> {
    let Registers { import_wh, export_wh } = registers;
    vec![
        format!("device      {device}"),
        format!("its meter   {import_wh} Wh drawn, {export_wh} Wh fed in when it begins to count"),
        format!("connection  {rated_power_w} W"),
        format!("produces    {}", technology.map_or("nothing", Technology::name)),
    ]
}

/// On its line: what others wrote moves no cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
