//! What is asked of the page of prices, and who may change them.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Form, Router,
    extract::{Query, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use protocol::hash::Hash;
use zeroize::Zeroizing;

use super::{
    content,
    entered::{Entered, LIMITS, Posted},
    origin,
    refused::Refused,
    token::Tokens,
};
use crate::{
    choice::Choice,
    choosing::Chooser,
    page::frame::{self, Around, Asked},
    pin::{PinDoor, PinRefusal},
    shown::Shown,
    status::Status,
};

const PATH: &str = "/prices";

/// What it takes to change prices.
pub(crate) struct Prices {
    shown: Shown,
    door: PinDoor,
    chooser: Chooser,
    tokens: Tokens,
}

impl Prices {
    /// For the agent whose state is in this directory.
    pub(crate) fn new(shown: Shown, state: PathBuf, chooser: Chooser) -> Result<Arc<Prices>, getrandom::Error> {
        Ok(Arc::new(Prices { shown, door: PinDoor::new(state), chooser, tokens: Tokens::new()? }))
    }

    fn status(&self) -> Status {
        self.shown.status.borrow().clone()
    }

    /// The page with what was entered, whether or not it may be set.
    fn page(&self, headers: &HeaderMap, entered: &Entered, refused: Option<&Refused>) -> Response {
        let (status, asked) = (self.status(), Asked::of(entered.lang.as_deref(), headers, PATH));
        let asks = !entered.strategy.is_empty();
        let wanted = asks.then(|| entered.choice()).transpose();
        let refused = refused.or(wanted.as_ref().err());
        let choice = wanted.as_ref().ok().copied().flatten();
        let initial = Entered { lang: entered.lang.clone(), ..stands(&status, asked.words().decimal_point) };
        let shown = super::Shown {
            status: &status,
            has_pin: self.door.has_pin(),
            entered: if asks { entered } else { &initial },
            wanted: choice.map(|choice| (choice, self.tokens.issue(&change(&status, Some(choice))))),
            take_back: status.chosen.map(|_| self.tokens.issue(&change(&status, None))),
            refused,
        };
        let format = frame::format(&asked, &status, &self.shown.local);
        let title = asked.words().prices.title;
        let page =
            frame::page(&asked, &Around::from(&status), title, false, &content(&asked, &format, &shown)).into_string();
        let code = refused.map_or(StatusCode::OK, Refused::status);
        // Without a referrer a browser would not say either which page a form comes from.
        let own = [(header::REFERRER_POLICY, "same-origin"), (header::VARY, "accept-language")];
        (code, own, Html(page)).into_response()
    }

    /// Whether a form counts, for what it wants; and that it does so no more after this.
    async fn allows(&self, posted: &Posted, wanted: Option<Choice>) -> Result<(), Refused> {
        if !self.tokens.knows(&posted.token, &change(&self.status(), wanted)) {
            return Err(Refused::OldPage);
        }
        let opened = self.door.open(Zeroizing::new(posted.pin.clone())).await;
        if let Err(PinRefusal::Unusable(why)) = &opened {
            tracing::warn!("the page changes no prices: {why}");
        }
        opened?;
        if self.chooser.choose(wanted).await { Ok(()) } else { Err(Refused::NotKept) }
    }
}

/// What the forms show before anything was entered.
fn stands(status: &Status, decimal_point: char) -> Entered {
    let placed = || status.order.as_ref().map(|order| Choice::Fixed(order.limits));
    let taker = || (status.strategy != LIMITS).then_some(Choice::PriceTaker);
    let stands = status.chosen.or_else(taker).or_else(placed).unwrap_or(Choice::Fixed(Default::default()));
    Entered::of(stands, decimal_point)
}

/// A change from what stands to what is wanted: a form is for one.
fn change(status: &Status, wanted: Option<Choice>) -> Hash {
    // As it is kept, a choice is written in one way, and none as nothing.
    let named = |choice: Option<Choice>| {
        let written = choice.and_then(|choice| toml::to_string(&choice).ok());
        Hash::of(written.unwrap_or_default().as_bytes())
    };
    Hash::of_parts(&[named(status.chosen).as_bytes(), named(wanted).as_bytes()])
}

/// The page.
pub(crate) fn router(prices: Arc<Prices>) -> Router {
    Router::new().route(PATH, get(look)).with_state(prices)
}

/// What changes something.
pub(crate) fn forms(prices: Arc<Prices>) -> Router {
    Router::new().route("/prices/set", post(set)).route("/prices/take-back", post(take_back)).with_state(prices)
}

async fn look(State(prices): State<Arc<Prices>>, Query(entered): Query<Entered>, headers: HeaderMap) -> Response {
    prices.page(&headers, &entered, None)
}

type Sent = Result<Form<Posted>, FormRejection>;

async fn set(State(prices): State<Arc<Prices>>, uri: Uri, headers: HeaderMap, sent: Sent) -> Response {
    answer(&prices, &uri, &headers, sent, |entered| entered.choice().map(Some)).await
}

async fn take_back(State(prices): State<Arc<Prices>>, uri: Uri, headers: HeaderMap, sent: Sent) -> Response {
    answer(&prices, &uri, &headers, sent, |_| Ok(None)).await
}

async fn answer(
    prices: &Prices,
    uri: &Uri,
    headers: &HeaderMap,
    sent: Sent,
    wanted: impl FnOnce(&Entered) -> Result<Option<Choice>, Refused>,
) -> Response {
    if !origin::is_own(uri, headers) {
        return prices.page(headers, &Entered::default(), Some(&Refused::ForeignOrigin));
    }
    let Ok(Form(posted)) = sent else {
        return prices.page(headers, &Entered::default(), Some(&Refused::NotAForm));
    };
    let allowed = match wanted(&posted.entered) {
        Ok(wanted) => prices.allows(&posted, wanted).await,
        Err(refused) => Err(refused),
    };
    match allowed {
        Ok(()) => {
            let language = posted.entered.lang.as_deref();
            Redirect::to(&Asked::of(language, headers, PATH).link(PATH)).into_response()
        }
        Err(refused) => {
            let mut page = prices.page(headers, &posted.entered, Some(&refused));
            if let Refused::PinPaused { minutes } = refused {
                page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(60 * minutes));
            }
            page
        }
    }
}
