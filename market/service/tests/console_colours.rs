//! The console's colours by day and by night: what has to be seen stands out from what it stands on, by the measure of
//! WCAG 2 (3 to 1 for lines, bars and dots, 4.5 to 1 for text).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use public_http::BASE_CSS;

type Colours = BTreeMap<String, [u8; 3]>;

/// The colours of a block of `--name: #rrggbb;`.
fn colours(block: &str) -> Colours {
    let declared = block.split(';').filter_map(|text| text.split_once("--")?.1.split_once(": #"));
    let part = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    declared.map(|(name, hex)| (name.to_owned(), [0, 2, 4].map(|at| part(hex, at)))).collect()
}

/// By day, and by night: what the night does not change is as by day.
fn schemes() -> [(&'static str, Colours); 2] {
    let mut blocks = BASE_CSS.split(":root {").skip(1).map(|rest| colours(rest.split('}').next().unwrap()));
    let day = blocks.next().unwrap();
    let night = day.clone().into_iter().chain(blocks.next().unwrap()).collect();
    [("day", day), ("night", night)]
}

fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn what_is_drawn_stands_out_from_its_ground() {
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9, "as WCAG defines it");
    let drawn = "demand supply traded imported exported retail load1 load2 load3 load4 load5 price1 price2 accent";
    let text = "ink soft faint accent good bad warn";
    for (scheme, colours) in schemes() {
        let check = |name: &str, ground: &str, least: f64| {
            let found = contrast(colours[name], colours[ground]);
            assert!(found >= least, "by {scheme}, {name} on {ground}: expected {least} to 1, found {found:.2}");
        };
        drawn.split(' ').for_each(|name| check(name, "card", 3.0));
        for ground in ["card", "page", "hover"] {
            text.split(' ').for_each(|name| check(name, ground, 4.5));
        }
        for (name, ground) in [("bad", "bad-soft"), ("ink", "bad-soft"), ("warn", "warn-soft"), ("ink", "warn-soft")] {
            check(name, ground, 4.5);
        }
        check("accent", "accent-soft", 4.5);
    }
}
