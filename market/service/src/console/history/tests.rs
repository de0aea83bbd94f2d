//! Days against the calendar, their sums against receipts' lines, and a ledger asked over HTTP.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use protocol::{
    api::Status,
    energy::Energy,
    hash::Hash,
    interval::IntervalLength,
    member::MemberId,
    money::{Amount, Price},
    settlement::{Line, Tariffs},
};
use serde::Deserialize;

use super::{
    day::{Extent, Figures, IntervalOfDay},
    month::HouseholdFigures,
    *,
};
use crate::config::LedgerNode;

const MEMBERS: u64 = 118;

fn first() -> Interval {
    "2026-03-01T00:00:00Z/PT15M".parse().unwrap()
}

fn calendar() -> Calendar {
    Calendar::new(Some("Europe/Zurich"), first())
}

fn micro(price: i64) -> Price {
    Price::from_micro(price).unwrap()
}

/// Every second member buys of the one before; all figures differ from interval to interval.
fn settled(interval: Interval) -> Settled {
    let number = interval.since(first()).unwrap().unsigned_abs();
    let tariffs = Tariffs { retail_price: micro(300_000), feed_in_price: micro(80_000) };
    let price = micro(190_001);
    let line = |member: u64| {
        let [traded, rest] = [number % 97 + member / 2, number % 13 + member];
        let buys = member % 2 == 1;
        let [bought, sold] = if buys { [traded, 0] } else { [0, traded] }.map(Energy::from_wh);
        let [imported, exported] = if buys { [rest, 0] } else { [0, rest] }.map(Energy::from_wh);
        Line {
            member: MemberId::from_bytes([u8::try_from(member).unwrap(); 16]),
            bought,
            sold,
            imported,
            exported,
            paid: price.cost_of(bought).unwrap(),
            earned: price.cost_of(sold).unwrap(),
            supply_cost: tariffs.retail_price.cost_of(imported).unwrap(),
            supply_revenue: tariffs.feed_in_price.cost_of(exported).unwrap(),
        }
    };
    Settled {
        interval,
        height: number + 1,
        settlement: Hash::ZERO,
        price: Some(price),
        lines: (0..MEMBERS).map(line).collect(),
        trades: Vec::new(),
        supplier: Amount::ZERO,
        operator: Amount::from_nano(3),
        provisional: None,
        corrections: 0,
        tariffs,
    }
}

#[test]
fn a_day_has_the_intervals_that_it_has_on_the_wall() {
    for (zone, date, begins, count) in [
        (Some("Europe/Zurich"), "2026-03-28", "2026-03-27T23:00:00Z", 96),
        (Some("Europe/Zurich"), "2026-03-29", "2026-03-28T23:00:00Z", 92),
        (Some("Europe/Zurich"), "2026-10-25", "2026-10-24T22:00:00Z", 100),
        (Some("Asia/Kathmandu"), "2026-06-01", "2026-05-31T18:15:00Z", 96),
        (None, "2026-03-29", "2026-03-29T00:00:00Z", 96),
        (Some("Nowhere/Atlantis"), "2026-03-29", "2026-03-29T00:00:00Z", 96),
    ] {
        let calendar = Calendar::new(zone, first());
        let Range { first: found, after } = calendar.day(calendar.date(date).unwrap()).unwrap();
        assert_eq!((found.start_text().as_str(), after.since(found)), (begins, Some(count)), "{zone:?}, {date}");
        let mut texts: Vec<_> = (0..count).map(|number| calendar.text(found.offset(number).unwrap())).collect();
        assert!(texts.iter().all(|text| text.starts_with(date)), "{texts:?}");
        texts.sort();
        texts.dedup();
        assert_eq!(i64::try_from(texts.len()).unwrap(), count, "{date}");
    }
}

#[test]
fn what_is_no_day_is_named() {
    let calendar = calendar();
    for text in ["", "today", "2026-6-1", "2026-02-29", "2026-06", "1969-12-31", "9999-01-01", "2026-06-01T00:00:00"] {
        let error = calendar.date(text).unwrap_err();
        assert_eq!(error, CalendarError::NoDate(text.into()));
    }
    let before_all = calendar.date("1970-01-01").unwrap();
    assert_eq!(calendar.day(before_all).unwrap_err(), CalendarError::NoDate("1970-01-01".into()));
    let hours = Interval::new(first().start_s(), IntervalLength::Minutes60).unwrap();
    let calendar = Calendar::new(Some("Asia/Kathmandu"), hours);
    let error = calendar.day(calendar.date("2026-06-01").unwrap()).unwrap_err().to_string();
    assert!(error.contains("2026-06-01 to begin and end with an interval of 60 minutes"), "{error}");
}

#[test]
fn what_was_saved_is_the_gap_between_the_tariffs_for_what_was_traded() {
    let calendar = calendar();
    let date = calendar.date("2026-03-29").unwrap();
    let range = calendar.day(date).unwrap();
    let all: Vec<Settled> = (0..92).map(|number| settled(range.first.offset(number).unwrap())).collect();
    let day = DayView::new(&calendar, date, range, range.after, found(&all), BTreeMap::new());
    let lines = || all.iter().flat_map(|settled| &settled.lines);

    assert_eq!((day.extent, day.expected, day.intervals.len()), (Extent::Whole, 92, 92));
    let net: i128 = lines().map(|line| line.net().unwrap()).sum();
    let Figures { traded_wh, imported_wh, exported_wh, operator, saved, .. } = day.sums;
    assert_eq!((day.sums.net.0, operator.0), (net, 92 * 3));
    assert_eq!(traded_wh, lines().map(|line| u128::from(line.bought.wh())).sum());
    assert_eq!(imported_wh, lines().map(|line| u128::from(line.imported.wh())).sum());
    assert_eq!(exported_wh, lines().map(|line| u128::from(line.exported.wh())).sum());
    // Buyers and sellers share what lies between 0.08 and 0.30, whatever price they agree on.
    let sold: i128 = lines().map(|line| i128::from(line.sold.wh())).sum();
    let bought = i128::try_from(traded_wh).unwrap();
    assert_eq!(saved.0, bought * (300_000 - 190_001) + sold * (190_001 - 80_000));

    assert_eq!(day.first_sums, None);
    let text = String::from_utf8(day_csv(&day).unwrap()).unwrap();
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(text.as_bytes()).records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 92);
    assert!(rows.iter().all(|row| row.len() == 23 && row.iter().skip(13).all(str::is_empty)), "{text}");
}

fn found(settled: &[Settled]) -> Vec<Found> {
    settled.iter().map(Found::from).collect()
}

/// The same interval, corrected so often: the first household drew so much more from the supplier.
fn corrected(interval: Interval, corrections: u32) -> Settled {
    let mut settled = settled(interval);
    let line = &mut settled.lines[1];
    line.imported = Energy::from_wh(line.imported.wh() + 1_000 * u64::from(corrections));
    line.supply_cost = settled.tariffs.retail_price.cost_of(line.imported).unwrap();
    Settled { corrections, height: 9_000 + u64::from(corrections), ..settled }
}

#[test]
fn a_corrected_interval_stands_as_corrected_beside_what_it_was() {
    let calendar = calendar();
    let date = calendar.date("2026-03-28").unwrap();
    let range = calendar.day(date).unwrap();
    let number = |number| range.first.offset(number).unwrap();
    let all: Vec<Settled> =
        (0..96).map(|n| Settled { corrections: if n == 40 { 2 } else { 0 }, ..settled(number(n)) }).collect();
    let in_force = BTreeMap::from([(number(40), Booked::from(&corrected(number(40), 2)))]);
    let day = DayView::new(&calendar, date, range, range.after, found(&all), in_force);

    let first = day.first_sums.unwrap();
    assert_eq!(day.sums.imported_wh, first.imported_wh + 2_000);
    assert_eq!(day.sums.net.0, first.net.0 - 2_000 * 300_000);
    assert_eq!(day.sums.saved, first.saved, "what is drawn from the supplier saves nothing");
    let [before, of, after] = [39, 40, 41].map(|place| &day.intervals[place]);
    assert_eq!((&before.first, &after.first), (&None, &None));
    assert_eq!((of.corrections, of.stands.height), (2, 9_002));
    assert_eq!(of.first, Some(Booked::from(&all[40])));

    let text = String::from_utf8(day_csv(&day).unwrap()).unwrap();
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(text.as_bytes()).records().map(|row| row.unwrap()).collect();
    let (stands, was) = (of.stands.figures.imported_wh.to_string(), of.first.as_ref().unwrap().figures.imported_wh);
    assert_eq!([&rows[40][5], &rows[40][12], &rows[40][16]], [stands.as_str(), "2", was.to_string().as_str()]);
}

#[test]
fn what_of_a_day_was_before_the_genesis_is_counted() {
    // The genesis begins an hour after midnight of a day of 96 quarter hours.
    let calendar = calendar();
    for (date, before, extent) in
        [("2026-02-28", 96, Extent::BeforeGenesis), ("2026-03-01", 4, Extent::Whole), ("2026-03-02", 0, Extent::Whole)]
    {
        let date = calendar.date(date).unwrap();
        let range = calendar.day(date).unwrap();
        let day = DayView::new(
            &calendar,
            date,
            range,
            "2026-04-01T00:00:00Z/PT15M".parse().unwrap(),
            vec![],
            BTreeMap::new(),
        );
        assert_eq!((day.before_genesis, day.expected, day.extent), (before, 96, extent), "{date}");
    }
}

#[test]
fn a_households_month_is_its_lines_added_up_day_by_day() {
    let calendar = calendar();
    let (month, range) = calendar.month("2026-03").unwrap();
    let count = range.after.since(range.first).unwrap();
    let all = || (4..count).map(|number| settled(range.first.offset(number).unwrap()));
    let member = all().next().unwrap().lines[7].member;
    let mut adding = Adding::of(member);
    all().for_each(|settled| adding.add(&calendar, settled));
    let view = adding.view(&calendar, month, Some("Ada".into()));

    let own: Vec<Line> = all().flat_map(|settled| settled.lines).filter(|line| line.member == member).collect();
    assert_eq!((view.days.len(), view.sums.settled, view.sums.read), (31, 31 * 96 - 8, 31 * 96 - 8));
    assert_eq!(view.sums.sums.bought_wh, own.iter().map(|line| u128::from(line.bought.wh())).sum());
    assert_eq!(view.sums.net.0, own.iter().map(|line| line.net().unwrap()).sum());
    // It buys alone, so each Wh from a neighbour saves what lies between the price and retail.
    assert_eq!(view.sums.saved.0, i128::try_from(view.sums.sums.bought_wh).unwrap() * (300_000 - 190_001));
    let days = |of: fn(&HouseholdFigures) -> i128| view.days.iter().map(|day| of(&day.figures)).sum::<i128>();
    assert_eq!(days(|of| of.saved.0), view.sums.saved.0);
    assert_eq!(days(|of| of.net.0), view.sums.net.0);
    let intervals: Vec<u64> = [0, 27, 28, 30].map(|day: usize| view.days[day].figures.settled).to_vec();
    assert_eq!(intervals, [92, 96, 92, 96], "the first began at one o'clock, and clocks went forward on the 29th");
    let text = String::from_utf8(month_csv(&view).unwrap()).unwrap();
    assert_eq!(text.lines().count(), 32);
}

/// How the node of a test is: up to where it has settled, and what it was asked for.
struct Ledger {
    next: Mutex<Interval>,
    asked: Mutex<Vec<(String, usize)>>,
    /// What was corrected once.
    corrected: Vec<Interval>,
}

#[derive(Deserialize)]
struct Page {
    from: String,
    limit: usize,
    #[serde(default)]
    in_force: bool,
}

async fn node(ledger: Arc<Ledger>) -> LedgerNode {
    let status = |State(ledger): State<Arc<Ledger>>| async move {
        Json(Status {
            island_quorum: None,
            chain: Hash::ZERO,
            validator: None,
            validators: 1,
            height: 0,
            block: Hash::ZERO,
            state_root: Hash::ZERO,
            height_age_ms: None,
            settled: None,
            next: *ledger.next.lock().unwrap(),
            tie_seed: Hash::ZERO,
            settlements: 0,
            balances_sum: Amount::ZERO,
            clock_s: None,
            equivocations: 0,
            log_key: None,
            witnesses: Vec::new(),
            reach: None,
        })
    };
    let settlements = |State(ledger): State<Arc<Ledger>>, Query(Page { from, limit, in_force }): Query<Page>| async move {
        let start: Interval = format!("{from}/PT15M").parse().unwrap();
        let next = *ledger.next.lock().unwrap();
        ledger.asked.lock().unwrap().push((from, limit));
        let page = (0..limit).map(|number| start.offset(i64::try_from(number).unwrap()).unwrap());
        let shown = |interval| match ledger.corrected.contains(&interval) {
            true if in_force => corrected(interval, 1),
            is_corrected => Settled { corrections: is_corrected.into(), ..settled(interval) },
        };
        Json(page.take_while(|interval| *interval < next).map(shown).collect::<Vec<_>>())
    };
    let router = Router::new().route("/v1/status", get(status)).route("/v1/settlements", get(settlements));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).try_into().unwrap();
    tokio::spawn(async move { axum::serve(listener, router.with_state(ledger)).await });
    LedgerNode { url, ca: None, token: None }
}

#[tokio::test]
async fn a_day_comes_from_the_ledger_in_few_questions_and_says_how_much_of_it_there_is() {
    let next = "2026-03-29T12:00:00Z/PT15M".parse().unwrap();
    let corrected = ["2026-03-28T10:00:00Z/PT15M", "2026-03-28T12:00:00Z/PT15M"].map(|text| text.parse().unwrap());
    let ledger = Arc::new(Ledger { next: Mutex::new(next), asked: Mutex::default(), corrected: corrected.to_vec() });
    let nodes = [node(ledger.clone()).await];
    let client = LedgerClient::new(Hash::ZERO, &nodes, usize::try_from(MEMBERS).unwrap()).unwrap();
    let history = History { ledger: client, calendar: calendar(), turn: Semaphore::new(1) };

    for (asked, date, extent, count) in [
        ("2026-02-28", "2026-02-28", Extent::BeforeGenesis, 0),
        // The genesis begins an hour after midnight.
        ("2026-03-01", "2026-03-01", Extent::Whole, 92),
        ("2026-03-28", "2026-03-28", Extent::Whole, 96),
        ("latest", "2026-03-29", Extent::Running, 4 * 13),
        ("2026-03-30", "2026-03-30", Extent::NotYet, 0),
    ] {
        ledger.asked.lock().unwrap().clear();
        let day = history.day(asked).await.unwrap();
        assert_eq!((day.date.as_str(), day.extent, day.intervals.len()), (date, extent, count));
        let first: Vec<&IntervalOfDay> = day.intervals.iter().filter(|interval| interval.first.is_some()).collect();
        let starts: Vec<&str> = first.iter().map(|interval| interval.start.as_str()).collect();
        let is_corrected = date == "2026-03-28";
        assert_eq!(starts, if is_corrected { &["2026-03-28T10:00:00Z", "2026-03-28T12:00:00Z"][..] } else { &[] });
        assert!(first.iter().all(|interval| interval.stands.height == 9_001 && interval.corrections == 1), "{date}");
        let asked = ledger.asked.lock().unwrap();
        let questions = usize::from(count > 0) + usize::from(is_corrected);
        assert_eq!(asked.len(), questions, "{date}: no more than a page of a day, and one of what was corrected");
        assert!(!is_corrected || asked[1] == ("2026-03-28T10:00:00Z".into(), 9), "{asked:?}");
    }

    let _others = history.turn.acquire().await.unwrap();
    assert!(matches!(history.day("latest").await, Err(HistoryError::Busy)));
}

#[tokio::test]
async fn a_ledger_that_is_away_is_said_to_be() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap()).try_into().unwrap();
    drop(gone);
    let client = LedgerClient::new(Hash::ZERO, &[LedgerNode { url, ca: None, token: None }], 1).unwrap();
    let history = History { ledger: client, calendar: calendar(), turn: Semaphore::new(1) };
    let error = history.day("latest").await.unwrap_err();
    assert!(error.to_string().starts_with("the ledger does not answer: http://127.0.0.1:"), "{error}");
    assert_eq!(error.name(), "ledger_away");
}
