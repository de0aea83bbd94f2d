//! Why the page changes nothing: each by its name, explained in `docs/prosumer.md`.

use axum::http::StatusCode;

use crate::pin::PinRefusal;

/// Why nothing was changed. The page has a sentence for each, in which its [figure](Refused::figure) stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Refused {
    /// It comes from another site, or from no page at all.
    ForeignOrigin,
    /// It is no form.
    NotAForm,
    /// It is neither of the two strategies.
    UnknownStrategy { found: String },
    /// A price cannot be read.
    NotAPrice { found: String },
    /// Energy cannot be read.
    NotWattHours { found: String },
    /// The page that it comes from was not served by this agent, too long ago, or showed something else.
    OldPage,
    /// No PIN is set.
    NoPin,
    /// The PIN is another.
    WrongPin { left: u32 },
    /// Too many PINs were wrong.
    PinPaused { minutes: u64 },
    /// The PIN's file cannot be read or written.
    PinUnusable,
    /// The choice cannot be stored.
    NotKept,
}

impl Refused {
    /// One of each.
    #[cfg(test)]
    pub(in super::super) fn each() -> Vec<Refused> {
        let found = || "cheap".to_owned();
        vec![
            Refused::ForeignOrigin,
            Refused::NotAForm,
            Refused::UnknownStrategy { found: found() },
            Refused::NotAPrice { found: found() },
            Refused::NotWattHours { found: found() },
            Refused::OldPage,
            Refused::NoPin,
            Refused::WrongPin { left: 3 },
            Refused::PinPaused { minutes: 8 },
            Refused::PinUnusable,
            Refused::NotKept,
        ]
    }

    /// Its name, as it appears everywhere.
    pub(in super::super) fn name(&self) -> &'static str {
        match self {
            Refused::ForeignOrigin => "ForeignOrigin",
            Refused::NotAForm => "NotAForm",
            Refused::UnknownStrategy { .. } => "UnknownStrategy",
            Refused::NotAPrice { .. } => "NotAPrice",
            Refused::NotWattHours { .. } => "NotWattHours",
            Refused::OldPage => "OldPage",
            Refused::NoPin => "NoPin",
            Refused::WrongPin { .. } => "WrongPin",
            Refused::PinPaused { .. } => "PinPaused",
            Refused::PinUnusable => "PinUnusable",
            Refused::NotKept => "NotKept",
        }
    }

    /// What stands in its sentence, if anything does.
    pub(in super::super) fn figure(&self) -> Option<String> {
        match self {
            Refused::UnknownStrategy { found } | Refused::NotAPrice { found } | Refused::NotWattHours { found } => {
                Some(found.clone())
            }
            Refused::WrongPin { left } => Some(left.to_string()),
            Refused::PinPaused { minutes } => Some(minutes.to_string()),
            _ => None,
        }
    }

    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refused::ForeignOrigin | Refused::NoPin | Refused::WrongPin { .. } => StatusCode::FORBIDDEN,
            Refused::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refused::UnknownStrategy { .. } | Refused::NotAPrice { .. } | Refused::NotWattHours { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Refused::OldPage => StatusCode::CONFLICT,
            Refused::PinPaused { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refused::PinUnusable => StatusCode::INTERNAL_SERVER_ERROR,
            Refused::NotKept => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<PinRefusal> for Refused {
    fn from(refusal: PinRefusal) -> Refused {
        match refusal {
            PinRefusal::NotSet => Refused::NoPin,
            PinRefusal::Wrong { left } => Refused::WrongPin { left },
            PinRefusal::Paused(left) => Refused::PinPaused { minutes: left.as_secs().div_ceil(60).max(1) },
            PinRefusal::Unusable(_) => Refused::PinUnusable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_refusal_is_explained_to_the_household() {
        let page = include_str!("../../../../docs/prosumer.md");
        for refused in Refused::each() {
            assert!(
                page.contains(&format!("| `{}` |", refused.name())),
                "docs/prosumer.md does not explain {refused:?}"
            );
        }
    }

    #[test]
    fn a_pause_is_told_in_whole_minutes_and_never_as_none() {
        let minutes = |ms| Refused::from(PinRefusal::Paused(Duration::from_millis(ms)));
        for (ms, expected) in [(1, 1), (59_999, 1), (60_000, 1), (61_000, 2), (86_400_000, 1_440)] {
            assert_eq!(minutes(ms), Refused::PinPaused { minutes: expected }, "{ms}");
        }
    }
}
