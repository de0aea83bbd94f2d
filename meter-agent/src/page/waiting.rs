//! The page of a household that is not registered yet: what is missing, and whether the market can be heard.

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use maud::{Markup, html};
use tokio::sync::watch;

use super::{
    frame::{self, Around, Asked},
    pages::{Wanted, files},
};
use crate::{source::MeterKind, waiting::Waiting};

type Shown = watch::Receiver<Waiting>;

/// The page and its JSON.
pub(crate) fn waiting_router(waiting: Shown) -> Router {
    Router::new().route("/", get(page)).route("/status", get(status)).with_state(waiting).merge(files())
}

async fn status(State(waiting): State<Shown>) -> Json<Waiting> {
    Json(waiting.borrow().clone())
}

async fn page(State(waiting): State<Shown>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Response {
    let asked = wanted.asked(&headers, "/");
    let waiting = waiting.borrow().clone();
    let around = Around { name: waiting.name.as_deref(), community: &waiting.community, meter: MeterKind::Meter };
    let page = frame::page(&asked, &around, asked.words().not_registered, true, &content(&asked, &waiting));
    ([(header::VARY, "accept-language")], Html(page.into_string())).into_response()
}

fn content(asked: &Asked<'_>, waiting: &Waiting) -> Markup {
    let words = asked.words();
    html! {
        h1 { (words.not_registered) }
        p { (words.hand_in) }
        p.soft { (words.then_by_itself) }
        dl.list {
            dt { (words.device) } dd { code { (waiting.device) } }
            dt { (words.member_key) } dd { code { (waiting.member_key) } }
        }
        p.soft { @if waiting.connected { (words.connected) } @else { (words.not_connected) } }
        @if let Some(last) = &waiting.last_refused {
            div.alarm role="alert" {
                p { b { (words.registration_refused) } }
                @for (name, count) in &waiting.registrations_refused { p { code { (name) } " " (count) } }
                p.detail lang="en" { (last) }
            }
        }
    }
}
