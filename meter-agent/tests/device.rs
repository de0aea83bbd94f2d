//! Devices with a template, beside the real program: Modbus devices that pymodbus plays, pages that httpbin guards,
//! and a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use protocol::hash::Hash;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;
use support::{Home, interval, python::Python};
use testkit::{
    certificates::{Authority, Identity, Until},
    community::write_secret,
    mosquitto::Mosquitto,
};

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A household with such a device.
fn home(source: &str) -> Home {
    Home::with_meter(interval(0), 1, &format!("kind = \"device\"\n{source}"))
}

/// What there is to read in a device that pymodbus plays.
#[derive(Debug, Deserialize)]
struct Played {
    address: String,
    import_wh: u64,
    export_wh: u64,
    power_w: Option<i64>,
}

fn play(way: &str, template: &Path) -> (Python, Played) {
    let (python, line) = Python::start("modbus_device.py", &[way, template.to_str().unwrap()]);
    (python, serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error}: {line}", template.display())))
}

fn readable(played: &Played) -> String {
    let power = match played.power_w {
        Some(watts) if watts < 0 => format!(", feeding in {} W", -watts),
        Some(watts) => format!(", drawing {watts} W"),
        None => String::new(),
    };
    format!("ok     meter read twice: import {} Wh, export {} Wh{power}", played.import_wh, played.export_wh)
}

#[test]
#[ignore = "needs pymodbus, which .ci/run installs"]
fn every_modbus_template_is_read_as_pymodbus_encodes_it() {
    let templates = fs::read_dir(here("src/source/device/templates")).unwrap().map(|entry| entry.unwrap().path());
    let is_modbus = |path: &PathBuf| fs::read_to_string(path).unwrap().contains("\n[modbus]");
    let templates: Vec<PathBuf> = templates.filter(is_modbus).collect();
    assert!(templates.len() >= 6, "{templates:?}");
    for template in templates {
        let (_python, played) = play("tcp", &template);
        let name = template.file_stem().unwrap().to_str().unwrap();
        let source = format!("template = \"{name}\"\naddress = \"{}\"\npoll_s = 1\n", played.address);
        let said = home(&source).check();
        assert!(said.contains(&readable(&played)), "{name}: expected {played:?}\n{said}");
    }
}

#[test]
#[ignore = "needs pymodbus, which .ci/run installs"]
fn every_encoding_and_order_of_words_is_read_on_every_line() {
    let dir = tempfile::tempdir().unwrap();
    for (number, (import, export)) in
        [("u16", "i16"), ("u32", "i32"), ("u64", "i64"), ("f32", "f64"), ("f64", "f32")].into_iter().enumerate()
    {
        for (way, words) in [("tcp", "high_first"), ("serial", "low_first"), ("rtu+tcp", "high_first")] {
            let template = dir.path().join(format!("{number}.toml"));
            let text = format!(
                "format = 1\nname = \"mine\"\ntitle = \"Mine\"\nsums_phases = true\n[modbus]\nunit = 7\n\
                 [import]\nunit = \"kWh\"\n\
                 read = [{{ input = 4096, as = \"{import}\", words = \"{words}\", scale = \"0.7\" }},\n\
                 {{ holding = 0, as = \"{export}\" }}]\n\
                 [export]\nunit = \"MWh\"\nread = [{{ holding = 65532, as = \"{export}\", words = \"{words}\" }}]\n"
            );
            fs::write(&template, text).unwrap();
            let (_python, played) = play(way, &template);
            let source =
                format!("template = \"{}\"\naddress = \"{}\"\npoll_s = 1\n", template.display(), played.address);
            let said = home(&source).check();
            assert!(said.contains(&readable(&played)), "{way}, {import}, {export}: expected {played:?}\n{said}");
        }
    }
}

#[test]
#[ignore = "needs pymodbus, which .ci/run installs"]
fn a_wrong_unit_a_wrong_device_and_a_port_that_is_taken_are_named() {
    let template = |name: &str| here("src/source/device/templates").join(format!("{name}.toml"));
    let (_python, played) = play("tcp", &template("ferroamp-energyhub"));
    let source = |name: &str, more: &str| {
        let address = &played.address;
        format!("template = \"{name}\"\naddress = \"{address}\"\npoll_s = 1\n{more}")
    };
    let said = home(&source("ferroamp-energyhub", "unit = 7\n")).check();
    assert!(said.contains("is `unit` right"), "{said}");
    let said = home(&source("eastron-sdm630", "")).check();
    assert!(said.contains("unit 1 has no input register ") && said.contains("the device that you chose"), "{said}");

    let (_python, played) = play("serial", &template("eastron-sdm630"));
    let home = home(&format!("template = \"eastron-sdm630\"\naddress = \"{}\"\npoll_s = 1\n", played.address));
    let port = fs::File::open(played.address.strip_prefix("serial://").unwrap()).unwrap();
    port.lock().unwrap();
    let said = home.check();
    assert!(said.contains("another program, or a running agent, reads this port"), "{said}");
    drop(port);
    let said = home.check();
    assert!(said.contains(&readable(&played)), "{said}");
}

/// A page that is guarded, whose answer has the name or the token that it let in: here a number.
const GUARDED: &str = "
format = 1
name = \"guarded\"
title = \"Guarded\"
sums_phases = true
[http]
path = \"{page}\"
user = \"12345\"
[with]
page = { about = \"the page\" }
value = { about = \"who was let in\" }
[import]
unit = \"kWh\"
read = [{ json = \"/{value}\", text = true }]
[export]
unit = \"kWh\"
read = [{ json = \"/{value}\", text = true }]
";

#[test]
#[ignore = "needs httpbin, which .ci/run installs"]
fn passwords_and_tokens_are_proved_as_others_want_them() {
    let (_python, port) = Python::start("http_logins.py", &[]);
    let check = |page: &str, value: &str, login: &str| {
        let home = home(&format!(
            "template = \"./guarded.toml\"\naddress = \"http://127.0.0.1:{}\"\npoll_s = 1\n\
             with = {{ page = \"{page}\", value = \"{value}\" }}\n{login}",
            port.trim()
        ));
        fs::write(home.path("guarded.toml"), GUARDED).unwrap();
        write_secret(&home.path("password"), "s3cret\n");
        write_secret(&home.path("wrong"), "secret\n");
        write_secret(&home.path("token"), "67890\n");
        let said = home.check();
        assert!(!said.replace(page, "").contains("s3cret"), "{said}");
        said
    };
    for algorithm in ["MD5", "SHA-256"] {
        let page = format!("/digest-auth/auth/12345/s3cret/{algorithm}");
        let said = check(&page, "user", "password_file = \"password\"\n");
        assert!(said.contains("import 12345000 Wh, export 12345000 Wh"), "{algorithm}: {said}");
        let said = check(&page, "user", "password_file = \"wrong\"\n");
        assert!(said.contains("the device does not take this password or token"), "{algorithm}: {said}");
        let said = check(&page, "user", "");
        assert!(said.contains("add `token_file`, or `user` and `password_file`"), "{algorithm}: {said}");
    }
    let said = check("/bearer", "token", "token_file = \"token\"\n");
    assert!(said.contains("import 67890000 Wh"), "{said}");
    let said = check("/status/500", "token", "");
    assert!(said.contains("expected 200 OK, found 500"), "{said}");
    let said = check("/absent", "token", "");
    assert!(said.contains("the device has no such page"), "{said}");
    let said = check("/html", "token", "");
    assert!(said.contains("expected JSON: "), "{said}");
    let said = check("/json", "token", "");
    assert!(said.contains("expected a value in `/token` of `/json`, found none"), "{said}");
}

/// A device that answers each path with its document.
fn serve(documents: HashMap<&'static str, String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&mut stream.unwrap(), &documents);
        }
    });
    address
}

/// Answers one question; none, where nobody asks one.
fn answer(stream: &mut (impl Read + Write), documents: &HashMap<&'static str, String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match documents.get(path) {
        Some(document) => ("200 OK", document.as_str()),
        None => ("404 Not Found", ""),
    };
    let length = body.len();
    // Who has read enough hangs up.
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let _ = stream.flush();
}

/// The same over TLS, as who this certificate is of.
fn serve_tls(identity: &Identity, documents: HashMap<&'static str, String>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![der(identity)], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            answer(&mut StreamOwned::new(connection, stream.unwrap()), &documents);
        }
    });
    address
}

fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
}

#[test]
fn a_device_over_https_is_asked_where_its_certificate_is_trusted_and_nowhere_else() {
    let shown =
        || HashMap::from([("/v1/json", r#"{"energyCounterIn":9681017,"energyCounterOut":3414657}"#.to_owned())]);
    let authority = Authority::new("home");
    let good = authority.issue("127.0.0.1", Until::Later);
    let expired = authority.issue("127.0.0.1", Until::Expired);
    let other_name = authority.issue("p1.example", Until::Later);
    let check = |address: SocketAddr, trust: &str| {
        let source =
            format!("template = \"everhome-ecotracker\"\naddress = \"https://{address}\"\npoll_s = 1\n{trust}");
        let home = home(&source);
        fs::write(home.path("ca.pem"), authority.pem()).unwrap();
        fs::write(home.path("other.pem"), Authority::new("another").pem()).unwrap();
        home.check()
    };
    let (ca, other_ca) = ("ca = \"ca.pem\"\n", "ca = \"other.pem\"\n");
    let fingerprint = |identity: &Identity| format!("fingerprint = \"{}\"\n", Hash::of(&der(identity)));
    let readable = "import 9681017 Wh, export 3414657 Wh";
    let said = check(serve_tls(&good, shown()), ca);
    assert!(said.contains(readable), "{said}");
    // One certificate is as good as its fingerprint, whoever issued it, for whatever name and time.
    for identity in [&good, &expired, &other_name] {
        let said = check(serve_tls(identity, shown()), &fingerprint(identity));
        assert!(said.contains(readable), "{said}");
    }
    let found = Hash::of(&der(&good)).as_bytes().map(|byte| format!("{byte:02X}")).join(":");
    for (identity, trust, expected) in [
        (&good, other_ca, "its certificate leads to none that `ca` trusts"),
        (&expired, ca, "its certificate has expired, or is not valid yet"),
        (&other_name, ca, "its certificate is for another name"),
        (&good, &*fingerprint(&expired), &*format!("its certificate has the fingerprint {found}, and")),
    ] {
        let said = check(serve_tls(identity, shown()), trust);
        assert!(said.contains(expected) && !said.contains(readable), "{expected}: {said}");
    }
    // One that speaks HTTP alone answers what it does not understand.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let said = check(plain, ca);
    assert!(said.contains("what answers there speaks no TLS; correct the port, or write http://"), "{said}");
}

#[test]
fn the_documents_of_http_devices_are_read() {
    let with_shelly = HashMap::from([
        ("/rpc/EMData.GetStatus?id=0", r#"{"id":0,"total_act":9681017.25,"total_act_ret":3414657.99}"#.into()),
        ("/rpc/EM.GetStatus?id=0", r#"{"id":0,"total_act_power":-1907.4}"#.into()),
    ]);
    let address = serve(with_shelly);
    let shelly = format!("template = \"shelly-pro-3em\"\naddress = \"http://{address}\"\npoll_s = 1\n");
    let said = home(&shelly).check();
    assert!(said.contains("its registers count each phase for itself"), "{said}");
    let said = home(&format!("{shelly}unsummed_phases = true\n")).check();
    assert!(said.contains("import 9681017 Wh, export 3414657 Wh, feeding in 1907 W"), "{said}");

    let homewizard = r#"{"unique_id":"E0034004444000000","total_power_import_t1_kwh":10830.511,"total_power_import_t2_kwh":2948.827,
        "total_power_export_t1_kwh":1285.951,"total_power_export_t2_kwh":2876.51,"active_power_w":-543}"#;
    let address = serve(HashMap::from([("/api/v1/data", homewizard.into())]));
    let said = home(&format!("template = \"homewizard-p1\"\naddress = \"http://{address}/\"\npoll_s = 1\n")).check();
    let expected = "import 13779338 Wh, export 4162461 Wh, feeding in 543 W, serial number E0034004444000000";
    assert!(said.contains(expected), "{said}");

    // Old by the device's own clock.
    let iometer = r#"{"meter":{"number":"1HLY1","reading":{"time":"2024-11-11T11:11:00Z","registers":[
        {"obis":"01-00:01.08.00*ff","value":1234.5},{"obis":"01-00:02.08.00*ff","value":5432.1}]}}}"#;
    let address = serve(HashMap::from([("/v1/reading", iometer.into())]));
    let source = format!("template = \"iometer\"\naddress = \"http://{address}\"\npoll_s = 1\n");
    let said = home(&source).check();
    assert!(said.contains(" s old by the meter's own clock"), "{said}");
    let said = home(&format!("{source}meter_time = false\n")).check();
    assert!(said.contains("import 1234 Wh, export 5432 Wh, serial number 1HLY1"), "{said}");

    let address = serve(HashMap::from([("/v1/json", " ".repeat(400_000))]));
    let said =
        home(&format!("template = \"everhome-ecotracker\"\naddress = \"http://{address}\"\npoll_s = 1\n")).check();
    assert!(said.contains("expected an answer of at most 262144 bytes, found more"), "{said}");

    let unavailable = r#"{"state":"unavailable","attributes":{"unit_of_measurement":"kWh"},"last_reported":"x"}"#;
    let address = serve(HashMap::from([
        ("/api/states/sensor.a", unavailable.into()),
        ("/api/states/sensor.b", unavailable.into()),
    ]));
    let said = home(&format!(
        "template = \"home-assistant\"\naddress = \"http://{address}\"\npoll_s = 1\n\
         with = {{ import = \"sensor.a\", export = \"sensor.b\" }}\n"
    ))
    .check();
    assert!(said.contains("expected a number in `/state` of `/api/states/sensor.a`, found `unavailable`"), "{said}");
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_device_at_the_households_broker_is_asked_and_what_is_retained_is_passed_over() {
    let broker = Mosquitto::start();
    let source = format!(
        "template = \"tasmota-sml\"\naddress = \"mqtt://127.0.0.1:{}\"\npoll_s = 1\nwith = {{ device = \"tasmota_1\" }}\n",
        broker.port
    );
    let home = home(&source);
    let mut options = MqttOptions::new("tasmota", "127.0.0.1", broker.port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut connection) = Client::new(options, 8);
    let status = |total: f64| {
        format!(r#"{{"StatusSNS":{{"Time":"x","SML":{{"Total_in":{total},"Total_out":2.5,"Power_curr":-12}}}}}}"#)
    };
    // What was true a year ago.
    client.publish("stat/tasmota_1/STATUS10", QoS::AtLeastOnce, true, status(1.5)).unwrap();
    client.subscribe("cmnd/tasmota_1/STATUS", QoS::AtLeastOnce).unwrap();
    let answering = client.clone();
    thread::spawn(move || {
        // Ends with the broker.
        for event in connection.iter().map_while(Result::ok) {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                assert_eq!(&publish.payload[..], b"10");
                answering.publish("stat/tasmota_1/STATUS10", QoS::AtLeastOnce, false, status(4321.0987)).unwrap();
            }
        }
    });
    let said = home.check();
    assert!(said.contains("meter read twice: import 4321098 Wh, export 2500 Wh, feeding in 12 W"), "{said}");
    assert!(!said.contains("could not be used"), "{said}");
}
