//! Who asks a device: a token or a password, each from a file that nobody else may read.

use std::fmt;

use settings::{owner_only::SecretError, secret::SecretFile};
use zeroize::Zeroizing;

/// Why nobody can log in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The file cannot be read, or others may.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: SecretFile,
        /// Why.
        error: SecretError,
    },
    /// There is no secret in the file. What is there is not repeated.
    #[error("{0}: expected one line with a password or token, found something else")]
    NoLine(SecretFile),
    /// Two ways to log in.
    #[error("expected either `token_file` or `password_file`, found both")]
    Both,
    /// A name without a password.
    #[error("`user` is of a `password_file`, found none")]
    NoPassword,
}

/// Who asks.
#[derive(Clone, Default)]
pub(crate) enum Login {
    /// Nobody.
    #[default]
    Nobody,
    /// Who has this token (RFC 6750).
    Token(Zeroizing<String>),
    /// Somebody with a name and a password.
    Password { user: Option<String>, password: Zeroizing<String> },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::Nobody => "Nobody",
            Login::Token(_) => "Token",
            Login::Password { .. } => "Password",
        })
    }
}

impl Login {
    /// Reads what the configuration names.
    pub(crate) fn read(
        user: Option<&str>,
        password_file: Option<&SecretFile>,
        token_file: Option<&SecretFile>,
    ) -> Result<Login, LoginError> {
        match (password_file, token_file) {
            (Some(_), Some(_)) => Err(LoginError::Both),
            (Some(file), None) => Ok(Login::Password { user: user.map(str::to_owned), password: line(file)? }),
            (None, _) if user.is_some() => Err(LoginError::NoPassword),
            (None, Some(file)) => Ok(Login::Token(line(file)?)),
            (None, None) => Ok(Login::Nobody),
        }
    }
}

/// The one line of a file. Nothing of it is left in memory when it is dropped.
fn line(file: &SecretFile) -> Result<Zeroizing<String>, LoginError> {
    let bytes = file.read().map_err(|error| LoginError::File { file: file.clone(), error })?;
    let text = str::from_utf8(&bytes).map(|text| text.strip_suffix('\n').unwrap_or(text));
    let line = text.ok().filter(|text| !text.is_empty() && !text.contains(char::is_control));
    line.map(|line| Zeroizing::new(line.to_owned())).ok_or_else(|| LoginError::NoLine(file.clone()))
}

#[cfg(test)]
mod tests {
    use testkit::community::write_secret;

    use super::*;

    fn secret(path: &str) -> SecretFile {
        SecretFile::try_from(path.to_owned()).unwrap()
    }

    #[test]
    fn a_secret_is_one_line_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            write_secret(&path, text);
            secret(path.to_str().unwrap())
        };
        let token = Login::read(None, None, Some(&file("token", "s3cret\n"))).unwrap();
        assert!(matches!(&token, Login::Token(text) if **text == "s3cret"));
        let password = Login::read(Some("ada"), Some(&file("password", "s3cret")), None).unwrap();
        assert!(matches!(&password, Login::Password { user: Some(user), .. } if user == "ada"));
        for login in [&token, &password] {
            assert!(!format!("{login:?}").contains("s3cret"));
        }
        for text in ["", "\n", "s3cret\nmore\n", "s3\u{7}cret"] {
            let error = Login::read(None, None, Some(&file("bad", text))).unwrap_err().to_string();
            assert!(error.contains("expected one line") && !error.contains("s3"), "{error}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let file = &secret("/nowhere");
        let refused = |user, password, token| Login::read(user, password, token).unwrap_err().to_string();
        assert!(refused(None, Some(file), Some(file)).contains("found both"));
        assert!(refused(Some("ada"), None, None).contains("`user` is of a `password_file`"));
        assert!(refused(None, None, Some(file)).starts_with("/nowhere: "));
        assert!(matches!(Login::read(None, None, None), Ok(Login::Nobody)));
    }
}
