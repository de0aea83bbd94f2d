use super::*;

const EVENING: &str = "
time_zone = \"Europe/Vienna\"
buy = \"0.25\"
sell = \"0.08\"

[[windows]]
from = \"17:00\"
to = \"21:00\"
days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]
buy = \"0.32\"
sell = \"0.15\"

[[windows]]
from = \"22:00\"
to = \"06:00\"
days = [\"fri\", \"sat\"]
sell_cap_wh = 500
";

fn parse(text: &str) -> TimeOfUse {
    toml::from_str(text).unwrap()
}

fn at(start: &str) -> Situation<'static> {
    Situation::new(format!("{start}/PT15M").parse().unwrap(), None)
}

/// The window at an interval's start, counted from 0.
fn window(strategy: &TimeOfUse, start: &str) -> Option<usize> {
    let found = strategy.window(&at(start))?;
    strategy.windows.iter().position(|window| std::ptr::eq(window, found))
}

#[test]
fn limits_change_with_the_clock_on_the_wall_and_the_day() {
    let strategy = parse(EVENING);
    for (start, expected) in [
        // Monday, in summer: two hours after UTC.
        ("2026-06-01T14:45:00Z", None),
        ("2026-06-01T15:00:00Z", Some(0)),
        ("2026-06-01T18:45:00Z", Some(0)),
        ("2026-06-01T19:00:00Z", None),
        // Monday, in winter: one hour.
        ("2026-01-05T15:45:00Z", None),
        ("2026-01-05T16:00:00Z", Some(0)),
        // Saturday has no evening, and the night of Friday.
        ("2026-06-06T15:00:00Z", None),
        ("2026-06-05T20:00:00Z", Some(1)),
        ("2026-06-06T03:45:00Z", Some(1)),
        ("2026-06-06T04:00:00Z", None),
        // The night from Sunday to Monday is none of them; that of Saturday ends on Sunday.
        ("2026-06-07T03:45:00Z", Some(1)),
        ("2026-06-07T22:00:00Z", None),
    ] {
        assert_eq!(window(&strategy, start), expected, "{start}");
    }
    let (evening, outside) = (at("2026-06-01T15:00:00Z"), at("2026-06-01T19:00:00Z"));
    assert_eq!(strategy.limits(&evening).buy, Price::from_micro(320_000));
    assert_eq!(strategy.limits(&outside).buy, Price::from_micro(250_000));
    assert_eq!(strategy.why(&evening).to_string(), "in the window from 17:00 to 21:00 (Europe/Vienna)");
    assert_eq!(strategy.why(&outside).to_string(), "outside of all windows");
    // What a window does not limit is not limited in it, whatever holds outside.
    let night = strategy.limits(&at("2026-06-05T20:00:00Z"));
    assert_eq!((night.buy, night.sell_cap), (None, Some(Energy::from_wh(500))));
}

#[test]
fn an_hour_that_comes_twice_is_in_its_window_twice_and_one_that_never_comes_is_in_none() {
    let night = parse("time_zone = \"Europe/Vienna\"\n[[windows]]\nfrom = \"02:00\"\nto = \"03:00\"\nbuy = \"0.1\"\n");
    let in_it = |day: &str| {
        let first = at(&format!("{day}T00:00:00Z")).interval;
        let day = (0..96).map(|count| Situation::new(first.offset(count).unwrap(), None));
        day.filter(|situation| night.window(situation).is_some()).count()
    };
    assert_eq!([in_it("2026-06-01"), in_it("2026-03-29"), in_it("2026-10-25")], [4, 0, 8]);
    // Over the change of clocks a window begins and ends by the clock on the wall.
    let over = parse("time_zone = \"Europe/Vienna\"\n[[windows]]\nfrom = \"22:00\"\nto = \"02:30\"\nbuy = \"0.1\"\n");
    assert_eq!(window(&over, "2026-03-29T00:45:00Z"), Some(0));
    assert_eq!(window(&over, "2026-03-29T01:00:00Z"), None, "03:00, and 02:30 never was");
    assert_eq!(window(&over, "2026-10-25T00:30:00Z"), None, "02:30 for the first time");
    assert_eq!(window(&over, "2026-10-25T01:15:00Z"), Some(0), "02:15 again");
    assert_eq!(window(&over, "2026-10-25T01:30:00Z"), None);
}

#[test]
fn without_a_time_zone_it_is_utc_and_an_interval_is_where_it_begins() {
    let strategy = parse("[[windows]]\nfrom = \"17:05\"\nto = \"24:00\"\nbuy = \"0.3\"\n");
    for (start, expected) in [
        ("2026-06-01T17:00:00Z", None),
        ("2026-06-01T17:15:00Z", Some(0)),
        ("2026-06-01T23:45:00Z", Some(0)),
        ("2026-06-02T00:00:00Z", None),
    ] {
        assert_eq!(window(&strategy, start), expected, "{start}");
    }
}

#[test]
fn windows_that_make_no_sense_are_refused_in_one_line_that_says_what_to_do() {
    let window = |text: &str| format!("[[windows]]\nbuy = \"0.3\"\n{}\n", text.replace(", ", "\n"));
    let (day, night) = (window("from = \"08:00\", to = \"20:00\""), window("from = \"20:00\", to = \"08:00\""));
    parse(&format!("{day}{night}"));
    let sunday = window("from = \"23:00\", to = \"01:00\", days = [\"sun\"]");
    let monday = window("from = \"00:30\", to = \"02:00\", days = [\"mon\"]");
    for (text, expected) in [
        ("windows = []".into(), "expected at least one window, found none"),
        ("buy = \"0.3\"".into(), "missing field `windows`"),
        (format!("time_zone = \"Vienna\"\n{day}"), "expected an IANA time zone such as Europe/Vienna, found `Vienna`"),
        (format!("buy = \"0.3\"\n{day}"), "window 1: expected other limits than outside of all windows"),
        (
            format!("{night}{}", window("from = \"06:00\", to = \"06:00\"")),
            "window 2: expected that it ends at another time than it begins, found from 06:00 to 06:00",
        ),
        (window("from = \"24:00\", to = \"06:00\""), "expected that it begins before 24:00"),
        (window("from = \"6:00\", to = \"07:00\""), "expected a time of day from 00:00 to 24:00 such as 06:30"),
        (window("from = \"06:00\", to = \"24:01\""), "found `24:01`"),
        (window("from = \"06:60\", to = \"07:00\""), "found `06:60`"),
        (window("from = \"+6:00\", to = \"07:00\""), "found `+6:00`"),
        (window("from = \"06:00\""), "missing field `to`"),
        (window("from = \"06:00\", to = \"07:00\", days = []"), "window 1: expected days from `mon` to `sun`"),
        (window("from = \"06:00\", to = \"07:00\", days = [\"monday\"]"), "unknown variant `monday`"),
        (window("from = \"06:00\", to = \"07:00\", until = \"08:00\""), "unknown field `until`"),
        (window("from = \"06:00\", to = \"07:00\", sell = \"cheap\""), "found `cheap`"),
        (
            format!("{night}{day}{}", window("from = \"07:59\", to = \"08:00\", days = [\"wed\"]")),
            "expected one window at a time, found windows 1 and 3 on Wed at 07:59; end one where the other begins",
        ),
        (format!("{sunday}{monday}"), "found windows 1 and 2 on Mon at 00:30"),
    ] {
        let error = toml::from_str::<TimeOfUse>(&text).unwrap_err();
        assert!(error.message().contains(expected), "{text}\n{error}");
        assert!(!error.message().contains('\n'), "{error}");
    }
}
