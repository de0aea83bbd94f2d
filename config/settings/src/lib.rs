//! What programs read from the files of their owners, and how they keep what is theirs.

pub mod address;
pub mod broker;
pub mod commented;
pub mod listen;
pub mod owner_only;
pub mod secret;
pub mod state_format;
