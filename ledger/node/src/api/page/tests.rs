use testkit::words::{Texts, by_language, speaks_alike, written_in};

use super::*;

fn script(name: &str) -> &'static str {
    let asset = ASSETS.iter().find(|asset| asset.name() == name).unwrap_or_else(|| panic!("no {name}"));
    std::str::from_utf8(asset.body()).unwrap()
}

#[test]
fn the_pages_say_the_same_in_every_language() {
    for (name, least) in
        [("page-words.js", 80), ("check-words.js", 40), ("certificate-words.js", 50), ("situation-words.js", 60)]
    {
        let languages = by_language(script(name));
        assert!(languages[0].len() >= least, "{name}: {}", languages[0].len());
        speaks_alike(name, &languages);
    }
}

#[test]
fn what_stands_in_a_page_is_what_its_script_says() {
    let checked = by_language(script("check-words.js"));
    for (page, words) in
        [(&INDEX, "page-words.js"), (&CERTIFICATE, "certificate-words.js"), (&SITUATION, "situation-words.js")]
    {
        let own = by_language(script(words));
        let texts: Texts<'_> = checked[0].iter().chain(&own[0]).map(|(key, text)| (*key, *text)).collect();
        let mut elements = 0;
        for (key, written) in written_in(std::str::from_utf8(page.body()).unwrap()) {
            assert_eq!(texts.get(key), Some(&written), "{words}: `{key}`");
            elements += 1;
        }
        assert!(elements > 12, "{words}: {elements}");
    }
}

#[test]
fn what_a_check_refuses_has_a_text_in_a_page_that_checks() {
    let [receipts, certificates] = ["check-words.js", "certificate-words.js"].map(|name| by_language(script(name)));
    let mut names = 0;
    for file in ASSETS.iter().filter(|asset| asset.name().ends_with(".js")) {
        for name in script(file.name()).split("new Refused('").skip(1).map(|rest| rest.split('\'').next().unwrap()) {
            assert!(receipts[0].contains_key(name) || certificates[0].contains_key(name), "{}: {name}", file.name());
            names += 1;
        }
    }
    assert!(names > 15, "{names}");
}
