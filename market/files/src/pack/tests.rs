//! The packs that are shipped, and each way to get one wrong.

use std::path::PathBuf;

use protocol::{
    money::Amount,
    pack::{NetworkDiscount, PackUnfit},
};

use super::*;

const SHIPPED: [&str; 6] = ["at-eeg-local", "de-42b", "de-42c", "fr-acc", "es-colectivo", "ch-leg"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config/rules").join(format!("{name}.toml"))
}

fn shipped(name: &str) -> Pack {
    Pack::read(&path(name)).unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

#[test]
fn every_shipped_pack_is_read_and_says_where_it_is_from() {
    let ids: BTreeMap<String, Hash> = SHIPPED.map(|name| (shipped(name).id, shipped(name).hash)).into();
    assert_eq!(ids.len(), SHIPPED.len());
    for name in SHIPPED {
        let pack = shipped(name);
        assert!(pack.id.starts_with(name), "{}", pack.id);
        assert!(!pack.unchecked.is_empty() && !pack.sources.is_empty(), "{name}");
        assert_eq!(pack.hash, Hash::of(&std::fs::read(path(name)).unwrap()));
    }
    assert_eq!(std::fs::read_dir(path("x").parent().unwrap()).unwrap().count(), SHIPPED.len(), "all are tested");
}

#[test]
fn a_pack_holds_from_midnight_to_midnight_by_the_clock_of_its_country() {
    let austria = shipped("at-eeg-local");
    let text = |interval: Interval| interval.to_string();
    assert_eq!(text(austria.first), "2025-12-31T23:00:00Z/PT15M");
    assert_eq!(text(austria.last), "2026-12-31T22:45:00Z/PT15M");
    assert_eq!(text(shipped("es-colectivo").first), "2026-03-20T23:00:00Z/PT1H");
    let rules = austria.in_rules(None);
    let ended = rules.check_fit("EUR", austria.last.next().unwrap(), "dynamic_key");
    assert!(matches!(ended, Err(PackUnfit::Ended { .. })));
}

#[test]
fn the_swiss_bill_for_the_network_is_1200_instead_of_2000() {
    let swiss = shipped("ch-leg");
    let discount = |name: &str| swiss.discount(Some(name), Some(price("0.10"))).unwrap().unwrap();
    let saved = |name: &str| NetworkDiscount::rounded(discount(name).on(20_000_000)).unwrap();
    let francs = |francs: i64| Amount::from_nano(francs * 1_000_000_000);
    assert_eq!(saved("same_level"), francs(2_000 - 1_200));
    assert_eq!(saved("with_transformation"), francs(400));
}

#[test]
fn a_discount_is_chosen_by_its_name_or_because_it_is_the_only_one() {
    let [austria, germany, swiss] = ["at-eeg-local", "de-42c", "ch-leg"].map(shipped);
    let network = Some(price("0.07"));
    let local = NetworkDiscount { price: price("0.07"), ppm: 570_000 };
    assert_eq!(austria.discount(None, network), Ok(Some(local)));
    assert_eq!(austria.discount(Some("local"), network), Ok(Some(local)));
    assert_eq!(austria.discount(None, None), Ok(None));
    assert!(matches!(austria.discount(Some("local"), None), Err(DiscountError::NoPrice(_))));
    assert!(matches!(austria.discount(Some("regional"), network), Err(DiscountError::Unknown { .. })));
    assert!(matches!(germany.discount(None, network), Err(DiscountError::None(_))));
    assert!(matches!(swiss.discount(None, network), Err(DiscountError::Unknown { .. })), "it has two");
}

#[test]
fn each_way_to_get_a_pack_wrong_is_named_in_one_line() {
    let good = std::fs::read_to_string(path("at-eeg-local")).unwrap();
    let cases = [
        ("country = \"AT\"", "land = \"AT\"", "unknown field `land`"),
        ("currency = \"EUR\"\n", "", "missing field `currency`"),
        ("interval_minutes = 15", "interval_minutes = 10", "an interval of 5, 15, 30 or 60 minutes"),
        ("Europe/Vienna", "Europe/Wien", "time_zone: expected an IANA time zone"),
        ("\"2026-12-31\"]", "\"2026-02-30\"]", "expected a day such as 2026-12-31, found `2026-02-30`"),
        ("\"2026-12-31\"]", "\"2025-12-31\"]", "expected a last interval from"),
        ("\"dynamic_key\", \"static_key\"", "\"barter\"", "mechanisms: expected a mechanism"),
        ("\"dynamic_key\", \"static_key\"", "", "expected at least one mechanism"),
        ("local = 570_000", "local = 1_000_001", "network_discounts_ppm: local: expected at most 1000000"),
        ("\"lost\"\n", "\"rounded\"\n", "rounded"),
        ("\"transformer\", ", "\"street\", ", "street"),
        ("at-eeg-local-2026", "at/eeg", "expected a name"),
        ("checked = \"2026-11-28\"\n", "", "missing field `checked`"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        let error = Pack::parse(&good.replace(from, to)).unwrap_err();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
    }
    let without = &good[..good.find("[[sources]]").unwrap()];
    assert!(Pack::parse(without).unwrap_err().contains("sources"));
    let missing = Pack::read(&path("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("nowhere.toml: expected a rule pack"), "{missing}");
}
