//! What is said of an alarm, as JSON and as a mail. Pure.

use std::fmt;

use protocol::interval::utc_text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::list::{Alarm, AlarmName, utc};

/// How people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// JSON to an address.
    Webhook,
    /// Mail.
    Mail,
}

impl Channel {
    /// The alarm that notices do not arrive this way. It is told by the other one alone.
    pub(crate) fn alarm(self) -> AlarmName {
        match self {
            Channel::Webhook => AlarmName::WebhookUndelivered,
            Channel::Mail => AlarmName::MailUndelivered,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Channel::Webhook => "webhook",
            Channel::Mail => "mail",
        })
    }
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// When it became so, seconds after the epoch.
    #[serde(with = "utc")]
    pub(crate) at: i64,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    /// An alarm is on.
    Raised { alarm: Alarm },
    /// An alarm is over.
    Cleared { alarm: Alarm },
    /// More has happened than is told.
    More {
        /// How many alarms were raised or over.
        count: u64,
        /// What is on now.
        on: Vec<AlarmName>,
    },
    /// Nothing: the operator wants to know whether it arrives.
    Test,
}

impl Message {
    /// In a few words.
    pub(crate) fn title(&self) -> String {
        match &self.what {
            What::Raised { alarm } => format!("{} ({})", alarm.name, alarm.severity.name()),
            What::Cleared { alarm } => format!("{} is over", alarm.name),
            What::More { count, .. } => format!("{count} more, see the list"),
            What::Test => "a test".into(),
        }
    }

    /// Whoever is told something twice is told it under the same id.
    pub(crate) fn id(&self) -> String {
        let what = match &self.what {
            What::Raised { alarm } => format!("{}-raised", alarm.name),
            What::Cleared { alarm } => format!("{}-cleared", alarm.name),
            What::More { .. } => "more".into(),
            What::Test => "test".into(),
        };
        format!("{}-{what}", utc_text(self.at).replace([':', '-'], ""))
    }

    /// For programs.
    pub(super) fn json(&self, community: &str) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            id: String,
            community: &'a str,
            #[serde(flatten)]
            message: &'a Message,
        }
        serde_json::to_vec(&Body { id: self.id(), community, message: self })
    }

    /// For people.
    pub(super) fn text(&self, community: &str) -> String {
        let said = match &self.what {
            What::Raised { alarm: Alarm { name, severity, since, cause, action, .. } } => {
                let (severity, since) = (severity.name(), utc_text(*since));
                format!("The alarm {name} ({severity}) is on since {since}.\n\n{cause}\n\nWhat to do: {action}")
            }
            What::Cleared { alarm: Alarm { name, since, cleared, cause, .. } } => {
                let (since, cleared) = (utc_text(*since), utc_text(cleared.unwrap_or(self.at)));
                format!("The alarm {name} is over. It was on from {since} to {cleared}.\n\n{cause}")
            }
            What::More { count, on } => {
                let names: Vec<&str> = on.iter().map(|name| name.name()).collect();
                let on = if names.is_empty() { "no alarm is on".into() } else { format!("on: {}", names.join(", ")) };
                format!(
                    "{count} more alarms were raised or over than are told in an hour. See the list of alarms.\n\nNow {on}."
                )
            }
            What::Test => "This is a test: nothing has happened. So the market tells you of its alarms.".into(),
        };
        format!("{said}\n\nThe market of {community}, {}\n", utc_text(self.at))
    }
}
