//! What a household hands its operator to be taken in: its two keys, and its consent with each of them.
//!
//! Both sign, so that nobody can hand in another's key beside their own. Nothing says whose household it is, unless the
//! household does: it is known to the operator by how the request came. It names no community, because a household
//! has no genesis yet; being enrolled in two changes nothing, for every other message names its own.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor, code,
    key::{DeviceId, PublicKey, SecretKey, Signature},
    member::check_name,
    text::ParseError,
};

/// The one version there is.
const VERSION: u8 = 1;
/// What both keys sign with the rest.
const DOMAIN: &str = "voisin/enrolment/v1";

/// Why a text is no request to be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// It is something else.
    #[error("expected an enrolment request, as `meter-agent init` makes it, found something else: {0}")]
    Malformed(String),
    /// It is of a later program.
    #[error("expected an enrolment request of version {VERSION}, found {0}: update this program")]
    OtherVersion(u8),
    /// One of the keys did not sign it.
    #[error(
        "the {0} key did not sign this request: it was changed on the way, or somebody hands in a key that is not theirs; \
         ask the household for a new one"
    )]
    NotSigned(&'static str),
    /// The name is none.
    #[error("name: {0}")]
    Name(#[from] ParseError),
}

/// A household's request to be enrolled. Whoever has one has verified it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct EnrolmentRequest {
    #[n(0)]
    version: u8,
    #[n(1)]
    key: PublicKey,
    #[n(2)]
    device: DeviceId,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[n(4)]
    key_signature: Signature,
    #[n(5)]
    device_signature: Signature,
}

impl EnrolmentRequest {
    /// The request of the household with these keys, which wants its operator to know it by this name, if by any.
    pub fn sign(key: &SecretKey, device: &SecretKey, name: Option<String>) -> Result<EnrolmentRequest, EnrolmentError> {
        name.as_deref().map(check_name).transpose()?;
        let message = signed_bytes(&key.public(), &device.public(), name.as_deref());
        let (key_signature, device_signature) = (key.sign(&message), device.sign(&message));
        let (key, device) = (key.public(), device.public());
        Ok(EnrolmentRequest { version: VERSION, key, device, name, key_signature, device_signature })
    }

    /// Reads and verifies one: the JSON of its file, or the text of its QR code.
    pub fn read(text: &str) -> Result<EnrolmentRequest, EnrolmentError> {
        let request: EnrolmentRequest = match code::read(code::ENROLMENT, text) {
            Some(bytes) => cbor::decode(&bytes.map_err(malformed)?).map_err(malformed)?,
            None => serde_json::from_str(text).map_err(malformed)?,
        };
        if request.version != VERSION {
            return Err(EnrolmentError::OtherVersion(request.version));
        }
        request.name.as_deref().map(check_name).transpose()?;
        let message = signed_bytes(&request.key, &request.device, request.name.as_deref());
        let signers =
            [("member", &request.key, &request.key_signature), ("device", &request.device, &request.device_signature)];
        let missing = signers.into_iter().find(|(_, key, signature)| !key.verifies(&message, signature));
        match missing.map(|(which, ..)| which) {
            Some(which) => Err(EnrolmentError::NotSigned(which)),
            None => Ok(request),
        }
    }

    /// The key that is to sign the member's orders and instructions.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The key that is to sign readings.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// What the household wants to be called.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The text for a QR code.
    pub fn to_code(&self) -> String {
        code::write(code::ENROLMENT, &cbor::encode(self))
    }
}

fn signed_bytes(key: &PublicKey, device: &DeviceId, name: Option<&str>) -> Vec<u8> {
    cbor::encode(&(DOMAIN, key, device, name))
}

fn malformed(error: impl ToString) -> EnrolmentError {
    EnrolmentError::Malformed(error.to_string().chars().take(160).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn request(name: Option<&str>) -> EnrolmentRequest {
        EnrolmentRequest::sign(&key(1), &key(2), name.map(str::to_owned)).unwrap()
    }

    #[test]
    fn it_is_read_from_its_file_and_from_its_code() {
        for name in [None, Some("Casa Rossi")] {
            let request = request(name);
            let json = serde_json::to_string(&request).unwrap();
            assert_eq!(json.contains("name"), name.is_some(), "{json}");
            for text in [json, request.to_code()] {
                let read = EnrolmentRequest::read(&text).unwrap();
                assert_eq!((read.key(), read.device(), read.name()), (key(1).public(), key(2).public(), name));
            }
        }
        for name in ["", "a/b", "a\nb", &"x".repeat(65)] {
            assert!(matches!(
                EnrolmentRequest::sign(&key(1), &key(2), Some(name.into())),
                Err(EnrolmentError::Name(_))
            ));
        }
    }

    #[test]
    fn no_key_is_handed_in_without_its_own_signature() {
        let refused = |request: &EnrolmentRequest| {
            let json = serde_json::to_string(request).unwrap();
            let [of_json, of_code] = [json, request.to_code()].map(|text| EnrolmentRequest::read(&text).unwrap_err());
            assert_eq!(of_json.to_string(), of_code.to_string());
            of_json
        };
        let honest = request(Some("Casa Rossi"));
        // Another's key beside the own one, a name that was changed, and a signature of something else.
        let stolen = EnrolmentRequest { key: key(3).public(), ..honest.clone() };
        assert!(matches!(refused(&stolen), EnrolmentError::NotSigned("member")));
        let mine = EnrolmentRequest::sign(&key(3), &key(4), None).unwrap();
        let stolen = EnrolmentRequest { device: key(2).public(), ..mine.clone() };
        assert!(matches!(refused(&stolen), EnrolmentError::NotSigned("member")));
        let grafted = EnrolmentRequest { device_signature: mine.device_signature, ..honest.clone() };
        assert!(matches!(refused(&grafted), EnrolmentError::NotSigned("device")));
        let renamed = EnrolmentRequest { name: Some("Casa Bianchi".into()), ..honest.clone() };
        assert!(matches!(refused(&renamed), EnrolmentError::NotSigned("member")));
        let later = EnrolmentRequest { version: 2, ..honest };
        assert!(matches!(refused(&later), EnrolmentError::OtherVersion(2)));
    }

    #[test]
    fn what_is_no_request_is_said_in_one_line() {
        for text in
            ["", "{}", "z6Mk", "VOISIN-ENROLMENT-1:", "VOISIN-ENROLMENT-1:00", "VOISIN-INSTRUCTION-1:00", "{\"a\":\n1}"]
        {
            let error = EnrolmentRequest::read(text).unwrap_err();
            assert!(matches!(error, EnrolmentError::Malformed(_)), "{text}: {error}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
}
