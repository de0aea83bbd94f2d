//! A file encrypted with a passphrase, by the crate `age` (age-encryption.org/v1, recipient `scrypt`): others read and
//! write it, too.

use age::{DecryptError, scrypt, secrecy::SecretString};
use zeroize::Zeroizing;

/// Of ours: 128 MiB of memory, which the smallest single-board computers have, and a second or two of their time.
const LOG_N: u8 = 17;
/// Of others: 1 GiB.
const LOG_N_MAX: u8 = 20;

/// Why there is nothing to be had from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AgeError {
    /// It is something else, or a part of one.
    #[error("expected a whole file of age that a passphrase opens, found something else: take another copy of it")]
    Malformed,
    /// It would take more memory than it should.
    #[error(
        "expected a work factor of at most {LOG_N_MAX}, found {0}: decrypt it with `age -d`, and import what comes out"
    )]
    TooHard(u8),
    /// The passphrase is another, or what it opens was changed.
    #[error("the passphrase is not the one of this file, or the file is damaged")]
    OtherPassphrase,
}

/// Encrypts bytes.
pub(crate) fn encrypt(plain: &[u8], passphrase: &str) -> Result<Vec<u8>, age::EncryptError> {
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(LOG_N);
    age::encrypt(&recipient, plain)
}

/// Decrypts what was encrypted with a passphrase.
pub(crate) fn decrypt(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(LOG_N_MAX);
    age::decrypt(&identity, file).map(Zeroizing::new).map_err(|error| match error {
        DecryptError::ExcessiveWork { required, .. } => AgeError::TooHard(required),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::InvalidMac => {
            AgeError::OtherPassphrase
        }
        _ => AgeError::Malformed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_comes_back_with_the_passphrase_and_with_no_other() {
        let file = encrypt(b"two keys", "correct horse").unwrap();
        assert_eq!(**decrypt(&file, "correct horse").unwrap(), *b"two keys");
        assert_eq!(decrypt(&file, "battery staple").unwrap_err(), AgeError::OtherPassphrase);
    }

    #[test]
    fn a_file_that_was_torn_or_changed_gives_nothing() {
        let file = encrypt(b"two keys", "correct horse").unwrap();
        // The first byte of each part, and the last of all; scrypt takes too long to try them all.
        let mac = file.windows(3).position(|bytes| bytes == b"---").unwrap();
        for at in [0, 30, 60, mac + 5, mac + 50, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(decrypt(&changed, "correct horse").is_err(), "{at}");
        }
        for length in [0, 10, mac, file.len() - 30, file.len() - 1] {
            assert!(decrypt(&file[..length], "correct horse").is_err(), "{length}");
        }
        let mut hard = file.clone();
        let at = hard.windows(4).position(|bytes| bytes == b" 17\n").unwrap();
        hard[at + 1] = b'4';
        assert_eq!(decrypt(&hard, "correct horse").unwrap_err(), AgeError::TooHard(47));
    }
}
