//! The JSON API behind the page, its OpenAPI description, and the router of the whole console.

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use protocol::interval::parse_utc;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use super::{
    Board,
    alarms::{self, AlarmsView},
    answer::{ApiError, check_limit, parse_start, table},
    events,
    health::{Health, Level},
    limits::{HOUSEHOLDS_PER_PAGE_MAX, INTERVALS_PER_PAGE_MAX},
    looking_back, metrics,
    moment::Moment,
    page, sign_in,
    view::{Community, HouseholdPage, IntervalPage, Problem, RefusalCount, State as PageState, Validator},
};

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
fn documented() -> [(&'static str, MethodRouter<Board>); 24] {
    [
        ("/api/v1/health", get(health)),
        ("/api/v1/alarms", get(alarm_list)),
        ("/api/v1/alarms.csv", get(alarm_table)),
        ("/api/v1/community", get(community)),
        ("/api/v1/state", get(state)),
        ("/api/v1/intervals", get(intervals)),
        ("/api/v1/intervals/{start}/curves", get(looking_back::curves)),
        ("/api/v1/intervals/{start}/curves.svg", get(looking_back::curves_drawn)),
        ("/api/v1/intervals/{start}/curves.csv", get(looking_back::curves_csv)),
        ("/api/v1/intervals/{start}/grid.csv", get(looking_back::grid_csv)),
        ("/api/v1/decisions", get(looking_back::decisions)),
        ("/api/v1/decisions.csv", get(looking_back::decisions_csv)),
        ("/api/v1/days/{date}", get(looking_back::day)),
        ("/api/v1/days/{date}/intervals.csv", get(looking_back::day_csv)),
        ("/api/v1/days/{date}/lines", get(looking_back::lines)),
        ("/api/v1/days/{date}/lines.csv", get(looking_back::lines_csv)),
        ("/api/v1/days/{date}/worst-hours.csv", get(looking_back::worst_csv)),
        ("/api/v1/households/{member}/months/{month}", get(looking_back::month)),
        ("/api/v1/households/{member}/months/{month}/days.csv", get(looking_back::month_csv)),
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
        looking_back::curves,
        looking_back::curves_drawn,
        looking_back::curves_csv,
        looking_back::grid_csv,
        looking_back::decisions,
        looking_back::decisions_csv,
        looking_back::day,
        looking_back::day_csv,
        looking_back::lines,
        looking_back::lines_csv,
        looking_back::worst_csv,
        looking_back::month,
        looking_back::month_csv,
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
async fn alarm_list(State(board): State<Board>, headers: HeaderMap) -> Json<AlarmsView> {
    Json(AlarmsView::new(&board.alarms(), board.operator(sign_in::shown(&headers).as_deref())))
}

/// The same as CSV: what is on first.
#[utoipa::path(get, path = "/api/v1/alarms.csv", responses((status = 200, content_type = "text/csv", body = String)))]
async fn alarm_table(State(board): State<Board>) -> Result<Response, ApiError> {
    Ok(table("alarms.csv", alarms::csv(&board.alarms())?))
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HouseholdsQuery {
    /// Start of an interval; without it, sums over all intervals.
    #[param(example = "2026-06-01T12:00:00Z")]
    interval: Option<String>,
    /// How many to skip (0).
    offset: Option<usize>,
    /// How many, 1 to 1000 (1000).
    limit: Option<usize>,
}

/// What households bought, sold, paid and earned: in total, or in one interval.
#[utoipa::path(get, path = "/api/v1/households", params(HouseholdsQuery),
    responses((status = 200, body = HouseholdPage), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem)))]
async fn households(
    State(board): State<Board>,
    query: Result<Query<HouseholdsQuery>, QueryRejection>,
) -> Result<Json<HouseholdPage>, ApiError> {
    let Query(query) = query?;
    let limit = check_limit(query.limit.unwrap_or(HOUSEHOLDS_PER_PAGE_MAX), HOUSEHOLDS_PER_PAGE_MAX)?;
    let offset = query.offset.unwrap_or(0);
    let Some(start) = query.interval else { return Ok(Json(board.model().households(offset, limit))) };
    let (interval, kept) = {
        let model = board.model();
        let interval = parse_start(&start, model.interval_length())?;
        (interval, model.households_of(interval, offset, limit))
    };
    if let Some(kept) = kept {
        return Ok(Json(kept));
    }
    let history = board.history().map_err(|_| ApiError::NotKept(interval))?;
    let settled = history.settled(interval).await?;
    Ok(Json(board.model().households_with(interval, &settled.lines, offset, limit)))
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
