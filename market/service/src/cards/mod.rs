//! The office that issues members' cards: a directory with its key and its register, beside the market's configuration.
//!
//! | file | what is in it |
//! |---|---|
//! | `office.rs` | the directory: who signs, which card has which place |
//! | `standings.rs` | how members stand on the ledger |
//! | `nonces.rs` | what a verifier has given out, and what was used |
//! | `p256.rs` | ES256 and the certificates of `x5c` |

mod nonces;
mod office;
mod p256;
mod standings;

pub(crate) use self::{
    nonces::Nonces,
    office::{FILE, Office, check_base, example},
    p256::{certificate, verifies},
    standings::{ask, members},
};
