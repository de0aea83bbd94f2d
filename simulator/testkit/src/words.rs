//! What pages say: the texts of their scripts, the same ones in every language.

use std::collections::{BTreeMap, BTreeSet};

pub const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

/// Texts by their keys.
pub type Texts<'a> = BTreeMap<&'a str, &'a str>;

/// The texts of a block of `key: 'text',`.
pub fn texts(block: &str) -> Texts<'_> {
    let lines = block.lines().filter_map(|line| line.trim().split_once(": "));
    lines
        .filter_map(|(key, text)| {
            let text = text.strip_suffix(',')?;
            let quote = text.chars().next().filter(|quote| "'\"".contains(*quote))?;
            Some((key, text.strip_prefix(quote)?.strip_suffix(quote)?))
        })
        .collect()
}

/// What stands in braces in a text.
fn values(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

/// All languages have the keys of the first, with the same values in braces, and no others.
pub fn speaks_alike(whose: &str, languages: &[Texts<'_>]) {
    for (language, texts) in LANGUAGES.iter().zip(languages).skip(1) {
        for (key, english) in &languages[0] {
            let text = texts.get(key).unwrap_or_else(|| panic!("{whose}: `{key}` is missing in {language}"));
            assert_eq!(values(text), values(english), "{whose}: `{key}` in {language}");
        }
        let unknown = texts.keys().find(|key| !languages[0].contains_key(*key));
        assert_eq!(unknown, None, "{whose}: only in {language}");
    }
}

/// The texts of a script that has a block for each language.
pub fn by_language(script: &str) -> Vec<Texts<'_>> {
    let block = |language: &&str| {
        let begins = script.split_once(&format!("\n  {language}: {{\n")).unwrap_or_else(|| panic!("no {language}")).1;
        texts(begins.split("\n  },").next().unwrap())
    };
    LANGUAGES.iter().map(block).collect()
}

/// The keys and the texts of a page's elements that its script says again in the reader's language.
pub fn written_in(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("data-say=\"").skip(1).map(|element| {
        let (key, rest) = element.split_once('"').unwrap();
        (key, rest.split_once('>').unwrap().1.split('<').next().unwrap())
    })
}
