use household::local_time::LocalTime;
use protocol::{energy::Energy, island::Class};

use super::{super::words::Language, *};

fn interval(ahead: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(ahead).unwrap()
}

fn planned(ahead: i64, wh: u64) -> PlannedQuota {
    let mut quota = Quota::default();
    quota.claims[Class::Basic as usize] = Energy::from_wh(1_500);
    quota.awards[Class::Basic as usize] = Energy::from_wh(wh);
    PlannedQuota { interval: interval(ahead), quota }
}

#[test]
fn the_household_sees_what_it_may_draw_and_until_when_in_each_language() {
    let local = LocalTime::try_from("Europe/Vienna".to_owned()).unwrap();
    let price = "0.35".parse().unwrap();
    let last = Rationed { interval: interval(0), quota_wh: 800, drawn_wh: 1_000, overdrawn_wh: 200, price };
    let island = IslandStatus { quotas: vec![planned(1, 1_200), planned(2, 1_500)], last: Some(last) };
    for (language, expected) in Language::ALL.into_iter().zip([
        [
            "You may draw, until 14:30",
            "1.200 kWh",
            "claimed and not there: 0.300 kWh",
            "0.456 kWh",
            "And then, until 14:45",
            "Drawn 14:00–14:15",
            "beyond your quota: 0.200 kWh",
            "€0.35",
        ],
        [
            "Vous pouvez soutirer, jusqu’à 14:30",
            "1,200 kWh",
            "demandé, mais pas disponible : 0,300 kWh",
            "0,456 kWh",
            "Et ensuite, jusqu’à 14:45",
            "Soutiré 14:00–14:15",
            "au-delà de votre quota : 0,200 kWh",
            "0,35 €",
        ],
        [
            "Sie dürfen beziehen, bis 14:30",
            "1,200 kWh",
            "beansprucht und nicht da: 0,300 kWh",
            "0,456 kWh",
            "Und dann, bis 14:45",
            "Bezogen 14:00–14:15",
            "über Ihr Kontingent hinaus: 0,200 kWh",
            "0,35 €",
        ],
    ]) {
        let format = Format { words: language.words(), currency: "EUR", local: &local };
        let said = content(&format, &island, Some(interval(1)), Some(456)).into_string();
        let said = said.replace(['\u{202f}', '\u{a0}'], " ");
        for figure in expected {
            assert!(said.contains(figure), "{language:?}: {figure}: {said}");
        }
        // What is not known is not said, nor what is nothing: the second quota is all that was claimed.
        assert_eq!(said.matches(language.words().island_drawn).count(), 1);
        let unserved = language.words().island_unserved.split(" {}").next().unwrap().replace('\u{a0}', " ");
        assert_eq!(said.matches(&unserved).count(), 1, "{said}");
        let unknown = content(&format, &island, Some(interval(1)), None).into_string();
        assert!(!unknown.contains(language.words().island_drawn));
    }
}

#[test]
fn what_is_drawn_so_far_is_what_a_live_meter_shows() {
    let registers = |import_wh, export_wh| Some(Registers { import_wh, export_wh });
    let sight = |registers| Sight { registers, ..Sight::default() };
    assert_eq!(drawn_since(registers(1_000, 500), Some(&sight(registers(1_300, 600)))), Some(200));
    assert_eq!(drawn_since(registers(1_000, 500), Some(&sight(registers(1_000, 600)))), Some(0));
    assert_eq!(drawn_since(registers(1_000, 500), Some(&sight(registers(900, 500)))), None);
    assert_eq!(drawn_since(registers(1_000, 500), Some(&sight(None))), None);
    assert_eq!(drawn_since(registers(1_000, 500), None), None);
}
