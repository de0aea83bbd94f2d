//! The accept loop: who gets a connection, over what, and for how long.
//!
//! HTTP/1.1 only: one call at a time on a connection, so that the limits on connections are limits on calls.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    door::{Door, Place},
    guard::{Guard, guarded},
    rate::Client,
    refusal::CallRefusal,
    routes,
    settings::Access,
};
use crate::node::Ledger;

/// Connections beyond the limits that are told so; those beyond these, too, are closed without a word.
const REFUSED_AT_ONCE_MAX: usize = 16;
/// Pause after an accept that failed, as where all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The first byte of a TLS connection: a record of a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// What all connections share.
struct Server {
    guard: Arc<Guard>,
    routes: TowerToHyperService<Router>,
    tls: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
}

/// Serves the API of `ledger`, which is unhealthy when its last block is `height_age_ms_max` old, until `stop` resolves.
/// Connections that are still open then finish the call they are at; dropping the future closes them.
pub async fn serve(
    listener: TcpListener,
    ledger: Arc<Ledger>,
    height_age_ms_max: u64,
    access: Access,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let door = Door::new(&access.limits);
    let refused_at_once = Arc::new(Semaphore::new(REFUSED_AT_ONCE_MAX));
    let tls = access.tls.clone().map(TlsAcceptor::from);
    let guard = Guard::new(access, ledger.clone());
    let routes = TowerToHyperService::new(guarded(routes::router(ledger, height_age_ms_max), &guard));
    let (stopped, stopping) = watch::channel(false);
    let server = Arc::new(Server { guard, routes, tls, stopping });
    // They end with this task, so that nothing holds the ledger when the node has stopped.
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (server, client) = (server.clone(), Client::from(peer.ip()));
                    // A handshake costs as much as a call, and telling why it is refused would cost another.
                    if server.tls.is_some() && let Err(refusal) = server.guard.take(client) {
                        server.guard.count(&refusal);
                        continue;
                    }
                    let entry = door.enter(client);
                    let turn = match &entry {
                        Ok(_) => None,
                        Err(refusal) => {
                            server.guard.count(refusal);
                            let Ok(turn) = refused_at_once.clone().try_acquire_owned() else { continue };
                            Some(turn)
                        }
                    };
                    connections.spawn(async move {
                        server.connect(stream, client, entry).await;
                        drop(turn);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the API cannot take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // Nobody listens any more if all connections are closed.
    let _ = stopped.send(true);
    while connections.join_next().await.is_some() {}
}

/// What a client speaks where TLS is expected.
enum Spoken {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
    Nothing,
}

async fn listen(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<Spoken> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        // Came to see whether the port is open.
        0 => Ok(Spoken::Nothing),
        _ if first == [TLS_HANDSHAKE] => Ok(Spoken::Tls(Box::new(acceptor.accept(stream).await?))),
        _ => Ok(Spoken::Plain(stream)),
    }
}

impl Server {
    /// Serves a connection that was let in, or tells one why it was not.
    async fn connect(&self, stream: TcpStream, client: Client, entry: Result<Place, CallRefusal>) {
        // An answer is written in one piece: waiting for more to send with it only delays it.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.tls else { return self.speak(stream, client, entry).await };
        let ms_max = self.guard.access.limits.head_ms_max;
        match tokio::time::timeout(Duration::from_millis(ms_max), listen(acceptor, stream)).await {
            Ok(Ok(Spoken::Tls(stream))) => self.speak(stream, client, entry).await,
            Ok(Ok(Spoken::Plain(stream))) => {
                self.guard.count(&CallRefusal::TlsExpected);
                self.speak(stream, client, Err(CallRefusal::TlsExpected)).await;
                drop(entry);
            }
            Ok(Ok(Spoken::Nothing)) => {}
            Ok(Err(error)) => self.guard.count(&CallRefusal::HandshakeFailed(error.to_string())),
            Err(_) => self.guard.count(&CallRefusal::HeadTooSlow { ms_max }),
        }
    }

    async fn speak<S>(&self, stream: S, client: Client, entry: Result<Place, CallRefusal>)
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let limits = &self.guard.access.limits;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(Duration::from_millis(limits.answer_pause_ms_max)));
        let asked = AtomicBool::new(false);
        let service = service_fn(|mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(client);
            let refusal = entry.as_ref().err().cloned();
            async move {
                match refusal {
                    Some(refusal) => Ok(last(refusal.into_response())),
                    None => self.routes.call(request).await,
                }
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(limits.head_ms_max))
            .max_header_size(limits.head_bytes_max);
        let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        let mut stopping = self.stopping.clone();
        let ended = tokio::select! {
            outcome = connection.as_mut() => Some(outcome),
            // An error means that the server itself is gone, which is a reason to stop too.
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        let outcome = match ended {
            Some(outcome) => outcome,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome
            && let Some(refusal) = self.cut_off(&error, asked.load(Ordering::Relaxed))
        {
            self.guard.count(&refusal);
        }
    }

    /// The limit that ended a connection, if one did. Who asked before and has nothing more to ask broke none.
    fn cut_off(&self, error: &hyper::Error, asked: bool) -> Option<CallRefusal> {
        let limits = &self.guard.access.limits;
        if error.is_parse_too_large() {
            Some(CallRefusal::HeadTooLarge { bytes_max: limits.head_bytes_max })
        } else if error.is_timeout() {
            (!asked).then_some(CallRefusal::HeadTooSlow { ms_max: limits.head_ms_max })
        } else if timed_out(error) {
            Some(CallRefusal::AnswerNotRead { ms_max: limits.answer_pause_ms_max })
        } else {
            None
        }
    }
}

/// Whether a write took too long. Reads have no such limit on the socket itself.
fn timed_out(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// An answer after which the connection is closed.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
