//! The situation as an alert: OASIS Common Alerting Protocol 1.2, which warning centres read.
//!
//! <https://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2-os.html>. It is restricted to authorities: what of it is
//! for the public, they decide. Of members it says how many, and nothing else.

use std::io;

use protocol::{
    interval::{Interval, utc_text},
    island::Class,
    situation::{ClassSums, Served, Situation},
};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// Hex digits of the chain that name the sender.
const CHAIN_DIGITS: usize = 16;

/// Why there is no alert.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// No island is declared or has begun.
    #[error("no island is declared or has begun: there is nothing to alert anybody of")]
    Nothing,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// The alert at `now_s`, seconds since 1970, as XML.
pub fn alert(situation: &Situation, now_s: i64) -> Result<Vec<u8>, AlertError> {
    let Some(island) = &situation.island else { return Err(AlertError::Nothing) };
    let facts = Facts::of(situation);
    let chain: String = situation.chain.to_string().chars().take(CHAIN_DIGITS).collect();
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("alert").with_attribute(("xmlns", NAMESPACE)).write_inner_content(|xml| {
        text(xml, "identifier", &format!("voisin-{chain}-{}", situation.open.start_s()))?;
        text(xml, "sender", &format!("ledger@{chain}.voisin"))?;
        text(xml, "sent", &cap_time(now_s))?;
        text(xml, "status", "Actual")?;
        text(xml, "msgType", "Alert")?;
        text(xml, "scope", "Restricted")?;
        text(xml, "restriction", "Authorities that the community has given a token")?;
        for words in &WORDS {
            xml.create_element("info").write_inner_content(|xml| {
                text(xml, "language", words.language)?;
                text(xml, "category", "Infra")?;
                text(xml, "event", words.event)?;
                text(xml, "urgency", if island.is_on { "Immediate" } else { "Expected" })?;
                text(xml, "severity", if facts.is_severe() { "Severe" } else { "Moderate" })?;
                text(xml, "certainty", if island.is_on { "Observed" } else { "Likely" })?;
                text(xml, "onset", &cap_time(island.from.start_s()))?;
                text(xml, "expires", &cap_time(expires(situation).start_s()))?;
                text(xml, "senderName", &situation.community)?;
                text(xml, "headline", words.headline)?;
                text(xml, "description", &(words.description)(&facts))?;
                for (name, value) in facts.parameters() {
                    xml.create_element("parameter").write_inner_content(|xml| {
                        text(xml, "valueName", name)?;
                        text(xml, "value", &value)
                    })?;
                }
                xml.create_element("area").write_inner_content(|xml| text(xml, "areaDesc", &situation.community))?;
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(xml.into_inner())
}

fn text(xml: &mut Writer<Vec<u8>>, name: &str, value: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(value)).map(drop)
}

/// A time as CAP has it: UTC is `-00:00`, and never `Z` (CAP 1.2, section 3.2.1).
fn cap_time(time_s: i64) -> String {
    utc_text(time_s).replace('Z', "-00:00")
}

/// The first interval of which the alert says nothing: after what is planned, and after the open one.
fn expires(situation: &Situation) -> Interval {
    let last = situation.planned.iter().map(|planned| planned.interval).max().unwrap_or(situation.open);
    let last = last.max(situation.open);
    last.next().unwrap_or(last)
}

/// What the alert says in figures.
struct Facts {
    available_wh: Option<u64>,
    /// Of life-safety and critical claims: those not met, Wh, and of how many members.
    unserved_wh: u64,
    members_unserved: u64,
    dark: usize,
    critical_dark: usize,
    autonomy_minutes: Option<u64>,
    stored_wh: u64,
    settled: String,
}

impl Facts {
    fn of(situation: &Situation) -> Facts {
        // The next interval, if there is a plan of it; else what was served in the last.
        let served = || situation.served.as_ref().map(|Served { classes, .. }| classes);
        let planned = situation.planned.first();
        let classes: &[ClassSums] =
            planned.map(|planned| &planned.classes).or_else(served).map_or(&[], |classes| &classes[..]);
        let critical = classes.iter().filter(|sums| [Class::LifeSafety, Class::Critical].contains(&sums.class));
        Facts {
            available_wh: planned.map(|planned| planned.available_wh),
            unserved_wh: critical.clone().map(|sums| sums.claimed.saturating_sub(sums.awarded).wh()).sum(),
            members_unserved: critical.map(|sums| sums.members_unserved).sum(),
            dark: situation.dark.len(),
            critical_dark: situation.dark.iter().filter(|dark| dark.critical).count(),
            autonomy_minutes: situation.autonomy_minutes,
            stored_wh: situation.buses.iter().map(|bus| bus.stored_wh).sum(),
            settled: situation.settled.map_or_else(|| "-".into(), |settled| settled.to_string()),
        }
    }

    fn is_severe(&self) -> bool {
        self.unserved_wh > 0 || self.critical_dark > 0
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let said = |value: Option<u64>| value.map_or_else(|| "-".into(), |value| value.to_string());
        vec![
            ("figures-of-interval", self.settled.clone()),
            ("available-wh", said(self.available_wh)),
            ("stored-wh", self.stored_wh.to_string()),
            ("critical-unserved-wh", self.unserved_wh.to_string()),
            ("critical-members-unserved", self.members_unserved.to_string()),
            ("meters-dark", self.dark.to_string()),
            ("critical-meters-dark", self.critical_dark.to_string()),
            ("autonomy-minutes", said(self.autonomy_minutes)),
        ]
    }

    /// Wh as kWh, with three decimals.
    fn kwh(wh: u64) -> String {
        format!("{}.{:03}", wh / 1_000, wh % 1_000)
    }
}

/// What is said in a language.
struct Words {
    language: &'static str,
    event: &'static str,
    headline: &'static str,
    description: fn(&Facts) -> String,
}

const WORDS: [Words; 3] = [
    Words {
        language: "en",
        event: "Power outage, community on its own",
        headline: "The grid above is gone; the community shares out what it makes and stores",
        description: |of| {
            format!(
                "Not covered of life-safety and critical needs: {} kWh of {} members. Meters without a reading: {}, of \
                 which critical: {}. Stored: {} kWh{}.",
                Facts::kwh(of.unserved_wh),
                of.members_unserved,
                of.dark,
                of.critical_dark,
                Facts::kwh(of.stored_wh),
                of.autonomy_minutes.map_or(String::new(), |it| format!(", enough for critical needs for {it} min")),
            )
        },
    },
    Words {
        language: "de",
        event: "Stromausfall, Gemeinschaft im Inselbetrieb",
        headline: "Das übergeordnete Netz ist ausgefallen; die Gemeinschaft teilt zu, was sie erzeugt und speichert",
        description: |of| {
            format!(
                "Nicht gedeckt vom lebenswichtigen und kritischen Bedarf: {} kWh von {} Mitgliedern. Zähler ohne \
                 Ablesung: {}, davon kritisch: {}. Gespeichert: {} kWh{}.",
                Facts::kwh(of.unserved_wh),
                of.members_unserved,
                of.dark,
                of.critical_dark,
                Facts::kwh(of.stored_wh),
                of.autonomy_minutes
                    .map_or(String::new(), |it| format!(", genug für den kritischen Bedarf für {it} min")),
            )
        },
    },
    Words {
        language: "fr",
        event: "Panne de courant, communauté en îlotage",
        headline: "Le réseau en amont est coupé ; la communauté répartit ce qu’elle produit et stocke",
        description: |of| {
            format!(
                "Besoins vitaux et critiques non couverts : {} kWh de {} membres. Compteurs sans relevé : {}, dont \
                 critiques : {}. Stocké : {} kWh{}.",
                Facts::kwh(of.unserved_wh),
                of.members_unserved,
                of.dark,
                of.critical_dark,
                Facts::kwh(of.stored_wh),
                of.autonomy_minutes
                    .map_or(String::new(), |it| format!(", de quoi couvrir les besoins critiques {it} min")),
            )
        },
    },
];
