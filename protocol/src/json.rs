//! JSON of strangers: lists of as many elements as there may be, counted while they are read; and what has one spelling
//! only.

use std::{fmt, io, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error, SeqAccess, Visitor},
};

use crate::text::ParseError;

/// The one JSON form of a value with text keys and integers only: compact, fields in order, no newline.
pub(crate) fn to_canonical<T: Serialize>(value: &T) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(json) => json,
        Err(error) => unreachable!("it has only text keys and integers: {error}"),
    }
}

/// Reads a value from its one JSON form, a newline at the end allowed. `expected` is what it should have been.
pub(crate) fn from_canonical<T: Serialize + DeserializeOwned>(
    json: &[u8],
    expected: &'static str,
) -> Result<T, ParseError> {
    let json = json.strip_suffix(b"\n").unwrap_or(json);
    let value: T = serde_json::from_slice(json).map_err(|error| ParseError::new(expected, &error.to_string()))?;
    let mut rest = Expected(json);
    match serde_json::to_writer(&mut rest, &value) {
        Ok(()) if rest.0.is_empty() => Ok(value),
        _ => Err(ParseError::new(expected, "the same values in another spelling than the canonical one")),
    }
}

/// What must still be written: takes these bytes and no others.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Elements that are read before the next part is begun.
const PART: usize = 1_024;

/// Reads a list of at most `MAX` elements, for `#[serde(deserialize_with = "json::list::<_, _, MAX>")]`.
///
/// It is read in parts, which are put together at the end: a list that grows in one piece has up to three times its
/// memory while it moves.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(ListVisitor::<T, MAX>(PhantomData))
}

/// Reads a list as [`list`] does, where there may be none.
pub(crate) fn optional_list<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    struct Listed<T, const MAX: usize>(Vec<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Listed<T, MAX> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            list::<D, T, MAX>(deserializer).map(Listed)
        }
    }

    Ok(Option::<Listed<T, MAX>>::deserialize(deserializer)?.map(|listed| listed.0))
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let (mut parts, mut part, mut count) = (Vec::new(), Vec::new(), 0);
        while let Some(element) = list.next_element()? {
            count += 1;
            if count > MAX {
                return Err(A::Error::invalid_length(count, &self));
            }
            if part.len() == PART {
                parts.push(std::mem::replace(&mut part, Vec::with_capacity(PART)));
            }
            part.push(element);
        }
        let mut whole = Vec::with_capacity(count);
        parts.into_iter().for_each(|part| whole.extend(part));
        whole.extend(part);
        Ok(whole)
    }
}
