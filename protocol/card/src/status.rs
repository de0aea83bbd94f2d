//! Token Status List (draft-ietf-oauth-status-list-20): how all cards of an issuer stand, two bits each, in one token
//! that says of nobody whose they are.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

use crate::{
    card::IssueError,
    issuer::{Es256, Issuer, Trusted},
    jose::{self, Jws},
};

/// How long a fetched list may be used before it is fetched again, s: a quarter of an hour.
pub const TTL_SECONDS: i64 = 900;
/// How long a list counts at most, s: a day, so that whoever holds an old one back gains no more than that.
const VALID_SECONDS: i64 = 86_400;
/// How far the issuer's clock may be ahead, s.
const AHEAD_SECONDS: i64 = 60;
/// Most places of a list.
const PLACES_MAX: u64 = 1 << 20;
/// Most bytes of a token: a list of all places that does not compress at all, twice in base64.
const TOKEN_BYTES_MAX: usize = 600_000;
/// Bits of a status.
const BITS: u8 = 2;
/// Statuses in a byte.
const PER_BYTE: u64 = 8 / BITS as u64;
const TYP: &str = "statuslist+jwt";

/// How a card stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It counts.
    Valid,
    /// It was revoked, for good.
    Invalid,
    /// It does not count as things are.
    Suspended,
}

impl Status {
    const fn bits(self) -> u8 {
        match self {
            Status::Valid => 0,
            Status::Invalid => 1,
            Status::Suspended => 2,
        }
    }
}

/// How each card stands, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList(Vec<u8>);

impl StatusList {
    /// A list in which all that is so far counts; of so many places, rounded up to a whole byte.
    pub(crate) fn new(places: u64) -> StatusList {
        let bytes = places.min(PLACES_MAX).div_ceil(PER_BYTE);
        StatusList(vec![0; usize::try_from(bytes).unwrap_or_default()])
    }

    /// Says how a card stands. A place beyond the end is none.
    pub(crate) fn set(&mut self, place: u64, status: Status) {
        let shift = (place % PER_BYTE) as u32 * u32::from(BITS);
        if let Some(byte) = usize::try_from(place / PER_BYTE).ok().and_then(|at| self.0.get_mut(at)) {
            *byte = *byte & !(0b11 << shift) | status.bits() << shift;
        }
    }

    /// How the card of this place stands; none beyond the end. What is neither valid nor suspended counts as revoked.
    pub fn get(&self, place: u64) -> Option<Status> {
        let byte = self.0.get(usize::try_from(place / PER_BYTE).ok()?)?;
        Some(match byte >> ((place % PER_BYTE) as u32 * u32::from(BITS)) & 0b11 {
            0 => Status::Valid,
            2 => Status::Suspended,
            _ => Status::Invalid,
        })
    }

    /// How many places it has.
    pub fn places(&self) -> u64 {
        self.0.len() as u64 * PER_BYTE
    }

    fn packed(&self) -> String {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        match packer.write_all(&self.0).and_then(|()| packer.finish()) {
            Ok(packed) => jose::encode(packed),
            Err(error) => unreachable!("packing into memory failed: {error}"),
        }
    }

    /// Never unpacks more than a list can have.
    fn unpacked(text: &str) -> Option<StatusList> {
        let mut bytes = Vec::new();
        let most = PLACES_MAX / PER_BYTE;
        ZlibDecoder::new(jose::decode(text)?.as_slice()).take(most + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= most).then_some(StatusList(bytes))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    sub: String,
    iat: i64,
    exp: i64,
    ttl: i64,
    status_list: Packed,
}

#[derive(Debug, Serialize, Deserialize)]
struct Packed {
    bits: u8,
    lst: String,
}

/// The token of a list, signed: what stands at `uri`.
pub fn token(list: &StatusList, uri: &str, now: i64, issuer: &Issuer<'_>) -> Result<String, IssueError> {
    let payload = Payload {
        iss: Some(issuer.iss()),
        sub: uri.to_owned(),
        iat: now,
        exp: now + VALID_SECONDS,
        ttl: TTL_SECONDS,
        status_list: Packed { bits: BITS, lst: list.packed() },
    };
    issuer.sign(TYP, &payload).ok_or(IssueError::NotSigned)
}

/// The list in a token, if it is the one that stands at `uri` and counts now; else why not.
pub fn read_token(text: &str, uri: &str, issuer: &Trusted, now: i64, es256: Es256) -> Result<StatusList, String> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(format!("it has more than {TOKEN_BYTES_MAX} bytes"));
    }
    let jws: Option<Jws<'_, Payload>> = Jws::read(text.trim()).filter(|jws| jws.header.typ == TYP);
    let Some(Jws { header, payload, message, signature }) = jws else {
        return Err("what was given is no token of such a list".into());
    };
    if !issuer.is_named(&header) || !issuer.verifies(message.as_bytes(), &signature, es256) {
        return Err("what was given is not signed by the card's issuer".into());
    }
    if payload.sub != uri {
        return Err(format!("what was given is another list, not {}", uri.escape_debug()));
    }
    if payload.iat > now.saturating_add(AHEAD_SECONDS) || payload.exp <= now {
        return Err("what was given is not of today; fetch it again".into());
    }
    let list = StatusList::unpacked(&payload.status_list.lst).filter(|_| payload.status_list.bits == BITS);
    list.ok_or_else(|| "what was given cannot be unpacked, or has not two bits a card".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_packed_as_the_standard_packs_it() {
        // draft-ietf-oauth-status-list-20 §4.1: the first of its examples.
        assert_eq!(StatusList(vec![0xb9, 0xa3]).packed(), "eNrbuRgAAhcBXQ");
        // The second: 1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3 of two bits each.
        let list = StatusList::unpacked("eNo76fITAAPfAgc").unwrap();
        assert_eq!(list, StatusList(vec![0xc9, 0x44, 0xf9]));
        let mut again = StatusList::new(list.places());
        for (place, status) in
            [(0, Status::Invalid), (1, Status::Suspended), (5, Status::Invalid), (7, Status::Invalid)]
        {
            again.set(place, status);
            assert_eq!((again.get(place), list.get(place)), (Some(status), Some(status)));
        }
        assert_eq!((again.0[0], again.0[1], again.get(12)), (0x09, 0x44, None));
    }

    #[test]
    fn what_unpacks_to_more_than_a_list_has_is_none() {
        let bomb = StatusList(vec![0; (PLACES_MAX / PER_BYTE) as usize + 1]);
        assert!(bomb.packed().len() < 1_000);
        assert_eq!(StatusList::unpacked(&bomb.packed()), None);
        assert!(StatusList::unpacked(&StatusList::new(PLACES_MAX).packed()).is_some());
    }
}
