//! What programs read from the files of their owners, how they keep what is theirs, and how much room they have for it.

pub mod address;
pub mod bounded;
pub mod broker;
pub mod commented;
pub mod disk;
pub mod listen;
pub mod owner_only;
pub mod secret;
pub mod state_format;
pub mod toml_error;
