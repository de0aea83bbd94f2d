//! What programs read from the files of their owners.

pub mod owner_only;
