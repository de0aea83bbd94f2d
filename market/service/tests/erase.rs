//! `market erase`, as a program: a name goes, all others stay.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn command(member: &str, names: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_market"));
    command.args(["erase", member, "--names"]).arg(names);
    command
}

fn erase(member: &str, names: &Path) -> Output {
    command(member, names).output().unwrap()
}

fn id(digit: char) -> String {
    digit.to_string().repeat(32)
}

#[test]
fn a_name_goes_and_all_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.csv");
    let row = |digit, name: &str| format!("{},{name}\n", id(digit));
    let text = ["member,name\n".into(), row('1', "ada"), row('2', "\"bob, upstairs\""), row('3', "cleo")].concat();
    fs::write(&path, text).unwrap();

    let erased = erase("ada", &path);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert!(String::from_utf8_lossy(&erased.stdout).contains(&id('1')));
    let left = ["member,name\n".into(), row('2', "\"bob, upstairs\""), row('3', "cleo")].concat();
    assert_eq!(fs::read_to_string(&path).unwrap(), left);

    assert!(erase(&id('3'), &path).status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), ["member,name\n".into(), row('2', "\"bob, upstairs\"")].concat());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn of_alarms_the_pseudonym_is_left_whether_they_are_on_or_over_or_wait_to_be_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let names = format!("member,name\n{},Ada\n{},Adam\n", id('1'), id('2'));
    fs::write(path("members.csv"), &names).unwrap();
    let alarm = |cause: &str, cleared: &str| {
        format!(
            r#"{{"name":"meters_unread","severity":"warning","since":"2026-06-01T12:00:00Z","cause":"{cause}","action":"Ask Ada."{cleared}}}"#
        )
    };
    let cleared = r#","cleared":"2026-06-01T12:30:00Z""#;
    let list = format!(
        r#"{{"on":[{}],"history":[{},{}],"notices":{{"mail":{{"waiting":[{{"at":"2026-06-01T12:00:00Z","kind":"raised","alarm":{}}}],"more":0,"delivered":[]}}}}}}"#,
        alarm("2 meters: Adam, Ada.", ""),
        alarm("Ada", cleared),
        alarm("2 meters: Adam, Adaś", cleared).replace("Ask Ada.", "Ask."),
        alarm("(Ada)", ""),
    );
    fs::create_dir_all(path("state/alarms")).unwrap();
    let file = path("state/alarms/alarms.json");
    fs::write(&file, &list).unwrap();
    let running = fs::File::create(path("state/alarms/running")).unwrap();
    running.lock().unwrap();
    let with_state = || command("Ada", &path("members.csv")).arg("--state").arg(path("state")).output().unwrap();
    let refused = with_state();
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    assert!(line.contains("expected a market that is stopped"), "{line}");
    assert_eq!(fs::read_to_string(path("members.csv")).unwrap(), names, "nothing is changed");
    assert_eq!(fs::read_to_string(&file).unwrap(), list);

    drop(running);
    let erased = with_state();
    let said = String::from_utf8(erased.stdout).unwrap();
    assert!(erased.status.success() && said.contains("3 alarms and notices that had the name"), "{said}");
    let left = fs::read_to_string(&file).unwrap();
    let words: Vec<&str> = left.split(|letter: char| !letter.is_alphanumeric()).collect();
    assert_eq!(words.iter().filter(|word| **word == "Ada").count(), 0, "{left}");
    assert!(left.contains(&format!("2 meters: Adam, {}.", id('1'))) && left.contains("Adaś"), "{left}");
    assert_eq!(words.iter().filter(|word| **word == id('1')).count(), 6, "{left}");
}

#[test]
fn that_nobody_reads_what_was_erased_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.csv");
    fs::write(&path, format!("member,name\n{},ada\n", id('1'))).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let erased = command("ada", &path).stdout(writer).output().unwrap();
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert_eq!(fs::read_to_string(&path).unwrap(), "member,name\n");
}

#[test]
fn what_cannot_be_erased_is_said_in_one_line_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.csv");
    let twice = format!("member,name\n{},ada\n{},ada\n", id('1'), id('2'));
    for (text, member, reason) in [
        (twice.as_str(), "ada", "2 members are named `ada`: give the pseudonym of one"),
        (&twice, "bob", "there is no member `bob`"),
        ("member,name\nnobody,ada\n", "ada", "line: 2"),
        ("member,name\n1\n", "ada", "line: 2"),
    ] {
        fs::write(&path, text).unwrap();
        let refused = erase(member, &path);
        let line = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(reason) && line.contains("members.csv"), "{line}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let missing = erase("ada", &directory.path().join("nothing.csv"));
    assert_eq!(missing.status.code(), Some(2));
}
