//! Backups of keys, by the real program; and Debian's `age`, which others wrote, reads ours and writes one for us.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use support::Home;
use testkit::community::write_secret;

const PASSPHRASE: &str = "correct horse battery staple";

/// A home with its passphrase in a file.
fn home() -> Home {
    let home = Home::new(1883, &[(1, 0)]);
    write_secret(&home.path("passphrase"), &format!("{PASSPHRASE}\n"));
    home
}

fn keys(home: &Home, command: &str, option: &str, file: &str, passphrase: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
    program.args(["keys", command, option]).arg(home.path(file)).arg("--config").arg(home.path("agent.toml"));
    program.arg("--passphrase-file").arg(home.path(passphrase)).output().unwrap()
}

fn refused(output: &Output, expected: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.trim_end().lines().count() == 1 && said.contains(expected), "{said}\nexpected {expected}");
    assert!(!said.contains("horse"), "{said}");
}

fn files(home: &Home) -> [Vec<u8>; 2] {
    ["device.key", "member.key"].map(|name| fs::read(home.path("state").join(name)).unwrap())
}

fn lose_keys(home: &Home) {
    for name in ["device.key", "member.key"] {
        fs::remove_file(home.path("state").join(name)).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_come_back_from_a_backup_whole_and_over_no_others() {
    let home = home();
    let before = files(&home);
    let exported = keys(&home, "export", "--to", "keys.age", "passphrase");
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    assert_eq!(mode(&home.path("keys.age")), 0o600);
    refused(&keys(&home, "export", "--to", "keys.age", "passphrase"), "it exists already and is not overwritten");
    refused(&keys(&home, "import", "--from", "keys.age", "passphrase"), "is not overwritten");
    assert_eq!(files(&home), before);

    lose_keys(&home);
    let backup = fs::read(home.path("keys.age")).unwrap();
    write_secret(&home.path("wrong"), "battery staple correct\n");
    write_secret(&home.path("short"), "horse\n");
    write_secret(&home.path("two"), "horse\nhorse\n");
    fs::write(home.path("torn.age"), &backup[..backup.len() - 1]).unwrap();
    fs::write(home.path("other.age"), "horse").unwrap();
    for (file, passphrase, expected) in [
        ("keys.age", "wrong", "the passphrase is not the one of this file"),
        ("torn.age", "passphrase", "take another copy of it"),
        ("other.age", "passphrase", "expected a whole file of age"),
        ("none.age", "passphrase", "none.age: No such file"),
        ("keys.age", "two", "expected one line with the passphrase"),
        ("keys.age", "none", "none: No such file"),
    ] {
        refused(&keys(&home, "import", "--from", file, passphrase), expected);
        assert!(!home.path("state/device.key").exists() && !home.path("state/member.key").exists());
    }
    let imported = keys(&home, "import", "--from", "keys.age", "passphrase");
    assert_eq!(imported.status.code(), Some(0), "{imported:?}");
    assert_eq!(files(&home), before);
    assert_eq!(mode(&home.path("state/device.key")), 0o600);
    refused(&keys(&home, "export", "--to", "again.age", "short"), "at least 10 characters");

    // On another machine there is no record of what they have signed.
    lose_keys(&home);
    fs::remove_file(home.path("state/device.signed")).unwrap();
    let imported = keys(&home, "import", "--from", "keys.age", "passphrase");
    assert!(String::from_utf8_lossy(&imported.stdout).contains("meter-agent recover"), "{imported:?}");
}

/// Runs `age` in a terminal, of which it asks the passphrase so many times.
fn age(home: &Home, arguments: &str, times: usize) {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("age {arguments}"), "/dev/null"]).current_dir(home.dir.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = format!("{PASSPHRASE}\n").repeat(times);
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "needs Debian's age, which .ci/run installs"]
fn another_program_opens_a_backup_and_its_own_is_imported() {
    let home = home();
    let before = files(&home);
    let exported = keys(&home, "export", "--to", "keys.age", "passphrase");
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    age(&home, "-d -o plain.txt keys.age", 1);
    let plain = fs::read(home.path("plain.txt")).unwrap();
    let expected = [&b"Voisin keys 1\ndevice "[..], &before[0], b"member ", &before[1]].concat();
    assert!(plain == expected, "age reads something else");

    age(&home, "-p -o theirs.age plain.txt", 2);
    lose_keys(&home);
    let imported = keys(&home, "import", "--from", "theirs.age", "passphrase");
    assert_eq!(imported.status.code(), Some(0), "{imported:?}");
    assert_eq!(files(&home), before);
}
