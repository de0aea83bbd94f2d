//! People who are told: mail by SMTP.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Letter, Tokio1Executor,
    message::header::ContentType,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};
use settings::{address::AddressError, owner_only::SecretError, secret::SecretFile};
use zeroize::Zeroizing;

use super::{
    message::Message,
    settings::{Mail, Recipient, Security},
};

/// For the whole of a mail, whatever the server takes its time for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most people who are told.
const TO_MAX: usize = 20;

/// Why mail cannot be sent as the configuration says. One line; no password is in it.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Not where a server is.
    #[error("server: {0}")]
    Server(#[from] AddressError),
    /// Nobody is told, or too many are.
    #[error("to: expected 1 to {TO_MAX} addresses, found {0}")]
    To(usize),
    /// One of two that belong together.
    #[error("expected `user` and `password_file`, or neither, found `{0}` alone")]
    Half(&'static str),
    /// In the open, to another machine.
    #[error("security = \"none\": expected a server on this machine, found {0}; in the open nothing leaves it")]
    InTheOpen(String),
    /// Nothing says which certificate the server may have.
    #[error(
        "expected the certificates to trust (`ca`, a PEM file), found none; Debian's are in /etc/ssl/certs/ca-certificates.crt"
    )]
    NoAuthority,
    /// The file with the certificates.
    #[error("ca: cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What is in it.
    #[error("ca: {}: expected certificates in PEM, found {found}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The file with the password.
    #[error("password_file: {file}: {error}")]
    Secret {
        /// The file.
        file: SecretFile,
        /// Why.
        error: SecretError,
    },
    /// What is in it, which is not shown.
    #[error("password_file: {0}: expected one line with the password, found something else")]
    Password(SecretFile),
}

/// Hands mail to one server.
#[derive(Clone)]
pub(super) struct Postman {
    server: AsyncSmtpTransport<Tokio1Executor>,
    place: String,
    from: Recipient,
    to: Vec<Recipient>,
}

impl Postman {
    pub(super) fn open(settings: &Mail) -> Result<Postman, MailError> {
        let Mail { security, ca, from, to, user, password_file, .. } = settings;
        let address = settings.address()?;
        if to.is_empty() || to.len() > TO_MAX {
            return Err(MailError::To(to.len()));
        }
        let credentials = match (user, password_file) {
            (Some(user), Some(file)) => Some(Credentials::new(user.clone(), read_password(file)?.to_string())),
            (None, None) => None,
            (Some(_), None) => return Err(MailError::Half("user")),
            (None, Some(_)) => return Err(MailError::Half("password_file")),
        };
        let tls = || match ca {
            Some(path) => trusting(path, address.host()),
            None => Err(MailError::NoAuthority),
        };
        let tls = match security {
            Security::Starttls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
            Security::None if ledger_client::on_this_machine(&format!("http://{address}")) => Tls::None,
            Security::None => return Err(MailError::InTheOpen(address.to_string())),
        };
        let server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.host())
            .port(address.port())
            .tls(tls)
            .timeout(Some(TIMEOUT));
        let server = match credentials {
            Some(credentials) => server.credentials(credentials),
            None => server,
        };
        Ok(Postman { server: server.build(), place: address.to_string(), from: from.clone(), to: to.clone() })
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Arrived is what the server takes for all; an error is why it has not.
    pub(super) async fn send(&self, message: &Message, community: &str) -> Result<(), String> {
        let place = self.place();
        let letter = self.letter(message, community).map_err(|error| format!("{place}: {error}"))?;
        match tokio::time::timeout(TIMEOUT, self.server.send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("{place}: {error}")),
            Err(_) => Err(format!("{place}: no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    fn letter(&self, message: &Message, community: &str) -> Result<Letter, lettre::error::Error> {
        let since_epoch = Duration::from_secs(message.at.try_into().unwrap_or_default());
        let letter = Letter::builder()
            .from(self.from.0.clone())
            .message_id(Some(format!("<{}@{}>", message.id(), self.from.0.email.domain())))
            .date(SystemTime::UNIX_EPOCH + since_epoch)
            .subject(format!("{community}: {}", message.title()))
            .header(ContentType::TEXT_PLAIN);
        let letter = self.to.iter().fold(letter, |letter, to| letter.to(to.0.clone()));
        letter.body(message.text(community))
    }
}

impl fmt::Debug for Postman {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postman").field(&self.place).finish()
    }
}

fn trusting(path: &Path, host: &str) -> Result<TlsParameters, MailError> {
    let pem = fs::read(path).map_err(|error| MailError::Read { path: path.into(), error })?;
    let bad = |found: String| MailError::Certificates { path: path.into(), found };
    if !pem.windows(11).any(|part| part == b"-----BEGIN ") {
        return Err(bad("none".into()));
    }
    let certificates = Certificate::from_pem(&pem).map_err(|error| bad(error.to_string()))?;
    TlsParameters::builder(host.into())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(certificates)
        .build_rustls()
        .map_err(|error| bad(error.to_string()))
}

fn read_password(file: &SecretFile) -> Result<Zeroizing<String>, MailError> {
    let text = file.read().map_err(|error| MailError::Secret { file: file.clone(), error })?;
    let password = str::from_utf8(&text).map_err(|_| MailError::Password(file.clone()))?.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains(char::is_control) {
        return Err(MailError::Password(file.clone()));
    }
    Ok(Zeroizing::new(password.into()))
}
