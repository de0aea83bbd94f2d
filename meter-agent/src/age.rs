//! A file encrypted with a passphrase, in the format of age (age-encryption.org/v1, recipient `scrypt`), which others
//! read and write too. Only what fits into one of its chunks.
//!
//! The keys of a household are few bytes: no recipient but a passphrase, no second chunk, no armor.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
};
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
/// What is salted with this and the salt itself.
const SALT_LABEL: &str = "age-encryption.org/v1/scrypt";
const SALT_BYTES: usize = 16;
const FILE_KEY_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 16;
/// Of ours: 128 MiB of memory, which the smallest single-board computers have, and a second or two of their time.
const LOG_N: u8 = 17;
/// Of others: 1 GiB.
const LOG_N_MAX: u8 = 20;
/// Most bytes of one chunk, which is all that there may be.
const CHUNK_BYTES: usize = 64 * 1_024;
/// Of the first and last chunk: number 0, and a one for the last.
const ONLY_CHUNK: [u8; NONCE_LEN] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Why there is nothing to be had from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AgeError {
    /// It is something else, or a part of one.
    #[error("expected a whole file of age that a passphrase opens, found something else: take another copy of it")]
    Malformed,
    /// It would take more memory than it should.
    #[error(
        "expected a work factor of 1 to {LOG_N_MAX}, found {0}: decrypt it with `age -d`, and import what comes out"
    )]
    TooHard(u8),
    /// The passphrase is another.
    #[error("the passphrase is not the one of this file, or the file is damaged")]
    OtherPassphrase,
    /// The rest is not what was written.
    #[error("the passphrase is right, but the file is damaged: take another copy of it")]
    Damaged,
    /// The system has none to give.
    #[error("no randomness for a file key")]
    Randomness,
}

/// Encrypts at most a chunk.
pub(crate) fn encrypt(plain: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, AgeError> {
    if plain.len() > CHUNK_BYTES {
        return Err(AgeError::Malformed);
    }
    let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
    for random in [&mut file_key[..], &mut salt, &mut nonce] {
        getrandom::fill(random).map_err(|_| AgeError::Randomness)?;
    }
    let mut wrapped = file_key.to_vec();
    seal(&*wrapping_key(passphrase, &salt, LOG_N)?, [0; NONCE_LEN], &mut wrapped)?;
    let mut header = String::new();
    // Writing into a text cannot fail.
    let _ = write!(header, "{VERSION}\n-> scrypt {} {LOG_N}\n{}\n---", BASE64.encode(salt), BASE64.encode(wrapped));
    let mac = hmac::sign(&mac_key(&file_key[..])?, header.as_bytes());
    let _ = writeln!(header, " {}", BASE64.encode(mac));

    let mut payload = plain.to_vec();
    seal(&*derived(&file_key[..], &nonce, b"payload")?, ONLY_CHUNK, &mut payload)?;
    Ok([header.as_bytes(), &nonce, &payload].concat())
}

/// Decrypts a file of one chunk.
pub(crate) fn decrypt(file: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    let mut rest = file;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        std::str::from_utf8(line).ok()
    };
    let mut wanted = || line().ok_or(AgeError::Malformed);
    let (version, stanza, body, mac) = (wanted()?, wanted()?, wanted()?, wanted()?);
    let [salt, log_n] = stanza
        .strip_prefix("-> scrypt ")
        .filter(|_| version == VERSION)
        .and_then(|arguments| arguments.split(' ').collect::<Vec<_>>().try_into().ok())
        .ok_or(AgeError::Malformed)?;
    let mac = mac.strip_prefix("--- ").ok_or(AgeError::Malformed)?;
    let header_bytes = [version, stanza, body].iter().map(|line| line.len() + 1).sum::<usize>() + "---".len();
    let log_n: u8 = log_n.parse().map_err(|_| AgeError::Malformed)?;
    if !(1..=LOG_N_MAX).contains(&log_n) {
        return Err(AgeError::TooHard(log_n));
    }
    let bytes = |text: &str| BASE64.decode(text).map_err(|_| AgeError::Malformed);
    let (salt, wrapped, mac) = (bytes(salt)?, bytes(body)?, bytes(mac)?);
    if salt.len() != SALT_BYTES {
        return Err(AgeError::Malformed);
    }
    let (nonce, payload) = rest.split_at_checked(NONCE_BYTES).ok_or(AgeError::Malformed)?;

    let key = wrapping_key(passphrase, &salt, log_n)?;
    let file_key = open(&key, [0; NONCE_LEN], &wrapped).ok_or(AgeError::OtherPassphrase)?;
    let file_key: &[u8; FILE_KEY_BYTES] = file_key.as_slice().try_into().map_err(|_| AgeError::Malformed)?;
    hmac::verify(&mac_key(file_key)?, &file[..header_bytes], &mac).map_err(|_| AgeError::Damaged)?;
    open(&*derived(file_key, nonce, b"payload")?, ONLY_CHUNK, payload).ok_or(AgeError::Damaged)
}

/// What the file key is wrapped with.
fn wrapping_key(passphrase: &[u8], salt: &[u8], log_n: u8) -> Result<Zeroizing<[u8; KEY_BYTES]>, AgeError> {
    let parameters = scrypt::Params::new(log_n, 8, 1, KEY_BYTES).map_err(|_| AgeError::TooHard(log_n))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    scrypt::scrypt(passphrase, &[SALT_LABEL.as_bytes(), salt].concat(), &parameters, &mut *key)
        .map_err(|_| AgeError::TooHard(log_n))?;
    Ok(key)
}

fn mac_key(file_key: &[u8]) -> Result<hmac::Key, AgeError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &*derived(file_key, &[], b"header")?))
}

fn derived(file_key: &[u8], salt: &[u8], what_for: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, AgeError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(file_key);
    pseudorandom
        .expand(&[what_for], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut *key))
        .map_err(|_| AgeError::Malformed)?;
    Ok(key)
}

fn cipher(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, AgeError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| AgeError::Malformed)
}

/// Encrypts in place, and adds the tag. Each key here is used for one message.
fn seal(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_LEN], bytes: &mut Vec<u8>) -> Result<(), AgeError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    cipher(key)?.seal_in_place_append_tag(nonce, Aad::empty(), bytes).map_err(|_| AgeError::Malformed)
}

fn open(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = cipher(key).ok()?.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_comes_back_with_the_passphrase_and_with_no_other() {
        let file = encrypt(b"two keys", b"correct horse").unwrap();
        assert_eq!(**decrypt(&file, b"correct horse").unwrap(), *b"two keys");
        assert_eq!(decrypt(&file, b"battery staple").unwrap_err(), AgeError::OtherPassphrase);
        assert!(encrypt(&vec![0; CHUNK_BYTES + 1], b"long").is_err());
    }

    #[test]
    fn a_file_that_was_torn_or_changed_gives_nothing() {
        let file = encrypt(b"two keys", b"correct horse").unwrap();
        // The first byte of each part, and the last of all; scrypt takes too long to try them all.
        let mac = file.windows(3).position(|bytes| bytes == b"---").unwrap();
        for at in [0, 30, 60, mac + 5, mac + 50, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(decrypt(&changed, b"correct horse").is_err(), "{at}");
        }
        for length in [0, 10, mac, file.len() - 30] {
            assert_eq!(decrypt(&file[..length], b"correct horse").unwrap_err(), AgeError::Malformed, "{length}");
        }
        assert_eq!(decrypt(&file[..file.len() - 1], b"correct horse").unwrap_err(), AgeError::Damaged);
        let hard = String::from_utf8_lossy(&file).replacen(" 17\n", " 40\n", 1);
        assert_eq!(decrypt(hard.as_bytes(), b"correct horse").unwrap_err(), AgeError::TooHard(40));
    }
}
