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

/// The page of a day, of which so many intervals are settled and so many of these corrected, on every screen and in
/// every language.
pub(crate) fn is_looked_at(root: &str, date: &str, settled: usize, corrected: usize) {
    let (mut chromium, axe) = (Chromium::start(), Axe::installed(env!("CARGO_TARGET_TMPDIR")));
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("history");
    fs::create_dir_all(&pictures).unwrap();
    let said = |text: &str| json!(format!("document.getElementById('said').textContent.includes('{text}')"));
    for (name, screen, language, title, words) in [
        ("desktop-light", DESKTOP, "en", "History", "were before the community began"),
        ("desktop-dark", Screen { dark: true, ..DESKTOP }, "de", "Rückblick", "vor dem Beginn der Gemeinschaft"),
        ("phone-light", PHONE, "fr", "Historique", "précèdent le début de la communauté"),
        ("phone-dark", Screen { dark: true, ..PHONE }, "en", "History", "were before the community began"),
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
    println!("pictures are in {}", pictures.display());
}
