//! What who starts the program without saying anything sees: by the console's API, within the intervals that half a
//! minute holds at the default pace.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// Half a minute at an interval every two seconds.
const INTERVALS: u64 = 15;

/// The program, stopped with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(url: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { reqwest::get(url).await.unwrap().json().await.unwrap() })
}

/// Prices of a curve: one a step.
fn prices(curve: &Value) -> Vec<f64> {
    curve.as_array().unwrap().iter().map(|step| step["price"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn without_a_word_neighbours_trade_at_a_price_of_their_own_within_half_a_minute() {
    // Any free port, so that tests can run side by side: nothing is said of what is played.
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    let mut program = Running(command.args(["--console", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let heading = lines.nth(1).unwrap();
    assert!(heading.contains("from 2016-07-04T04:00:00Z (summer)"), "{heading}");
    let note = lines.next().unwrap();
    assert!(note.contains("--from 2016-07-04T04:00:00Z --orders built-in"), "{note}");
    let console = lines.find_map(|line| line.strip_prefix("console   ").map(str::to_owned)).unwrap();
    let settled_already = get(&format!("{console}/api/v1/state"))["status"]["totals"]["intervals"].as_u64().unwrap();

    // A line an interval.
    let mut settled = lines.filter(|line| line.contains("from supplier"));
    let found = (0..settled_already + INTERVALS).find_map(|_| {
        let line = settled.next().unwrap();
        let start = line.split_whitespace().next().unwrap();
        let curves = get(&format!("{console}/api/v1/intervals/{start}/curves"));
        let price: f64 = curves["interval"]["price"].as_str()?.parse().unwrap();
        let [demand, supply] = ["demand", "supply"].map(|side| prices(&curves["curves"][side]));
        let crosses = curves["interval"]["traded_wh"].as_u64().unwrap() > 0
            && demand.iter().any(|bid| *bid >= price)
            && supply.iter().any(|offer| *offer <= price);
        let is_free = price > 0.08 && price < 0.30;
        // Curves with steps on both sides of the price, and not one line each at the supplier's.
        let real = demand.iter().any(|bid| *bid < price) && demand.len() >= 5 && supply.len() >= 3;
        (crosses && is_free && real).then_some(curves)
    });
    assert!(found.is_some(), "no such interval");
}
