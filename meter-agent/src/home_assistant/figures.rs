//! The values that Home Assistant shows: of the status, what a household looks at. Pure.

use protocol::{interval::utc_text, money::Amount};
use serde_json::{Value, json};

use crate::{set_point::SetPoint, source::MeterKind, status::Status};

/// What is proposed for the battery now, where it is not over by this machine's clock. What is played has another time.
pub(super) fn proposed(status: &Status, now_s: i64) -> Option<SetPoint> {
    let is_played = status.meter != MeterKind::Meter;
    status.set_point.filter(|proposed| is_played || proposed.interval.end_s() > now_s)
}

/// What is proposed for the battery: a power, W, and until when it is meant.
pub(super) fn set_point(SetPoint { power_w, interval }: SetPoint) -> Value {
    json!({ "set_point": power_w, "until": utc_text(interval.end_s()) })
}

/// The figures; what is not known is `null`, and never 0.
pub(super) fn figures(status: &Status) -> Value {
    let totals = &status.totals;
    let island = status.island.as_ref().map_or(&[][..], |island| &island.quotas);
    // Nothing was paid before the first receipt: that is no figure yet.
    let proved = totals.receipts_verified > 0;
    let sum = |one: Amount, other: Amount| one.checked_add(other).filter(|_| proved).map(|sum| sum.to_string());
    json!({
        "import": status.registers.map(|registers| registers.import_wh),
        "export": status.registers.map(|registers| registers.export_wh),
        "price": status.price.map(|price| price.to_string()),
        "retail_price": status.tariffs.map(|tariffs| tariffs.retail_price.to_string()),
        "feed_in_price": status.tariffs.map(|tariffs| tariffs.feed_in_price.to_string()),
        "cost": sum(totals.paid, totals.supply_cost),
        "compensation": sum(totals.earned, totals.supply_revenue),
        "saved": totals.saved.map(|saved| saved.to_string()),
        "proved_until": status.settled_until.map(|interval| utc_text(interval.end_s())),
        "island_quota": island.first().map(|planned| planned.quota.total().wh()),
        "island": {
            "from": island.first().map(|planned| utc_text(planned.interval.start_s())),
            "until": island.first().map(|planned| utc_text(planned.interval.end_s())),
            "overdrawn_wh": status.island.as_ref().and_then(|island| Some(island.last?.overdrawn_wh)),
        },
        "outbox": status.outbox,
        "alarms": status.alarms,
    })
}
