//! `market init`: the market's key, a token for each validator elsewhere, and what may be told of both.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use protocol::hash::Hash;
use settings::owner_only;

fn market(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_market")).args(arguments).current_dir(directory).output().unwrap()
}

#[test]
fn what_is_told_is_the_public_half_and_the_digests_of_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let made = market(directory.path(), &["init", "market", "--node", "south", "--node", "east"]);
    assert!(made.status.success(), "{made:?}");
    let path = |name: &str| directory.path().join("market").join(name);
    let key = owner_only::read_key(&path("market.key")).unwrap().public();
    let public: toml::Table = fs::read_to_string(path("public.toml")).unwrap().parse().unwrap();
    assert_eq!(public["market"]["key"].as_str(), Some(key.to_string().as_str()));
    assert!(String::from_utf8(made.stdout).unwrap().starts_with(&format!("market key  {key}\n")));
    let tokens = public["market"]["tokens"].as_table().unwrap();
    assert_eq!(tokens.keys().collect::<Vec<_>>(), ["east", "south"]);
    let mut told = fs::read_to_string(path("public.toml")).unwrap();
    for (name, digest) in tokens {
        let token = fs::read_to_string(path(&format!("{name}.token"))).unwrap();
        // As a node compares them: without the end of the line.
        assert_eq!(digest.as_str().unwrap(), Hash::of(token.trim_end().as_bytes()).to_string());
        assert_eq!(fs::metadata(path(&format!("{name}.token"))).unwrap().permissions().mode() & 0o777, 0o600);
        told = told.replace(token.trim_end(), "SECRET");
    }
    assert!(!told.contains("SECRET"), "{told}");

    // Nothing is overwritten.
    let again = market(directory.path(), &["init", "market"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(owner_only::read_key(&path("market.key")).unwrap().public(), key);
}

#[test]
fn what_no_validator_is_called_is_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["--node", "a/b"][..], "expected a validator's name of letters, digits, - and _, found `a/b`"),
        (&["--node", "a\nb"], "found `a\\nb`"),
        (&["--node", "south", "--node", "south"], "--node: expected each name once, found `south` twice"),
    ] {
        let refused = market(directory.path(), &[&["init", "market"], arguments].concat());
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
        assert!(!directory.path().join("market").exists());
    }
}
