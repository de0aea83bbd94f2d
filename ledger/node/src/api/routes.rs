//! The calls: `protocol::api` over axum.
//!
//! Every answer is bounded: bodies in by [`TRANSACTION_BYTES_MAX`], pages out by [`SETTLEMENTS_PER_PAGE_MAX`],
//! [`DECISIONS_PER_PAGE_MAX`] and [`MEMBERS_PER_PAGE_MAX`], waiting by [`WAIT_MS_MAX`].

use std::{sync::Arc, time::Duration};

use access_log::Accesses;
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use protocol::{
    api::{
        BlockSummary, Community, Correctable, DECISIONS_PER_PAGE_MAX, Decided, Health, IntervalSums,
        MEMBERS_PER_PAGE_MAX, MemberStatus, OpenDraft, Posting, RetiredCertificate, RulesInForce,
        SETTLEMENTS_PER_PAGE_MAX, Settled, Status, Submitted, TakenBack, WAIT_MS_MAX,
    },
    commit::Validator,
    interval::{Interval, parse_utc},
    island::ProvedStandby,
    key::DeviceId,
    limits::TRANSACTION_BYTES_MAX,
    member::MemberId,
    origin::Certificates,
    receipt::Receipt,
    registration::ProvedRegistration,
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::{IntoParams, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use super::{
    answer::{ApiError, blocking, parsed},
    log,
    openapi::Guarded,
    page as pages,
    problem::Problem,
};
use crate::node::{Ledger, now_s};

/// The API of a ledger, which is unhealthy when its last block is `height_age_ms_max` old. It answers everyone: see
/// [`serve`](super::serve()) for one that asks who is there.
pub fn router(ledger: Arc<Ledger>, height_age_ms_max: u64) -> Router {
    let swagger = SwaggerUi::new("/docs")
        // Without this, Swagger UI asks a server on the internet to judge the document.
        .config(utoipa_swagger_ui::Config::default().validator_url("none"))
        .url("/openapi.json", ApiDoc::openapi());
    documented()
        .into_iter()
        .fold(Router::new(), |router, (path, method)| router.route(path, method))
        .layer(DefaultBodyLimit::max(TRANSACTION_BYTES_MAX))
        .layer(Extension(HeightAgeMax(height_age_ms_max)))
        .layer(Extension(Submissions(Arc::new(Semaphore::new(SUBMISSIONS_MAX)))))
        .with_state(ledger)
        .merge(pages::router())
        .merge(swagger)
}

/// Every route that the OpenAPI document describes.
fn documented() -> [(&'static str, MethodRouter<Arc<Ledger>>); 29] {
    [
        ("/v1/transactions", post(submit)),
        ("/v1/status", get(status)),
        ("/v1/health", get(health)),
        ("/v1/validators", get(validators)),
        ("/v1/blocks/{height}", get(block)),
        ("/v1/members", get(members)),
        ("/v1/members/{member}/statement", get(statement)),
        ("/v1/members/{member}/registration", get(registration)),
        ("/v1/members/{member}/standby", get(standby)),
        ("/v1/situation", get(super::emergency::situation)),
        ("/v1/situation/alert", get(super::emergency::alert)),
        ("/v1/members/{member}/accesses", get(accesses)),
        ("/v1/community", get(community)),
        ("/v1/sums", get(sums)),
        ("/v1/settlements", get(settlements)),
        ("/v1/settlements/{start}/receipts", get(receipts)),
        ("/v1/settlements/{start}/corrections", get(corrections)),
        ("/v1/settlements/{start}/inputs", get(inputs)),
        ("/v1/certificates", get(certificates)),
        ("/v1/retirements/{start}/{device}/{number}", get(retirement)),
        ("/v1/rules", get(rules)),
        ("/v1/decisions", get(decisions)),
        ("/v1/drafts", get(drafts)),
        ("/v1/withdrawals", post(withdraw)),
        ("/v1/log/checkpoint", get(log::checkpoint)),
        ("/v1/log/proof/{height}", get(log::log_proof)),
        ("/v1/log/consistency", get(log::consistency)),
        ("/v1/log/tile/{*tile}", get(log::tile)),
        ("/metrics", get(metrics)),
    ]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Voisin ledger node",
        version = "1",
        description = "What a node of the shared ledger knows, and where transactions are handed in. Amounts and prices \
                       are decimal text and exact, energies whole Wh; in a path an interval is named by its start, such \
                       as 2026-06-01T12:00:00Z."
    ),
    paths(
        submit,
        status,
        health,
        validators,
        block,
        members,
        statement,
        registration,
        standby,
        super::emergency::situation,
        super::emergency::alert,
        accesses,
        community,
        sums,
        settlements,
        receipts,
        corrections,
        inputs,
        certificates,
        retirement,
        rules,
        decisions,
        drafts,
        withdraw,
        log::checkpoint,
        log::log_proof,
        log::consistency,
        log::tile,
        metrics
    ),
    modifiers(&Guarded)
)]
struct ApiDoc;

/// From which age of the last block on, in milliseconds, a node is unhealthy.
#[derive(Clone, Copy)]
struct HeightAgeMax(u64);

/// Hand in a transaction: the CBOR of `protocol::block::Transaction`. Handing it in twice is harmless.
#[utoipa::path(post, path = "/v1/transactions",
    request_body(content = Vec<u8>, content_type = "application/cbor"),
    responses((status = 200, body = Submitted), (status = 400, body = Problem), (status = 413)))]
async fn submit(
    State(ledger): State<Arc<Ledger>>,
    Extension(Submissions(room)): Extension<Submissions>,
    body: Bytes,
) -> Result<Json<Submitted>, ApiError> {
    let room = room.acquire_owned().await.map_err(|_| ApiError::CutOff)?;
    let Json(submitted) = blocking(move || {
        let _room = room;
        ledger.submit_encoded(&body)
    })
    .await?;
    submitted.map(Json).map_err(|error| ApiError::BadRequest(format!("not a transaction: {error}")))
}

/// Transactions that are decoded and checked at once. Those that wait are no more than their bodies.
const SUBMISSIONS_MAX: usize = 4;

/// Room for as many.
#[derive(Clone)]
struct Submissions(Arc<Semaphore>);

/// Where the ledger stands.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
async fn status(State(ledger): State<Arc<Ledger>>) -> Json<Status> {
    Json(ledger.status())
}

/// Whether the chain moves.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health), (status = 503, body = Health)))]
async fn health(
    State(ledger): State<Arc<Ledger>>,
    Extension(HeightAgeMax(ms)): Extension<HeightAgeMax>,
) -> (StatusCode, Json<Health>) {
    let health = ledger.health(ms);
    (if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MembersPage {
    /// The last member of the page before; without it, the first page.
    after: Option<String>,
    /// Most members; at most 1,000.
    limit: Option<usize>,
}

/// Members in ascending order: account, device, standing order.
#[utoipa::path(get, path = "/v1/members", params(MembersPage),
    responses((status = 200, body = Vec<MemberStatus>), (status = 400, body = Problem)))]
async fn members(
    State(ledger): State<Arc<Ledger>>,
    Query(page): Query<MembersPage>,
) -> Result<Json<Vec<MemberStatus>>, ApiError> {
    let after = page.after.as_deref().map(parsed).transpose()?;
    let limit = page.limit.unwrap_or(MEMBERS_PER_PAGE_MAX).min(MEMBERS_PER_PAGE_MAX);
    Ok(Json(ledger.members(after, limit)))
}

/// The validators of the next height, with their voting power.
#[utoipa::path(get, path = "/v1/validators", responses((status = 200, body = Vec<Validator>)))]
async fn validators(State(ledger): State<Arc<Ledger>>) -> Json<Vec<Validator>> {
    Json(ledger.validators())
}

/// A block: header, commit signatures, ids of its transactions.
#[utoipa::path(get, path = "/v1/blocks/{height}", params(("height" = u64, Path, description = "From 1 on")),
    responses((status = 200, body = BlockSummary), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn block(State(ledger): State<Arc<Ledger>>, Path(height): Path<u64>) -> Result<Json<BlockSummary>, ApiError> {
    let last = ledger.head().tip.height;
    let Json(block) = blocking(move || ledger.block(height)).await?;
    block.map(Json).ok_or(ApiError::NoBlock { last, found: height })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Period {
    /// Start of the first interval; without it, the ledger's first.
    from: Option<String>,
    /// Most intervals; at most 200.
    limit: Option<usize>,
}

/// A member's account: what was booked to it in settled intervals, and whatever else happened while they were open.
#[utoipa::path(get, path = "/v1/members/{member}/statement",
    params(("member" = String, Path, description = "The pseudonym, 32 hex digits"), Period),
    responses((status = 200, body = Vec<Posting>), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn statement(
    State(ledger): State<Arc<Ledger>>,
    Path(member): Path<String>,
    Query(period): Query<Period>,
) -> Result<Json<Vec<Posting>>, ApiError> {
    let member = parsed(&member)?;
    if ledger.head().state.find_member(&member).is_none() {
        return Err(ApiError::NoMember(member));
    }
    let (from, limit) = page(&ledger, period.from.as_deref(), period.limit)?;
    blocking(move || ledger.statement(member, from, limit)).await
}

/// How a member is registered after the last block, with the proof that a household checks with the genesis.
#[utoipa::path(get, path = "/v1/members/{member}/registration",
    params(("member" = String, Path, description = "The pseudonym, 32 hex digits")),
    responses((status = 200, body = ProvedRegistration), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn registration(
    State(ledger): State<Arc<Ledger>>,
    Path(member): Path<String>,
) -> Result<Json<ProvedRegistration>, ApiError> {
    let member = parsed(&member)?;
    let Json(proved) = blocking(move || ledger.registration(member)).await?;
    proved.map(Json).ok_or(ApiError::NotProved(member))
}

/// What a member may draw on an island after the last block, with the proof that a household checks with the genesis.
#[utoipa::path(get, path = "/v1/members/{member}/standby",
    params(("member" = String, Path, description = "The pseudonym, 32 hex digits")),
    responses((status = 200, body = ProvedStandby), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn standby(
    State(ledger): State<Arc<Ledger>>,
    Path(member): Path<String>,
) -> Result<Json<ProvedStandby>, ApiError> {
    let member = parsed(&member)?;
    let Json(proved) = blocking(move || ledger.standby(member)).await?;
    proved.map(Json).ok_or(ApiError::NotProved(member))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AccessesPage {
    /// The first look-up wanted; without it, the first there is.
    since: Option<u64>,
    /// How many there were when it was asked last; without it, none.
    seen: Option<u64>,
    /// The signed question, hex.
    question: Option<String>,
}

/// Who looked a member up at this node, when, and under which role: for the member itself, which signs the question.
/// Each look-up has its proof, and what was seen before is proved to be there.
#[utoipa::path(get, path = "/v1/members/{member}/accesses",
    params(("member" = String, Path, description = "The pseudonym, 32 hex digits"), AccessesPage),
    responses((status = 200, description = "Look-ups with their proofs, as docs/protocol.md says"),
        (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 403, body = Problem)))]
async fn accesses(
    State(ledger): State<Arc<Ledger>>,
    Path(member): Path<String>,
    Query(AccessesPage { since, seen, question }): Query<AccessesPage>,
) -> Result<Json<Accesses>, ApiError> {
    let member = parsed(&member)?;
    let from = (since.unwrap_or(0), seen.unwrap_or(0));
    let Json(found) = blocking(move || Ok(ledger.accesses_of(member, question.as_deref(), from, now_s()))).await?;
    found?.map(Json).ok_or(ApiError::NoAccesses(member))
}

/// Where a page starts, and how many intervals it has at most.
fn page(ledger: &Ledger, from: Option<&str>, limit: Option<usize>) -> Result<(Interval, usize), ApiError> {
    let from = from.map_or(Ok(ledger.genesis().first_interval), |start| interval(ledger, start))?;
    Ok((from, limit.unwrap_or(SETTLEMENTS_PER_PAGE_MAX).min(SETTLEMENTS_PER_PAGE_MAX)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Start of the first interval; without it, the ledger's first.
    from: Option<String>,
    /// Most intervals; at most 200.
    limit: Option<usize>,
    /// How long to wait for the first of them to be settled, milliseconds; at most 30,000.
    wait_ms: Option<u64>,
    /// Whether each is wanted as it was corrected last; without it, as it was first settled.
    in_force: Option<bool>,
    /// Only this member's lines and trades: a pseudonym, 32 hex digits.
    member: Option<String>,
}

/// Settled intervals, in order; an empty list if there are none yet.
#[utoipa::path(get, path = "/v1/settlements", params(Page),
    responses((status = 200, body = Vec<Settled>), (status = 400, body = Problem)))]
async fn settlements(
    State(ledger): State<Arc<Ledger>>,
    Query(query): Query<Page>,
) -> Result<Json<Vec<Settled>>, ApiError> {
    let Page { from, limit, wait_ms, in_force, member } = query;
    let (from, limit) = page(&ledger, from.as_deref(), limit)?;
    let member: Option<MemberId> = member.as_deref().map(parsed).transpose()?;
    if let Some(wait_ms) = wait_ms {
        let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        let settled = || ledger.head().state.settled().is_some_and(|settled| settled >= from);
        // Not settled in time is an answer too: an empty page.
        let _ = tokio::time::timeout(wait, ledger.committed().wait_for(|_| settled())).await;
    }
    blocking(move || {
        let in_force = in_force.unwrap_or_default();
        let mut settled =
            if in_force { ledger.settlements_in_force(from, limit) } else { ledger.settlements(from, limit) }?;
        if let Some(member) = member {
            for Settled { lines, trades, .. } in &mut settled {
                lines.retain(|line| line.member == member);
                trades.retain(|trade| trade.seller == member || trade.buyer == member);
            }
        }
        Ok(settled)
    })
    .await
}

/// The community and what its accounts have: sums, and of nobody what they consume.
#[utoipa::path(get, path = "/v1/community", responses((status = 200, body = Community)))]
async fn community(State(ledger): State<Arc<Ledger>>) -> Json<Community> {
    Json(ledger.community())
}

/// Settled intervals in sums, in order, each as it was corrected last: of nobody what they consume.
#[utoipa::path(get, path = "/v1/sums", params(Period),
    responses((status = 200, body = Vec<IntervalSums>), (status = 400, body = Problem)))]
async fn sums(
    State(ledger): State<Arc<Ledger>>,
    Query(Period { from, limit }): Query<Period>,
) -> Result<Json<Vec<IntervalSums>>, ApiError> {
    let (from, limit) = page(&ledger, from.as_deref(), limit)?;
    blocking(move || ledger.sums(from, limit)).await
}

/// The receipts of a settled interval, one a member: each is proof enough, with the genesis.
#[utoipa::path(get, path = "/v1/settlements/{start}/receipts",
    params(("start" = String, Path, description = "Start of the interval")),
    responses((status = 200, body = Vec<Receipt>), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn receipts(
    State(ledger): State<Arc<Ledger>>,
    Path(start): Path<String>,
) -> Result<Json<Vec<Receipt>>, ApiError> {
    let interval = interval(&ledger, &start)?;
    if ledger.head().state.settled().is_none_or(|settled| settled < interval) {
        return Err(ApiError::NotSettled(interval));
    }
    blocking(move || ledger.receipts(interval)).await
}

/// The receipts of an interval's corrections, in their order: each takes the place of the member's one before.
#[utoipa::path(get, path = "/v1/settlements/{start}/corrections",
    params(("start" = String, Path, description = "Start of the interval")),
    responses((status = 200, body = Vec<Receipt>), (status = 400, body = Problem)))]
async fn corrections(
    State(ledger): State<Arc<Ledger>>,
    Path(start): Path<String>,
) -> Result<Json<Vec<Receipt>>, ApiError> {
    let interval = interval(&ledger, &start)?;
    blocking(move || ledger.correction_receipts(interval)).await
}

/// What an interval was settled from, to be corrected: the settlement in force and its inputs.
#[utoipa::path(get, path = "/v1/settlements/{start}/inputs",
    params(("start" = String, Path, description = "Start of the interval")),
    responses((status = 200, body = Correctable), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn inputs(State(ledger): State<Arc<Ledger>>, Path(start): Path<String>) -> Result<Json<Correctable>, ApiError> {
    let interval = interval(&ledger, &start)?;
    let Json(correctable) = blocking(move || ledger.correctable(interval)).await?;
    correctable.map(Json).ok_or(ApiError::NothingToCorrect(interval))
}

/// The rules of the next interval: tariffs, mechanism, grid, and who signs its settlement.
#[utoipa::path(get, path = "/v1/rules", responses((status = 200, body = RulesInForce)))]
async fn rules(State(ledger): State<Arc<Ledger>>) -> Json<RulesInForce> {
    Json(ledger.rules())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DecisionsPage {
    /// Sequence number of the first; without it, 1.
    from: Option<u64>,
    /// Most decisions; at most 100.
    limit: Option<usize>,
}

/// Decisions that were made, by number: who approved, in which block, what they changed.
#[utoipa::path(get, path = "/v1/decisions", params(DecisionsPage),
    responses((status = 200, body = Vec<Decided>), (status = 400, body = Problem)))]
async fn decisions(
    State(ledger): State<Arc<Ledger>>,
    Query(DecisionsPage { from, limit }): Query<DecisionsPage>,
) -> Result<Json<Vec<Decided>>, ApiError> {
    let limit = limit.unwrap_or(DECISIONS_PER_PAGE_MAX).min(DECISIONS_PER_PAGE_MAX);
    blocking(move || ledger.decisions(from.unwrap_or(1), limit)).await
}

/// Decisions that wait for approvals, by number. They are handed in like any transaction.
#[utoipa::path(get, path = "/v1/drafts", responses((status = 200, body = Vec<OpenDraft>)))]
async fn drafts(State(ledger): State<Arc<Ledger>>) -> Result<Json<Vec<OpenDraft>>, ApiError> {
    blocking(move || Ok(ledger.drafts())).await
}

/// Take back a validator's approval of a decision that waits: a signed `protocol::withdrawal::Withdrawal`. Doing it
/// twice is harmless.
#[utoipa::path(post, path = "/v1/withdrawals",
    request_body(content = Vec<u8>, content_type = "application/cbor"),
    responses((status = 200, body = TakenBack), (status = 413)))]
async fn withdraw(State(ledger): State<Arc<Ledger>>, body: Bytes) -> Result<Json<TakenBack>, ApiError> {
    blocking(move || Ok(ledger.withdraw(&body))).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Holdings {
    /// Start of the first interval; without it, the ledger's first.
    from: Option<String>,
    /// Most intervals; at most 200.
    limit: Option<usize>,
    /// Only what this member holds or has retired: a pseudonym, 32 hex digits.
    holder: Option<String>,
}

/// Certificates of origin, of as many intervals as asked for among those on record.
#[utoipa::path(get, path = "/v1/certificates", params(Holdings),
    responses((status = 200, body = Vec<Certificates>), (status = 400, body = Problem)))]
async fn certificates(
    State(ledger): State<Arc<Ledger>>,
    Query(query): Query<Holdings>,
) -> Result<Json<Vec<Certificates>>, ApiError> {
    let Holdings { from, limit, holder } = query;
    let (from, limit) = page(&ledger, from.as_deref(), limit)?;
    let holder = holder.as_deref().map(parsed).transpose()?;
    blocking(move || Ok(ledger.certificates(holder, from, limit))).await
}

/// One certificate of origin that its holder has retired: who claimed it, for whom, with the proof. Everyone may ask
/// where the page is public, so of certificates that nobody has claimed nothing is said.
#[utoipa::path(get, path = "/v1/retirements/{start}/{device}/{number}",
    params(("start" = String, Path, description = "Start of the interval in which the energy was fed in"),
        ("device" = String, Path, description = "The device that measured it, did:key:z6Mk…"),
        ("number" = u64, Path, description = "The certificate's number, from 0 on")),
    responses((status = 200, body = RetiredCertificate), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn retirement(
    State(ledger): State<Arc<Ledger>>,
    Path((start, device, number)): Path<(String, String, String)>,
) -> Result<Json<RetiredCertificate>, ApiError> {
    let interval = interval(&ledger, &start)?;
    let device: DeviceId = parsed(&device)?;
    let number: u64 = number.parse().map_err(|_| {
        ApiError::BadRequest("expected the number of a certificate, from 0 on, as the last part".into())
    })?;
    let Json(retired) = blocking(move || ledger.retired_certificate(interval, device, number)).await?;
    retired.map(Json).ok_or(ApiError::NotRetired(interval))
}

/// The interval that starts at `start`, in the length that the community trades in.
fn interval(ledger: &Ledger, start: &str) -> Result<Interval, ApiError> {
    let length = ledger.genesis().first_interval.length();
    let start_s = parse_utc(start).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    Interval::new(start_s, length).ok_or_else(|| {
        ApiError::BadRequest(format!("expected the start of a {}-minute interval, found {start}", length.minutes()))
    })
}

/// Counters for Prometheus.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(ledger): State<Arc<Ledger>>) -> Result<Response, ApiError> {
    let text = ledger.metrics_text().map_err(|_| ApiError::CutOff)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
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
