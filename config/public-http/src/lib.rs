//! An HTTP server that strangers may connect to: for the market's console, an agent's page and a node's API.
//!
//! In: a router, and who keeps the door. Out: answers, for as long as nobody takes more than the [`ConnectionLimits`]
//! give. It knows nothing of what is served. HTTP/1.1 only: one call at a time on a connection, so that the limits on
//! connections are limits on calls.
//!
//! | file | what it knows |
//! |---|---|
//! | `serve.rs` | the accept loop: who gets a connection, and for how long |
//! | `door.rs`, `client.rs` | connections at once, of one address and of all; what counts as one address |
//! | `limits.rs` | how much is given, and how many files this process may have open |
//! | `host.rs` | under which names it is to be asked |
//! | `access.rs` | what a configuration says of TLS and tokens, and may not say |
//! | `tls.rs`, `tokens.rs` | how a server proves who it is; how a client does, and what it may |
//! | `page.rs` | a door that asks nobody's name: what console and agent's page have |
//! | `assets.rs` | files that a program carries and serves, with their media types and caching |
//! | `packing.rs` | how files are packed for their way, by what a browser can unpack |
//! | `shared.rs` | what pages that browsers draw have in common: texts by language, figures, looks |
//! | `refusal.rs` | why a call or a connection is turned away |

mod access;
mod assets;
mod client;
mod door;
mod host;
mod limits;
mod packing;
mod page;
mod refusal;
mod serve;
mod shared;
mod tls;
mod tokens;

pub use self::{
    access::{Access, AccessError},
    assets::{Asset, CSS, HTML, JAVASCRIPT, SVG, answer},
    client::Client,
    host::Names,
    limits::{ConnectionLimits, DESCRIPTORS_RESERVED, raise_descriptors},
    packing::pack,
    page::{FORM_BYTES_MAX, Page, reaches_beyond},
    refusal::Refusal,
    serve::{Greeted, Keeper, Site, Stream, serve, whole_body},
    shared::{BASE_CSS, ICON_SVG, shared},
    tls::{Tls, TlsError, greet},
    tokens::{KnownTokens, Role, TokenRefusal, Tokens, TokensError, bearer},
};
