//! The accept loop: who gets a connection, and for how long.

use std::{
    error::Error,
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
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use http_body_util::LengthLimitError;
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

use super::{
    client::Client,
    door::{Door, Place},
    host::Names,
    limits::{ConnectionLimits, raise_descriptors},
    refusal::Refusal,
};

/// Connections beyond the limits that are told so; those beyond these, too, are closed without a word.
const REFUSED_AT_ONCE_MAX: usize = 16;
/// Pause after an accept that failed, as where all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What HTTP is spoken over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What came of a connection before its first request.
pub enum Greeted<R> {
    /// It may ask.
    Speaks(Box<dyn Stream>),
    /// It is told, in answer to its first request, why it may not.
    Refused(Box<dyn Stream>, R),
    /// Nobody is left to ask, or to be told.
    Gone,
}

/// Who keeps the door of a server: knows refusals of its own, and how they are told.
pub trait Keeper: Send + Sync + 'static {
    /// Why somebody is turned away.
    type Refusal: From<Refusal> + Clone + Send + Sync + 'static;

    /// Counts a refusal.
    fn count(&self, refusal: &Self::Refusal);

    /// Tells a refusal.
    fn answer(&self, refusal: &Self::Refusal) -> Response;

    /// Whether a client may connect at all. One that may not is told nothing.
    fn admit(&self, client: Client) -> Result<(), Self::Refusal> {
        let _ = client;
        Ok(())
    }

    /// Comes before the first request on a connection.
    fn greet(&self, stream: TcpStream) -> impl Future<Output = Greeted<Self::Refusal>> + Send {
        async { Greeted::Speaks(Box::new(stream)) }
    }
}

/// What is served, and how.
pub struct Site<K> {
    /// What it is called in logs: `the console`.
    pub name: &'static str,
    /// Answers who was let in. Every request carries its [`Client`] as an extension.
    pub router: Router,
    /// Most that it gives.
    pub limits: ConnectionLimits,
    /// Under which names it is to be asked.
    pub names: Names,
    /// The key of its configuration for names.
    pub names_key: &'static str,
    /// The Content-Security-Policy of its answers: what a browser may do with them.
    pub content_security_policy: &'static str,
    /// Who keeps its door.
    pub keeper: Arc<K>,
}

/// What all connections share.
struct Server<K> {
    site: Site<K>,
    routes: TowerToHyperService<Router>,
    stopping: watch::Receiver<bool>,
}

/// Serves until `stop` resolves. Connections that are still open then finish the call they are at; dropping the future
/// closes them.
///
/// As many connections as the limits give leave descriptors for everything else that this process does.
pub async fn serve<K: Keeper>(
    listener: TcpListener,
    mut site: Site<K>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    site.limits = site.limits.within(raise_descriptors());
    let door = Door::new(&site.limits);
    let refused_at_once = Arc::new(Semaphore::new(REFUSED_AT_ONCE_MAX));
    let routes = TowerToHyperService::new(site.router.clone());
    let (stopped, stopping) = watch::channel(false);
    let server = Arc::new(Server { site, routes, stopping });
    let keeper = server.site.keeper.clone();
    // They end with this task, so that nothing holds what is served when it has stopped.
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (server, client) = (server.clone(), Client::from(peer.ip()));
                    if let Err(refusal) = keeper.admit(client) {
                        keeper.count(&refusal);
                        continue;
                    }
                    let entry = door.enter(client).map_err(K::Refusal::from);
                    let turn = match &entry {
                        Ok(_) => None,
                        Err(refusal) => {
                            keeper.count(refusal);
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
                    tracing::warn!(%error, "{} cannot take a connection", server.site.name);
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

impl<K: Keeper> Server<K> {
    /// Serves a connection that was let in, or tells one why it was not.
    async fn connect(&self, stream: TcpStream, client: Client, entry: Result<Place, K::Refusal>) {
        // An answer is written in one piece: waiting for more to send with it only delays it.
        let _ = stream.set_nodelay(true);
        let limits = &self.site.limits;
        let greeted = self.site.keeper.greet(stream);
        let greeted = tokio::time::timeout(Duration::from_millis(limits.head_ms_max), greeted).await;
        match greeted {
            Ok(Greeted::Speaks(stream)) => self.speak(stream, client, entry.as_ref().err()).await,
            Ok(Greeted::Refused(stream, refusal)) => {
                self.site.keeper.count(&refusal);
                self.speak(stream, client, Some(&refusal)).await;
            }
            Ok(Greeted::Gone) => {}
            Err(_) => self.site.keeper.count(&Refusal::HeadTooSlow { ms_max: limits.head_ms_max }.into()),
        }
    }

    async fn speak(&self, stream: Box<dyn Stream>, client: Client, refusal: Option<&K::Refusal>) {
        let limits = &self.site.limits;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(Duration::from_millis(limits.answer_pause_ms_max)));
        let asked = AtomicBool::new(false);
        let service = service_fn(|mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(client);
            async move {
                let mut response = match (refusal, self.check_host(&request)) {
                    (Some(refusal), _) => last(self.site.keeper.answer(refusal)),
                    (None, Err(refusal)) => last(self.site.keeper.answer(&refusal)),
                    (None, Ok(())) => self.routes.call(request).await?,
                };
                self.protect(&mut response);
                Ok::<_, std::convert::Infallible>(response)
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
            self.site.keeper.count(&refusal.into());
        }
    }

    fn check_host(&self, request: &Request<Incoming>) -> Result<(), K::Refusal> {
        let Site { names, names_key: key, keeper, .. } = &self.site;
        names.check(request.uri(), request.headers()).map_err(|found| {
            let refusal = Refusal::HostUnknown { key, found }.into();
            keeper.count(&refusal);
            refusal
        })
    }

    /// Adds to an answer what keeps a browser from doing more with it than it should.
    fn protect(&self, response: &mut Response) {
        let headers: [(HeaderName, &'static str); 7] = [
            (header::CONTENT_SECURITY_POLICY, self.site.content_security_policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        for (name, value) in headers {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
    }

    /// The limit that ended a connection, if one did. Who asked before and has nothing more to ask broke none.
    fn cut_off(&self, error: &hyper::Error, asked: bool) -> Option<Refusal> {
        let limits = &self.site.limits;
        if error.is_parse_too_large() {
            Some(Refusal::HeadTooLarge { bytes_max: limits.head_bytes_max })
        } else if error.is_timeout() {
            (!asked).then_some(Refusal::HeadTooSlow { ms_max: limits.head_ms_max })
        } else if timed_out(error) {
            Some(Refusal::AnswerNotRead { ms_max: limits.answer_pause_ms_max })
        } else {
            None
        }
    }
}

/// The same request with its whole body in memory, if that is small enough and comes in time.
pub async fn whole_body(request: Request, bytes_max: usize, ms_max: u64) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(Duration::from_millis(ms_max), to_bytes(body, bytes_max)).await;
    let body = body.map_err(|_| Refusal::BodyTooSlow { ms_max })?.map_err(|error| {
        let too_large = error.source().is_some_and(|source| source.is::<LengthLimitError>());
        if too_large { Refusal::BodyTooLarge { bytes_max } } else { Refusal::BodyBroken }
    })?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Whether a write took too long. Reads have no such limit on the socket itself.
fn timed_out(error: &hyper::Error) -> bool {
    let source = Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// An answer after which the connection is closed.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
