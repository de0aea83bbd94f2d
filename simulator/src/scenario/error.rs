//! Why a scenario cannot be used: one line, with what was expected and what was found.

use std::{fmt::Display, io, path::PathBuf};

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is larger than scenarios are.
    #[error("{}: expected at most {max} bytes, found {found}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max: u64,
        /// Its size.
        found: u64,
    },
    /// It is no TOML, or not of this form.
    #[error("line {line}: {message}")]
    Toml {
        /// Where.
        line: usize,
        /// What was expected and found.
        message: String,
    },
    /// What it says cannot be.
    #[error("{key}: {message}")]
    Value {
        /// Of which key.
        key: String,
        /// What was expected and found.
        message: String,
    },
    /// In a file.
    #[error("{}: {error}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<ScenarioError>,
    },
}

impl ScenarioError {
    pub(crate) fn at(key: &str, message: impl Display) -> ScenarioError {
        ScenarioError::Value { key: key.to_owned(), message: message.to_string() }
    }

    /// The same of a text that nobody wrote: without its line.
    pub(crate) fn without_place(self) -> ScenarioError {
        match self {
            ScenarioError::Toml { message, .. } => ScenarioError::Value { key: "scenario".into(), message },
            other => other,
        }
    }

    pub(super) fn toml(text: &str, error: &toml::de::Error) -> ScenarioError {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        // What people write may be quoted over several lines.
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        ScenarioError::Toml { line: before.matches('\n').count() + 1, message }
    }
}
