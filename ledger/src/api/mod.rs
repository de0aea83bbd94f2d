//! The HTTP API of a node: `protocol::api` over axum, for whom the node's configuration lets in.
//!
//! | file | what it knows |
//! |---|---|
//! | `routes.rs` | the calls, and nothing of who may make them |
//! | `settings.rs` | what a configuration says of TLS, tokens and limits |
//! | `auth.rs` | tokens, roles, and the role that each call needs |
//! | `rate.rs`, `door.rs` | calls a second, connections at once, of one address and of all |
//! | `guard.rs` | the layers around the routes: rate, role, size and time of a body |
//! | `serve.rs` | the accept loop: TLS, times, one connection a task |
//! | `refusal.rs`, `problem.rs` | every refusal by name; the body of every error |
//! | `openapi.rs` | roles and refusals, written into the document of the routes |
//!
//! A call comes from outside to inside through `door`, `serve`, `guard`, `routes`: what costs least is asked first.

mod auth;
mod door;
mod guard;
mod openapi;
mod problem;
mod rate;
mod refusal;
mod routes;
mod serve;
mod settings;

pub(crate) use self::rate::Client;
pub use self::{
    refusal::CallRefusal,
    routes::router,
    serve::serve,
    settings::{Access, AccessError, Limits, Role, Settings, Tls, Tokens},
};
