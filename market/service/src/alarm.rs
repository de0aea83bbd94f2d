//! The alarm of an interval that does not close: in the log, with the numbers. The console and the metrics show the
//! same.

use protocol::{api::Settled, settlement::Provisional};

/// Raises the alarm, if the interval is settled as provisional.
pub(crate) fn if_provisional(settled: &Settled) {
    let Some(provisional) = &settled.provisional else { return };
    let said = if provisional.is_unbalanced() {
        "the members' meters do not add up to the transformer's"
    } else {
        "not every meter was read"
    };
    let balance = provisional.balance;
    tracing::warn!(
        interval = %settled.interval,
        unread = provisional.unread.len(),
        expected_wh = balance.and_then(|balance| balance.expected_wh),
        found_wh = balance.map(|balance| balance.found_wh),
        tolerance_wh = balance.map(|balance| balance.tolerance_wh),
        "settled as provisional: {said}"
    );
}

/// The name under which the console counts the readings of a provisional interval.
pub(crate) fn reason(provisional: &Provisional) -> &'static str {
    if provisional.is_unbalanced() { "SumDiffersFromTransformer" } else { "MetersNotRead" }
}
