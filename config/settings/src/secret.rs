//! Where a secret is: in a file of its owner's, or handed to a service by systemd, as a credential.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use protocol::key::SecretKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    address::AddressError,
    owner_only::{self, KeyFileError, SecretError, read_credential, read_secret},
};

/// What a credential's name stands behind.
const CREDENTIAL: &str = "credential:";
/// Where systemd says that a service's credentials are.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is: a path, or `credential:NAME` for what systemd hands a service by `LoadCredential=NAME:…`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretFile {
    /// In this file.
    At(PathBuf),
    /// The credential of this name.
    Credential(String),
}

impl SecretFile {
    /// Takes a relative path as one from `base`.
    pub fn resolve(&mut self, base: &Path) {
        if let SecretFile::At(path) = self {
            *path = base.join(&*path);
        }
    }

    /// Reads it. What was read is wiped when it is dropped.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.read_from(env::var_os(CREDENTIALS).map(PathBuf::from))
    }

    /// Reads the secret key in it, as [`owner_only::read_key`] does.
    pub fn read_key(&self) -> Result<SecretKey, KeyFileError> {
        self.read_key_from(env::var_os(CREDENTIALS).map(PathBuf::from))
    }

    fn read_key_from(&self, credentials: Option<PathBuf>) -> Result<SecretKey, KeyFileError> {
        match self {
            SecretFile::At(path) => owner_only::read_key(path),
            SecretFile::Credential(_) => {
                let path = || PathBuf::from(self.to_string());
                let unusable = |error| KeyFileError::Unusable { path: path(), error };
                let text = self.read_from(credentials).map_err(unusable)?;
                owner_only::key_of(&text).ok_or_else(|| KeyFileError::Malformed(path()))
            }
        }
    }

    fn read_from(&self, credentials: Option<PathBuf>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match self {
            SecretFile::At(path) => read_secret(path),
            SecretFile::Credential(name) => {
                let directory = credentials.ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                read_credential(&directory.join(name))
            }
        }
    }
}

impl TryFrom<String> for SecretFile {
    type Error = AddressError;

    fn try_from(text: String) -> Result<SecretFile, AddressError> {
        let Some(name) = text.strip_prefix(CREDENTIAL) else { return Ok(SecretFile::At(text.into())) };
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            const ADVICE: &str = "write the name that LoadCredential= gives it";
            return Err(AddressError::new("a credential such as credential:broker-password", &text, ADVICE));
        }
        Ok(SecretFile::Credential(name.into()))
    }
}

impl fmt::Display for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFile::At(path) => path.display().fmt(f),
            SecretFile::Credential(name) => write!(f, "{CREDENTIAL}{name}"),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;

    fn place(text: &str) -> SecretFile {
        SecretFile::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_path_is_from_the_file_that_names_it_and_a_credential_from_where_systemd_says() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("broker-password");
        fs::write(&file, "hunter2").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();

        let mut path = place("broker-password");
        path.resolve(directory.path());
        assert_eq!(path.to_string(), file.display().to_string());
        assert_eq!(**path.read_from(None).unwrap(), *b"hunter2");

        let mut credential = place("credential:broker-password");
        credential.resolve(Path::new("/elsewhere"));
        assert_eq!(credential.to_string(), "credential:broker-password");
        assert_eq!(**credential.read_from(Some(directory.path().into())).unwrap(), *b"hunter2");
        let error = credential.read_from(None).unwrap_err().to_string();
        assert!(error.contains("LoadCredential=broker-password:"), "{error}");

        // So systemd leaves what the service's user may read: the mask of its access control list shows as the group's.
        fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
        credential.read_from(Some(directory.path().into())).unwrap();
        assert!(matches!(path.read_from(None), Err(SecretError::Open(0o440))));
        for mode in [0o444, 0o460, 0o601] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let error = credential.read_from(Some(directory.path().into())).unwrap_err();
            assert!(matches!(error, SecretError::Open(found) if found == mode), "{mode:o}: {error}");
        }
    }

    #[test]
    fn a_credential_is_a_name_and_leads_nowhere_else() {
        for text in ["credential:", "credential:../key", "credential:..", "credential:/etc/key"] {
            let error = SecretFile::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains(&format!("found `{text}`: write the name that LoadCredential= gives")), "{error}");
        }
    }

    #[test]
    fn a_key_may_be_a_credential_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let credential = place("credential:device-key");
        let read = |text: &str| {
            let file = directory.path().join("device-key");
            let _ = fs::remove_file(&file);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
            credential.read_key_from(Some(directory.path().into()))
        };
        assert_eq!(read(&format!("{}\n", "0f".repeat(32))).unwrap().seed(), [0x0f; 32]);
        let error = read("0f").err().unwrap().to_string();
        assert!(error.starts_with("key file credential:device-key: expected one line of 64"), "{error}");
        let error = credential.read_key_from(None).err().unwrap().to_string();
        assert!(error.contains("LoadCredential=device-key:FILE"), "{error}");
    }
}
