//! The JSON API behind the page, its OpenAPI description, and the router of the whole console.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use protocol::interval::{Interval, parse_utc};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use super::{
    Board,
    alarms::{self, AlarmsView},
    events,
    health::{Health, Level},
    history::{DayView, HistoryError, csv},
    limits::{HOUSEHOLDS_PER_PAGE_MAX, INTERVALS_PER_PAGE_MAX, LISTENERS_MAX},
    metrics,
    moment::Moment,
    page,
    view::{Community, CurvesView, HouseholdPage, IntervalPage, Problem, RefusalCount, State as PageState, Validator},
};

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    BadQuery(#[from] QueryRejection),
    #[error("expected a limit from 1 to {max}, found {found}")]
    BadLimit { max: usize, found: usize },
    #[error("{0}")]
    BadTime(#[from] protocol::text::ParseError),
    #[error("expected the start of an interval, a multiple of {minutes} minutes; found {found}")]
    NotAStart { minutes: u32, found: String },
    #[error("no curves or lines of {0}: expected one of the intervals settled last")]
    NotKept(Interval),
    #[error("expected at most {LISTENERS_MAX} listeners at a time; try again later")]
    TooManyListeners,
    #[error("the table could not be written: {0}")]
    Table(#[from] ::csv::Error),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("the metrics could not be written: {0}")]
    Metrics(#[from] std::fmt::Error),
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            ApiError::BadQuery(_) | ApiError::BadLimit { .. } | ApiError::BadTime(_) | ApiError::NotAStart { .. } => {
                StatusCode::BAD_REQUEST
            }
            ApiError::History(HistoryError::Calendar(_)) => StatusCode::BAD_REQUEST,
            ApiError::History(HistoryError::Ledger(_)) => StatusCode::BAD_GATEWAY,
            ApiError::History(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::NotKept(_) => StatusCode::NOT_FOUND,
            ApiError::TooManyListeners => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Metrics(_) | ApiError::Table(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error = match &self {
            ApiError::BadQuery(rejection) => rejection.body_text(),
            error => error.to_string(),
        };
        (status, Json(Problem { error })).into_response()
    }
}

/// The console's whole router.
pub(crate) fn router(board: Board) -> Router {
    let swagger = SwaggerUi::new("/api/docs")
        // Without this, Swagger UI asks a server on the internet to judge the document.
        .config(utoipa_swagger_ui::Config::default().validator_url("none"))
        .url("/api/openapi.json", ApiDoc::openapi());
    let mut router = Router::new()
        .route("/", get(page::index))
        .route("/history", get(page::history))
        .route("/favicon.ico", get(page::icon))
        .route("/assets/{name}", get(page::file));
    for (path, method) in documented() {
        router = router.route(path, method);
    }
    router.with_state(board).merge(swagger)
}

/// Every route that the OpenAPI document describes.
fn documented() -> [(&'static str, MethodRouter<Board>); 14] {
    [
        ("/api/v1/health", get(health)),
        ("/api/v1/alarms", get(alarm_list)),
        ("/api/v1/alarms.csv", get(alarm_table)),
        ("/api/v1/community", get(community)),
        ("/api/v1/state", get(state)),
        ("/api/v1/intervals", get(intervals)),
        ("/api/v1/intervals/{start}/curves", get(curves)),
        ("/api/v1/days/{date}", get(day)),
        ("/api/v1/days/{date}/csv", get(day_csv)),
        ("/api/v1/households", get(households)),
        ("/api/v1/validators", get(validators)),
        ("/api/v1/refusals", get(refusals)),
        ("/api/v1/events", get(event_stream)),
        ("/metrics", get(metrics_text)),
    ]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Voisin market console",
        version = "1",
        description = "What the market does, to read only. Amounts and prices are decimal text and exact, energies \
                       whole Wh, times ISO 8601 in UTC; an interval is named by its start."
    ),
    paths(
        health,
        alarm_list,
        alarm_table,
        community,
        state,
        intervals,
        curves,
        day,
        day_csv,
        households,
        validators,
        refusals,
        event_stream,
        metrics_text
    )
)]
struct ApiDoc;

/// Whether the market does its work: 503 where it cannot. What is the matter, since when, what it means, what to do.
#[utoipa::path(get, path = "/api/v1/health",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
async fn health(State(board): State<Board>) -> (StatusCode, Json<Health>) {
    let health = board.model().health(Moment::now());
    let status = if health.level == Level::Stopped { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health))
}

/// The list of alarms: what is on and what was, since when, the cause, what to do, and who has acknowledged it.
#[utoipa::path(get, path = "/api/v1/alarms", responses((status = 200, body = AlarmsView)))]
async fn alarm_list(State(board): State<Board>) -> Json<AlarmsView> {
    Json(AlarmsView::from(&board.alarms()))
}

/// The same as CSV: what is on first.
#[utoipa::path(get, path = "/api/v1/alarms.csv", responses((status = 200, content_type = "text/csv", body = String)))]
async fn alarm_table(State(board): State<Board>) -> Result<Response, ApiError> {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"alarms.csv\""),
    ];
    Ok((headers, alarms::csv(&board.alarms())?).into_response())
}

/// The community and its rules.
#[utoipa::path(get, path = "/api/v1/community", responses((status = 200, body = Community)))]
async fn community(State(board): State<Board>) -> Json<Community> {
    Json(board.model().community())
}

/// All that the page needs at load: community, status, the latest intervals, the first households.
#[utoipa::path(get, path = "/api/v1/state", responses((status = 200, body = PageState)))]
async fn state(State(board): State<Board>) -> Json<PageState> {
    let model = board.model();
    Json(PageState {
        community: model.community(),
        status: model.status(Moment::now()),
        intervals: model.latest(INTERVALS_PER_PAGE_MAX),
        details: model.details_kept(),
        households: model.households(0, HOUSEHOLDS_PER_PAGE_MAX),
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct IntervalsQuery {
    /// Start of the first interval wanted; without it, the latest ones.
    #[param(example = "2026-06-01T00:00:00Z")]
    from: Option<String>,
    /// How many, 1 to 1000 (100).
    limit: Option<usize>,
}

/// Settled intervals, ascending.
#[utoipa::path(get, path = "/api/v1/intervals", params(IntervalsQuery),
    responses((status = 200, body = IntervalPage), (status = 400, body = Problem)))]
async fn intervals(
    State(board): State<Board>,
    query: Result<Query<IntervalsQuery>, QueryRejection>,
) -> Result<Json<IntervalPage>, ApiError> {
    let Query(query) = query?;
    let limit = check_limit(query.limit.unwrap_or(100), INTERVALS_PER_PAGE_MAX)?;
    let from_s = query.from.as_deref().map(parse_utc).transpose()?;
    let model = board.model();
    Ok(Json(match from_s {
        Some(from_s) => model.intervals(from_s, limit),
        None => IntervalPage { intervals: model.latest(limit), next: None },
    }))
}

/// Supply and demand of one of the intervals settled last.
#[utoipa::path(get, path = "/api/v1/intervals/{start}/curves",
    params(("start" = String, Path, description = "Start of the interval", example = "2026-06-01T12:00:00Z")),
    responses((status = 200, body = CurvesView), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn curves(State(board): State<Board>, Path(start): Path<String>) -> Result<Json<CurvesView>, ApiError> {
    let model = board.model();
    let interval = parse_start(&start, model.interval_length())?;
    model.curves(interval).map(Json).ok_or(ApiError::NotKept(interval))
}

/// A day by the clock of the community, from the ledger: each settled interval, what it traded and what it saved.
#[utoipa::path(get, path = "/api/v1/days/{date}",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, body = DayView), (status = 400, body = Problem), (status = 502, body = Problem),
        (status = 503, body = Problem)))]
async fn day(State(board): State<Board>, Path(date): Path<String>) -> Result<Json<DayView>, ApiError> {
    Ok(Json(board.history()?.day(&date).await?))
}

/// The same day as CSV, a line an interval.
#[utoipa::path(get, path = "/api/v1/days/{date}/csv",
    params(("date" = String, Path, description = "A date, or `latest`", example = "2026-06-01")),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
async fn day_csv(State(board): State<Board>, Path(date): Path<String>) -> Result<Response, ApiError> {
    let day = board.history()?.day(&date).await?;
    let named = format!("attachment; filename=\"day-{}.csv\"", day.date);
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, &named)];
    Ok((headers, csv(&day)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HouseholdsQuery {
    /// Start of one of the intervals settled last; without it, sums over all intervals.
    #[param(example = "2026-06-01T12:00:00Z")]
    interval: Option<String>,
    /// How many to skip (0).
    offset: Option<usize>,
    /// How many, 1 to 1000 (1000).
    limit: Option<usize>,
}

/// What households bought, sold, paid and earned: in total, or in one of the intervals settled last.
#[utoipa::path(get, path = "/api/v1/households", params(HouseholdsQuery),
    responses((status = 200, body = HouseholdPage), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn households(
    State(board): State<Board>,
    query: Result<Query<HouseholdsQuery>, QueryRejection>,
) -> Result<Json<HouseholdPage>, ApiError> {
    let Query(query) = query?;
    let limit = check_limit(query.limit.unwrap_or(HOUSEHOLDS_PER_PAGE_MAX), HOUSEHOLDS_PER_PAGE_MAX)?;
    let offset = query.offset.unwrap_or(0);
    let model = board.model();
    let Some(start) = query.interval else { return Ok(Json(model.households(offset, limit))) };
    let interval = parse_start(&start, model.interval_length())?;
    model.households_of(interval, offset, limit).map(Json).ok_or(ApiError::NotKept(interval))
}

/// What the market last heard of the ledger's validators.
#[utoipa::path(get, path = "/api/v1/validators", responses((status = 200, body = Vec<Validator>)))]
async fn validators(State(board): State<Board>) -> Json<Vec<Validator>> {
    Json(board.model().validators_view(Moment::now()))
}

/// Refused messages since the market started: every name, zeros included.
#[utoipa::path(get, path = "/api/v1/refusals", responses((status = 200, body = Vec<RefusalCount>)))]
async fn refusals(State(board): State<Board>) -> Json<Vec<RefusalCount>> {
    Json(board.model().refusals_view())
}

/// Server-sent events: `status` (as in the state), `intervals` (a list of those newly settled), and `refetch` when
/// the listener has missed too much and should fetch the state anew.
#[utoipa::path(get, path = "/api/v1/events", responses(
    (status = 200, content_type = "text/event-stream", body = String), (status = 503, body = Problem)))]
async fn event_stream(State(board): State<Board>) -> Result<Response, ApiError> {
    events::listen(board).map(IntoResponse::into_response).ok_or(ApiError::TooManyListeners)
}

/// Metrics in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, content_type = "application/openmetrics-text", body = String)))]
async fn metrics_text(State(board): State<Board>) -> Result<Response, ApiError> {
    let (community, status) = {
        let model = board.model();
        (model.community(), model.status(Moment::now()))
    };
    let text = metrics::render(&community, &status)?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

fn check_limit(found: usize, max: usize) -> Result<usize, ApiError> {
    if (1..=max).contains(&found) { Ok(found) } else { Err(ApiError::BadLimit { max, found }) }
}

fn parse_start(text: &str, length: protocol::interval::IntervalLength) -> Result<Interval, ApiError> {
    let start_s = parse_utc(text)?;
    Interval::new(start_s, length)
        .ok_or_else(|| ApiError::NotAStart { minutes: length.minutes(), found: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_describes_every_route() {
        let described = ApiDoc::openapi().paths.paths.into_keys().collect::<Vec<_>>();
        let mut routes = documented().map(|(path, _)| path).to_vec();
        routes.sort_unstable();
        assert_eq!(described, routes);
    }
}
