//! Books of every kind through the real program: the answer, or one line that says what is wrong, and an exit code.

#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use market::clearing::mechanisms;
use serde_json::Value;

fn run(book: &[u8], options: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_market"))
        .args(["clear", "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let book = book.to_vec();
    // A program that refuses its options does not read the book: then writing it fails, and that is fine.
    let writer = std::thread::spawn(move || stdin.write_all(&book).ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn answer(book: &str, mechanism: &str) -> Value {
    let output = run(book.as_bytes(), &["--mechanism", mechanism]);
    let errors = String::from_utf8_lossy(&output.stderr);
    // What only `feeder` has to say here: that it was given no grid.
    let said = if mechanism == "feeder" { "market: note: `feeder` without --feeder DIR knows no grid: " } else { "" };
    assert!(output.status.success() && errors.starts_with(said), "{mechanism}: {errors}");
    assert_eq!(errors.lines().count(), usize::from(!said.is_empty()), "{mechanism}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one line with which a book is refused.
fn refusal(book: &[u8], options: &[&str]) -> String {
    let output = run(book, options);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(book).chars().take(80).collect::<String>());
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.len() < 500, "{text}");
    text
}

#[test]
fn sane_books_are_answered_by_every_mechanism() {
    let empty = r#"{"bids":[],"offers":[]}"#;
    let one_sided = r#"{"bids":[{"id":"b","price":"0.3","quantity":5}],"offers":[]}"#;
    let other_side = r#"{"bids":[],"offers":[{"id":"o","price":"0.3","quantity":5}]}"#;
    let zero = r#"{"bids":[{"id":"b","price":"0.3","quantity":0}],"offers":[{"id":"o","price":"0.1","quantity":0}]}"#;
    let apart = r#"{"bids":[{"id":"b","price":"0.1","quantity":5}],"offers":[{"id":"o","price":"0.3","quantity":5}]}"#;
    for mechanism in mechanisms() {
        let name = mechanism.name();
        for book in [empty, one_sided, other_side, zero, apart] {
            let answer = answer(book, name);
            assert_eq!((&answer["mechanism"], &answer["quantity"]), (&name.into(), &0.into()), "{book}");
            assert!(answer["price"].is_null() && answer["price_interval"].is_null(), "{book}");
            assert_eq!((&answer["surplus"], answer["trades"].as_array().unwrap().len()), (&"0".into(), 0));
        }
    }
}

#[test]
fn negative_and_extreme_prices_trade_like_others() {
    let negative = r#"{"bids":[{"id":"b","price":"-0.01","quantity":10},{"id":"c","price":"-0.02","quantity":10}],
                       "offers":[{"id":"o","price":"-0.05","quantity":10},{"id":"p","price":"-0.03","quantity":10}]}"#;
    let extreme = r#"{"bids":[{"id":"b","price":"1000","quantity":1000000000},{"id":"c","price":"1000","quantity":1000000000}],
                      "offers":[{"id":"o","price":"-1000","quantity":1000000000},{"id":"p","price":"-1000","quantity":1000000000}]}"#;
    for mechanism in mechanisms() {
        // Without a third order on a side, trade reduction gives up one trade of the two.
        let wh = |all: u64| if mechanism.name() == "mcafee" { all / 2 } else { all };
        let found = answer(negative, mechanism.name());
        assert_eq!(found["quantity"], wh(20), "{}", mechanism.name());
        let found = answer(extreme, mechanism.name());
        assert_eq!(found["quantity"], wh(2_000_000_000), "{}", mechanism.name());
        assert_eq!(found["surplus"], (wh(2_000_000_000) * 2).to_string());
    }
}

#[test]
fn hostile_books_are_refused_in_one_line() {
    let order = |fields: &str| format!(r#"{{"bids":[],"offers":[{{{fields}}}]}}"#);
    let twice = r#"{"bids":[{"id":"x","price":"1","quantity":1}],"offers":[{"id":"x","price":"1","quantity":1}]}"#;
    let nested = "[".repeat(1_000_000);
    let long_id = format!(r#""id":"{}","price":"x","quantity":1"#, "long".repeat(100_000));
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "expected a book in JSON"),
        ("not JSON at all".into(), "expected a book in JSON"),
        ("\0\0\0".into(), "expected a book in JSON"),
        (nested, "expected a book"),
        ("[]".into(), "expected a book"),
        (r#"{"bids":[]}"#.into(), "missing field `offers`"),
        (twice.into(), "the id of another bid"),
        (order(r#""id":"o","price":"0.1234567","quantity":1"#), "at most 6 decimals"),
        (order(r#""id":"o","price":"1000.000001","quantity":1"#), "from -1000 to 1000"),
        (order(&format!(r#""id":"o","price":"{}","quantity":1"#, "9".repeat(70))), "from -1000 to 1000"),
        (order(r#""id":"o","price":"NaN","quantity":1"#), "expected a price"),
        (order(r#""id":"o","price":"1e9","quantity":1"#), "expected a price"),
        (order(r#""id":"o","price":0.1,"quantity":1"#), "a text in quotation marks"),
        (order(r#""id":"o","price":"1","quantity":-1"#), "which is negative"),
        (order(r#""id":"o","price":"1","quantity":1.5"#), "whole Wh"),
        (order(r#""id":"o","price":"1","quantity":1000000001"#), "at most 1000000000 Wh"),
        (order(r#""id":"o","price":"1","quantity":18446744073709551615"#), "at most 1000000000 Wh"),
        (order(r#""id":"o","price":"1","quantity":18446744073709551616"#), "whole Wh"),
        (order(r#""id":"o","price":"1","quantity":1e400"#), "out of range"),
        (order(r#""id":"","price":"1","quantity":1"#), "at least one character"),
        (order(&long_id), "expected a price"),
    ];
    for (book, expected) in &cases {
        let line = refusal(book.as_bytes(), &[]);
        assert!(line.contains(expected), "{expected}: {line}");
    }
    assert!(refusal(b"\xff\xfe{", &[]).contains("expected a book"));
}

#[test]
fn bad_options_are_refused_in_one_line() {
    let book = br#"{"bids":[],"offers":[]}"#;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name).to_str().unwrap().to_owned()
    };
    let grid = |lines: &str| {
        file("grid_buses.csv", "bus_id\na\nb\nc\n");
        file("grid_transformer.csv", "trafo_id,lv_bus,sn_kva\nt,a,400\n");
        file("grid_lines.csv", &format!("line_id,from_bus,to_bus,rated_kva,in_service\n{lines}"));
        directory.path().to_str().unwrap().to_owned()
    };
    let refused = |options: &[&str], expected: &str| {
        let line = refusal(book, options);
        assert!(line.contains(expected), "{expected}: {line}");
    };
    refused(&["--mechanism", "barter"], "expected a mechanism (`uniform`, ");
    refused(&["--price", "cheap"], "expected a price per kWh");
    refused(&["--feeder", "/nowhere"], "/nowhere/grid_buses.csv");
    refused(&["--fees", "fees.csv"], "--feeder");

    let loop_found = grid("one,a,b,1,1\ntwo,b,c,1,1\nthree,c,a,1,1\n");
    refused(&["--feeder", &loop_found], "a loop of the lines `one`, `three`, `two`");
    refused(&["--feeder", &grid("one,a,b,1,1\n")], "an island of the buses `c`");
    refused(&["--feeder", &grid("one,b,c,1,1\n")], "an island of the buses `b`, `c`");
    refused(&["--feeder", &grid("one,a,d,1,1\n")], "expected a bus of grid_buses.csv, found `d`");
    refused(&["--feeder", &grid("one,a,b,-1,1\n")], "a rating in kVA");
    refused(&["--feeder", &grid("one,a,b,1,1\none,b,c,1,1\n")], "`one` twice");
    refused(&["--feeder", &grid("one,a,b,1,maybe\n")], "1 or 0 in column `in_service`");

    let good = grid("one,a,b,1,1\ntwo,b,c,1,1\n");
    for derate in ["-0.1", "1.1", "0.1234567", "all"] {
        let expected = format!("--derate: expected a number from 0 to 1 with at most six decimals, found `{derate}`");
        refused(&["--feeder", &good, &format!("--derate={derate}")], &expected);
    }
    let fees = |text: &str| file("fees.csv", &format!("line_id,fee\n{text}"));
    refused(&["--feeder", &good, "--fees", &fees("four,0.1\n")], "found `four`");
    refused(&["--feeder", &good, "--fees", &fees("one,-0.1\n")], "expected at least 0 for `one`");
    refused(&["--feeder", &good, "--fees", &fees("one,0.1\none,0.2\n")], "found one twice");
    refused(&["--feeder", &good, "--fees", &fees("one,dear\n")], "expected a price per kWh");
    let classes = |text: &str| file("fees.csv", &format!("class,fee\n{text}"));
    refused(&["--feeder", &good, "--fees", &classes("same_street,0.1\n")], "unknown variant `same_street`");
    refused(&["--feeder", &good, "--fees", &classes("same_bus,0.1\n")], "expected 0 for `same_bus`");
    refused(&["--feeder", &good, "--fees", &classes("same_feeder,0.1\nsame_feeder,0.2\n")], "`same_feeder` twice");
    refused(
        &["--feeder", &good, "--fees", &classes("same_feeder,0.2\nbeyond_transformer,0.1\n")],
        "expected at least the fee of `same_feeder` for `beyond_transformer`, found 0.1",
    );
    let both = |row: &str| file("fees.csv", &format!("line_id,class,fee\n{row}\n"));
    refused(&["--feeder", &good, "--fees", &both("one,same_feeder,0.1")], "a line or a class in each row, found both");
    refused(&["--feeder", &good, "--fees", &both(",,0.1")], "a line or a class in each row, found neither");
    let keys = |text: &str| file("keys.csv", &format!("id,share\n{text}"));
    refused(&["--keys", &keys("a,0.6\nb,0.5\n")], "at most 1 in all");
    refused(&["--keys", &keys("a,0.6\na,0.1\n")], "`a` twice");
    refused(&["--keys", &keys("a,half\n")], "a share from 0 to 1");
}

#[test]
fn a_trade_pays_the_fee_of_its_class_and_of_its_lines() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    file("grid_buses.csv", "bus_id\na\nb\nc\n");
    file("grid_transformer.csv", "trafo_id,lv_bus,sn_kva\nt,a,400\n");
    file("grid_lines.csv", "line_id,from_bus,to_bus,rated_kva,in_service\none,a,b,100,1\ntwo,b,c,100,1\n");
    // 1 kWh from one bus to another, worth 0.2 before fees: what is left of it is the welfare.
    let welfare = |from: &str, to: &str, fees: &str| {
        let book = format!(
            r#"{{"bids":[{{"id":"b","price":"0.3","quantity":1000,"bus":"{to}"}}],
                "offers":[{{"id":"o","price":"0.1","quantity":1000,"bus":"{from}"}}]}}"#
        );
        file("fees.csv", fees);
        let [feeder, fees] = [directory.path().to_path_buf(), directory.path().join("fees.csv")];
        let options = ["--mechanism", "feeder", "--feeder", feeder.to_str().unwrap(), "--fees", fees.to_str().unwrap()];
        let output = run(book.as_bytes(), &options);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["welfare"].as_str().unwrap().to_owned()
    };
    let classes = "class,fee\nsame_bus,0\nsame_feeder,0.02\nbeyond_transformer,0.05\n";
    for (from, to, expected) in [("c", "c", "0.2"), ("a", "c", "0.18"), ("c", "b", "0.18"), ("t", "c", "0.15")] {
        assert_eq!(welfare(from, to, classes), expected, "{from} to {to}");
    }
    let both = "line_id,class,fee\ntwo,,0.01\n,same_feeder,0.02\n";
    for (from, to, expected) in [("a", "b", "0.18"), ("a", "c", "0.17")] {
        assert_eq!(welfare(from, to, both), expected, "{from} to {to}");
    }
}

#[test]
fn a_million_orders_are_cleared() {
    let mut book = String::from(r#"{"bids":["#);
    let mut number = 1u64;
    let mut side = |book: &mut String, name: char| {
        for index in 0..500_000 {
            // A linear congruential generator: prices and quantities only have to be all over the place.
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (price, quantity) = (80_000 + (number >> 33) % 220_000, 1 + (number >> 40) % 5_000);
            let comma = if index == 0 { "" } else { "," };
            book.push_str(&format!(r#"{comma}{{"id":"{name}{index}","price":"0.{price:06}","quantity":{quantity}}}"#));
        }
    };
    side(&mut book, 'b');
    book.push_str(r#"],"offers":["#);
    side(&mut book, 'o');
    book.push_str("]}");
    let uniform = answer(&book, "uniform");
    let feeder = answer(&book, "feeder");
    assert_eq!(uniform["fills"].as_object().unwrap().len(), 1_000_000);
    assert!(uniform["quantity"].as_u64().unwrap() > 500_000_000);
    // Two ways to the same clearing, which have no code in common until they share ties.
    for field in ["quantity", "price", "surplus", "fills"] {
        assert!(uniform[field] == feeder[field], "{field}");
    }
}
