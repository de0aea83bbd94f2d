//! The office's directory: `cards.toml`, the key that signs cards, and the register.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use member_card::{Issuer, Register, RegisterError, TYPE_PATH};
use protocol::key::SecretKey;
use serde::Deserialize;
use settings::owner_only::{self, KeyFileError};

use super::p256::{CertificateError, CertifiedKey};

/// What an office is described by.
pub(crate) const FILE: &str = "cards.toml";
const REGISTER: &str = "register.csv";
const LOCK: &str = "lock";
/// The status list's address below that of the office.
const STATUS_PATH: &str = "/voisin/status/1";
/// Most bytes of either file.
const BYTES_MAX: u64 = 128 * 1_024 * 1_024;

/// The file of a new office.
pub(crate) fn example(market: &Path, base: &str) -> String {
    format!(
        "# An office that issues members' cards. Paths are relative to this file.\n\
         \n\
         # The market's configuration: the genesis, the directory of names and the ledger's nodes stand there.\n\
         market = {:?}\n\
         \n\
         # Where the status list will be fetched from: {base}{STATUS_PATH}\n\
         # The type of every card is {base}{TYPE_PATH}. Neither changes once cards have been issued.\n\
         base = \"{base}\"\n\
         \n\
         # Signs cards with EdDSA and is its own name (did:key). Whoever has it can make members: keep it as the market's key.\n\
         key = \"issuer.key\"\n\
         \n\
         # Instead of `key`, for wallets of HAIP 1.0: ES256, with a certificate for the host of `base` and those above it.\n\
         # certificates = \"chain.pem\"\n\
         # certified_key = \"issuer.pem\"\n",
        market.display().to_string(),
    )
}

/// Why there is no office, or nothing comes of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfficeError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// The description says what it may not.
    #[error("{}: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Nor the certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The register is none.
    #[error("{}, {error}", path.display())]
    Register { path: PathBuf, error: RegisterError },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    market: PathBuf,
    base: String,
    key: Option<PathBuf>,
    certificates: Option<PathBuf>,
    certified_key: Option<PathBuf>,
}

/// Who signs.
pub(crate) enum Signer {
    DidKey(SecretKey),
    Certified(CertifiedKey),
}

impl Signer {
    /// As an issuer of the office of this address.
    pub(crate) fn issue<T>(&self, base: &str, with: impl FnOnce(&Issuer<'_>) -> T) -> T {
        match self {
            Signer::DidKey(key) => with(&Issuer::DidKey(key)),
            Signer::Certified(key) => {
                let sign = |message: &[u8]| key.sign(message);
                with(&Issuer::Certificates { iss: base.to_owned(), chain: key.chain.clone(), sign: &sign })
            }
        }
    }
}

/// An office that is open. Only one is at a time: until it is dropped, others wait.
pub(crate) struct Office {
    directory: PathBuf,
    pub(crate) market: PathBuf,
    pub(crate) base: String,
    pub(crate) signer: Signer,
    pub(crate) register: Register,
    _lock: File,
}

impl Office {
    /// Opens the office of a directory.
    pub(crate) fn open(directory: &Path) -> Result<Office, OfficeError> {
        let path = directory.join(FILE);
        let text = read(&path)?;
        let invalid = |reason: String| OfficeError::Invalid { path: path.clone(), reason: reason.replace('\n', " ") };
        let said: Description = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        check_base(&said.base).map_err(invalid)?;
        let signer = match (said.key, said.certificates, said.certified_key) {
            (Some(key), None, None) => Signer::DidKey(owner_only::read_key(&directory.join(key))?),
            (None, Some(chain), Some(key)) => {
                Signer::Certified(CertifiedKey::read(&directory.join(chain), &directory.join(key), &said.base)?)
            }
            _ => return Err(invalid("expected `key`, or `certificates` and `certified_key`".into())),
        };
        let lock = Self::lock(directory)?;
        let register = Self::registered(directory)?;
        let market = directory.join(said.market);
        Ok(Office { directory: directory.into(), market, base: said.base, signer, register, _lock: lock })
    }

    /// Changes the register alone, as erasing somebody does: neither key nor configuration is needed.
    pub(crate) fn change_register<T>(
        directory: &Path,
        change: impl FnOnce(&mut Register) -> T,
    ) -> Result<T, OfficeError> {
        let _lock = Self::lock(directory)?;
        let mut register = Self::registered(directory)?;
        let changed = change(&mut register);
        replace(&directory.join(REGISTER), register.text().as_bytes(), 0o600)?;
        Ok(changed)
    }

    /// The list's address.
    pub(crate) fn uri(&self) -> String {
        format!("{}{STATUS_PATH}", self.base)
    }

    /// Puts the register on the disk.
    pub(crate) fn save(&self) -> Result<(), OfficeError> {
        replace(&self.directory.join(REGISTER), self.register.text().as_bytes(), 0o600)
    }

    /// Writes the list where a web server finds it.
    pub(crate) fn publish(path: &Path, token: &str) -> Result<(), OfficeError> {
        replace(path, token.as_bytes(), 0o644)
    }

    fn lock(directory: &Path) -> Result<File, OfficeError> {
        let path = directory.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let locked = lock.and_then(|lock| lock.lock().map(|()| lock));
        locked.map_err(|error| OfficeError::Io { path, error })
    }

    fn registered(directory: &Path) -> Result<Register, OfficeError> {
        let path = directory.join(REGISTER);
        match read(&path) {
            Ok(text) => Register::read(&text).map_err(|error| OfficeError::Register { path, error }),
            // Nothing was issued yet.
            Err(OfficeError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(Register::default()),
            Err(error) => Err(error),
        }
    }
}

/// Whether this can be the address of an office.
pub(crate) fn check_base(base: &str) -> Result<(), String> {
    let host = base.strip_prefix("https://").unwrap_or_default();
    let usable = |letter: char| letter.is_ascii_alphanumeric() || "-._~/:".contains(letter);
    if !host.is_empty() && host.len() <= 200 && !base.ends_with('/') && host.chars().all(usable) {
        return Ok(());
    }
    let found = base.chars().take(80).collect::<String>().escape_debug().to_string();
    Err(format!(
        "`base`: expected an address such as https://cards.example.org, without a slash at its end, found `{found}`"
    ))
}

fn read(path: &Path) -> Result<String, OfficeError> {
    let failed = |error| OfficeError::Io { path: path.into(), error };
    if fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
        return Err(failed(io::Error::other(format!("expected at most {BYTES_MAX} bytes"))));
    }
    fs::read_to_string(path).map_err(failed)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), OfficeError> {
    crate::replace::replace(path, bytes, mode).map_err(|error| OfficeError::Io { path: path.into(), error })
}
