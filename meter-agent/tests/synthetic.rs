//! A home that invents its registers, beside the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use meter_agent::start;
use protocol::interval::{Interval, IntervalLength};
use support::{Home, Market, interval};
use testkit::mosquitto::Mosquitto;

const SOURCE: &str = "kind = \"synthetic\"\nseed = 7\nyearly_kwh = 3500\npv_peak_w = 5000\n";

#[test]
fn check_says_loudly_that_it_is_no_meter() {
    let said = Home::with_meter(interval(0), 1, SOURCE).check();
    assert!(
        said.contains("ok     THIS IS NOT A METER: `synthetic` and `home` invent what is signed and sent"),
        "{said}"
    );
    let said =
        Home::with_meter(interval(0), 1, "kind = \"synthetic\"\nseed = 7\nyearly_kwh = 0\npv_peak_w = 0\n").check();
    assert!(said.contains("WRONG  expected a home that consumes or produces, found 0 for both"), "{said}");
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn what_is_signed_follows_from_settings_and_interval_alone() {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
    let first = Interval::containing(now_s, IntervalLength::Minutes5).unwrap().offset(-3).unwrap();
    let mut signed = Vec::new();
    for _ in 0..2 {
        let broker = Mosquitto::start();
        let home = Home::with_meter(first, broker.port, SOURCE);
        let mut market = Market::connect(&home, broker.port).await;
        let running = start(home.config()).await.unwrap();
        let mut readings = Vec::new();
        for _ in 0..3 {
            let reading = market.reading().await;
            readings.push((reading.sequence, reading.interval, reading.registers));
        }
        running.stop().await;
        signed.push(readings);
    }
    assert_eq!(signed[0], signed[1]);
    assert_eq!((signed[0][0].0, signed[0][0].1), (1, first));
    assert!(signed[0].is_sorted_by_key(|(.., registers)| registers.import_wh + registers.export_wh), "{signed:?}");
}
