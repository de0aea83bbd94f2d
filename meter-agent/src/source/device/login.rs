//! Who asks a device: a token or a password, each from a file that nobody else may read.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use settings::owner_only::{SecretError, read_secret};
use zeroize::Zeroizing;

/// Why nobody can log in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The file cannot be read, or others may.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SecretError,
    },
    /// There is no secret in the file. What is there is not repeated.
    #[error("{}: expected one line with a password or token, found something else", .0.display())]
    NoLine(PathBuf),
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
        password_file: Option<&Path>,
        token_file: Option<&Path>,
    ) -> Result<Login, LoginError> {
        match (password_file, token_file) {
            (Some(_), Some(_)) => Err(LoginError::Both),
            (Some(path), None) => Ok(Login::Password { user: user.map(str::to_owned), password: line(path)? }),
            (None, _) if user.is_some() => Err(LoginError::NoPassword),
            (None, Some(path)) => Ok(Login::Token(line(path)?)),
            (None, None) => Ok(Login::Nobody),
        }
    }
}

/// The one line of a file. Nothing of it is left in memory when it is dropped.
fn line(path: &Path) -> Result<Zeroizing<String>, LoginError> {
    let bytes = read_secret(path).map_err(|error| LoginError::File { path: path.into(), error })?;
    let text = str::from_utf8(&bytes).map(|text| text.strip_suffix('\n').unwrap_or(text));
    let line = text.ok().filter(|text| !text.is_empty() && !text.contains(char::is_control));
    line.map(|line| Zeroizing::new(line.to_owned())).ok_or_else(|| LoginError::NoLine(path.into()))
}

#[cfg(test)]
mod tests {
    use testkit::community::write_secret;

    use super::*;

    #[test]
    fn a_secret_is_one_line_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            write_secret(&path, text);
            path
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
        let path = Path::new("/nowhere");
        let refused = |user, password, token| Login::read(user, password, token).unwrap_err().to_string();
        assert!(refused(None, Some(path), Some(path)).contains("found both"));
        assert!(refused(Some("ada"), None, None).contains("`user` is of a `password_file`"));
        assert!(refused(None, None, Some(path)).starts_with("/nowhere: "));
        assert!(matches!(Login::read(None, None, None), Ok(Login::Nobody)));
    }
}
