//! The progress bar and the help in a real terminal, which `script` gives to the program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Stdio};

const CLEAR_LINE: &str = "\u{1b}[2K";

/// Everything that the program writes to a terminal of so many columns.
fn written(columns: usize, options: &str) -> String {
    let program = env!("CARGO_BIN_EXE_simulator");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols {columns} rows 24; exec {program} {options}"), "/dev/null"]);
    // Without colours, so that what is written is as wide as it has characters.
    let output = script.stdin(Stdio::null()).env("TERM", "xterm").env("NO_COLOR", "1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines that stay, where no line was longer than the terminal; and every state of the bar on the way.
fn shown(written: &str) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut bars) = (Vec::new(), Vec::new());
    for row in written.split('\n') {
        let mut line = "";
        for part in row.split('\r') {
            // What is written from the beginning of a line is in the place of what stood there.
            let text = part.rsplit(CLEAR_LINE).next().unwrap();
            if !text.is_empty() || part.contains(CLEAR_LINE) {
                line = text;
            }
            bars.extend(part.split(CLEAR_LINE).filter(|text| text.contains(['█', '░'])).map(str::to_owned));
        }
        lines.push(line.to_owned());
    }
    (lines, bars)
}

#[test]
fn the_bar_fits_any_terminal_says_only_what_it_knows_and_leaves_no_trace() {
    for columns in [80, 30] {
        let written = written(columns, "--console off --validators 1 --interval-ms 0 --intervals 3");
        let (lines, bars) = shown(&written);
        assert!(bars.iter().any(|bar| bar.contains("0/3 intervals")), "{bars:#?}");
        for bar in &bars {
            // Room for the `^C` of a terminal whose user presses Ctrl-C.
            assert!(bar.chars().count() <= columns - 2, "{columns}: {bar:?}");
            assert!(!bar.contains("0s left"), "{bar:?}");
        }
        assert!(!lines.iter().any(|line| line.contains(['█', '░'])), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("intervals settled")), "{lines:#?}");
    }
}

#[test]
fn help_is_wrapped_at_the_terminals_width() {
    let [narrow, wide] = [60, 90].map(|columns| {
        let help = written(columns, "--help");
        let longest = help.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
        assert!(longest <= columns, "{columns}: {longest}\n{help}");
        help.lines().count()
    });
    assert!(narrow > wide, "{narrow} lines in a narrow terminal, {wide} in a wide one");
}
