//! The HTTP API of a node: `protocol::api` over axum, for whom the node's configuration lets in.
//!
//! | file | what it knows |
//! |---|---|
//! | `routes.rs` | the calls, and nothing of who may make them |
//! | `log.rs` | those about the log of headers |
//! | `emergency.rs` | those for authorities: the situation, and the alert |
//! | `answer.rs` | how a call is answered, or why it fails |
//! | `page.rs` | the page at `/`, and its files |
//! | `settings.rs` | what a configuration says of TLS, tokens and limits |
//! | `auth.rs` | the role that each call needs |
//! | `rate.rs` | calls a second, of one address and of all |
//! | `guard.rs` | the layers around the routes: rate, role, size and time of a body; what is looked up is written down |
//! | `look_ups.rs` | which calls look a household up, and who makes them |
//! | `serve.rs` | who keeps the door of [`public_http`], which has TLS, tokens, and the limits on connections and their times |
//! | `refusal.rs`, `problem.rs` | every refusal by name; the body of every error |
//! | `openapi.rs` | roles and refusals, written into the document of the routes |
//!
//! A call comes from outside to inside through `serve`, `guard`, `routes`: what costs least is asked first.

mod answer;
mod auth;
mod emergency;
mod guard;
mod log;
mod look_ups;
mod openapi;
mod page;
mod problem;
mod rate;
mod refusal;
mod routes;
mod serve;
mod settings;

pub use self::{
    refusal::CallRefusal,
    routes::router,
    serve::serve,
    settings::{CallLimits, Opened, Settings, SettingsError},
};
