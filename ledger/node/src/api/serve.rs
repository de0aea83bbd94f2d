//! How strangers come to the API: through `server`, over TLS where the configuration says so.

use std::{io, sync::Arc};

use axum::response::{IntoResponse, Response};
use public_http::{self, Client, Greeted, Keeper, Names, Site};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    guard::{Guard, guarded},
    refusal::CallRefusal,
    routes,
    settings::Access,
};
use crate::node::Ledger;

/// The first byte of a TLS connection: a record of a handshake.
const TLS_HANDSHAKE: u8 = 22;
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
    access: Access,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let names = if access.tls.is_some() { Names::any() } else { Names::known(&access.names) };
    let limits = access.limits.of_connections();
    let guard = Guard::new(access, ledger.clone());
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

/// What a client speaks where TLS is expected.
enum Spoken {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
    Nothing,
}

async fn listen(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<Spoken> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        // Came to see whether the port is open.
        0 => Ok(Spoken::Nothing),
        _ if first == [TLS_HANDSHAKE] => Ok(Spoken::Tls(Box::new(acceptor.accept(stream).await?))),
        _ => Ok(Spoken::Plain(stream)),
    }
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
        if self.access.tls.is_some() { self.take(client) } else { Ok(()) }
    }

    async fn greet(&self, stream: TcpStream) -> Greeted<CallRefusal> {
        let Some(tls) = &self.access.tls else { return Greeted::Speaks(Box::new(stream)) };
        match listen(TlsAcceptor::from(tls.clone()), stream).await {
            Ok(Spoken::Tls(stream)) => Greeted::Speaks(stream),
            Ok(Spoken::Plain(stream)) => Greeted::Refused(Box::new(stream), CallRefusal::TlsExpected),
            Ok(Spoken::Nothing) => Greeted::Gone,
            Err(error) => {
                self.counted(&CallRefusal::HandshakeFailed(error.to_string()));
                Greeted::Gone
            }
        }
    }
}
