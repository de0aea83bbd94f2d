//! The list of alarms. Pure: judgements and acknowledgements come in with their time, changes go out.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use protocol::text::ParseError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An alarm is over when its cause has been gone for this long, s. What comes back before is the same alarm, so that
/// one that flaps is raised at most sixty times an hour.
pub(crate) const CLEAR_AFTER_S: i64 = 60;
/// Most alarms that are over and still listed; the oldest go first.
pub(crate) const HISTORY_MAX: usize = 500;
/// Most characters of a cause and of what to do: some of it may come from whoever answers.
const TEXT_CHARACTERS_MAX: usize = 600;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)+) => {
        /// What an alarm is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AlarmName {
            $($(#[$doc])* $name,)+
        }

        impl AlarmName {
            /// Every name, the gravest first.
            pub const ALL: &[AlarmName] = &[$(AlarmName::$name),+];

            /// As in JSON, in metrics and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(AlarmName::$name => $text,)+
                }
            }

            /// How grave it is.
            pub fn severity(self) -> Severity {
                match self {
                    $(AlarmName::$name => Severity::$severity,)+
                }
            }
        }
    };
}

names! {
    /// No node of the ledger answers.
    LedgerSilent = "ledger_silent", Critical;
    /// Too few validators answer for a block to be decided.
    NoQuorum = "no_quorum", Critical;
    /// The ledger has members or rules that this program cannot clear.
    Unfit = "unfit", Critical;
    /// The ledger refuses the settlement, again and again.
    SettlementRefused = "settlement_refused", Critical;
    /// The ledger's last block is too old.
    NoBlock = "no_block", Critical;
    /// The broker is not connected.
    BrokerLost = "broker_lost", Critical;
    /// A settlement is under way for too long.
    NotSettled = "not_settled", Critical;
    /// There is little room left for the market's state.
    DiskLow = "disk_low", Critical;
    /// A validator was seen to contradict itself.
    Equivocation = "equivocation", Critical;
    /// The open interval waits, and no meter has been heard of.
    NoReadings = "no_readings", Warning;
    /// Notices do not reach the webhook.
    WebhookUndelivered = "webhook_undelivered", Warning;
    /// Notices do not reach the mail server.
    MailUndelivered = "mail_undelivered", Warning;
    /// Some validators do not answer; enough do.
    ValidatorsSilent = "validators_silent", Warning;
    /// Meters were not read for the last settled interval.
    MetersUnread = "meters_unread", Warning;
    /// The last settled interval does not add up to the transformer's meter.
    IntervalUnbalanced = "interval_unbalanced", Warning;
    /// Many messages are refused for the same reason.
    Refusals = "refusals", Warning;
    /// The clocks of market and validators are apart.
    Clock = "clock", Warning;
    /// The rule pack that the rules follow ends soon, or has ended.
    RulePackEnds = "rule_pack_ends", Warning;
    /// The accounts do not sum to zero.
    Unbalanced = "unbalanced", Warning;
}

impl fmt::Display for AlarmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for AlarmName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<AlarmName, ParseError> {
        let known = AlarmName::ALL.iter().find(|name| name.name() == text);
        known.copied().ok_or_else(|| ParseError::new("an alarm's name such as validators_silent", text))
    }
}

/// How grave an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look today.
    Warning,
    /// The market cannot do its work, or soon will not.
    Critical,
}

impl Severity {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// An alarm: on, or over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// What it is about.
    pub name: AlarmName,
    /// How grave it is.
    pub severity: Severity,
    /// Since when, UTC.
    #[serde(with = "utc")]
    #[schema(value_type = String, example = "2026-06-01T12:00:00Z")]
    pub since: i64,
    /// What is the matter, as it was judged the last time.
    #[schema(example = "1 of 4 validators does not answer.")]
    pub cause: String,
    /// What to do.
    pub action: String,
    /// Since when the cause has been gone, UTC; none while the alarm is on.
    #[serde(with = "utc::optional", default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "2026-06-01T12:30:00Z")]
    pub cleared: Option<i64>,
    /// Who has said that they know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

impl Alarm {
    /// Puts `pseudonym` in the place of a member's name; says whether it was there.
    pub(super) fn forget(&mut self, name: &str, pseudonym: &str) -> bool {
        let mut is_there = false;
        for text in [&mut self.cause, &mut self.action] {
            if let Some(without) = forgotten(text, name, pseudonym) {
                *text = without;
                is_there = true;
            }
        }
        is_there
    }
}

/// Most characters of a member's name in an alarm.
const NAME_CHARACTERS_MAX: usize = 60;

/// A member's name as alarms have it.
pub(crate) fn name_in_alarms(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARACTERS_MAX).collect()
}

/// A text with `pseudonym` wherever `name` stands as a word, or words, of its own; none where it does not.
fn forgotten(text: &str, name: &str, pseudonym: &str) -> Option<String> {
    let is_whole = |at: usize| {
        let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        [before, after].into_iter().flatten().all(|beside| !beside.is_alphanumeric())
    };
    let places: Vec<usize> = text.match_indices(name).map(|(at, _)| at).filter(|at| is_whole(*at)).collect();
    let mut without = text.to_owned();
    for at in places.iter().rev() {
        without.replace_range(*at..at + name.len(), pseudonym);
    }
    (!places.is_empty()).then_some(without)
}

/// Somebody knows of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// Who, as they say themselves.
    #[schema(example = "ada")]
    pub by: String,
    /// When, UTC.
    #[serde(with = "utc")]
    #[schema(value_type = String, example = "2026-06-01T12:05:00Z")]
    pub at: i64,
}

/// Most characters of a name of somebody who acknowledges.
pub(crate) const BY_CHARACTERS_MAX: usize = 80;

/// Whether somebody who acknowledges may be called so.
pub(crate) fn is_a_name(by: &str) -> bool {
    !by.trim().is_empty() && by.chars().count() <= BY_CHARACTERS_MAX && !by.chars().any(char::is_control)
}

/// Something is the matter now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) name: AlarmName,
    /// Since when, seconds after the epoch.
    pub(crate) since: i64,
    pub(crate) cause: String,
    pub(crate) action: String,
}

/// What is new on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// An alarm is on.
    Raised(Alarm),
    /// The cause or the remedy of an alarm is another one.
    Changed(Alarm),
    /// An alarm is over.
    Cleared(Alarm),
    /// Somebody knows of it.
    Acknowledged(Alarm),
}

/// The list of alarms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    /// What is on, the gravest first.
    on: Vec<Alarm>,
    /// What is over, the latest first.
    history: VecDeque<Alarm>,
    /// Since when the cause of an alarm that is still on has been gone.
    #[serde(skip)]
    gone: BTreeMap<AlarmName, i64>,
}

impl Alarms {
    /// What is on, the gravest first.
    pub fn on(&self) -> &[Alarm] {
        &self.on
    }

    /// What is over, the latest first.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &Alarm> {
        self.history.iter()
    }

    /// Puts `pseudonym` in the place of a member's name; says in how many alarms it was.
    pub(super) fn forget(&mut self, name: &str, pseudonym: &str) -> usize {
        let all = self.on.iter_mut().chain(&mut self.history);
        all.map(|alarm| alarm.forget(name, pseudonym)).filter(|found| *found).count()
    }

    /// What is the matter at this moment, and nothing else is.
    pub(crate) fn judged(&mut self, found: Vec<Judgement>, now: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        self.gone.retain(|name, _| !found.iter().any(|judgement| judgement.name == *name));
        for alarm in self.on.iter().filter(|alarm| !found.iter().any(|judgement| judgement.name == alarm.name)) {
            self.gone.entry(alarm.name).or_insert(now);
        }
        for Judgement { name, since, cause, action } in found {
            let cut = |text: String| text.chars().take(TEXT_CHARACTERS_MAX).collect::<String>();
            let (cause, action) = (cut(cause), cut(action));
            match self.on.iter_mut().find(|alarm| alarm.name == name) {
                None => {
                    let severity = name.severity();
                    let alarm = Alarm { name, severity, since, cause, action, cleared: None, acknowledged: None };
                    changes.push(Change::Raised(alarm.clone()));
                    self.on.push(alarm);
                }
                Some(alarm) if alarm.cause != cause || alarm.action != action => {
                    (alarm.cause, alarm.action) = (cause, action);
                    changes.push(Change::Changed(alarm.clone()));
                }
                Some(_) => {}
            }
        }
        let is_over = |alarm: &mut Alarm| {
            self.gone.get(&alarm.name).is_some_and(|since| now.saturating_sub(*since) >= CLEAR_AFTER_S)
        };
        for mut alarm in self.on.extract_if(.., is_over).collect::<Vec<_>>() {
            alarm.cleared = self.gone.remove(&alarm.name);
            changes.push(Change::Cleared(alarm.clone()));
            self.history.push_front(alarm);
        }
        self.history.truncate(HISTORY_MAX);
        self.on.sort_by_key(|alarm| alarm.name);
        changes
    }

    /// Somebody knows of an alarm; none if it is not on. Who said so first stays.
    pub(crate) fn acknowledge(&mut self, name: AlarmName, acknowledged: Acknowledged) -> Option<Change> {
        let alarm = self.on.iter_mut().find(|alarm| alarm.name == name)?;
        if alarm.acknowledged.is_some() {
            return None;
        }
        alarm.acknowledged = Some(acknowledged);
        Some(Change::Acknowledged(alarm.clone()))
    }
}

/// Seconds after the epoch, as UTC in ISO 8601.
pub(super) mod utc {
    use protocol::interval::{parse_utc, utc_text};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(moment: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&utc_text(*moment))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        parse_utc(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    pub(super) mod optional {
        use super::*;

        pub(in super::super) fn serialize<S: Serializer>(
            moment: &Option<i64>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match moment {
                Some(moment) => super::serialize(moment, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<i64>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| parse_utc(&text).map_err(D::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests;
