//! What a connection to the broker needs, read from the files that `[broker_login]` names.

use std::{fmt, sync::Arc};

use rumqttc::{ConnectionError, MqttOptions, TlsConfiguration, Transport};
use rustls::{ClientConfig, pki_types::CertificateDer};
use settings::{broker::BrokerAddress, secret::SecretFile};
use zeroize::Zeroizing;

use super::{error::LoginError, failure, login::BrokerLogin, tls};

/// All that it takes to connect to the broker and to be let in.
#[derive(Clone)]
pub struct Access {
    broker: BrokerAddress,
    tls: Option<Arc<ClientConfig>>,
    certificate: Option<CertificateDer<'static>>,
    user: Option<User>,
}

#[derive(Clone)]
struct User {
    name: String,
    password: Zeroizing<String>,
}

impl Access {
    /// Reads what `login` names. Its password is that of `user`, unless it says another.
    pub fn new(broker: &BrokerAddress, login: &BrokerLogin, user: &str) -> Result<Access, LoginError> {
        if login.password_file.is_some() && !broker.is_tls() && !broker.is_on_this_machine() {
            return Err(LoginError::PasswordInClear(broker.clone()));
        }
        Access::at_home(broker, login, user)
    }

    /// The same for a broker in the household's own network, through which a password may go in the open: few brokers
    /// at home speak TLS.
    pub fn at_home(broker: &BrokerAddress, login: &BrokerLogin, user: &str) -> Result<Access, LoginError> {
        let BrokerLogin { ca, certificate, certificate_key, user: named, password_file } = login;
        let own = match (certificate, certificate_key) {
            (Some(certificate), Some(key)) => Some((certificate.as_path(), key)),
            (None, None) => None,
            (Some(_), None) => return Err(LoginError::Half { found: "certificate", missing: "certificate_key" }),
            (None, Some(_)) => return Err(LoginError::Half { found: "certificate_key", missing: "certificate" }),
        };
        if named.is_some() && password_file.is_none() {
            return Err(LoginError::Half { found: "user", missing: "password_file" });
        }
        let (tls, certificate) = if broker.is_tls() {
            let ca = ca.as_deref().ok_or_else(|| LoginError::NoAuthority(broker.clone()))?;
            let (client, certificate) = tls::client(ca, own)?;
            (Some(Arc::new(client)), certificate)
        } else {
            for (key, is_there) in [("ca", ca.is_some()), ("certificate", own.is_some())] {
                if is_there {
                    return Err(LoginError::NoTls { address: broker.clone(), key });
                }
            }
            (None, None)
        };
        let user = match password_file {
            Some(file) => Some(User { name: named.as_deref().unwrap_or(user).into(), password: read_password(file)? }),
            None => None,
        };
        Ok(Access { broker: broker.clone(), tls, certificate, user })
    }

    /// Whether the certificate that is shown to the broker can be of somebody whom the broker calls `name`: false only
    /// where it says by nothing else who logs in, and has the name nowhere. In a certificate a name stands letter by
    /// letter (X.520: `PrintableString`, `UTF8String`), so it need not be taken apart to see that it is missing.
    pub fn may_be(&self, name: &str) -> bool {
        let has = |certificate: &CertificateDer<'_>| {
            certificate.windows(name.len().max(1)).any(|part| part == name.as_bytes())
        };
        self.user.is_some() || self.certificate.as_ref().is_none_or(has)
    }

    /// Where the broker is.
    pub fn broker(&self) -> &BrokerAddress {
        &self.broker
    }

    /// The options of a connection under this client id. They hold the password: never print them.
    pub fn options(&self, client_id: String) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, self.broker.host(), self.broker.port());
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls.clone())));
        }
        if let Some(User { name, password }) = &self.user {
            options.set_credentials(name, password.as_str());
        }
        options
    }

    /// Why there is no connection, and what to do about it.
    pub fn why(&self, error: &ConnectionError) -> String {
        let tried = failure::Tried {
            tls: self.tls.is_some(),
            certificate: self.certificate.is_some(),
            user: self.user.as_ref().map(|user| user.name.as_str()),
        };
        tried.why(error)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| &user.name);
        f.debug_struct("Access").field("broker", &self.broker).field("user", &user).finish_non_exhaustive()
    }
}

fn read_password(file: &SecretFile) -> Result<Zeroizing<String>, LoginError> {
    let key = "password_file";
    let text = file.read().map_err(|error| LoginError::Secret { key, file: file.clone(), error })?;
    let text = str::from_utf8(&text).map_err(|_| LoginError::Password(file.clone()))?;
    let password = text.strip_suffix('\n').unwrap_or(text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() || password.contains(char::is_control) {
        return Err(LoginError::Password(file.clone()));
    }
    Ok(Zeroizing::new(password.into()))
}
