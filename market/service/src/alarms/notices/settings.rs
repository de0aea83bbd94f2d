//! `[notices]` in the market's configuration: whom to tell of alarms, and how.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use lettre::message::Mailbox;
use serde::Deserialize;
use settings::{
    address::{Address, AddressError},
    secret::SecretFile,
};

/// Most messages an hour by each way, unless told otherwise.
const AN_HOUR_DEFAULT: usize = 20;
/// Most that may be configured.
const AN_HOUR_MAX: i64 = 1_000;
/// Where mail is handed in, unless told otherwise (RFC 6409), and where that is TLS from the first byte (RFC 8314).
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// Whom to tell of alarms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notices {
    /// Most messages an hour by each way; what is more becomes one summary.
    pub messages_an_hour: AnHour,
    /// JSON to an address.
    pub webhook: Option<Webhook>,
    /// Mail to people.
    pub mail: Option<Mail>,
}

/// A program that is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where each notice is posted.
    pub url: WebhookUrl,
    /// PEM file with the certificates that the receiver's own must lead to; an https address needs one.
    pub ca: Option<PathBuf>,
    /// File with the token that says who posts.
    pub token: Option<PathBuf>,
}

/// People who are told, and who takes their mail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `HOST` or `HOST:PORT` of the server that mail is handed to.
    pub server: String,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// PEM file with the certificates that the server's own must lead to.
    pub ca: Option<PathBuf>,
    /// From whom.
    pub from: Recipient,
    /// To whom.
    pub to: Vec<Recipient>,
    /// The name to log in with.
    pub user: Option<String>,
    /// File with the password.
    pub password_file: Option<SecretFile>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// In the open at first, and TLS before anything is said (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Not at all; on this machine only.
    None,
}

impl Notices {
    /// Takes relative paths as those from `base`.
    pub fn resolve(&mut self, base: &Path) {
        let webhook = self.webhook.iter_mut().flat_map(|webhook| [&mut webhook.ca, &mut webhook.token]);
        let mail = self.mail.iter_mut().map(|mail| &mut mail.ca);
        for path in webhook.chain(mail).flatten() {
            *path = base.join(&*path);
        }
        if let Some(password) = self.mail.as_mut().and_then(|mail| mail.password_file.as_mut()) {
            password.resolve(base);
        }
    }
}

impl Mail {
    /// Where the server is. An error is what to do.
    pub(super) fn address(&self) -> Result<Address, AddressError> {
        let port = if self.security == Security::Tls { SUBMISSIONS } else { SUBMISSION };
        let expected = "a mail server such as mail.example or mail.example:587";
        Address::to_ask(&self.server, Some(port)).map_err(|advice| AddressError::new(expected, &self.server, advice))
    }
}

/// Most messages an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct AnHour(pub(super) usize);

impl Default for AnHour {
    fn default() -> AnHour {
        AnHour(AN_HOUR_DEFAULT)
    }
}

impl TryFrom<i64> for AnHour {
    type Error = String;

    fn try_from(found: i64) -> Result<AnHour, String> {
        match usize::try_from(found) {
            Ok(messages) if (1..=AN_HOUR_MAX).contains(&found) => Ok(AnHour(messages)),
            _ => Err(format!("expected 1 to {AN_HOUR_MAX} messages an hour, found {found}")),
        }
    }
}

/// `https://HOST[:PORT][/PATH]`; `http://` on this machine. Where it leads on the host may be a secret, so that only
/// the host is ever shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookUrl {
    /// Scheme, host and port.
    pub(super) host: String,
    /// What is asked for there.
    pub(super) path: String,
}

impl TryFrom<String> for WebhookUrl {
    type Error = String;

    fn try_from(text: String) -> Result<WebhookUrl, String> {
        let bad = |advice| format!("expected an address such as https://hooks.example/voisin: {advice}");
        let (scheme, rest, port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => ("https", rest, 443),
            (_, Some(rest)) => ("http", rest, 80),
            _ => return Err(bad("begin with https://, or on this machine with http://")),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = format!("{scheme}://{}", Address::to_ask(host, Some(port)).map_err(bad)?);
        if scheme == "http" && !ledger_client::on_this_machine(&host) {
            return Err(bad("write https://; in the open nothing leaves this machine"));
        }
        if path.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'"' | b'<' | b'>')) {
            return Err(bad("percent-encode what is not plain in the path, and leave out a fragment"));
        }
        let path = if path.is_empty() { "/".into() } else { path.into() };
        Ok(WebhookUrl { host, path })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookUrl").field(&self.host).finish()
    }
}

/// An address of mail, `ada@example.org` or `Ada <ada@example.org>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Recipient(pub(super) Mailbox);

impl TryFrom<String> for Recipient {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Recipient, AddressError> {
        let advice = "write NAME@HOST, or a name and that in angle brackets";
        let bad = |_| AddressError::new("an address of mail such as ada@example.org", &text, advice);
        text.parse().map(Recipient).map_err(bad)
    }
}
