//! Why there is no connection to the broker, in words for whoever has to do something about it.

use std::io::{self, ErrorKind};

use rumqttc::{ConnectReturnCode, ConnectionError, Error as MqttError, StateError, TlsError};
use rustls::{AlertDescription, CertificateError, Error};

/// With what it was tried to connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) tls: bool,
    pub(super) certificate: bool,
    pub(super) user: Option<&'a str>,
}

impl Tried<'_> {
    /// What went wrong, and what to do.
    pub(super) fn why(&self, error: &ConnectionError) -> String {
        match error {
            ConnectionError::ConnectionRefused(code) => self.refused(*code),
            ConnectionError::NetworkTimeout => {
                "it does not answer; look whether it runs, and at the network between".into()
            }
            ConnectionError::MqttState(StateError::ConnectionAborted) => self.hung_up("it hung up"),
            other => match io_error(other) {
                Some(error) => self.of_io(error),
                None => other.to_string(),
            },
        }
    }

    /// The broker's own answer to who wanted in.
    fn refused(&self, code: ConnectReturnCode) -> String {
        use ConnectReturnCode::{BadUserNamePassword, NotAuthorized};
        match (code, self.user) {
            (BadUserNamePassword | NotAuthorized, Some(user)) => format!(
                "it refuses the user `{user}` or the password; correct `user` and `password_file` of [broker_login], \
                 or ask whoever runs it"
            ),
            (BadUserNamePassword | NotAuthorized, None) if self.certificate => {
                "it refuses whom `certificate` of [broker_login] names; ask whoever runs it".into()
            }
            (BadUserNamePassword | NotAuthorized, None) => {
                "it lets in nobody without a user and a password; set `password_file` under [broker_login]".into()
            }
            (code, _) => format!("it refuses every login of ours ({code:?}); ask whoever runs it"),
        }
    }

    fn of_io(&self, error: &io::Error) -> String {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            return self.of_tls(error);
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => {
                format!("nothing listens there ({error}); look whether it runs, and whether the port is right")
            }
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => self.hung_up(&format!("it hung up ({error})")),
            // So the standard library begins what a resolver says; it has no kind of its own.
            _ if error.to_string().starts_with("failed to lookup") => {
                format!("its name leads nowhere ({error}); correct `broker`, or look at this machine's DNS")
            }
            _ => error.to_string(),
        }
    }

    /// A broker that refuses somebody may hang up before it is heard why.
    fn hung_up(&self, found: &str) -> String {
        let perhaps = match (self.tls, self.certificate) {
            (false, _) => "it may want TLS (`broker` begins with mqtts://)",
            (true, false) => "it may demand a certificate (`certificate` of [broker_login])",
            (true, true) => "it may not accept our certificate (`certificate` of [broker_login])",
        };
        format!("{found}; if it does so each time, {perhaps}")
    }

    fn of_tls(&self, error: &Error) -> String {
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::AlertReceived(alert) => self.of_alert(*alert),
            Error::InvalidMessage(_) => {
                "what answers there speaks no TLS; correct the port (TLS is usually on 8883), or write mqtt://".into()
            }
            other => format!("no TLS with it: {other}"),
        }
    }

    /// What the broker says of us.
    fn of_alert(&self, alert: AlertDescription) -> String {
        use AlertDescription::{
            AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
            CertificateUnknown, DecryptError, HandshakeFailure, UnknownCA, UnsupportedCertificate,
        };
        const DEMANDED: &str = "it demands a certificate; set `certificate` and `certificate_key` under [broker_login]";
        match alert {
            CertificateRequired => DEMANDED.into(),
            // TLS 1.2 has no alert for a certificate that is missing.
            HandshakeFailure if !self.certificate => DEMANDED.into(),
            CertificateExpired => "it says that our certificate has expired; have `certificate` of [broker_login] \
                                   renewed, or set this machine's clock, or the broker's"
                .into(),
            UnknownCA => "it says that our certificate is of no authority that it knows; ask whoever runs it for one \
                          (`certificate` of [broker_login])"
                .into(),
            BadCertificate
            | CertificateRevoked
            | CertificateUnknown
            | UnsupportedCertificate
            | DecryptError
            | AccessDenied => format!(
                "it does not accept our certificate ({alert:?}); ask whoever runs it for another (`certificate` of \
                 [broker_login])"
            ),
            other => format!("it breaks off the TLS handshake ({other:?}); ask whoever runs it"),
        }
    }
}

/// What is wrong with the broker's certificate.
fn of_certificate(error: &CertificateError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    match error {
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => format!(
            "its certificate has expired, or is not valid yet ({error}); whoever runs it has to renew it, or this \
             machine's clock is wrong"
        ),
        NotValidForName | NotValidForNameContext { .. } => format!(
            "its certificate is for another name ({error}); correct `broker`, and trust nothing else under this name"
        ),
        UnknownIssuer => {
            "its certificate leads to none that `ca` of [broker_login] trusts; ask whoever runs it for the \
                          right file, and trust no other"
                .into()
        }
        other => format!("its certificate is not accepted ({other}); ask whoever runs it"),
    }
}

/// The input or output that failed, wherever it was noticed.
fn io_error(error: &ConnectionError) -> Option<&io::Error> {
    match error {
        ConnectionError::Io(error)
        | ConnectionError::Tls(TlsError::Io(error))
        | ConnectionError::MqttState(StateError::Io(error) | StateError::Deserialization(MqttError::Io(error))) => {
            Some(error)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Tried = Tried { tls: true, certificate: false, user: None };
    const KNOWN: Tried = Tried { tls: true, certificate: true, user: None };
    const USER: Tried = Tried { tls: true, certificate: false, user: Some("ada") };
    const OPEN: Tried = Tried { tls: false, certificate: false, user: None };

    fn tls(error: Error) -> ConnectionError {
        ConnectionError::Tls(TlsError::Io(io::Error::new(ErrorKind::InvalidData, error)))
    }

    #[test]
    fn every_word_says_what_to_do() {
        use AlertDescription as Alert;
        use ConnectReturnCode as Code;
        let io = |kind: ErrorKind| ConnectionError::Io(kind.into());
        let alert = |alert| tls(Error::AlertReceived(alert));
        let certificate = |error| tls(Error::InvalidCertificate(error));
        let noise = || Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        for (tried, error, expected) in [
            (OPEN, io(ErrorKind::ConnectionRefused), "nothing listens there"),
            (OPEN, io(ErrorKind::ConnectionReset), "it may want TLS"),
            (OPEN, ConnectionError::NetworkTimeout, "it does not answer"),
            (OPEN, ConnectionError::MqttState(StateError::ConnectionAborted), "it may want TLS"),
            (BARE, io(ErrorKind::BrokenPipe), "it may demand a certificate"),
            (KNOWN, io(ErrorKind::UnexpectedEof), "it may not accept our certificate"),
            (BARE, tls(noise()), "speaks no TLS"),
            (BARE, certificate(CertificateError::UnknownIssuer), "none that `ca` of [broker_login] trusts"),
            (BARE, certificate(CertificateError::Expired), "its certificate has expired"),
            (BARE, certificate(CertificateError::NotValidYet), "this machine's clock is wrong"),
            (BARE, certificate(CertificateError::NotValidForName), "for another name"),
            (BARE, certificate(CertificateError::Revoked), "its certificate is not accepted"),
            (BARE, alert(Alert::CertificateRequired), "set `certificate` and `certificate_key`"),
            (BARE, alert(Alert::HandshakeFailure), "set `certificate` and `certificate_key`"),
            (KNOWN, alert(Alert::HandshakeFailure), "breaks off the TLS handshake"),
            (KNOWN, alert(Alert::CertificateExpired), "our certificate has expired"),
            (KNOWN, alert(Alert::UnknownCA), "no authority that it knows"),
            (KNOWN, alert(Alert::CertificateRevoked), "does not accept our certificate (CertificateRevoked)"),
            (USER, ConnectionError::ConnectionRefused(Code::NotAuthorized), "refuses the user `ada` or the password"),
            (USER, ConnectionError::ConnectionRefused(Code::BadUserNamePassword), "refuses the user `ada`"),
            (
                KNOWN,
                ConnectionError::ConnectionRefused(Code::NotAuthorized),
                "whom `certificate` of [broker_login] names",
            ),
            (OPEN, ConnectionError::ConnectionRefused(Code::NotAuthorized), "set `password_file` under [broker_login]"),
            (
                OPEN,
                ConnectionError::ConnectionRefused(Code::ServiceUnavailable),
                "every login of ours (ServiceUnavailable)",
            ),
        ] {
            let why = tried.why(&error);
            assert!(why.contains(expected), "{error:?}: {why}");
            assert!(!why.contains('\n') && !why.ends_with('.'), "{why}");
        }
    }

    #[test]
    fn an_alert_is_understood_wherever_it_is_noticed() {
        let error =
            || io::Error::new(ErrorKind::InvalidData, Error::AlertReceived(AlertDescription::CertificateRequired));
        for noticed in [
            ConnectionError::Io(error()),
            ConnectionError::Tls(TlsError::Io(error())),
            ConnectionError::MqttState(StateError::Io(error())),
            ConnectionError::MqttState(StateError::Deserialization(MqttError::Io(error()))),
        ] {
            assert!(BARE.why(&noticed).contains("it demands a certificate"), "{noticed:?}");
        }
    }

    #[test]
    fn a_name_that_leads_nowhere_is_said_to_do_so() {
        let error = std::net::ToSocketAddrs::to_socket_addrs("nowhere.invalid:8883").unwrap_err();
        let why = OPEN.why(&ConnectionError::Io(error));
        assert!(why.starts_with("its name leads nowhere"), "{why}");
    }
}
