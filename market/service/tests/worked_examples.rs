//! The worked examples of `docs/mechanisms.md`, word for word through the program.

#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use market::clearing::mechanisms;
use serde_json::Value;

const DOCS: &str = include_str!("../../../docs/mechanisms.md");

/// A block of code, with what its fence says it is.
struct Block<'a> {
    kind: &'a str,
    /// The text before it.
    before: &'a str,
    text: &'a str,
}

fn blocks(mut section: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    while let Some((before, rest)) = section.split_once("```") {
        let (kind, rest) = rest.split_once('\n').unwrap();
        let (text, rest) = rest.split_once("```").unwrap();
        blocks.push(Block { kind, before, text });
        section = rest;
    }
    blocks
}

#[test]
fn each_mechanism_has_an_example_and_the_program_answers_it_as_written() {
    for mechanism in mechanisms() {
        let name = mechanism.name();
        let section = DOCS.split_once(&format!("### Worked example: `{name}`\n")).unwrap().1;
        let section = section.split_once("\n## ").unwrap().0;
        let directory = tempfile::tempdir().unwrap();
        let mut arguments = vec!["clear".to_owned(), "book.json".to_owned()];
        let mut json = Vec::new();
        for Block { kind, before, text } in blocks(section) {
            match kind {
                "json" => json.push(text),
                "csv" => {
                    let file = before.rsplit('`').nth(1).unwrap();
                    fs::write(directory.path().join(file), text).unwrap();
                }
                "console" => {
                    let line = text.trim().strip_prefix("$ market clear book.json ").unwrap();
                    arguments.extend(line.split(' ').map(str::to_owned));
                }
                other => panic!("{name}: a block of {other}"),
            }
        }
        let [book, answer] = json[..] else { panic!("{name}: a book and an answer") };
        fs::write(directory.path().join("book.json"), book).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_market")).args(&arguments).current_dir(&directory).output().unwrap();
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
        let found: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(found["mechanism"], name, "the example is of the mechanism it says");
        assert_eq!(found, serde_json::from_str::<Value>(answer).unwrap(), "{name}");
    }
}
