//! A page to look at: nothing is taken but questions, and small forms where there are any. Who asks is no matter here.

use std::{fmt, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::header,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use rustls::ServerConfig;
use tokio::net::TcpStream;

use super::{
    host::Names,
    limits::ConnectionLimits,
    refusal::Refusal,
    serve::{Greeted, Keeper, Site, whole_body},
    tls::greet,
};

/// Milliseconds for the end of a body that should not be there.
const BODY_MS_MAX: u64 = 1_000;

/// Most bytes of a form.
pub const FORM_BYTES_MAX: usize = 4_096;
/// Milliseconds for the whole of a form, after its head.
const FORM_MS_MAX: u64 = 5_000;

/// The keeper of a page's door: turns away by the limits alone, in a line of text.
pub struct Page {
    name: &'static str,
    tls: Option<Arc<ServerConfig>>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.name).finish()
    }
}

impl Page {
    /// A page: what it is called in logs, its router, what its files may do in a browser; under which names it is to be
    /// asked, and the key of the configuration for more of them.
    pub fn site(
        name: &'static str,
        router: Router,
        content_security_policy: &'static str,
        names: Names,
        names_key: &'static str,
    ) -> Site<Page> {
        let router = router.layer(from_fn(without_body));
        let keeper = Arc::new(Page { name, tls: None });
        Site { name, router, limits: ConnectionLimits::of_a_page(), names, names_key, content_security_policy, keeper }
    }
}

impl Site<Page> {
    /// The same, which also takes forms, at routes of their own. What they may change, they have to ask for themselves.
    pub fn with_forms(mut self, forms: Router) -> Site<Page> {
        self.router = self.router.merge(forms.layer(from_fn(with_form)));
        self
    }

    /// The same, over TLS where there is a certificate: then under any name, because who asks has checked it.
    pub fn over(mut self, tls: Option<Arc<ServerConfig>>) -> Site<Page> {
        if tls.is_some() {
            self.names = Names::any();
        }
        self.keeper = Arc::new(Page { name: self.name, tls });
        self
    }
}

impl Keeper for Page {
    type Refusal = Refusal;

    fn count(&self, refusal: &Refusal) {
        tracing::debug!(%refusal, "{} turns somebody away", self.name);
    }

    fn answer(&self, refusal: &Refusal) -> Response {
        answer(refusal)
    }

    async fn greet(&self, stream: TcpStream) -> Greeted<Refusal> {
        let Some(tls) = &self.tls else { return Greeted::Speaks(Box::new(stream)) };
        greet(tls.clone(), stream).await.unwrap_or_else(|refusal| {
            self.count(&refusal);
            Greeted::Gone
        })
    }
}

fn answer(refusal: &Refusal) -> Response {
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (refusal.status(), text, format!("{refusal}\n")).into_response()
}

async fn without_body(request: Request, next: Next) -> Response {
    with_body(request, next, 0, BODY_MS_MAX).await
}

async fn with_form(request: Request, next: Next) -> Response {
    with_body(request, next, FORM_BYTES_MAX, FORM_MS_MAX).await
}

async fn with_body(request: Request, next: Next, bytes_max: usize, ms_max: u64) -> Response {
    match whole_body(request, bytes_max, ms_max).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => answer(&refusal),
    }
}

/// Whether who listens at an address can be reached from other machines.
pub fn reaches_beyond(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
