//! What a verifier has given out to be put into presentations: each a file that is there once, so that of two that
//! come with the same nonce one is the first, whatever comes between.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use member_card::Refusal;
use settings::owner_only;

/// How long a nonce can be used, s. For as long after that it is remembered that it was.
const VALID_SECONDS: i64 = 600;
/// Random bytes of a nonce.
const NONCE_BYTES: usize = 16;
/// What the file of a used one begins with.
const USED: &str = "used-";

/// Why nonces cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoncesError {
    /// The directory cannot be used.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// The system has no randomness to give.
    #[error("no randomness for a nonce: {0}")]
    Randomness(getrandom::Error),
}

/// A directory of nonces.
pub(crate) struct Nonces(PathBuf);

impl Nonces {
    /// Those of a directory, which is made if it is not there. Old ones are forgotten.
    pub(crate) fn open(path: &Path, now: i64) -> Result<Nonces, NoncesError> {
        owner_only::create_directory(path).map_err(|error| NoncesError::Io { path: path.into(), error })?;
        let nonces = Nonces(path.into());
        for entry in fs::read_dir(path).map_err(nonces.failed())? {
            let file = entry.map_err(nonces.failed())?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let lifetimes = if name.starts_with(USED) { 2 } else { 1 };
            if given(&file).is_some_and(|given| given + lifetimes * VALID_SECONDS <= now) {
                fs::remove_file(&file).map_err(nonces.failed())?;
            }
        }
        Ok(nonces)
    }

    /// A new one.
    pub(crate) fn give(&self, now: i64) -> Result<String, NoncesError> {
        let mut bytes = [0; NONCE_BYTES];
        getrandom::fill(&mut bytes).map_err(NoncesError::Randomness)?;
        let nonce = hex::encode(bytes);
        owner_only::write_new(&self.0.join(&nonce), now.to_string().as_bytes()).map_err(self.failed())?;
        Ok(nonce)
    }

    /// Uses one up, which only one who asks can. The refusal, where it was used, or never given out, or long ago.
    pub(crate) fn take(&self, nonce: &str) -> Result<Result<(), Refusal>, NoncesError> {
        // What is no nonce of ours is no file name either.
        if hex::decode(nonce).map(|bytes| bytes.len()) != Ok(NONCE_BYTES) || nonce != nonce.to_lowercase() {
            return Ok(Err(Refusal::NonceUnknown));
        }
        let used = self.0.join(format!("{USED}{nonce}"));
        match fs::rename(self.0.join(nonce), &used) {
            Ok(()) => {
                fs::File::open(&self.0).and_then(|directory| directory.sync_all()).map_err(self.failed())?;
                Ok(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Err(if used.exists() { Refusal::Replayed } else { Refusal::NonceUnknown }))
            }
            Err(error) => Err(self.failed()(error)),
        }
    }

    fn failed(&self) -> impl Fn(io::Error) -> NoncesError {
        |error| NoncesError::Io { path: self.0.clone(), error }
    }
}

/// When it was given out; none of a file that is no nonce.
fn given(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once_and_for_ten_minutes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nonces");
        let nonces = Nonces::open(&path, 0).unwrap();
        let (one, other) = (nonces.give(0).unwrap(), nonces.give(10).unwrap());
        let take = |now, nonce: &str| Nonces::open(&path, now).unwrap().take(nonce).unwrap();
        assert_eq!(take(599, &one), Ok(()));
        assert_eq!(take(599, &one), Err(Refusal::Replayed));
        assert_eq!(take(1_199, &one), Err(Refusal::Replayed));
        assert_eq!(take(1_200, &one), Err(Refusal::NonceUnknown), "forgotten, long after it could be used");
        assert_eq!(take(610, &other), Err(Refusal::NonceUnknown), "too late");
        for strange in ["", "..", "../nonces", &one[1..], &"A".repeat(32)] {
            assert_eq!(take(0, strange), Err(Refusal::NonceUnknown), "{strange}");
        }
    }
}
