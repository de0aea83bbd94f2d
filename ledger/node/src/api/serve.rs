//! How strangers come to the API: through `server`, over TLS where the configuration says so.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use public_http::{self, Client, Greeted, Keeper, Names, Site};
use tokio::net::{TcpListener, TcpStream};

use super::{
    guard::{Guard, guarded},
    refusal::CallRefusal,
    routes,
    settings::Opened,
};
use crate::node::Ledger;

/// The documentation is a page with scripts of its own; Swagger UI sets some styles inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Serves the API of `ledger`, which is unhealthy when its last block is `height_age_ms_max` old, until `stop`
/// resolves. Connections that are still open then finish the call they are at; dropping the future closes them.
pub async fn serve(
    listener: TcpListener,
    ledger: Arc<Ledger>,
    height_age_ms_max: u64,
    opened: Opened,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let names = if opened.access.tls.is_some() { Names::any() } else { Names::known(&opened.names) };
    let limits = opened.limits.of_connections();
    let guard = Guard::new(opened, ledger.clone());
    let site = Site {
        name: "the API",
        router: guarded(routes::router(ledger, height_age_ms_max), &guard),
        limits,
        names,
        names_key: "api_names",
        content_security_policy: CONTENT_SECURITY_POLICY,
        keeper: guard,
    };
    public_http::serve(listener, site, stop).await;
}

impl Keeper for Guard {
    type Refusal = CallRefusal;

    fn count(&self, refusal: &CallRefusal) {
        self.counted(refusal);
    }

    fn answer(&self, refusal: &CallRefusal) -> Response {
        refusal.clone().into_response()
    }

    fn admit(&self, client: Client) -> Result<(), CallRefusal> {
        // A handshake costs as much as a call, and telling why it is refused would cost another.
        if self.opened.access.tls.is_some() { self.take(client) } else { Ok(()) }
    }

    async fn greet(&self, stream: TcpStream) -> Greeted<CallRefusal> {
        let Some(tls) = &self.opened.access.tls else { return Greeted::Speaks(Box::new(stream)) };
        match public_http::greet(tls.clone(), stream).await {
            Ok(Greeted::Speaks(stream)) => Greeted::Speaks(stream),
            Ok(Greeted::Refused(stream, refusal)) => Greeted::Refused(stream, refusal.into()),
            Ok(Greeted::Gone) => Greeted::Gone,
            Err(refusal) => {
                self.counted(&refusal.into());
                Greeted::Gone
            }
        }
    }
}
