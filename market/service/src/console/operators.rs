//! Who may acknowledge alarms at the console: people by name, each with the digest of their token.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Form, Json, Router,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use protocol::hash::Hash;
use public_http::{KnownTokens, Role, Tokens};
use serde::Deserialize;

use super::{
    Board,
    sign_in::{refused, shown},
    view::Problem,
};
use crate::alarms::{AlarmName, is_a_name};

/// What is wrong with the people that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorsError {
    /// Not the digest of a token. It is not repeated: it may be a token.
    #[error(
        "[console_operators] {0}: expected the SHA-256 of a token as 64 lowercase hex digits, found something else"
    )]
    Digest(String),
    /// Nobody is called so.
    #[error("[console_operators]: expected names of 1 to 80 printable characters, found `{0}`")]
    Name(String),
}

/// People who may acknowledge alarms.
#[derive(Debug, Clone, Default)]
pub struct Operators(Vec<(Hash, String)>);

impl Operators {
    /// Takes names with the SHA-256 of their tokens.
    pub fn new(configured: &BTreeMap<String, String>) -> Result<Operators, OperatorsError> {
        let operator = |(name, digest): (&String, &String)| {
            if !is_a_name(name) {
                return Err(OperatorsError::Name(name.chars().take(80).collect::<String>().escape_debug().to_string()));
            }
            let digest = digest.parse().map_err(|_| OperatorsError::Digest(name.clone()))?;
            Ok((digest, name.clone()))
        };
        configured.iter().map(operator).collect::<Result<_, _>>().map(Operators)
    }

    /// Lets them in beside those who have a token without a name.
    pub fn among(&self, mut tokens: Tokens) -> Tokens {
        tokens.submit.extend(self.0.iter().map(|(digest, _)| digest.to_string()));
        tokens
    }

    /// Whose token it is. Whether it is one at all was compared in constant time before.
    pub(super) fn name(&self, token: &[u8]) -> Option<&str> {
        let digest = Hash::of(token);
        self.0.iter().find(|(known, _)| *known == digest).map(|(_, name)| name.as_str())
    }
}

/// What the buttons of the list are sent to.
pub(super) fn forms(board: Board, tokens: Arc<KnownTokens>) -> Router {
    Router::new().route("/alarms/acknowledge", post(acknowledge)).with_state((board, tokens))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    alarm: String,
}

/// No other site can have a browser send this: the cookie stays behind (`SameSite`).
async fn acknowledge(
    State((board, tokens)): State<(Board, Arc<KnownTokens>)>,
    headers: HeaderMap,
    form: Result<Form<Acknowledge>, FormRejection>,
) -> Response {
    let problem = |status: StatusCode, error: String| (status, Json(Problem { error, refusal: None })).into_response();
    let token = shown(&headers);
    if let Err(refusal) = tokens.check(Role::Submit, token.as_deref()) {
        return refused(refusal);
    }
    let Some(by) = board.operator(token.as_deref()) else {
        let error = "expected the token of somebody whom [console_operators] names, found one without a name";
        return problem(StatusCode::FORBIDDEN, error.into());
    };
    let name = match form.map(|Form(Acknowledge { alarm })| alarm.parse::<AlarmName>()) {
        Ok(Ok(name)) => name,
        Ok(Err(error)) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
        Err(rejection) => return problem(rejection.status(), rejection.body_text()),
    };
    if board.acknowledge(name, by) {
        return Redirect::to("/").into_response();
    }
    problem(StatusCode::CONFLICT, format!("expected an alarm that is on and not acknowledged, found {name}"))
}
