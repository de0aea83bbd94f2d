//! What rumqttc 0.25 uses of rustls-webpki 0.102, of which it asks for the whole: the type of an error, in an enum of
//! its own. Certificates are verified by rustls, with the webpki of its own.
//!
//! The real 0.102 has the advisories RUSTSEC-2026-0049, -0098, -0099 and -0104. So it is not linked, and this is.

use std::fmt;

/// An error that nothing here makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {}

impl fmt::Display for Error {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Error {}
