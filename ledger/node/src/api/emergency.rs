//! The calls for authorities: the community's situation in an emergency, and the same as an alert.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use protocol::situation::Situation;

use super::{
    answer::{ApiError, blocking},
    problem::Problem,
};
use crate::{
    node::Ledger,
    situation::{AlertError, alert as as_alert},
};

/// The community's situation after the last block: energy and storage by bus, who is served and who is dark, for how
/// long what is stored lasts, and how old each figure is. It knows pseudonyms only.
#[utoipa::path(get, path = "/v1/situation", responses((status = 200, body = Situation)))]
pub(super) async fn situation(State(ledger): State<Arc<Ledger>>) -> Result<Json<Situation>, ApiError> {
    blocking(move || ledger.situation()).await
}

/// The same as an alert for the public and for other authorities (OASIS CAP 1.2); 404 while there is nothing to alert
/// anybody of.
#[utoipa::path(get, path = "/v1/situation/alert",
    responses((status = 200, body = String, content_type = "application/cap+xml"), (status = 404, body = Problem)))]
pub(super) async fn alert(State(ledger): State<Arc<Ledger>>) -> Result<Response, ApiError> {
    let now_s = crate::node::now_s();
    let Json(situation) = blocking(move || ledger.situation()).await?;
    match as_alert(&situation, now_s) {
        Ok(xml) => Ok(([(header::CONTENT_TYPE, "application/cap+xml")], xml).into_response()),
        Err(AlertError::Nothing) => Err(ApiError::NoAlert),
        Err(AlertError::Write(_)) => Err(ApiError::CutOff),
    }
}
