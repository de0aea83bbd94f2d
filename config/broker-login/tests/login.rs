//! What `[broker_login]` may say: every mistake is one line that says what to do, and no secret is ever shown.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use broker_login::{Access, BrokerLogin, LoginError};
use rumqttc::Transport;
use testkit::{
    certificates::{Authority, Until},
    community::write_secret,
};

const TLS: &str = "mqtts://broker.example";
const OPEN: &str = "mqtt://broker.example";
const HERE: &str = "mqtt://127.0.0.1";

/// Files that log in somewhere, and some that do not.
fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("some authority");
    let (ada, bob) = (authority.issue("ada", Until::Later), authority.issue("bob", Until::Later));
    for (name, text) in [
        ("ca.pem", &*authority.pem()),
        ("ada.pem", &ada.certificate),
        ("ada.key", &ada.key),
        ("bob.key", &bob.key),
        ("password", "hunter2\n"),
        ("windows", "hunter2\r\n"),
        ("two", "hunter2\nhunter2\n"),
        ("empty", "\n"),
        ("noise", "hunter2, and no PEM\n"),
        ("halved.pem", &ada.certificate[..ada.certificate.len() / 2]),
        ("halved.key", &ada.key[..ada.key.len() / 2]),
    ] {
        write_secret(&directory.path().join(name), text);
    }
    directory
}

fn login(directory: &Path, text: &str) -> BrokerLogin {
    let mut login: BrokerLogin = toml::from_str(text).unwrap();
    login.resolve(directory);
    login
}

fn access(directory: &Path, broker: &str, text: &str) -> Result<Access, LoginError> {
    Access::new(&broker.parse().unwrap(), &login(directory, text), "z6MkAda")
}

#[test]
fn who_logs_in_and_how_is_as_configured() {
    let directory = files();
    for (broker, text, tls, user) in [
        (OPEN, "", false, None),
        (TLS, "ca = 'ca.pem'", true, None),
        (TLS, "ca = 'ca.pem'\ncertificate = 'ada.pem'\ncertificate_key = 'ada.key'", true, None),
        (TLS, "ca = 'ca.pem'\npassword_file = 'password'", true, Some("z6MkAda")),
        (TLS, "ca = 'ca.pem'\nuser = 'ada'\npassword_file = 'windows'", true, Some("ada")),
        (HERE, "user = 'ada'\npassword_file = 'password'", false, Some("ada")),
    ] {
        let access = access(directory.path(), broker, text).unwrap();
        let options = access.options("some-client".into());
        assert_eq!(matches!(options.transport(), Transport::Tls(_)), tls, "{text}");
        let (host, port) = options.broker_address();
        let expected = if tls { ("broker.example", 8883) } else { (access.broker().host(), 1883) };
        assert_eq!((host.as_str(), port), expected, "{text}");
        let credentials = options.credentials().map(|login| (login.username, login.password));
        assert_eq!(credentials, user.map(|user| (user.to_owned(), "hunter2".to_owned())), "{text}");
        let shown = format!("{access:?} {:?}", login(directory.path(), text));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_certificate_is_of_whom_it_names_and_where_a_user_logs_in_it_says_nothing() {
    let directory = files();
    let own = "ca = 'ca.pem'\ncertificate = 'ada.pem'\ncertificate_key = 'ada.key'";
    for (text, name, expected) in [
        (own, "ada", true),
        (own, "z6MkBob", false),
        ("ca = 'ca.pem'", "z6MkBob", true),
        (&*format!("{own}\nuser = 'bob'\npassword_file = 'password'"), "z6MkBob", true),
    ] {
        assert_eq!(access(directory.path(), TLS, text).unwrap().may_be(name), expected, "{text}: {name}");
    }
}

#[test]
fn every_mistake_is_one_line_that_says_what_to_do() {
    let directory = files();
    fs::set_permissions(directory.path().join("bob.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let own = "ca = 'ca.pem'\ncertificate = 'ada.pem'\ncertificate_key = ";
    for (broker, text, expected) in [
        (TLS, "", "mqtts://broker.example:8883: expected `ca` under [broker_login], a PEM file"),
        (TLS, "password_file = 'password'", "expected `ca` under [broker_login]"),
        (OPEN, "ca = 'ca.pem'", "expected an mqtts address beside `ca`, found none; write mqtts://"),
        (
            OPEN,
            "certificate = 'ada.pem'\ncertificate_key = 'ada.key'",
            "expected an mqtts address beside `certificate`, found none; write mqtts://",
        ),
        (OPEN, "password_file = 'password'", "sends the password in the open to another machine; write mqtts://"),
        (TLS, "ca = 'ca.pem'\nuser = 'ada'", "expected `password_file` beside `user`, found none"),
        (TLS, "ca = 'ca.pem'\ncertificate = 'ada.pem'", "expected `certificate_key` beside `certificate`"),
        (TLS, "ca = 'ca.pem'\ncertificate_key = 'ada.key'", "expected `certificate` beside `certificate_key`"),
        (TLS, "ca = 'none.pem'", "`ca` of [broker_login]: cannot read "),
        (TLS, "ca = 'noise'", "noise: expected certificates in PEM, found none"),
        (TLS, "ca = 'halved.pem'", "halved.pem: expected certificates in PEM, found "),
        (TLS, &format!("{own}'noise'"), "noise: expected a private key in PEM, without a password, found none"),
        (TLS, &format!("{own}'halved.key'"), "halved.key: expected a private key in PEM"),
        (TLS, &format!("{own}'none.key'"), "`certificate_key` of [broker_login], "),
        (TLS, &format!("{own}'bob.key'"), "found mode 0644; chmod 600 it"),
        (TLS, "ca = 'ca.pem'\npassword_file = 'two'", "two: expected one line with a password"),
        (TLS, "ca = 'ca.pem'\npassword_file = 'empty'", "empty: expected one line with a password"),
        (HERE, "password_file = 'credential:broker'", "LoadCredential=broker:FILE"),
    ] {
        let error = access(directory.path(), broker, text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().contains(expected), "{text}: {error}\nexpected: {expected}");
        assert!(!error.to_string().contains('\n'), "{error}");
        assert!(!shown.contains("hunter2") && !shown.contains("PRIVATE"), "{shown}");
    }
    fs::set_permissions(directory.path().join("bob.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let error = access(directory.path(), TLS, &format!("{own}'bob.key'")).unwrap_err().to_string();
    assert!(error.contains("bob.key: expected the key of `certificate`, found another"), "{error}");
    let error = toml::from_str::<BrokerLogin>("password = 'hunter2'").unwrap_err();
    assert!(error.message().contains("unknown field `password`, expected one of `ca`, "), "{error}");
}
