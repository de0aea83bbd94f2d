//! Why there is nothing to log in with.

use std::{io, path::PathBuf};

use settings::{broker::BrokerAddress, owner_only::SecretError, secret::SecretFile};

/// Why there is nothing to log in with. One line that names the key or the file; what is in a secret is not shown.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// TLS is wanted, and nothing says which certificate the broker may have.
    #[error(
        "{0}: expected `ca` under [broker_login], a PEM file with the certificates to trust, found none; ask whoever \
         runs the broker, or name those of the system where a public authority issued its certificate"
    )]
    NoAuthority(BrokerAddress),
    /// What only TLS has is configured without it.
    #[error("{address}: expected an mqtts address beside `{key}`, found none; write mqtts://, or leave out `{key}`")]
    NoTls {
        /// The broker.
        address: BrokerAddress,
        /// The key of `[broker_login]`.
        key: &'static str,
    },
    /// A password would be sent for everyone on the way to read.
    #[error(
        "{0}: expected an mqtts address beside `password_file`, found one that sends the password in the open to \
         another machine; write mqtts://, or leave out `password_file`"
    )]
    PasswordInClear(BrokerAddress),
    /// One of two that are worth nothing alone.
    #[error("[broker_login]: expected `{missing}` beside `{found}`, found none; add it, or leave out `{found}`")]
    Half {
        /// The key that is there.
        found: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("`{key}` of [broker_login]: cannot read {}: {error}", path.display())]
    Read {
        /// The key of `[broker_login]`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// There is no certificate in the file.
    #[error("`{key}` of [broker_login], {}: expected certificates in PEM, found {found}", path.display())]
    Certificates {
        /// The key of `[broker_login]`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What was there instead.
        found: String,
    },
    /// A secret cannot be read, or others may.
    #[error("`{key}` of [broker_login], {file}: {error}")]
    Secret {
        /// The key of `[broker_login]`.
        key: &'static str,
        /// Where it should be.
        file: SecretFile,
        /// Why not.
        error: SecretError,
    },
    /// There is no password in the file.
    #[error("`password_file` of [broker_login], {0}: expected one line with a password, found something else")]
    Password(SecretFile),
    /// There is no key in the file.
    #[error("`certificate_key` of [broker_login], {0}: expected a private key in PEM, without a password, found none")]
    Key(SecretFile),
    /// The key does not belong to the certificate, or is of a kind that nobody knows.
    #[error("`certificate_key` of [broker_login], {file}: expected the key of `certificate`, found another: {error}")]
    OtherKey {
        /// Where the key is.
        file: SecretFile,
        /// What the TLS library says.
        error: rustls::Error,
    },
    /// The TLS library does not accept what it was given.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] rustls::Error),
}
