//! Which page is asked for, in which language, and what it needs.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Extension, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use jiff::civil::Date;
use maud::Markup;
use protocol::{
    interval::{Interval, parse_utc},
    receipt::Receipt,
};
use public_http::{ICON_SVG, SVG};
use serde::Deserialize;

use super::{
    daily,
    day::{self, Day, Sums},
    frame::{self, Around, Asked},
    home::{self, Home},
    looked_up,
    monthly::{self, Month},
    proof::{self, Own},
};
use crate::{
    island::Island,
    looked_up::LookedUp,
    neighbours,
    period::Period,
    shown::Shown,
    statement,
    status::Status,
    store::{Store, StoreError},
    totals::Totals,
    wall_clock::now_s,
};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// The pages and their files.
pub(crate) fn router() -> Router<Shown> {
    Router::new()
        .route("/", get(first))
        .route("/day/{date}", get(daily_page))
        .route("/month/{month}", get(monthly_page))
        .route("/proof/{start}", get(proof_page))
        .route("/accesses", get(accesses_page))
        .layer(Extension(KeptMonth::default()))
        .merge(files())
}

/// What every page loads.
pub(super) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |content_type: &'static str, content: &'static str| {
        let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")];
        get(move || async move { (headers, content) })
    };
    Router::new()
        .route("/page.css", file("text/css; charset=utf-8", STYLE))
        .route("/page.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/icon.svg", file(SVG, ICON_SVG))
}

/// The sums of the month that was shown last, as long as no receipt has come since: the first page asks for them every
/// few seconds, and a month has three thousand receipts.
#[derive(Clone, Default)]
struct KeptMonth(Arc<Mutex<Option<(Date, Totals, Sums)>>>);

impl KeptMonth {
    /// The sums of the month of a date, when all receipts add up to `totals`.
    fn sums(
        &self,
        date: Date,
        totals: Totals,
        add_up: impl FnOnce() -> Result<Sums, StoreError>,
    ) -> Result<Sums, StoreError> {
        let month = date.first_of_month();
        // Held while it is added up, so that of two who ask one does.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, sums)) = kept.filter(|(of, at, _)| (*of, *at) == (month, totals)) {
            return Ok(sums);
        }
        let sums = add_up()?;
        *kept = Some((month, totals, sums));
        Ok(sums)
    }
}

/// What a link may say.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    lang: Option<String>,
}

impl Wanted {
    pub(super) fn asked<'a>(&self, headers: &HeaderMap, path: &'a str) -> Asked<'a> {
        Asked::of(self.lang.as_deref(), headers, path)
    }
}

/// The answer with a page, made of what was read from the state.
async fn answer<T: Send + 'static>(
    shown: &Shown,
    asked: &Asked<'_>,
    live: bool,
    read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    content: impl FnOnce(&Asked<'_>, &Status, T) -> Option<(String, Markup)>,
) -> Response {
    let status = shown.status.borrow().clone();
    let read = match shown.read(read).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let Some((title, content)) = content(asked, &status, read) else {
        return (StatusCode::NOT_FOUND, "there is no verified receipt of it\n").into_response();
    };
    // The language is one of the question's headers: a browser must not show the one for the other.
    let page = frame::page(asked, &Around::from(&status), &title, live, &content).into_string();
    ([(header::VARY, "accept-language")], Html(page)).into_response()
}

fn refused(expected: &str, found: &str) -> Response {
    let found: String = found.chars().take(80).collect::<String>().escape_debug().to_string();
    (StatusCode::BAD_REQUEST, format!("expected {expected}, found `{found}`\n")).into_response()
}

fn period((from_s, to_s): (i64, i64)) -> Period {
    Period { from_s: Some(from_s), to_s: Some(to_s) }
}

fn read_day(shown: &Shown, store: &Store, date: Date) -> Result<Day, StoreError> {
    let (begins_s, ends_s) = day::bounds_s(&shown.local, date);
    let receipts: Vec<Receipt> =
        statement::receipts(store, period((begins_s, ends_s))).collect::<Result<_, StoreError>>()?;
    let lines = receipts.iter().map(statement::line).collect();
    let neighbours = receipts.iter().flat_map(neighbours::of_receipt).collect();
    let own_roof = store.own_roof()?;
    Ok(Day { date, begins_s, ends_s, lines, neighbours, own_roof })
}

/// The day that is looked at first: that of the latest proved interval, since a recording is of another day than today.
fn latest_day(shown: &Shown) -> Date {
    let latest = shown.status.borrow().settled_until;
    shown.local.shows(latest.map_or_else(now_s, Interval::start_s)).date()
}

async fn first(
    State(shown): State<Shown>,
    Extension(kept): Extension<KeptMonth>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let (asked, date) = (wanted.asked(&headers, "/"), latest_day(&shown));
    let here = shown.clone();
    let read = move |store: &Store| {
        let totals = here.status.borrow().totals;
        let add_up = || {
            let month = statement::lines(store, period(day::month_bounds_s(&here.local, date)))?;
            Ok(Sums::of(&month))
        };
        Ok((read_day(&here, store, date)?, kept.sums(date, totals, add_up)?))
    };
    let sight = shown.sight.as_ref().map(|sight| sight());
    answer(&shown, &asked, true, read, |asked, status, (day, month)| {
        let format = frame::format(asked, status, &shown.local);
        let home = Home { status, sight: sight.as_ref(), day: &day, month };
        Some((asked.words().now.to_owned(), home::content(asked, &format, &home)))
    })
    .await
}

async fn daily_page(
    State(shown): State<Shown>,
    Path(text): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let Ok(date) = text.parse::<Date>() else { return refused("a day such as 2026-06-01", &text) };
    let path = format!("/day/{date}");
    let asked = wanted.asked(&headers, &path);
    let here = shown.clone();
    let read = move |store: &Store| read_day(&here, store, date);
    answer(&shown, &asked, date == latest_day(&shown), read, |asked, status, day| {
        let format = frame::format(asked, status, &shown.local);
        Some((format.date(date), daily::content(asked, &format, &day)))
    })
    .await
}

async fn monthly_page(
    State(shown): State<Shown>,
    Path(text): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let Ok(date) = format!("{text}-01").parse::<Date>() else { return refused("a month such as 2026-06", &text) };
    let path = format!("/month/{text}");
    let asked = wanted.asked(&headers, &path);
    let here = shown.clone();
    let read = move |store: &Store| {
        let lines = statement::lines(store, period(day::month_bounds_s(&here.local, date)))?;
        Ok(Month { date, days: day::by_day(&here.local, &lines), sums: Sums::of(&lines) })
    };
    answer(&shown, &asked, false, read, |asked, status, month| {
        let format = frame::format(asked, status, &shown.local);
        let title = format!("{}, {}", asked.words().statement, format.month(date));
        Some((title, monthly::content(asked, &format, status, &month)))
    })
    .await
}

async fn proof_page(
    State(shown): State<Shown>,
    Path(text): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let Some(interval) = parse_utc(&text).ok().and_then(|start| Interval::new(start, shown.length)) else {
        return refused("the start of an interval such as 2026-06-01T12:00:00Z", &text);
    };
    let path = format!("/proof/{}", interval.start_text());
    let asked = wanted.asked(&headers, &path);
    let transformer = shown.transformer;
    let read = move |store: &Store| {
        let own =
            if transformer { Own::Transformer } else { store.measured(interval)?.map_or(Own::NotKept, Own::Measured) };
        Ok((store.receipt(interval)?, own, store.quota(interval)?))
    };
    answer(&shown, &asked, false, read, |asked, status, (json, own, quota)| {
        let receipt = Receipt::from_json(&json?).ok()?;
        let format = frame::format(asked, status, &shown.local);
        let on_island = Island::new(quota, None).quota_of(&receipt.entry).is_some();
        let title = frame::filled(asked.words().proof_of, &format.span(interval));
        Some((title, proof::content(asked, &format, &receipt, own, on_island)))
    })
    .await
}

async fn accesses_page(State(shown): State<Shown>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Response {
    let asked = wanted.asked(&headers, "/accesses");
    let state = shown.state.clone();
    answer(
        &shown,
        &asked,
        false,
        move |_| Ok(LookedUp::read(&state)),
        |asked, status, found| {
            let format = frame::format(asked, status, &shown.local);
            Some((asked.words().looked_up.title.to_owned(), looked_up::content(asked, &format, &found)))
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_month_is_added_up_once_until_a_receipt_comes_or_another_month_begins() {
        let kept = KeptMonth::default();
        let mut count = 0;
        let mut sums = |date, receipts_verified| {
            let totals = Totals { receipts_verified, ..Totals::default() };
            let add_up = || {
                count += 1;
                Ok(Sums { intervals: count, ..Sums::default() })
            };
            kept.sums(date, totals, add_up).unwrap().intervals
        };
        assert_eq!([sums(date(2026, 6, 1), 7), sums(date(2026, 6, 30), 7)], [1, 1]);
        assert_eq!([sums(date(2026, 6, 30), 8), sums(date(2026, 7, 1), 8), sums(date(2026, 7, 1), 8)], [2, 3, 3]);
    }
}
