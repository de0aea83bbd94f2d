//! The commented example with a household's answers in the places that it has for them. All that it explains stays.

use protocol::{hash::Hash, key::PublicKey};
use settings::commented::set;

use super::answers::{Answers, KINDS, MADE_UP};
use crate::config::EXAMPLE;

/// The example with these answers.
pub(super) fn filled(answers: &Answers) -> String {
    let mut lines: Vec<String> = EXAMPLE.lines().map(str::to_owned).collect();
    let Answers { name, broker, template, address, with, request_name: _ } = answers;
    let all = 0..lines.len();
    for (key, word) in [("name", name), ("broker", broker)] {
        if let Some(word) = word {
            set(&mut lines[all.clone()], key, &quoted(word));
        }
    }
    let Some(template) = template else { return joined(&lines) };
    let kind = match template.as_str() {
        kind if KINDS.contains(&kind) => kind,
        _ => "device",
    };
    // The recording becomes a comment, the meter's own keys are none any more.
    for line in &mut lines {
        if matches!(line.as_str(), "kind = \"replay\"" | "file = \"meter.csv\"") {
            line.insert_str(0, "# ");
        }
    }
    let first = lines.iter().position(|line| *line == format!("# kind = \"{kind}\"")).unwrap_or(lines.len());
    let length = lines[first..].iter().position(String::is_empty).unwrap_or(0);
    let section = &mut lines[first..first + length];
    set(section, "kind", &quoted(kind));
    if kind == "device" {
        set(section, "template", &quoted(template));
    }
    if kind == MADE_UP {
        // It has a default for nothing.
        for line in section.iter_mut().filter(|line| line.contains(" = ")) {
            *line = line.trim_start_matches("# ").to_owned();
        }
    }
    if let Some(address) = address {
        set(section, "address", &quoted(address));
    }
    if !with.is_empty() {
        let words: Vec<String> =
            with.iter().map(|(name, word)| format!("{} = {}", quoted(name), quoted(word))).collect();
        set(section, "with", &format!("{{ {} }}", words.join(", ")));
    }
    joined(&lines)
}

/// The life of a made-up home whose device has this key: any is as good, but neighbours should have different ones.
pub(super) fn seed_of(device: &PublicKey) -> u32 {
    let [first, second, third, fourth, ..] = *Hash::of(device.multibase().as_bytes()).as_bytes();
    u32::from_be_bytes([first, second, third, fourth])
}

/// A configuration of a made-up home, with this seed.
pub(super) fn seeded(text: &str, seed: u32) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    set(&mut lines, "seed", &seed.to_string());
    joined(&lines)
}

/// A text as it is written within one line: what JSON escapes, TOML reads. A character that TOML does not take at all
/// is found when the file is read, before it is written.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{config::Config, source::SourceConfig};

    fn answers(template: Option<&str>, address: &str) -> Answers {
        Answers {
            name: Some("Casa \"Rossi\"\n# \\ é".into()),
            broker: Some("mqtts://broker.example".into()),
            template: template.map(str::to_owned),
            address: template.map(|_| address.to_owned()),
            ..Answers::default()
        }
    }

    fn parsed(text: &str) -> Config {
        Config::parse(text, Path::new("agent.toml")).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn without_answers_it_is_the_example() {
        assert_eq!(filled(&Answers::default()), EXAMPLE);
    }

    #[test]
    fn whatever_is_answered_is_read_again_and_the_explanations_stay() {
        for template in [None].into_iter().chain(KINDS.map(Some)) {
            let text = filled(&answers(template, "tcp://[::1]:502"));
            let config = parsed(&text);
            assert_eq!(config.name.as_deref(), Some("Casa \"Rossi\"\n# \\ é"));
            assert_eq!(config.broker.to_string(), "mqtts://broker.example:8883");
            let shown = format!("{:?}", config.source).to_lowercase();
            assert!(shown.starts_with(template.unwrap_or("replay")), "{shown}");
            config.source.check().unwrap();
            assert_eq!(text.lines().count(), EXAMPLE.lines().count());
            // No explanation is lost: what stood behind a key still does.
            let explained = |text: &str| text.lines().filter_map(|line| line.split_once("# ")).count();
            assert!(explained(&text) + 5 > explained(EXAMPLE), "{text}");
            assert!(text.contains("# or tcp://HOST:PORT of a device that passes the telegrams on"), "{text}");
        }
        let mut tasmota = answers(Some("tasmota-sml"), "mqtt://192.168.1.2");
        tasmota.with = vec![("device".into(), "it's \"1\"".into()), ("meter".into(), "SML".into())];
        let text = filled(&tasmota);
        let SourceConfig::Device(device) = parsed(&text).source else { panic!("{text}") };
        let shown = format!("{device:?}");
        assert!(shown.contains("tasmota-sml") && shown.contains("mqtt://192.168.1.2"), "{shown}");
        assert!(shown.contains(r#"{"device": "it's \"1\"", "meter": "SML"}"#), "{shown}");
    }
}
