//! Ports for nodes that have to be told of each other before they run.

use std::{
    iter,
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// A port that this function gives to nobody else, and below those from which systems take outgoing connections.
/// Processes begin far from each other: a port is free while its node is stopped, and must not go to another test's
/// node then.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Steps of the golden ratio spread the ids of neighbours evenly.
    let first = (u64::from(process::id()) * 12_361 % 20_000) as u16;
    let candidate = || 10_000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
    iter::repeat_with(candidate).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}
