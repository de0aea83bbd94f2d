//! The console's history of a day: added up against receipts, and looked at in a real browser.

use std::{fs, path::Path};

use protocol::money::Amount;
use serde_json::{Value, json};
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    page::{DESKTOP, DRAWN, MISSING, PHONE, click, count, text},
};

use super::{
    spread::{eventually, get},
    true_up::sum,
};

/// Settled intervals, each with lines.
type Settled = [(Value, Vec<Value>)];

/// The figures of a day, as a program asks for them.
pub(crate) fn day(root: &str, date: &str) -> Value {
    eventually("the console to look back", || {
        get(&format!("{root}/api/v1/days/{date}")).filter(|day| day["error"].is_null())
    })
}

fn nano(amount: &Value) -> i128 {
    amount.as_str().unwrap().parse::<Amount>().unwrap().nano().into()
}

/// What these lines came to, and what they would have come to at the supplier alone, in nano-units.
fn money(settled: &Settled) -> [i128; 2] {
    let micro = |price: &Value| nano(price) / 1_000;
    let [mut net, mut alone] = [0, 0];
    for (settled, lines) in settled {
        let [retail, feed_in] = ["retail_price", "feed_in_price"].map(|name| micro(&settled["tariffs"][name]));
        for line in lines {
            let wh = |field: &str| i128::from(line[field].as_u64().unwrap());
            net += nano(&line["earned"]) + nano(&line["supply_revenue"]);
            net -= nano(&line["paid"]) + nano(&line["supply_cost"]);
            alone += feed_in * (wh("sold") + wh("exported")) - retail * (wh("bought") + wh("imported"));
        }
    }
    [net, alone]
}

fn come_to(sums: &Value, settled: &Settled) {
    for (figure, field) in [("traded_wh", "bought"), ("imported_wh", "imported"), ("exported_wh", "exported")] {
        assert_eq!(sums[figure], sum(settled, field), "{figure}");
    }
    let [net, alone] = money(settled);
    assert_eq!((nano(&sums["net"]), nano(&sums["saved"])), (net, net - alone));
}

/// The sums of a day are those of the lines in force, and beside them those of the lines as first settled.
pub(crate) fn adds_up(day: &Value, first: &Settled, in_force: &Settled) {
    come_to(&day["sums"], in_force);
    come_to(&day["first_sums"], first);
    let intervals = day["intervals"].as_array().unwrap();
    assert_eq!(intervals.len(), in_force.len());
    for (interval, (first, in_force)) in intervals.iter().zip(first.iter().zip(in_force)) {
        assert_eq!(interval["corrections"], in_force.0["corrections"]);
        come_to(interval, std::slice::from_ref(in_force));
        match &interval["first"] {
            Value::Null => assert_eq!(interval["corrections"], 0),
            was => {
                come_to(was, std::slice::from_ref(first));
                assert_ne!(interval["height"], was["height"]);
            }
        }
    }
}

/// A household's month adds up to its lines in force.
pub(crate) fn month_adds_up(root: &str, month: &str, member: &str, in_force: &Settled) {
    let found = get(&format!("{root}/api/v1/households/{member}/months/{month}")).unwrap();
    let own = |line: &&Value| line["member"] == member;
    let own: Vec<(Value, Vec<Value>)> = in_force
        .iter()
        .map(|(settled, lines)| (settled.clone(), lines.iter().filter(own).cloned().collect()))
        .collect();
    let sums = &found["sums"];
    for field in ["bought", "sold", "imported", "exported"] {
        assert_eq!(sums[format!("{field}_wh")], sum(&own, field), "{field}");
    }
    let [net, alone] = money(&own);
    assert_eq!((nano(&sums["net"]), nano(&sums["saved"])), (net, net - alone));
    assert_eq!(sums["settled"], in_force.len());
    assert!(found["name"].as_str().unwrap().starts_with('d'), "{found}");
    assert_eq!(found["days"].as_array().unwrap().len(), 1);
}

/// The curves of an interval that this market did not clear come from the ledger.
pub(crate) fn is_cleared_again(root: &str, start: &str) {
    let view = get(&format!("{root}/api/v1/intervals/{start}/curves")).unwrap();
    assert_eq!(view["origin"], "recomputed", "{view}");
    let steps = |side: &str| view["curves"][side].as_array().unwrap().len();
    assert!(steps("demand") > 0 && steps("supply") > 0, "{view}");
}

/// The one decision that was made corrects so many intervals, and says who approved it.
pub(crate) fn was_decided(root: &str, corrections: usize) {
    let page = get(&format!("{root}/api/v1/decisions")).unwrap();
    let decision = &page["decisions"][0];
    assert_eq!((&decision["sequence"], &decision["change"]["kind"]), (&1.into(), &"correct".into()), "{page}");
    assert_eq!(decision["change"]["intervals"].as_array().unwrap().len(), corrections);
    assert_eq!(decision["approved_by"].as_array().unwrap().len(), 3);
    assert_eq!((page["decisions"].as_array().unwrap().len(), &page["older"]), (1, &Value::Null));
}

/// The page of a day, of which so many intervals are settled and so many of these corrected, on every screen and in
/// every language.
pub(crate) fn is_looked_at(root: &str, date: &str, settled: usize, corrected: usize) {
    let (mut chromium, axe) = (Chromium::start(), Axe::installed(env!("CARGO_TARGET_TMPDIR")));
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("history");
    fs::create_dir_all(&pictures).unwrap();
    let said = |text: &str| json!(format!("document.getElementById('said').textContent.includes('{text}')"));
    for (name, screen, language, title, words) in [
        ("desktop-light", DESKTOP, "en", "History", "more intervals of the day were before the community began"),
        ("desktop-dark", Screen { dark: true, ..DESKTOP }, "de", "Rückblick", "vor dem Beginn der Gemeinschaft"),
        ("phone-light", PHONE, "fr", "Historique", "précèdent le début de la communauté"),
        (
            "phone-dark",
            Screen { dark: true, ..PHONE },
            "en",
            "History",
            "more intervals of the day were before the community began",
        ),
    ] {
        chromium.open(&format!("{root}/history?date={date}"), screen);
        chromium.wait_for(DRAWN, "false");
        chromium.eval(&format!("localStorage.setItem('voisin-language', '{language}')"));
        chromium.open(&format!("{root}/history?date={date}"), screen);
        chromium.wait_for(DRAWN, "false");
        for (expression, expected) in [
            ("document.documentElement.lang".into(), json!(language)),
            ("document.querySelector('h1').textContent".into(), json!(title)),
            (said(words).as_str().unwrap().into(), json!(true)),
            (count("#rows > tr"), json!(settled + corrected)),
            (count("#rows > tr.was"), json!(corrected)),
            (count("#chart .main-svg .barlayer .point"), json!(3 * settled)),
            (count("#chart-empty[hidden]"), json!(1)),
            (MISSING.into(), json!([])),
            ("document.documentElement.scrollWidth - innerWidth".into(), json!(0)),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{name}: {expression}");
        }
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.picture(&pictures.join(format!("{name}.png")));
        assert_eq!(chromium.complaints(), &[] as &[String], "{name}");
    }
    // The day before had not begun, and is said so in place of empty tables.
    chromium.eval(&click("#before"));
    chromium.wait_for(&(text("said") + ".startsWith('The community had not begun on this day')"), true);
    assert_eq!(chromium.eval(&count("#sums[hidden], #energy[hidden], #table[hidden]")), 3);
    assert_eq!(chromium.eval(MISSING), json!([]));
    chromium.eval(&click("#after"));
    chromium.wait_for(&count("#rows > tr"), settled + corrected);
    // An interval of it, cleared again; a household's month; what was decided.
    chromium.eval(&click("#rows .of"));
    chromium.wait_for(&(text("interval-said") + ".startsWith('Cleared again from what the ledger has of it')"), true);
    chromium.wait_for(&count("#curves-empty[hidden]"), 1);
    chromium.wait_for(&(count("#curves .main-svg .scatterlayer .trace") + " > 1"), true);
    assert_eq!(chromium.eval(&count("#lines[hidden]")), 1, "nobody is connected to a grid");
    let chosen = "[...document.getElementById('member').options].map((option) => option.text)";
    let sorted = format!("{chosen}.toSorted(new Intl.Collator('en', {{ numeric: true }}).compare)");
    assert_eq!(chromium.eval(chosen), chromium.eval(&sorted), "households are found by their names");
    chromium.eval(&click("#whose button"));
    chromium.wait_for(&count("#household-rows > tr"), 1);
    chromium.wait_for(&count("#decision-rows > tr"), 1);
    assert_eq!(chromium.eval(MISSING), json!([]));
    assert_eq!(chromium.eval("document.documentElement.scrollWidth - innerWidth"), 0);
    assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "all cards");
    chromium.picture(&pictures.join("all-cards.png"));
    assert_eq!(chromium.complaints(), &[] as &[String]);
    println!("pictures are in {}", pictures.display());
}

/// The page of a day whose readings all nodes have pruned: its table is there, its curves and lines are not, and it is
/// said why.
pub(crate) fn is_looked_at_pruned(root: &str, date: &str, settled: usize, corrected: usize) {
    let (mut chromium, axe) = (Chromium::start(), Axe::installed(env!("CARGO_TARGET_TMPDIR")));
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("history");
    for (name, screen) in [("desktop", DESKTOP), ("phone", Screen { dark: true, ..PHONE })] {
        chromium.open(&format!("{root}/history?date={date}"), screen);
        chromium.wait_for(DRAWN, "false");
        chromium.wait_for(&count("#rows > tr"), settled + corrected);
        chromium.eval(&click("#rows .of"));
        let no_curves =
            "The nodes have pruned the readings of this interval: its curves and lines cannot be worked out again.";
        chromium.wait_for(&text("interval-said"), no_curves);
        chromium.eval(&click("#lines-show"));
        let no_lines =
            format!("The nodes have pruned the readings of {settled} intervals: nothing is known of their lines.");
        chromium.wait_for(&text("lines-said"), no_lines);
        for (expression, expected) in [
            (
                count("#curves-figure:not([hidden]), #interval-lines:not([hidden]), #lines-known:not([hidden])"),
                json!(0),
            ),
            (MISSING.into(), json!([])),
            ("document.documentElement.scrollWidth - innerWidth".into(), json!(0)),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{name}: {expression}");
        }
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.picture(&pictures.join(format!("pruned-{name}.png")));
        assert_eq!(chromium.complaints(), &[] as &[String], "{name}");
    }
}
