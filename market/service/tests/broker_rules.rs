//! EMQX's access rules allow what Mosquitto's do, and nothing else, to every user and for every topic or filter that is
//! of any use. (Mosquitto itself holds its own, `broker_access.rs` shows; EMQX was not run.)

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeSet, fs, path::Path};

use protocol::{hash::Hash, key::SecretKey, topic::Topics};

/// What a user may do with what a topic filter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Write,
    Read,
}

/// Allows an action on a filter, in which `%u` stands for the user: to one user, or to all.
#[derive(Debug)]
struct Rule {
    user: Option<String>,
    action: Action,
    filter: String,
}

impl Rule {
    fn allows(&self, user: &str, action: Action, topic: &str) -> bool {
        let filter = self.filter.replace("%u", user);
        self.user.as_deref().is_none_or(|allowed| allowed == user) && self.action == action && covers(&filter, topic)
    }
}

/// Whether a filter without `#` covers a topic, or all of another filter.
fn covers(filter: &str, topic: &str) -> bool {
    let (filter, topic): (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
    assert!(!filter.contains(&"#"));
    filter.len() == topic.len()
        && filter.iter().zip(&topic).all(|(allowed, asked)| allowed == asked || (*allowed == "+" && *asked != "#"))
}

fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)).unwrap()
}

fn action(word: &str) -> Action {
    match word {
        "write" | "publish" => Action::Write,
        "read" | "subscribe" => Action::Read,
        other => panic!("expected an action, found `{other}`"),
    }
}

fn mosquitto(text: &str) -> Vec<Rule> {
    let mut user = None;
    let mut rules = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["user", name] => user = Some(name.to_owned()),
            ["topic", word, filter] => {
                let user = user.clone();
                assert!(user.is_some(), "a rule for whoever says nothing: {line}");
                rules.push(Rule { user, action: action(word), filter: filter.into() });
            }
            // For everyone, under whichever user it stands.
            ["pattern", word, filter] => rules.push(Rule { user: None, action: action(word), filter: filter.into() }),
            _ => panic!("expected a rule, found `{line}`"),
        }
    }
    rules
}

/// Reads Erlang terms of the shapes `{allow, WHO, ACTION, [TOPIC, ...]}.` and, at last, `{deny, all}.`
fn emqx(text: &str) -> Vec<Rule> {
    let text: String = text.lines().filter(|line| !line.starts_with("%%")).collect();
    let mut terms: Vec<&str> = text.split("}.").map(str::trim).filter(|term| !term.is_empty()).collect();
    assert_eq!(terms.pop(), Some("{deny, all"), "what no rule allows is denied");
    let mut rules = Vec::new();
    for term in terms {
        let (head, topics) = term.strip_prefix("{allow, ").unwrap().split_once(", [").unwrap();
        let (who, word) = head.rsplit_once(", ").unwrap();
        let user = match who {
            "all" => None,
            named => Some(named.strip_prefix("{user, \"").unwrap().strip_suffix("\"}").unwrap().to_owned()),
        };
        for topic in topics.strip_suffix(']').unwrap().split(',') {
            let topic = topic.trim().strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            let filter = topic.replace("${username}", "%u");
            assert!(!filter.contains("${"), "{filter}");
            rules.push(Rule { user: user.clone(), action: action(word), filter });
        }
    }
    rules
}

#[test]
fn both_brokers_allow_the_same() {
    let [ada, bob] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public());
    let (of_ada, of_bob) = (ada.multibase(), bob.multibase());
    let mut topics = BTreeSet::new();
    for chain in [Hash::ZERO, Hash::of(b"another")] {
        let known = Topics::new(&chain);
        topics.extend([known.gate(), known.all_readings(), known.all_orders(), known.all_statuses()]);
        for device in [&ada, &bob] {
            topics.extend([known.reading(device), known.order(device), known.answer(device), known.receipt(device)]);
            topics.extend([known.status(device), known.registration(device), known.quota(device)]);
        }
    }
    // Their neighbours: more or other words, and wildcards wherever one fits.
    for topic in topics.clone() {
        topics.extend([format!("{topic}/more"), topic.replace("v1", "v2"), topic.to_uppercase()]);
        let words: Vec<&str> = topic.split('/').collect();
        for at in 0..words.len() {
            let with = |word: &str| [&words[..at], &[word], &words[at + 1..]].concat().join("/");
            topics.extend([with("+"), with("market"), with(""), [&words[..at], &["#"]].concat().join("/")]);
        }
    }
    let allowed = |rules: &[Rule]| -> BTreeSet<(String, Action, String)> {
        let mut allowed = BTreeSet::new();
        for user in [&of_ada, &of_bob, "market", "stranger", ""] {
            for action in [Action::Write, Action::Read] {
                let topics = topics.iter().filter(|topic| rules.iter().any(|rule| rule.allows(user, action, topic)));
                allowed.extend(topics.map(|topic| (user.to_owned(), action, topic.clone())));
            }
        }
        allowed
    };
    let by_mosquitto = allowed(&mosquitto(&shipped("mosquitto/acl.conf")));
    let by_emqx = allowed(&emqx(&shipped("emqx/acl.conf")));
    assert_eq!(by_emqx, by_mosquitto);

    // And that is what is wanted of both.
    let may = |user: &str, action, topic: String| by_mosquitto.contains(&(user.to_owned(), action, topic));
    let topics = Topics::new(&Hash::ZERO);
    use Action::{Read, Write};
    for (user, device, fine) in [(of_ada.as_str(), &ada, true), (&of_ada, &bob, false), ("stranger", &ada, false)] {
        for topic in [topics.reading(device), topics.order(device), topics.status(device)] {
            assert_eq!(may(user, Write, topic.clone()), fine, "{user} {topic}");
            assert!(!may(user, Read, topic));
        }
        let read = [topics.answer(device), topics.receipt(device), topics.registration(device), topics.quota(device)];
        for topic in read {
            assert_eq!(may(user, Read, topic.clone()), fine, "{user} {topic}");
            assert!(!may(user, Write, topic));
        }
    }
    assert!(may("market", Read, topics.all_readings()) && may("market", Write, topics.answer(&ada)));
    assert!(may("market", Write, topics.gate()) && !may(&of_ada, Write, topics.gate()));
    assert!(by_mosquitto.iter().all(|(_, _, topic)| !topic.contains('#')));
}
