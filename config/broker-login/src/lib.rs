//! How agent and market log in at the broker: whom they trust, and how they say who they are.
//!
//! In: the broker's address, and what `[broker_login]` says. Out: the options of a connection ([`Access`]), and in
//! plain words why there is none ([`Access::why`]). Certificates of the machine count for nothing here, unless `ca`
//! names them.
//!
//! | file | what |
//! |---|---|
//! | `login.rs` | the section `[broker_login]` of a configuration |
//! | `access.rs` | the files that it names, read into what a connection needs |
//! | `tls.rs` | certificates and keys, for rustls |
//! | `error.rs` | what is wrong with the section or its files |
//! | `failure.rs` | what went wrong, and what to do about it |

mod access;
mod error;
mod failure;
mod login;
mod tls;

pub use access::Access;
pub use error::LoginError;
pub use login::BrokerLogin;
