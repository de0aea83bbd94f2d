//! What an agent says of itself while its household is not registered yet.

use std::{collections::BTreeMap, fmt::Write};

use protocol::key::{DeviceId, PublicKey};
use serde::{Deserialize, Serialize};

use crate::registered::{Household, RegistrationFault};

/// What is to be done, and what comes then.
const TO_DO: &str = "not registered yet: hand enrolment.json to your operator, unless you have";

/// What an agent says of itself that waits for its registration: the JSON of `/status` until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiting {
    /// What is missing, in words.
    pub(crate) waiting: String,
    /// What the household calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Name of the community.
    pub(crate) community: String,
    /// The device that will sign.
    pub(crate) device: DeviceId,
    /// The member's key.
    pub(crate) member_key: PublicKey,
    /// Whether the broker can be reached.
    pub(crate) connected: bool,
    /// Registrations that were not believed, by the name of what is wrong with them.
    pub(crate) registrations_refused: BTreeMap<String, u64>,
    /// What is wrong with the last of them.
    pub(crate) last_refused: Option<String>,
}

impl Waiting {
    pub(crate) fn new(name: Option<String>, household: &Household<'_>) -> Waiting {
        Waiting {
            waiting: TO_DO.into(),
            name,
            community: household.genesis.community.clone(),
            device: household.device,
            member_key: household.member_key,
            connected: false,
            registrations_refused: BTreeMap::new(),
            last_refused: None,
        }
    }

    /// Counts a registration that was not believed.
    pub(crate) fn refused(&mut self, fault: &RegistrationFault) {
        *self.registrations_refused.entry(fault.name().to_owned()).or_default() += 1;
        self.last_refused = Some(fault.to_string());
    }

    /// One line.
    pub(crate) fn in_words(&self) -> String {
        format!("{}; the validators' decision about device {} is waited for", self.waiting, self.device)
    }

    /// A few lines of text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<24}{value}");
        };
        line("community", &self.community);
        line("registration", &format!("{}; no proof of a decision has come here yet", self.waiting));
        line("device", &self.device.to_string());
        line("member key", &self.member_key.to_string());
        line("broker", if self.connected { "connected" } else { "not connected" });
        for (name, count) in &self.registrations_refused {
            line("not believed", &format!("{name}: {count}"));
        }
        if let Some(last) = &self.last_refused {
            line("the last of them", last);
        }
        text
    }
}
