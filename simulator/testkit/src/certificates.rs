//! Certificates of a test's own: an authority, and whom it vouches for.

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

/// Until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Later,
    /// Since long ago not any more.
    Expired,
}

/// A certificate and its private key, in PEM.
#[derive(Debug)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// Who issues certificates.
pub struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = params(name, Until::Later);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate of somebody who is called so, as a user and on the network.
    pub fn issue(&self, name: &str, until: Until) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, until).signed_by(&key, &self.certificate, &self.key).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn params(name: &str, until: Until) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if until == Until::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    params
}
