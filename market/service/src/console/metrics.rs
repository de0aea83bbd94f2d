//! The market's metrics in the OpenMetrics text format that Prometheus scrapes. Base units (joules, seconds), every
//! refusal present from the start, and never a household in a label.
//!
//! Rendered from the board at each scrape: a number here cannot differ from the same number on the page.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text,
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::{Registry, Unit},
};
use protocol::{interval::parse_utc, money::Price};
use rust_decimal::prelude::ToPrimitive;

use super::{
    health::{Level, TroubleKind},
    view::{Community, Status, Total, Totals},
};

const JOULES_PER_WH: u128 = 3_600;
type Labels = Vec<(&'static str, String)>;
type GaugeFamily = Family<Labels, Gauge<f64, AtomicU64>>;

/// The content type of [`render`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a moment.
pub(crate) fn render(community: &Community, status: &Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    market(registry.sub_registry_with_prefix("voisin_market"), community, status);
    ledger(registry.sub_registry_with_prefix("voisin_ledger"), status);
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

fn market(registry: &mut Registry, community: &Community, status: &Status) {
    let info = vec![
        ("community", community.community.clone()),
        ("chain", community.chain.to_string()),
        ("mechanism", community.mechanism.clone()),
    ];
    registry.register("community", "The community that this market serves", Info::new(info));
    if let Some(totals) = &status.totals {
        sums(registry, community, totals);
    }
    health(registry, status);

    let refusals = Family::<Labels, Counter>::default();
    for refused in &status.refusals {
        refusals.get_or_create(&vec![("refusal", refused.refusal.to_owned())]).inc_by(refused.count);
    }
    registry.register("refusals", "Messages refused since the market started, by name", refusals);

    let provisional = Family::<Labels, Counter>::default();
    for (reason, intervals) in
        [("unread", status.provisional.unread_intervals), ("unbalanced", status.provisional.unbalanced_intervals)]
    {
        provisional.get_or_create(&vec![("reason", reason.to_owned())]).inc_by(intervals);
    }
    let help = "Intervals settled as provisional, those before this market started included, by reason";
    registry.register("intervals_provisional", help, provisional);
    let alarm = ConstGauge::new(i64::from(status.provisional.alarm));
    registry.register("provisional", "1 while the last settled interval is provisional", alarm);

    if let Some(disk) = status.disk {
        for (name, help, bytes) in [
            ("disk_free", "Room left on the disk with the market's state", disk.free_bytes),
            ("disk_size", "All of that disk", disk.total_bytes),
        ] {
            let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            registry.register_with_unit(name, help, Unit::Bytes, gauge);
        }
    }
    let (delivered, failed) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
    let waiting = GaugeFamily::default();
    for found in &status.notices {
        let labels = vec![("channel", found.channel.to_string())];
        delivered.get_or_create(&labels).inc_by(found.delivered);
        failed.get_or_create(&labels).inc_by(found.failed);
        waiting.get_or_create(&labels).set(found.waiting as f64);
    }
    registry.register("notices_delivered", "Messages about alarms that arrived since the market started", delivered);
    registry.register("notices_failed", "Attempts to deliver one that failed since then", failed);
    registry.register("notices_waiting", "Alarms raised or over that are not told yet", waiting);

    let unread = status.provisional.last.as_ref().filter(|_| status.provisional.alarm).map_or(0, |last| last.unread);
    let unread = ConstGauge::new(i64::try_from(unread).unwrap_or(i64::MAX));
    registry.register("meters_unread", "Meters that were not read for the last settled interval", unread);
    if let Ok(now_s) = parse_utc(&status.at) {
        let help = "The market's clock; whole seconds, so up to one behind";
        registry.register_with_unit("clock", help, Unit::Seconds, ConstGauge::new(now_s));
    }

    let noted = Family::<Labels, Counter>::default();
    for found in &status.noted {
        let labels = vec![("what", found.what.name().to_owned()), ("reason", found.reason.to_owned())];
        noted.get_or_create(&labels).inc_by(found.count);
    }
    registry.register("readings_noted", "Readings late or settled provisionally since the market started", noted);

    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let received = ConstGauge::new(count(status.readings_received));
    registry.register("readings_received", "Devices read for the open interval", received);
    let expected = ConstGauge::new(count(status.readings_expected));
    registry.register("readings_expected", "Devices to read for the open interval", expected);
    for (name, help, start) in [
        ("open_interval_start_timestamp", "Start of the open interval", status.open.as_deref()),
        (
            "settled_interval_end_timestamp",
            "End of the last settled interval",
            status.last.as_ref().map(|last| last.end.as_str()),
        ),
    ] {
        if let Some(start_s) = start.and_then(|start| parse_utc(start).ok()) {
            registry.register_with_unit(name, help, Unit::Seconds, ConstGauge::new(start_s));
        }
    }

    let price = GaugeFamily::default();
    let add = |kind: &str, found: Price| {
        let labels = vec![("price", kind.to_owned()), ("currency", community.currency.clone())];
        price.get_or_create(&labels).set(found.to_decimal().to_f64().unwrap_or(f64::NAN));
    };
    add("retail", community.retail_price);
    add("feed_in", community.feed_in_price);
    if let Some(last) = &status.last_price {
        add("clearing", last.price);
    }
    registry.register("price_per_kilowatt_hour", "Prices: clearing is of the last interval with a trade", price);
}

/// Nothing is said of sums before the ledger has said what was settled.
fn sums(registry: &mut Registry, community: &Community, totals: &Totals) {
    registry.register(
        "intervals_settled",
        "Intervals settled on the ledger, those before this market started included",
        ConstCounter::new(totals.intervals),
    );
    for (name, help, wh) in [
        ("traded", "Energy traded between neighbours", totals.traded_wh),
        ("imported", "Energy drawn from the supplier", totals.imported_wh),
        ("exported", "Energy fed in to the supplier", totals.exported_wh),
    ] {
        let joules = u64::try_from(wh.saturating_mul(JOULES_PER_WH)).unwrap_or(u64::MAX);
        registry.register_with_unit(name, help, Unit::Joules, ConstCounter::new(joules));
    }
    registry.register(
        "receipts_forwarded",
        "Receipts published to their devices since the market started",
        ConstCounter::new(totals.receipts_forwarded),
    );

    let balance = GaugeFamily::default();
    for (account, total) in [("members", totals.members), ("supplier", totals.supplier), ("operator", totals.operator)]
    {
        let labels = vec![("account", account.to_owned()), ("currency", community.currency.clone())];
        balance.get_or_create(&labels).set(currency(total));
    }
    registry.register("account_gain", "What accounts gained over all settled intervals", balance);
    let balanced = ConstGauge::new(i64::from(totals.accounts_sum == Total(0)));
    registry.register("accounts_balanced", "1 while all accounts sum to exactly zero", balanced);
}

fn health(registry: &mut Registry, status: &Status) {
    let health = &status.health;
    let well = ConstGauge::new(i64::from(health.level != Level::Stopped));
    registry.register("healthy", "1 while nothing keeps the market from its work", well);
    let stale = ConstGauge::new(i64::from(health.stale_since.is_some()));
    registry.register("figures_stale", "1 while the figures stand still", stale);
    let troubles = Family::<Labels, Gauge>::default();
    for kind in TroubleKind::ALL {
        let is_there = health.troubles.iter().any(|trouble| trouble.trouble == kind);
        troubles.get_or_create(&vec![("trouble", kind.name().to_owned())]).set(i64::from(is_there));
    }
    registry.register("trouble", "1 while this is the matter", troubles);
}

fn ledger(registry: &mut Registry, status: &Status) {
    let height = Family::<Labels, Gauge>::default();
    let lag = Family::<Labels, Gauge>::default();
    let reachable = Family::<Labels, Gauge>::default();
    let age = GaugeFamily::default();
    for validator in &status.validators {
        let labels = vec![("validator", validator.validator.to_string())];
        reachable.get_or_create(&labels).set(i64::from(validator.reachable));
        if let Some(found) = validator.height {
            height.get_or_create(&labels).set(i64::try_from(found).unwrap_or(i64::MAX));
        }
        if let Some(found) = validator.lag {
            lag.get_or_create(&labels).set(i64::try_from(found).unwrap_or(i64::MAX));
        }
        if let Some(found) = validator.height_age_ms {
            age.get_or_create(&labels).set(found as f64 / 1_000.0);
        }
    }
    registry.register("height", "Height of the validator's last block", height);
    registry.register("lag_blocks", "Blocks behind the highest validator", lag);
    registry.register("reachable", "1 if the validator answered the last time", reachable);
    registry.register_with_unit("height_age", "Time since the validator's last block", Unit::Seconds, age);
}

fn currency(total: Total) -> f64 {
    total.0 as f64 / 1e9
}
