//! Who may look at the console, where its configuration knows tokens: programs show one with each request, and people
//! sign in with one.
//!
//! The cookie of a browser that signed in is the token itself, out of reach of scripts and of other sites. So nothing
//! is kept here of who is signed in: a restart signs nobody out, strangers can fill nothing, and a token that is taken
//! out of the configuration ends every session that was begun with it.

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::{Request, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use public_http::{KnownTokens, Role, TokenRefusal, bearer};
use serde::Deserialize;

use super::view::Problem;

/// Where one signs in.
const SIGN_IN: &str = "/sign-in";
/// A cookie of this name counts only where it came over TLS, from this very host (RFC 6265bis §4.1.3.2).
const COOKIE: &str = "__Host-voisin";
/// How long a browser keeps it, seconds: a working day.
const COOKIE_S_MAX: u32 = 12 * 60 * 60;
/// Longest token, bytes: in hex, far below what the head of a request may have.
const TOKEN_BYTES_MAX: usize = 1_024;

/// The page of a console that is for those with a token alone.
pub(super) fn guarded(router: Router, tokens: &Arc<KnownTokens>) -> Router {
    let sign_in = Router::new().route(SIGN_IN, get(page)).with_state(tokens.clone());
    router.merge(sign_in).layer(from_fn_with_state(tokens.clone(), let_through))
}

/// What the forms of the page are sent to.
pub(super) fn forms(tokens: Arc<KnownTokens>) -> Router {
    Router::new().route(SIGN_IN, post(sign_in)).route("/sign-out", post(sign_out)).with_state(tokens)
}

/// The files of the page on which one signs in.
const OPEN_ASSETS: [&str; 6] = ["base.css", "console.css", "icon.svg", "language.js", "sign-in.js", "words.js"];

/// What everyone may see: how to sign in, and what that page looks like.
fn is_open(path: &str) -> bool {
    path == SIGN_IN
        || path == "/favicon.ico"
        || OPEN_ASSETS.iter().any(|name| path.strip_prefix("/assets/") == Some(name))
}

async fn let_through(State(tokens): State<Arc<KnownTokens>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if is_open(path) {
        return next.run(request).await;
    }
    let token = shown(request.headers());
    let checked = match tokens.check(Role::Read, token.as_deref()) {
        // Who may look at everything may look at the counters, too; who scrapes them, at nothing else.
        Err(_) if path == "/metrics" => tokens.check(Role::Metrics, token.as_deref()),
        checked => checked,
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(_) if is_navigation(&request) => Redirect::to(SIGN_IN).into_response(),
        Err(refusal) => refused(refusal),
    }
}

/// Whether a person waits for a page.
fn is_navigation(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    *request.method() == Method::GET && accept.is_some_and(|accept| accept.contains("text/html"))
}

pub(super) fn refused(refusal: TokenRefusal) -> Response {
    tracing::debug!(%refusal, "the console turns somebody away");
    let challenge = [(header::WWW_AUTHENTICATE, refusal.challenge("voisin-market"))];
    (refusal.status(), challenge, Json(Problem { error: refusal.to_string(), refusal: None })).into_response()
}

/// The token that a request shows: in its head, or in the cookie.
pub(super) fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    bearer(headers).map(<[u8]>::to_vec).or_else(|| cookie(headers))
}

fn cookie(headers: &HeaderMap) -> Option<Vec<u8>> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut values = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = values.find(|(name, _)| *name == COOKIE)?;
    hex::decode(value).ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

async fn page(State(tokens): State<Arc<KnownTokens>>, headers: HeaderMap) -> Response {
    let in_already = tokens.check(Role::Read, cookie(&headers).as_deref()).is_ok();
    if in_already { Redirect::to("/").into_response() } else { shown_page(StatusCode::OK, None) }
}

async fn sign_in(State(tokens): State<Arc<KnownTokens>>, form: Result<Form<SignIn>, FormRejection>) -> Response {
    let Ok(Form(SignIn { token })) = form else {
        return shown_page(StatusCode::BAD_REQUEST, Some(("no_token", "Enter a token.")));
    };
    let token = token.trim().as_bytes();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return shown_page(
            StatusCode::BAD_REQUEST,
            Some(("not_one_line", "Enter a token: one line, as the operator gave it to you.")),
        );
    }
    match tokens.check(Role::Read, Some(token)) {
        Ok(()) => let_in(&hex::encode(token), COOKIE_S_MAX, "/"),
        Err(refusal @ TokenRefusal::RoleInsufficient { .. }) => shown_page(
            refusal.status(),
            Some(("counters_alone", "This token is for the counters alone; the console takes one that may read.")),
        ),
        Err(refusal) => shown_page(
            refusal.status(),
            Some((
                "not_known",
                "This token is not known here. Ask the operator for one, or compare its SHA-256 with [console_tokens].",
            )),
        ),
    }
}

async fn sign_out() -> Response {
    let_in("", 0, SIGN_IN)
}

/// Has the browser keep `value` for so long, and sends it on.
fn let_in(value: &str, seconds: u32, to: &str) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    let mut response = Redirect::to(to).into_response();
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The page, with what is wrong: one of the sentences of this file, by the name by which the page has it in other
/// languages.
fn shown_page(status: StatusCode, wrong: Option<(&'static str, &'static str)>) -> Response {
    let message = |(name, wrong)| format!("<p class=\"alarm\" role=\"alert\" data-say=\"{name}\">{wrong}</p>");
    let message = wrong.map(message).unwrap_or_default();
    let page = include_str!("assets/sign-in.html").replace("<!-- what is wrong -->", &message);
    (status, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response()
}
