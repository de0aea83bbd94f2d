//! What the packages hold is there: every file that a manifest takes in, and pages and completions for every command.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Each packaged program, and its crate.
const PROGRAMS: [(&str, &str); 3] =
    [("ledger", "ledger/node"), ("market", "market/service"), ("meter-agent", "meter-agent")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn made() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_package-files")).arg(directory.path()).status().unwrap();
    assert!(done.success());
    directory
}

/// The subcommands that a program lists itself.
fn subcommands(program: &str) -> BTreeSet<String> {
    let bin = Path::new(env!("CARGO_BIN_EXE_package-files")).with_file_name(program);
    let help = Command::new(&bin).arg("--help").output().unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo test --workspace`", bin.display());
    });
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let rows = list.lines().take_while(|line| !line.is_empty());
    let named = rows.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn every_command_has_a_page_and_completions() {
    let made = made();
    for (program, _) in PROGRAMS {
        let folder = made.path().join(program);
        let commands = subcommands(program);
        assert!(commands.len() > 5, "{program}: {commands:?}");
        for command in &commands {
            let page = fs::read_to_string(folder.join(format!("man/{program}-{command}.1"))).unwrap();
            assert!(page.contains("\n.SH SYNOPSIS\n") && page.contains("\n.SH DESCRIPTION\n"), "{program} {command}");
        }
        for shell in [format!("{program}.bash"), format!("_{program}"), format!("{program}.fish")] {
            let text = fs::read_to_string(folder.join("completions").join(&shell)).unwrap();
            let missing: Vec<_> = commands.iter().filter(|command| !text.contains(*command)).collect();
            assert!(missing.is_empty(), "{shell}: {missing:?}");
        }
    }
}

#[test]
fn what_a_package_takes_in_is_there() {
    let made = made();
    for (program, folder) in PROGRAMS {
        let folder = root().join(folder);
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
        for asset in assets {
            let source = asset[0].as_str().unwrap();
            let path = match source.strip_prefix("target/release/") {
                Some(of_the_build) if of_the_build == program => continue,
                Some(of_the_build) => made.path().join(of_the_build.strip_prefix("package/").unwrap()),
                None => folder.join(source),
            };
            let found = match path.file_name().unwrap().to_str().unwrap().strip_prefix('*') {
                Some(ending) => fs::read_dir(path.parent().unwrap())
                    .unwrap()
                    .any(|entry| entry.unwrap().file_name().to_str().unwrap().ends_with(ending)),
                None => path.is_file(),
            };
            assert!(found, "{program}: expected {source}, found none");
        }
    }
}

#[test]
fn the_installed_agents_configuration_keeps_its_state_where_the_service_may_write() {
    let text = fs::read_to_string(made().path().join("meter-agent/agent.toml")).unwrap();
    assert!(text.contains("\nstate = \"/var/lib/voisin/state\"\n") && !text.contains("\nstate = \"state\"\n"));
}
