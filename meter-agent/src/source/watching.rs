//! A live meter in a test: where it is placed, and what it sees.

use std::time::Duration;

use protocol::{interval::Interval, reading::Registers};
use tokio::time::timeout;

use super::{MeterSource, Placement, Sight};

/// Only so that a hang fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A household of 10 kW whose meter begins at 1 kWh and 500 Wh.
pub(crate) fn placement() -> Placement {
    let first: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
    let registers = Registers { import_wh: 1_000, export_wh: 500 };
    Placement { first, registers, rated_power_w: Some(10_000) }
}

/// Waits until the meter sees what is wanted.
pub(crate) async fn sees(meter: &dyn MeterSource, wanted: impl Fn(&Sight) -> bool) -> Sight {
    let seeing = async {
        loop {
            let sight = meter.sight().unwrap();
            if wanted(&sight) {
                return sight;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, seeing).await.expect("it never sees that")
}
