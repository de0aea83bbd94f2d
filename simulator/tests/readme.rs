//! What the README's commands leave behind is no part of the repository.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, fs, path::Path};

/// The files and directories that the commands of a text in Markdown write: what follows an option or sign that names
/// one.
fn written(markdown: &str) -> BTreeSet<&str> {
    let blocks = markdown.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let words: Vec<&str> = blocks.flat_map(str::split_whitespace).collect();
    let names = words.windows(2).filter(|pair| ["--state", "--summary", "--out", ">"].contains(&pair[0]));
    names.map(|pair| pair[1]).collect()
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
