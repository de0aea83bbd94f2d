//! Data sets of others, made into directories that the simulator reads.

mod error;
mod grid;
mod homes;
mod profiles;
mod simbench;
mod table;

pub use self::{
    error::ImportError,
    simbench::{Imported, Request, simbench},
};
