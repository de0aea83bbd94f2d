use std::collections::BTreeSet;

use testkit::words::{LANGUAGES, by_language, speaks_alike, texts, written_in};

use super::*;
use crate::{alarms::AlarmName, console::health::TroubleKind};

fn script(name: &str) -> &'static str {
    let asset = ASSETS.iter().find(|asset| asset.name() == name).unwrap_or_else(|| panic!("no {name}"));
    std::str::from_utf8(asset.body()).unwrap()
}

#[test]
fn the_page_knows_no_mechanism_by_its_name() {
    for asset in ASSETS.iter().filter(|asset| asset.name() != "plotly.js").chain([&*INDEX, &*HISTORY]) {
        let text = std::str::from_utf8(asset.body()).unwrap();
        for known in market::clearing::mechanisms() {
            assert!(!text.contains(known.name()), "{} names `{}`", asset.name(), known.name());
        }
    }
}

#[test]
fn plotly_is_bare_javascript_and_asked_for_by_its_hash() {
    let plotly = script("plotly.js");
    assert!(plotly.starts_with("/**\n* plotly.js"), "{}", &plotly[..80.min(plotly.len())]);
    assert!(plotly.len() > 4_000_000 && !plotly.contains("<script"));
    let address = ASSETS.iter().find(|asset| asset.name() == "plotly.js").unwrap().address();
    assert!(script("charts.js").contains(&format!("'{address}'")), "{address}");
}

/// The keys that are said in a script or a page: whole ones, and the beginnings of those that go on.
fn said(text: &'static str) -> BTreeSet<&'static str> {
    let attributes = text.split("data-say").skip(1).filter_map(|rest| rest.split('"').nth(1));
    // In an expression inside of the call, every literal is a key.
    let calls = ["say(", "count("].iter().flat_map(|call| text.split(call).skip(1));
    let literals = calls.flat_map(|rest| first_argument(rest).split('\'').skip(1).step_by(2));
    attributes.chain(literals).collect()
}

/// What stands before the first comma of a call, or before its end.
fn first_argument(call: &str) -> &str {
    let mut depth = 0;
    let ends = |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' | ',' | '{' => return depth == 0,
            _ => {}
        }
        false
    };
    call.find(ends).map_or(call, |end| &call[..end])
}

#[test]
fn every_text_is_there_in_all_languages_and_none_is_left_over() {
    let languages = LANGUAGES.map(|language| texts(script(&format!("words-{language}.js"))));
    speaks_alike("the console", &languages);
    let page = std::str::from_utf8(INDEX.body()).unwrap();
    let scripts = ASSETS.iter().map(Asset::name).filter(|name| name.ends_with(".js"));
    let own = scripts.filter(|name| {
        !["plotly.js", "words.js", "sign-in.js", "say.js"].contains(name)
            && !name.starts_with("words-")
            && !name.starts_with("history")
    });
    let used: BTreeSet<&str> = own.flat_map(|name| said(script(name))).chain(said(page)).collect();
    let english = &languages[0];
    let meant = |key: &str| [key.to_owned(), format!("{key}_one"), format!("{key}_other")];
    for key in &used {
        assert!(meant(key).iter().any(|key| english.contains_key(key.as_str())), "`{key}` is said, and no text");
    }
    let is_used = |key: &str| used.iter().any(|used| meant(used).iter().any(|meant| meant == key));
    let left: Vec<&&str> = english.keys().filter(|key| !is_used(key)).collect();
    assert!(left.is_empty(), "never said: {left:?}");
}

#[test]
fn the_history_says_the_same_in_every_language() {
    let languages = by_language(script("history-words.js"));
    assert!(languages[0].len() > 90, "{}", languages[0].len());
    speaks_alike("the history", &languages);
    let page = std::str::from_utf8(HISTORY.body()).unwrap();
    let mut checked = 0;
    for (key, written) in written_in(page) {
        assert_eq!(languages[0].get(key), Some(&written), "`{key}`");
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn what_stands_in_the_page_is_what_its_script_says() {
    let english = texts(script("words-en.js"));
    let sign_in = script("sign-in.js");
    let blocks = by_language(sign_in);
    speaks_alike("the page on which one signs in", &blocks);
    let sources = [include_str!("../assets/sign-in.html"), include_str!("../sign_in.rs")];
    let page = std::str::from_utf8(INDEX.body()).unwrap();
    for (text, words) in [(page, &english), (sources[0], &blocks[0])] {
        let mut checked = 0;
        for (key, written) in written_in(text) {
            assert_eq!(words.get(key), Some(&written), "`{key}`");
            checked += 1;
        }
        assert!(checked > 5);
    }
    for key in blocks[0].keys() {
        let told = [format!("data-say=\"{key}\""), format!("\"{key}\"")];
        assert!(told.iter().any(|told| sources.iter().any(|source| source.contains(told))), "`{key}` is never said");
    }
}

#[test]
fn every_alarm_and_every_word_of_the_badge_is_known_in_other_languages() {
    let words = script("server-words.js");
    let (badges, alarms) = words.split_once("export const ALARMS").unwrap();
    for name in AlarmName::ALL.iter().map(|name| name.name()).chain(TroubleKind::ALL.map(TroubleKind::name)) {
        assert_eq!(alarms.matches(&format!("\n    {name}: {{\n")).count(), 2, "`{name}` in German and in French");
    }
    for word in TroubleKind::ALL.map(TroubleKind::word).into_iter().chain(["Live", "Starting"]) {
        assert_eq!(badges.matches(&format!("\n    '{word}': '")).count(), 2, "`{word}` in German and in French");
    }
}
