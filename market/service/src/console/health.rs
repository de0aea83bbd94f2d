//! Whether the market does its work, and if not: what is the matter, since when, what it means and what to do. Pure:
//! from [what was heard](super::signs) and the moment.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    moment::Moment,
    signs::{LinkSign, NodeSign, Signs, Silence, Stage},
};

/// A connection that is lost and made again at the first attempt is no news.
const ATTEMPTS_MAX: u32 = 1;
/// Refused once or twice, a settlement is made again from what the ledger says meanwhile.
const REFUSALS_MAX: u32 = 2;
/// How long a settlement may be under way.
const SETTLING_MAX: Duration = Duration::from_secs(30);
/// How long nobody may be heard of in an open interval.
const UNREAD_MAX: Duration = Duration::from_secs(30);
/// Without anything to settle, blocks come within this time unless the validators are configured otherwise.
const BLOCKS_WITHIN: Duration = Duration::from_secs(60);
/// Most reasons of silence that are told.
const REASONS_MAX: usize = 4;

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// The market does its work.
    Well,
    /// It waits for others, and nothing is known to be wrong.
    Waiting,
    /// It does its work, but somebody should look.
    Warning,
    /// It cannot do its work.
    Stopped,
}

/// What can be the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TroubleKind {
    /// No node of the ledger answers.
    LedgerSilent,
    /// Too few validators answer for a block to be decided.
    NoQuorum,
    /// The ledger has members or rules that this program cannot clear.
    Unfit,
    /// The ledger refuses the settlement, again and again.
    SettlementRefused,
    /// The ledger's last block is too old.
    NoBlock,
    /// The broker is not connected.
    BrokerLost,
    /// A settlement is under way for too long.
    NotSettled,
    /// The open interval waits, and no meter has been heard of.
    NoReadings,
    /// Some validators do not answer; enough do.
    ValidatorsSilent,
    /// The accounts do not sum to zero.
    Unbalanced,
}

impl TroubleKind {
    /// Every kind, the gravest first.
    pub(crate) const ALL: [TroubleKind; 10] = [
        TroubleKind::LedgerSilent,
        TroubleKind::NoQuorum,
        TroubleKind::Unfit,
        TroubleKind::SettlementRefused,
        TroubleKind::NoBlock,
        TroubleKind::BrokerLost,
        TroubleKind::NotSettled,
        TroubleKind::NoReadings,
        TroubleKind::ValidatorsSilent,
        TroubleKind::Unbalanced,
    ];

    /// Its name in metrics, as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            TroubleKind::LedgerSilent => "ledger_silent",
            TroubleKind::NoQuorum => "no_quorum",
            TroubleKind::Unfit => "unfit",
            TroubleKind::SettlementRefused => "settlement_refused",
            TroubleKind::NoBlock => "no_block",
            TroubleKind::BrokerLost => "broker_lost",
            TroubleKind::NotSettled => "not_settled",
            TroubleKind::NoReadings => "no_readings",
            TroubleKind::ValidatorsSilent => "validators_silent",
            TroubleKind::Unbalanced => "unbalanced",
        }
    }

    fn level(self) -> Level {
        match self {
            TroubleKind::NoReadings => Level::Waiting,
            TroubleKind::ValidatorsSilent | TroubleKind::Unbalanced => Level::Warning,
            _ => Level::Stopped,
        }
    }

    /// What the badge says; of warnings, that the market lives.
    pub(crate) fn word(self) -> &'static str {
        match self {
            TroubleKind::LedgerSilent => "No ledger",
            TroubleKind::NoQuorum => "Settlement stopped",
            TroubleKind::Unfit => "Needs an upgrade",
            TroubleKind::SettlementRefused => "Settlement refused",
            TroubleKind::NoBlock => "Ledger stands still",
            TroubleKind::BrokerLost => "No broker",
            TroubleKind::NotSettled => "Not settled",
            TroubleKind::NoReadings => "Waiting for readings",
            TroubleKind::ValidatorsSilent | TroubleKind::Unbalanced => LIVE,
        }
    }
}

const LIVE: &str = "Live";
const STARTING: &str = "Starting";

/// How the market is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Health {
    /// The gravest of all.
    pub(crate) level: Level,
    /// In two or three words.
    #[schema(example = "Settlement stopped")]
    pub(crate) word: &'static str,
    /// Since when the figures stand still; none while they are up to date.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) stale_since: Option<String>,
    /// What is the matter, the gravest first; empty while all is well.
    pub(crate) troubles: Vec<Trouble>,
}

/// Something that is the matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Trouble {
    /// Its name.
    pub(crate) trouble: TroubleKind,
    /// How grave it is.
    pub(crate) level: Level,
    /// Since when, UTC.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) since: String,
    /// For how long, s.
    pub(crate) for_s: u64,
    /// What is the matter.
    #[schema(example = "Settlement has stopped: 2 of 4 validators answer, 3 are needed.")]
    pub(crate) what: String,
    /// What it means.
    pub(crate) means: String,
    /// What to do.
    pub(crate) action: String,
}

/// What is known beside the signs.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// The broker's address.
    pub(crate) broker: &'a str,
    /// Length of an interval.
    pub(crate) interval: Duration,
    /// Age of the ledger's last block by the youngest answer.
    pub(crate) block_age: Option<Duration>,
    /// The sum of all accounts, where it is not zero, and since when.
    pub(crate) unbalanced: Option<(String, Moment)>,
    pub(crate) now: Moment,
}

/// What is the matter, since when, what it means, and what to do.
struct Finding {
    kind: TroubleKind,
    since: Moment,
    what: String,
    means: String,
    action: String,
}

/// Judges.
pub(crate) fn judge(signs: &Signs, facts: &Facts<'_>) -> Health {
    let mut found = Vec::new();
    found.extend(ledger(signs, facts));
    found.extend(clearing(signs));
    found.extend(block(&found, facts));
    found.extend(broker(signs, facts));
    // Whatever keeps the market from its work explains why it waits, too.
    if !found.iter().any(|finding| finding.kind.level() == Level::Stopped) {
        found.extend(waiting(&signs.stage, facts.now));
    }
    found.extend(unbalanced(facts));
    found.sort_by_key(|finding| finding.kind);

    let level = found.iter().map(|finding| finding.kind.level()).max().unwrap_or(Level::Well);
    let word = match found.iter().find(|finding| finding.kind.level() == level) {
        _ if !signs.heard && level < Level::Stopped => STARTING,
        Some(finding) => finding.kind.word(),
        None => LIVE,
    };
    let stopped = found.iter().filter(|finding| matches!(finding.kind.level(), Level::Stopped | Level::Waiting));
    let stale_since = stopped.map(|finding| finding.since).min().map(Moment::text);
    let trouble = |Finding { kind, since, what, means, action }| Trouble {
        trouble: kind,
        level: kind.level(),
        since: Moment::text(since),
        for_s: facts.now.since(since).as_secs(),
        what,
        means,
        action,
    };
    Health { level, word, stale_since, troubles: found.into_iter().map(trouble).collect() }
}

/// The nodes that are away.
fn silent(nodes: &[NodeSign]) -> Vec<(&NodeSign, &Silence)> {
    nodes.iter().filter_map(|node| Some((node, node.away()?))).collect()
}

fn reasons(gone: &[(&NodeSign, &Silence)]) -> String {
    let told: Vec<&str> = gone.iter().take(REASONS_MAX).map(|(_, silence)| silence.reason.as_str()).collect();
    let more = gone.len() - told.len();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{more}", told.join("; "))
}

fn ledger(signs: &Signs, facts: &Facts<'_>) -> Option<Finding> {
    let gone = silent(&signs.nodes);
    let last = gone.iter().map(|(_, silence)| silence.since).max()?;
    let reasons = reasons(&gone);
    let nodes = signs.nodes.len();
    if gone.len() == nodes {
        let known = if signs.heard { "" } else { ", and what was settled is not known" };
        let mut means = format!(
            "Nothing is settled{known}. Readings that were taken in stay on the market's disk, all others with their \
             agents: none is lost."
        );
        if signs.broker.iter().all(|link| matches!(link, LinkSign::NotTried)) {
            // Writing to a text does not fail.
            let _ = write!(means, " The broker {} is connected to when the ledger has answered.", facts.broker);
        }
        let what = match nodes {
            1 => "The ledger does not answer: its only node that the market knows is silent.".to_owned(),
            _ => format!("The ledger does not answer: none of its {nodes} nodes does."),
        };
        let action =
            format!("Start the validators, or correct `ledger` in the market's configuration. Found: {reasons}.");
        return Some(Finding { kind: TroubleKind::LedgerSilent, since: last, what, means, action });
    }
    let power = Power::of(signs);
    let is_recent = |grown: Moment| facts.now.since(grown) < 2 * BLOCKS_WITHIN;
    let goes_on = |since| signs.highest.is_some_and(|(_, grown)| grown > since && is_recent(grown));
    if let Some(since) = power.lost_since.filter(|since| !goes_on(*since)) {
        let action = match gone.len() {
            1 => format!("Start the one that does not answer: {reasons}."),
            _ => format!("Start those that do not answer: {reasons}."),
        };
        return Some(Finding {
            kind: TroubleKind::NoQuorum,
            since,
            what: format!("Settlement has stopped: {}.", power.text()),
            means: "Blocks need more than two thirds of the voting power. Readings are still taken in and kept; when enough \
                    validators are back, settlement goes on by itself, and nothing is lost."
                .into(),
            action,
        });
    }
    let (verb, it, fetches) = match gone.len() {
        1 => ("does", "it", "It fetches what it missed by itself"),
        _ => ("do", "them", "They fetch what they missed by themselves"),
    };
    let means = match power.lost_since {
        Some(_) => "The market hears of too few of them, but the ledger goes on.".into(),
        None => power.margin_text(),
    };
    Some(Finding {
        kind: TroubleKind::ValidatorsSilent,
        since: gone.iter().map(|(_, silence)| silence.since).min().unwrap_or(last),
        what: format!("{} of {nodes} validators {verb} not answer.", gone.len()),
        means,
        action: format!("Start {it} again: {reasons}. {fetches}."),
    })
}

/// The voting power behind those who answer.
struct Power {
    voters: usize,
    answering: usize,
    answering_power: u128,
    total: u128,
    /// Whether all have the same.
    equal: bool,
    /// Since when those who may still be there are too few.
    lost_since: Option<Moment>,
}

impl Power {
    fn of(signs: &Signs) -> Power {
        let by_key: BTreeMap<&str, &NodeSign> =
            signs.nodes.iter().filter_map(|node| Some((node.key.as_deref()?, node))).collect();
        // Nodes that never said who they are may be any of the validators that nobody has heard of.
        let nameless: Vec<Moment> = silent(&signs.nodes)
            .iter()
            .filter(|(node, _)| node.key.is_none())
            .map(|(_, silence)| silence.since)
            .collect();
        let unheard = signs.voters.iter().filter(|(key, _)| !by_key.contains_key(key.as_str())).count();
        let all_asked = nameless.len() >= unheard;
        let mut gone: Vec<(Moment, u128)> = Vec::new();
        let (mut answering, mut answering_power) = (0, 0);
        for (key, power) in &signs.voters {
            let power = u128::from(*power);
            match by_key.get(key.as_str()) {
                Some(node) => match node.away() {
                    Some(silence) => gone.push((silence.since, power)),
                    None => (answering, answering_power) = (answering + 1, answering_power + power),
                },
                // Validators that the market does not ask may well be there.
                None if all_asked => gone.extend(nameless.iter().max().map(|since| (*since, power))),
                None => {}
            }
        }
        let total: u128 = signs.voters.iter().map(|(_, power)| u128::from(*power)).sum();
        gone.sort_unstable();
        let mut left = total;
        let lost_since = gone.into_iter().find_map(|(since, power)| {
            left -= power;
            (3 * left <= 2 * total).then_some(since)
        });
        let equal = signs.voters.windows(2).all(|pair| pair[0].1 == pair[1].1);
        Power { voters: signs.voters.len(), answering, answering_power, total, equal, lost_since }
    }

    /// How many of how many answer, and how many are needed.
    fn text(&self) -> String {
        let Power { voters, answering, answering_power, total, equal, .. } = self;
        if *equal {
            let verb = if *answering == 1 { "answers" } else { "answer" };
            return format!("{answering} of {voters} validators {verb}, {} are needed", needed(*voters as u128));
        }
        format!(
            "validators with {answering_power} of {total} parts of the voting power answer, {} are needed",
            needed(*total)
        )
    }

    /// Whether those who answer are enough, and whether one less would be.
    fn margin_text(&self) -> String {
        let Power { voters, answering, answering_power, total, equal, .. } = self;
        if *voters == 0 {
            return "Blocks need validators with more than two thirds of the voting power.".into();
        }
        if !equal {
            return format!(
                "Those who answer have {answering_power} of {total} parts of the voting power, and blocks need {}.",
                needed(*total)
            );
        }
        let needed = needed(*voters as u128);
        let margin = if *answering as u128 > needed { "" } else { ", but not if one more goes" };
        format!("Settlement goes on with {needed} of {voters}{margin}.")
    }
}

/// The least whole number of `total` that is more than two thirds of it.
fn needed(total: u128) -> u128 {
    2 * total / 3 + 1
}

fn clearing(signs: &Signs) -> Option<Finding> {
    if let Some((reason, since)) = &signs.unfit {
        return Some(Finding {
            kind: TroubleKind::Unfit,
            since: *since,
            what: format!("The market cannot clear what the ledger says: {reason}."),
            means: "No interval is settled. Readings are kept, and none is lost.".into(),
            action: "Upgrade the market: the validators have decided what this program does not know.".into(),
        });
    }
    let refused = signs.refused.as_ref().filter(|refused| refused.silence.times > REFUSALS_MAX)?;
    Some(Finding {
        kind: TroubleKind::SettlementRefused,
        since: refused.silence.since,
        what: format!(
            "The ledger refuses the settlement of {}: {}.",
            refused.interval.start_text(),
            refused.silence.reason
        ),
        means:
            "The validators do not find what the market found, from the same readings. Readings are kept, and none is \
                lost."
                .into(),
        action: "Compare the versions of the market and of the validators; the logs of both name the difference."
            .into(),
    })
}

fn block(found: &[Finding], facts: &Facts<'_>) -> Option<Finding> {
    let age = facts.block_age.filter(|age| *age > facts.interval + BLOCKS_WITHIN)?;
    let explained = |finding: &Finding| matches!(finding.kind, TroubleKind::LedgerSilent | TroubleKind::NoQuorum);
    if found.iter().any(explained) {
        return None;
    }
    Some(Finding {
        kind: TroubleKind::NoBlock,
        since: facts.now.before(age),
        what: "The ledger stands still: its nodes answer, but there is no new block.".into(),
        means:
            "Nothing is settled. The validators do not reach each other, or more than a third of their power is away. \
                Readings are kept, and none is lost."
                .into(),
        action: "Look at the validators' logs, and at the network between them.".into(),
    })
}

fn broker(signs: &Signs, facts: &Facts<'_>) -> Option<Finding> {
    let down = |link: &LinkSign| match link {
        LinkSign::Down(silence) if silence.times > ATTEMPTS_MAX => Some((silence.clone(), false)),
        LinkSign::Refused(silence) => Some((silence.clone(), true)),
        _ => None,
    };
    let (Silence { since, reason, .. }, connected) =
        signs.broker.iter().filter_map(down).min_by_key(|(silence, _)| silence.since)?;
    let (state, action) = match connected {
        false => ("is not connected", "Start the broker, or correct `broker` in the market's configuration."),
        true => ("refuses the market", "Correct the broker's access rules; `config/mosquitto/` has some that fit."),
    };
    Some(Finding {
        kind: TroubleKind::BrokerLost,
        since,
        what: format!("The broker {} {state}: {reason}.", facts.broker),
        means: "No reading comes in, or no answer and no receipt goes out. Agents keep their readings until they are proven \
                settled: none is lost."
            .into(),
        action: action.into(),
    })
}

fn waiting(stage: &Stage, now: Moment) -> Option<Finding> {
    match *stage {
        Stage::Settling { interval, since } if now.since(since) > SETTLING_MAX => Some(Finding {
            kind: TroubleKind::NotSettled,
            since,
            what: format!("The settlement of {} is not on the ledger yet.", interval.start_text()),
            means: "The market hands it in again and again. Readings are kept, and none is lost.".into(),
            action: "Look at the validators' heights and logs: they are busy, or do not reach each other.".into(),
        }),
        Stage::Open { interval, since, read: false } if now.since(since) > UNREAD_MAX => Some(Finding {
            kind: TroubleKind::NoReadings,
            since,
            what: format!("The market waits: no meter has been heard of for {}.", interval.start_text()),
            means: "An interval is not closed before some meter was read, because a market that is cut off from all agents \
                    would settle nothing."
                .into(),
            action: "Look whether the agents run and reach the broker.".into(),
        }),
        _ => None,
    }
}

fn unbalanced(facts: &Facts<'_>) -> Option<Finding> {
    let (sum, since) = facts.unbalanced.as_ref()?;
    Some(Finding {
        kind: TroubleKind::Unbalanced,
        since: *since,
        what: format!("The accounts do not balance: their sum is {sum}."),
        means: "That is a fault of this program: what the accounts gain always sums to zero.".into(),
        action: "Compare with the ledger: `ledger status`, and `ledger audit` of a stopped node.".into(),
    })
}

#[cfg(test)]
mod tests;
