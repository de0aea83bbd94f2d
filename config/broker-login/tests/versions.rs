//! Brokers that know TLS 1.2 and no other are logged in at, as those that know TLS 1.3.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use broker_login::{Access, BrokerLogin};
use rumqttc::{AsyncClient, Event, Packet};
use rustls::{
    ServerConfig, ServerConnection, Stream, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use testkit::{
    certificates::{Authority, Identity, Until},
    community::write_secret,
};

/// A CONNACK that lets in.
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

/// Lets in whoever comes first, if this version is spoken; the port.
fn broker(identity: &Identity, version: &'static SupportedProtocolVersion) -> u16 {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = Stream::new(&mut connection, &mut tcp);
        // The whole CONNECT, which is short.
        assert_ne!(tls.read(&mut [0; 1_024]).unwrap(), 0);
        tls.write_all(&WELCOME).unwrap();
        tls.flush().unwrap();
        // Until the other side has gone.
        tls.read_to_end(&mut Vec::new()).ok();
    });
    port
}

#[tokio::test]
async fn a_broker_is_logged_in_at_over_either_version() {
    let authority = Authority::new("some authority");
    let identity = authority.issue("localhost", Until::Later);
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    write_secret(&ca, &authority.pem());
    for version in [&TLS12, &TLS13] {
        let address = format!("mqtts://localhost:{}", broker(&identity, version));
        let login = BrokerLogin { ca: Some(ca.clone()), ..BrokerLogin::default() };
        let access = Access::new(&address.parse().unwrap(), &login, "nobody").unwrap();
        let (_client, mut connection) = AsyncClient::new(access.options("some-client".into()), 1);
        let event = connection.poll().await.unwrap_or_else(|error| panic!("{version:?}: {}", access.why(&error)));
        assert!(matches!(event, Event::Incoming(Packet::ConnAck(_))), "{version:?}: {event:?}");
    }
}
