//! What the README's commands leave behind is no part of the repository, and nothing goes on running.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

/// The blocks of shell commands.
fn blocks(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap())
}

/// The files and directories of the repository that the commands of a text in Markdown write: what follows an option or
/// sign that names one.
fn written(markdown: &str) -> BTreeSet<&str> {
    let words: Vec<&str> = blocks(markdown).flat_map(str::split_whitespace).collect();
    let names = words.windows(2).filter(|pair| ["--state", "--summary", "--out", ">"].contains(&pair[0]));
    names.map(|pair| pair[1].split('/').next().unwrap()).collect()
}

#[test]
fn what_the_commands_of_the_readme_write_is_ignored() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let [readme, ignored] = ["README.md", ".gitignore"].map(|file| fs::read_to_string(root.join(file)).unwrap());
    let written = written(&readme);
    for name in ["run", "tables", "receipt.json"] {
        assert!(written.contains(name), "{written:?}");
    }
    for name in written {
        let line = |line: &str| line.trim_matches('/') == name;
        assert!(ignored.lines().any(line), "expected a line /{name} in .gitignore");
    }
}

#[test]
fn what_the_readme_starts_it_stops_in_any_shell() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let lines: Vec<&str> = blocks(&readme).flat_map(str::lines).collect();
    let starts: Vec<&str> = lines.iter().copied().filter(|line| line.contains(" & ")).collect();
    let stop = lines.iter().copied().find(|line| line.starts_with("kill ")).unwrap();
    assert_eq!(starts.len(), 4, "broker, validators, market, agents: {starts:?}");

    // Programs of these names that only stay.
    let directory = tempfile::tempdir().unwrap();
    for name in ["mosquitto", "ledger", "market", "meter-agent"] {
        let program = directory.path().join("bin").join(name);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for agent in ["d001", "d002"] {
        let agent = directory.path().join("run/agents").join(agent);
        fs::create_dir_all(&agent).unwrap();
        fs::write(agent.join("agent.toml"), "").unwrap();
    }
    let path = format!("{}:{}", directory.path().join("bin").display(), std::env::var("PATH").unwrap());
    let script = [starts.join("\n"), "wc -l < run/pids".into(), stop.into(), "echo stopped".into()].join("\n");
    let mut ran = Command::new("sh");
    ran.args(["-ec", &script]).env("PATH", path).current_dir(directory.path()).stdin(Stdio::null());
    let ran = ran.output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout).split_whitespace().collect::<Vec<_>>(),
        ["8", "stopped"],
        "{ran:?}"
    );
}
