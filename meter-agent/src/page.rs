//! The household's page: one file, no scripts, readable on a phone and at night.

use std::collections::BTreeMap;

use crate::status::{NO_ORDER, Status, in_words, kwh, money};

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f6f7f4;--card:#fff;--text:#1c2321;--soft:#5d6966;--sun:#c77700;--leaf:#1f7a4d;\
--alarm:#b3261e;--line:#dfe4df}\
@media(prefers-color-scheme:dark){:root{--ground:#121614;--card:#1b211e;--text:#e8ece9;--soft:#9aa7a2;--sun:#ffb74d;\
--leaf:#66c796;--alarm:#ff8a80;--line:#2c3531}}\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);\
font:16px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{max-width:44rem;margin:0 auto;padding:1.25rem 1rem 3rem}h1{font-size:1.35rem;margin:0}h2{font-size:1rem;\
color:var(--soft);margin:1.75rem 0 .6rem;font-weight:600}p{margin:.2rem 0;color:var(--soft)}\
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem}\
.card{background:var(--card);border:1px solid var(--line);border-radius:.9rem;padding:.8rem .95rem}\
.card b{display:block;font-size:1.3rem;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.85rem}\
.sun b{color:var(--sun)}.leaf b{color:var(--leaf)}\
.alarm{border:1px solid var(--alarm);color:var(--alarm);border-radius:.9rem;padding:.7rem .95rem;margin:.5rem 0;\
overflow-wrap:anywhere}.good{color:var(--leaf)}code{font-size:.8rem;overflow-wrap:anywhere}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0}dt{color:var(--soft)}dd{margin:0;\
overflow-wrap:anywhere}a{color:inherit}";

/// The page.
pub(crate) fn render(status: &Status) -> String {
    let title = escape(status.name.as_deref().unwrap_or("Your home"));
    let community = escape(&status.community);
    let day = status.settled_until.map_or_else(|| "Today".to_string(), |i| i.start_text()[..10].to_string());
    let none = || "none yet".to_string();
    let proved = status.settled_until.map_or_else(none, |interval| interval.to_string());
    let last = status.last_interval.map_or_else(none, |interval| interval.to_string());
    let (today, totals, currency) = (&status.today, &status.totals, &status.currency);
    let currency = escape(currency);
    let tariffs = status.tariffs.map_or_else(none, |tariffs| in_words(&tariffs, &currency));
    let order = status.order.as_ref().map_or(NO_ORDER.into(), |order| escape(&order.in_words(&status.currency)));
    let strategy = escape(&status.strategy);
    let card = |class: &str, label: &str, value: String, note: String| {
        format!("<div class=\"card {class}\"><span>{label}</span><b>{value}</b><span>{note}</span></div>")
    };
    let sums = |t: &crate::Totals| {
        [
            card("leaf", "Sold to neighbours", kwh(t.sold_wh), format!("earned {}", money(t.earned, &currency))),
            card("leaf", "Bought from neighbours", kwh(t.bought_wh), format!("paid {}", money(t.paid, &currency))),
            card(
                "sun",
                "To the supplier",
                kwh(t.exported_wh),
                format!("earned {}", money(t.supply_revenue, &currency)),
            ),
            card("", "From the supplier", kwh(t.imported_wh), format!("paid {}", money(t.supply_cost, &currency))),
        ]
        .concat()
    };
    let at_home = if totals.consumption_wh + totals.production_wh > 0 {
        [
            card("", "Consumed", kwh(totals.consumption_wh), "since the start".into()),
            card("sun", "Produced", kwh(totals.production_wh), "since the start".into()),
            card("sun", "Used from your own roof", kwh(totals.self_consumed_wh), "since the start".into()),
        ]
        .concat()
    } else {
        String::new()
    };
    let alarms = if status.alarms.is_empty() {
        "<p class=\"good\">No alarms. Every receipt so far was checked and is right.</p>".to_string()
    } else {
        status
            .alarms
            .iter()
            .map(|alarm| format!("<div class=\"alarm\" role=\"alert\">{}</div>", escape(alarm)))
            .collect()
    };
    let counted = |label: &str, counts: &BTreeMap<String, u64>| -> String {
        counts.iter().map(|(name, count)| format!("<dt>{label}: {}</dt><dd>{count}</dd>", escape(name))).collect()
    };
    let refused = counted("Refused", &status.refused) + &counted("Receipt refused", &status.receipts_refused_as);
    let connection = if status.connected { "connected to the market" } else { "not connected to the market" };
    let over = if status.finished { "<p>The replay is over, and everything is settled.</p>" } else { "" };
    let balance = money(status.balance, &currency);
    let (verified, bad, outbox) = (totals.receipts_verified, status.receipts_refused, status.outbox);
    let (member, device) = (status.member, status.device);
    let (today_cards, total_cards) = (sums(today), sums(totals));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"refresh\" content=\"10\">\
         <title>{title} · {community}</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}</h1><p>{community} · {connection}</p>{over}{alarms}\
         <h2>{day} (UTC)</h2><div class=\"grid\">{today_cards}</div>\
         <h2>Since the start</h2><div class=\"grid\">{balance_card}{total_cards}{at_home}</div>\
         <h2>Your order</h2><dl><dt>Strategy</dt><dd>{strategy}</dd><dt>Placed last</dt><dd>{order}</dd></dl>\
         <h2>Proof</h2><dl><dt>Proved settled until</dt><dd>{proved}</dd><dt>Tariffs proved there</dt><dd>{tariffs}</dd><dt>Last reading</dt><dd>{last}</dd>\
         <dt>Receipts verified</dt><dd>{verified}</dd><dt>Receipts refused</dt><dd>{bad}</dd>\
         <dt>Readings without a receipt yet</dt><dd>{outbox}</dd>{refused}\
         <dt>Member</dt><dd><code>{member}</code></dd><dt>Device</dt><dd><code>{device}</code></dd></dl>\
         <p><a href=\"/status\">status as JSON</a> · <a href=\"/statement\">statement as JSON</a></p>\
         </main></body></html>",
        balance_card = card("leaf", "Balance", balance, "earned less paid".into()),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use household::strategy::FixedLimits;
    use protocol::{key::SecretKey, member::MemberId, money::Amount};

    use super::*;
    use crate::{PlacedOrder, Totals};

    #[test]
    fn the_page_shows_the_figures_and_no_foreign_markup() {
        let status = Status {
            name: Some("<script>alert(1)</script>".into()),
            community: "a & b".into(),
            currency: "EUR".into(),
            member: MemberId::from_bytes([1; 16]),
            device: SecretKey::from_seed(&[1; 32]).public(),
            connected: true,
            open: None,
            last_interval: None,
            settled_until: Some("2026-06-01T12:00:00Z/PT15M".parse().unwrap()),
            price: None,
            registers: None,
            tariffs: None,
            strategy: "time_of_use".into(),
            order: Some(PlacedOrder {
                valid_from: "2026-06-01T17:00:00Z/PT15M".parse().unwrap(),
                limits: FixedLimits { buy: "0.32".parse().ok(), ..FixedLimits::default() },
                why: Some("in the window from 17:00 to 21:00 (UTC)".into()),
                accepted: None,
            }),
            outbox: 3,
            receipts_refused: 0,
            totals: Totals { sold_wh: 1_234, earned: Amount::from_nano(150_000_000), ..Totals::default() },
            balance: Amount::from_nano(150_000_000),
            today: Totals::default(),
            refused: [("Duplicate".to_string(), 2)].into(),
            receipts_refused_as: [("OtherMember".to_string(), 3)].into(),
            alarms: vec!["clock wrong: \"<b>\"".into()],
            finished: false,
        };
        let page = render(&status);
        for expected in [
            "1.234 kWh",
            "0.15 EUR",
            "2026-06-01 (UTC)",
            "a &amp; b",
            "&lt;script&gt;",
            "&lt;b&gt;",
            "Duplicate",
            "OtherMember",
            "<dd>time_of_use</dd>",
            "buy up to 0.32 EUR per kWh; in the window from 17:00 to 21:00 (UTC); not answered yet",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        assert!(!page.contains("<script"));
        assert!(!page.contains("http://") && !page.contains("https://"), "no external assets");
    }
}
