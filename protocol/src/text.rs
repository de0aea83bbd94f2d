//! Values as text: one text for a value, so that a changed letter is a changed value.

/// Text that is not the canonical form of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct ParseError {
    /// What would have been right.
    pub expected: &'static str,
    /// What was there, cut to 80 characters.
    pub found: String,
}

impl ParseError {
    /// A parse error that quotes at most 80 characters of what was found.
    pub fn new(expected: &'static str, found: &str) -> ParseError {
        ParseError { expected, found: found.chars().take(80).collect() }
    }
}

/// Reads exactly `N` bytes of lowercase hex: one text per value, so that a changed letter is a changed value.
pub(crate) fn parse_hex<const N: usize>(text: &str, expected: &'static str) -> Result<[u8; N], ParseError> {
    parse_hex_bytes(text, expected)?.try_into().map_err(|_| ParseError::new(expected, text))
}

/// Reads any number of bytes of lowercase hex.
pub(crate) fn parse_hex_bytes(text: &str, expected: &'static str) -> Result<Vec<u8>, ParseError> {
    let lowercase = !text.bytes().any(|b| b.is_ascii_uppercase());
    hex::decode(text).ok().filter(|_| lowercase).ok_or_else(|| ParseError::new(expected, text))
}

/// serde as the `Display` and `FromStr` text of a type.
macro_rules! serde_as_text {
    ($type:ty, $described:literal $(, $pattern:literal)?) => {
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                text.description(Some($described))$(.pattern(Some($pattern)))?.into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $type {}

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
