//! Waiting for what comes about by itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Only so that a hang fails: nothing here is measured against it.
const PATIENCE: Duration = Duration::from_secs(600);

/// What there is, once there is something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "gave up waiting: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The JSON at an address; on a thread of its own, because whoever asks may be in a runtime.
pub fn get(url: &str) -> Option<Value> {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { reqwest::get(url).await.ok()?.json().await.ok() })
    };
    thread::scope(|scope| scope.spawn(ask).join().unwrap())
}
