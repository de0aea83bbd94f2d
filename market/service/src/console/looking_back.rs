//! The part of the JSON API that looks back: days, intervals and months from the ledger, each also as CSV.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use protocol::member::MemberId;
use public_http::SVG;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Board,
    answer::{ApiError, parse_start, table},
    first_picture,
    history::{self, DayView, DecisionPage, HistoryError, HouseholdMonth, LinesOfDay},
    summary::{self, Summary},
    view::{CurvesView, Problem},
};

/// Supply and demand of an interval: as this market keeps them, or cleared again from what the ledger has of it.
#[utoipa::path(get, path = "/api/v1/intervals/{start}/curves",
    params(("start" = String, Path, description = "Start of the interval", example = "2026-06-01T12:00:00Z")),
    responses((status = 200, body = CurvesView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn curves(
    State(board): State<Board>,
    Path(start): Path<String>,
) -> Result<Json<CurvesView>, ApiError> {
    Ok(Json(curves_of(&board, &start).await?))
}

/// The steps of the same curves as CSV, and what was paid and received.
#[utoipa::path(get, path = "/api/v1/intervals/{start}/curves.csv",
    params(("start" = String, Path, description = "Start of the interval", example = "2026-06-01T12:00:00Z")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn curves_csv(State(board): State<Board>, Path(start): Path<String>) -> Result<Response, ApiError> {
    let view = curves_of(&board, &start).await?;
    Ok(table(&format!("curves-{}.csv", file_name(&view.interval.start)), history::curves_csv(&view)?))
}

/// The grid in the same interval as CSV, a line a bus.
#[utoipa::path(get, path = "/api/v1/intervals/{start}/grid.csv",
    params(("start" = String, Path, description = "Start of the interval", example = "2026-06-01T12:00:00Z")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn grid_csv(State(board): State<Board>, Path(start): Path<String>) -> Result<Response, ApiError> {
    let view = curves_of(&board, &start).await?;
    Ok(table(&format!("grid-{}.csv", file_name(&view.interval.start)), history::grid_csv(&view)?))
}

/// A start as part of a file's name: without colons, which some systems do not allow there.
fn file_name(start: &str) -> String {
    start.replace(':', "")
}

async fn curves_of(board: &Board, start: &str) -> Result<CurvesView, ApiError> {
    let (interval, kept) = {
        let model = board.model();
        let interval = parse_start(start, model.interval_length())?;
        (interval, model.curves(interval))
    };
    if let Some(kept) = kept.clone().filter(|kept| kept.curves.is_some()) {
        return Ok(kept);
    }
    let again = match board.history() {
        Ok(history) => history.interval(interval).await,
        Err(error) => Err(error),
    };
    match (again, kept) {
        (Ok((settled, origin, picture)), _) => {
            let (summary, paid) = (Summary::of(&settled), summary::paid(&settled.trades));
            Ok(summary::curves(&summary, &settled.lines, &paid, picture.as_ref(), origin))
        }
        (Err(_), Some(kept)) => Ok(kept),
        (Err(HistoryError::NoLedger), None) => Err(ApiError::NotKept(interval)),
        (Err(error), None) => Err(error.into()),
    }
}

/// The same supply and demand, drawn: kWh to the right, prices per kWh upwards.
#[utoipa::path(get, path = "/api/v1/intervals/{start}/curves.svg",
    params(("start" = String, Path, description = "Start of the interval", example = "2026-06-01T12:00:00Z")),
    responses((status = 200, content_type = "image/svg+xml", body = String), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn curves_drawn(board: State<Board>, Path(start): Path<String>) -> Result<Response, ApiError> {
    let Json(view) = curves(board, Path(start.clone())).await?;
    let drawn = view.curves.as_ref().and_then(first_picture::draw).ok_or(ApiError::NotDrawn(start))?;
    Ok(([(header::CONTENT_TYPE, SVG)], drawn).into_response())
}

/// A day by the clock of the community, from the ledger: each settled interval as it stands, what it traded and what it
/// saved; and as it was first settled, where it was corrected since.
#[utoipa::path(get, path = "/api/v1/days/{date}",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, body = DayView), (status = 400, body = Problem), (status = 502, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn day(State(board): State<Board>, Path(date): Path<String>) -> Result<Json<DayView>, ApiError> {
    Ok(Json(board.history()?.day(&date).await?))
}

/// The same day as CSV, a line an interval.
#[utoipa::path(get, path = "/api/v1/days/{date}/intervals.csv",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn day_csv(State(board): State<Board>, Path(date): Path<String>) -> Result<Response, ApiError> {
    let day = board.history()?.day(&date).await?;
    Ok(table(&format!("day-{}.csv", day.date), history::day_csv(&day)?))
}

/// How the lines of the grid were loaded over a day, and in which hours the most.
#[utoipa::path(get, path = "/api/v1/days/{date}/lines",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, body = LinesOfDay), (status = 400, body = Problem), (status = 502, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn lines(State(board): State<Board>, Path(date): Path<String>) -> Result<Json<LinesOfDay>, ApiError> {
    Ok(Json(board.history()?.lines(&date).await?))
}

/// The lines that were loaded most on a day as CSV, a line an interval and line of the grid.
#[utoipa::path(get, path = "/api/v1/days/{date}/lines.csv",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn lines_csv(State(board): State<Board>, Path(date): Path<String>) -> Result<Response, ApiError> {
    let day = board.history()?.lines(&date).await?;
    Ok(table(&format!("lines-{}.csv", day.date), history::lines_csv(&day)?))
}

/// The hours of a day in which a line was loaded most as CSV, the worst first.
#[utoipa::path(get, path = "/api/v1/days/{date}/worst-hours.csv",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn worst_csv(State(board): State<Board>, Path(date): Path<String>) -> Result<Response, ApiError> {
    let day = board.history()?.lines(&date).await?;
    Ok(table(&format!("worst-hours-{}.csv", day.date), history::worst_csv(&day)?))
}

/// A household's month from the ledger, a line a day: what it bought, sold and saved.
#[utoipa::path(get, path = "/api/v1/households/{member}/months/{month}",
    params(("member" = String, Path, description = "The pseudonym, 32 hex digits"),
        ("month" = String, Path, description = "A month", example = "2026-06")),
    responses((status = 200, body = HouseholdMonth), (status = 400, body = Problem), (status = 502, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn month(
    State(board): State<Board>,
    Path(path): Path<(String, String)>,
) -> Result<Json<HouseholdMonth>, ApiError> {
    Ok(Json(month_of(&board, &path).await?))
}

/// The same month as CSV.
#[utoipa::path(get, path = "/api/v1/households/{member}/months/{month}/days.csv",
    params(("member" = String, Path, description = "The pseudonym, 32 hex digits"),
        ("month" = String, Path, description = "A month", example = "2026-06")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn month_csv(
    State(board): State<Board>,
    Path(path): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let month = month_of(&board, &path).await?;
    Ok(table(&format!("household-{}-{}.csv", month.member, month.month), history::month_csv(&month)?))
}

async fn month_of(board: &Board, (member, month): &(String, String)) -> Result<HouseholdMonth, ApiError> {
    let member: MemberId = member.parse().map_err(ApiError::NoMember)?;
    let name = board.model().name_of(member);
    Ok(board.history()?.month(member, month, name).await?)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionsQuery {
    /// The sequence number of the last one wanted; without it, the latest.
    #[param(example = 12)]
    until: Option<u64>,
}

/// What the validators decided, the latest first: who approved, when, and what it changed.
#[utoipa::path(get, path = "/api/v1/decisions", params(DecisionsQuery),
    responses((status = 200, body = DecisionPage), (status = 400, body = Problem), (status = 502, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn decisions(
    State(board): State<Board>,
    query: Result<Query<DecisionsQuery>, QueryRejection>,
) -> Result<Json<DecisionPage>, ApiError> {
    let Query(DecisionsQuery { until }) = query?;
    Ok(Json(board.history()?.decisions(until).await?))
}

/// The same decisions as CSV.
#[utoipa::path(get, path = "/api/v1/decisions.csv", params(DecisionsQuery),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn decisions_csv(
    State(board): State<Board>,
    query: Result<Query<DecisionsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(DecisionsQuery { until }) = query?;
    let page = board.history()?.decisions(until).await?;
    Ok(table("decisions.csv", history::decisions_csv(&page)?))
}
