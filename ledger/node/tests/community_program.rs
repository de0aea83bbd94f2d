//! A community founded from the command line: `ledger init` of each owner, community.toml, `ledger community init`.
//! What it writes is read again; whatever is wrong gets one line, exit code 2, and nothing is written.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ledger_node::node::{Config, read_genesis};
use protocol::{
    enrolment::EnrolmentRequest,
    genesis::{Technology, TransformerMeter},
    interval::Interval,
    key::SecretKey,
    parameters::Share,
};
use tempfile::TempDir;

/// A founder's directory, with what four owners, the market's operator and two households have sent.
struct Desk {
    directory: TempDir,
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

const MEMBERS: &str = "name,request,import_wh,export_wh,rated_power_w,bus,technology\n\
                       Ada,ada.json,1204310,88120,43470,B,solar\n\
                       \"Bob, no. 7\",bob.json,17,0,17250,A,\n";

impl Desk {
    fn new() -> Desk {
        let desk = Desk { directory: tempfile::tempdir().unwrap() };
        for (number, name) in ["north", "east", "south", "west"].into_iter().enumerate() {
            let [port, gossip_port, api] =
                [27000 + number, 28000 + number, 26000 + number].map(|port| port.to_string());
            let api = format!("127.0.0.1:{api}");
            let ports = ["--port", &port, "--gossip-port", &gossip_port, "--api", &api];
            let made = desk.ledger(&[&["init", name, "--name", name, "--host", "127.0.0.1"][..], &ports].concat());
            assert!(made.status.success(), "{made:?}");
        }
        desk.write("ada.json", &request(1, 2));
        desk.write("bob.json", &request(3, 4));
        desk.write("members.csv", MEMBERS);
        fs::create_dir(desk.path("grid")).unwrap();
        desk.write("grid/grid_buses.csv", "bus_id\nA\nB\n");
        desk.write("grid/grid_lines.csv", "line_id,from_bus,to_bus,rated_kva,in_service\nL1,A,B,97,1\n");
        desk.write("grid/grid_transformer.csv", "trafo_id,lv_bus,sn_kva\nT,A,160\n");
        desk.write("community.toml", &desk.file());
        desk
    }

    /// The shipped example with members and a grid, and what the owners have sent behind it.
    fn file(&self) -> String {
        let example = stdout(&self.ledger(&["community", "example"]));
        let example = example.replace("# members = ", "members = ").replace("# grid = ", "grid = ");
        let market = format!("\n[market]\nkey = \"{}\"\n", key(9).public());
        let cards = ["north", "east", "south", "west"].map(|name| self.read(&format!("{name}/public.toml")));
        format!("{example}{market}{}", cards.concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Changes a file, which must have what is to be changed.
    fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name}: expected {from:?} in\n{text}");
        self.write(name, &text.replacen(from, to, 1));
    }

    fn ledger(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.args(arguments).current_dir(self.directory.path()).output().unwrap()
    }

    fn found(&self, more: &[&str]) -> Output {
        self.ledger(&[&["community", "init", "community.toml", "--out", "community"], more].concat())
    }

    /// Says what is wrong in one line with exit code 2, and leaves nothing behind.
    fn refuses(&self, more: &[&str], expected: &str) {
        let before = names(self.directory.path());
        let output = self.found(more);
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "expected {expected:?}, found {stderr}");
        assert_eq!(names(self.directory.path()), before, "something was written");
    }
}

fn request(member: u8, device: u8) -> String {
    serde_json::to_string(&EnrolmentRequest::sign(&key(member), &key(device), None).unwrap()).unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// All that is in a directory, hidden files included.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn everyone_gets_a_directory_with_what_they_need_and_nothing_secret() {
    let desk = Desk::new();
    let said = stdout(&desk.found(&["--start", "2126-06-01T12:01:00Z"]));
    let genesis = read_genesis(&desk.path("community/genesis.json")).unwrap();
    assert_eq!(genesis.first_interval, "2126-06-01T12:15:00Z/PT15M".parse::<Interval>().unwrap());
    assert_eq!((genesis.currency.as_str(), genesis.time_zone.as_deref()), ("EUR", Some("Europe/Vienna")));
    assert_eq!((genesis.validators.len(), genesis.members.len()), (4, 2));
    let ada = genesis.members.iter().find(|member| member.key == key(1).public()).unwrap();
    assert_eq!((ada.device, ada.import_wh, ada.export_wh), (key(2).public(), 1_204_310, 88_120));
    assert_eq!((ada.bus.as_deref(), ada.technology), (Some("B"), Some(Technology::Solar)));
    assert_eq!(genesis.grid.as_ref().unwrap().lines[0].rated_va, 97_000);
    // All of the chain's name, to be read aloud, and the same for whoever has only the file.
    let shown = stdout(&desk.ledger(&["community", "show", "community/genesis.json"]));
    assert!(said.starts_with(shown.trim_end()), "{said}\n{shown}");
    let chain = shown.lines().last().unwrap().strip_prefix("chain").unwrap().replace(' ', "");
    assert_eq!(chain, genesis.chain().to_string());

    let parts = ["broker", "east", "genesis.json", "household", "market", "north", "south", "west"];
    assert_eq!(names(&desk.path("community")), parts);
    for name in ["north", "east", "south", "west"] {
        assert_eq!(names(&desk.path(&format!("community/{name}"))), ["genesis.json", "validator.toml"]);
        // Beside the keys, it is what the node starts with.
        for file in ["genesis.json", "validator.toml"] {
            fs::copy(desk.path(&format!("community/{name}/{file}")), desk.path(&format!("{name}/{file}"))).unwrap();
        }
        let config = Config::load(&desk.path(&format!("{name}/validator.toml"))).unwrap();
        assert_eq!((config.name.as_str(), config.peers.len(), config.gossip_peers.len()), (name, 3, 3));
        let number = ["north", "east", "south", "west"].iter().position(|known| *known == name).unwrap();
        assert_eq!(config.api.to_string(), format!("127.0.0.1:{}", 26000 + number));
        assert_eq!(config.listen, format!("/ip4/127.0.0.1/tcp/{}", 27000 + number));
        assert_eq!(config.gossip_listen, format!("/ip4/127.0.0.1/tcp/{}", 28000 + number));
        assert!(!config.peers.contains(&config.listen) && !config.gossip_peers.contains(&config.gossip_listen));
        assert_eq!(config.read_genesis().unwrap().chain(), genesis.chain());
        let own = ledger_node::node::read_key(&config.key.unwrap()).unwrap().public();
        assert!(genesis.validators.iter().any(|validator| validator.key == own));
        ledger_node::node::read_key(&config.network_key).unwrap();
    }
    let names = desk.read("community/market/members.csv");
    assert!(names.starts_with("member,name\n") && names.contains(",\"Bob, no. 7\"\n"), "{names}");
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("community"), mode("community/market/members.csv")), (0o700, 0o600));
    let market = desk.read("community/market/market.toml");
    for line in
        ["genesis = \"genesis.json\"", "key = \"market.key\"", "    \"http://127.0.0.1:26003\",", "[broker_login]"]
    {
        assert!(market.lines().any(|found| found == line), "{line}: {market}");
    }
    assert!(market.contains("# How long an interval stays open"), "what is explained stays");
    assert!(!market.contains("../run") && !market.contains("simulator"), "nothing is left of the example: {market}");
    let users = desk.read("community/broker/users.txt");
    assert!(users.starts_with("market market\n"), "{users}");
    assert!(users.contains(&format!("\n{} Ada\n", key(2).public().multibase())), "{users}");
    let shipped = include_str!("../../../config/mosquitto/acl.conf");
    assert_eq!(desk.read("community/broker/acl.conf"), shipped);

    // A second time it overwrites nothing.
    desk.refuses(&[], "community: expected a new or empty directory, found something in its place");
}

#[test]
fn what_the_mechanism_is_told_is_in_the_rules_by_pseudonym() {
    let desk = Desk::new();
    desk.write("keys.csv", "id,share\nAda,0.25\n\"Bob, no. 7\",0.5\n");
    desk.write("fees.csv", "line_id,fee\nL1,0.01\nT,0.02\n");
    let told = "name = \"static_key\"\nprice = \"0.19\"\nkeys = \"keys.csv\"\nfees = \"fees.csv\"\nderate = \"0.9\"";
    desk.change("community.toml", "name = \"uniform\"", told);
    let meter = "[transformer]\nname = \"Bob, no. 7\"\ntolerance_wh = 50\ntolerance = \"0.03\"\n[market]\n";
    desk.change("community.toml", "[market]\n", meter);
    stdout(&desk.found(&[]));
    let genesis = read_genesis(&desk.path("community/genesis.json")).unwrap();
    let member = |seed| genesis.members.iter().find(|it| it.key == key(seed).public()).unwrap().member;
    let parameters = genesis.rules.parameters.clone().unwrap();
    let mut shares = vec![Share { member: member(1), ppm: 250_000 }, Share { member: member(3), ppm: 500_000 }];
    shares.sort_by_key(|share| share.member);
    assert_eq!((parameters.shares, parameters.priority), (Some(shares), None));
    assert_eq!((parameters.community_price, parameters.derate_ppm), (Some("0.19".parse().unwrap()), Some(900_000)));
    assert_eq!(parameters.fees.unwrap().lines.len(), 2);
    let meter = TransformerMeter { member: member(3), tolerance_wh: 50, tolerance_ppm: 30_000 };
    assert_eq!(genesis.rules.transformer, Some(meter));
}

#[test]
fn a_community_may_begin_with_nobody() {
    let desk = Desk::new();
    desk.change("community.toml", "members = ", "# members = ");
    fs::create_dir(desk.path("community")).unwrap();
    stdout(&desk.found(&[]));
    let genesis = read_genesis(&desk.path("community/genesis.json")).unwrap();
    assert_eq!(genesis.members, []);
}

#[test]
fn whoever_is_reached_from_elsewhere_has_a_certificate_and_a_token() {
    let desk = Desk::new();
    let open = "api = \"192.0.2.11:26000\"\ncertificate = \"north.pem\"";
    desk.change("community.toml", "api = \"127.0.0.1:26000\"", open);
    desk.change("community.toml", "mqtt://127.0.0.1:1883", "mqtts://broker.example:8884");
    desk.refuses(&[], "validator north: expected the certificate of its API at north.pem, found No such file");
    desk.write("north.pem", "-----BEGIN EC PRIVATE KEY-----\n");
    desk.refuses(&[], "found a private key: it should have stayed with its owner");
    desk.write("north.pem", "hello");
    desk.refuses(&[], "found no PEM");
    desk.write("north.pem", "-----BEGIN CERTIFICATE-----\n");
    desk.refuses(&[], "none in [market.tokens]: `market init DIR --node north` makes one");
    let digest = "0f".repeat(32);
    let tokens = format!("[market.tokens]\nnorth = \"{digest}\"\n[[validators]]\n");
    desk.change("community.toml", "[[validators]]\n", &tokens);
    stdout(&desk.found(&[]));
    let market = desk.read("community/market/market.toml");
    let node = "{ url = \"https://192.0.2.11:26000\", ca = \"north.pem\", token = \"north.token\" },";
    assert!(market.contains(node) && market.contains("\nbroker = \"mqtts://broker.example:8884\""), "{market}");
    assert!(
        market.contains("\ncertificate_key = \"broker-login.key\"") && market.contains("\n# password_file"),
        "{market}"
    );
    assert_eq!(desk.read("community/market/north.pem"), "-----BEGIN CERTIFICATE-----\n");
    let config = Config::load(&desk.path("community/north/validator.toml")).unwrap();
    assert!(config.api_tls.is_some());
    assert_eq!(toml::Value::try_from(&config.api_tokens).unwrap()["submit"][0].as_str(), Some(digest.as_str()));
    let others = Config::load(&desk.path("community/east/validator.toml")).unwrap();
    assert!(others.api_tls.is_none());
    let broker = desk.read("community/broker/mosquitto.conf");
    for line in ["listener 8884", "cafile devices-ca.pem", "acl_file acl.conf", "require_certificate true"] {
        assert!(broker.lines().any(|found| found == line), "{line}: {broker}");
    }
}

/// What of community.toml is changed into what, and what is said.
const WRONG: [(&str, &str, &str); 27] = [
    ("name = \"Our street\"", "name = \"\"", "name: expected a name of 1 to 64 bytes"),
    ("name = \"Our street\"", "name = \"<b>us\"", "name: expected a name without < and >, found `<b>us`"),
    (
        "currency = \"EUR\"",
        "currency = \"euro\"",
        "currency: expected three capital letters such as EUR (ISO 4217), found `euro`",
    ),
    (
        "Europe/Vienna\"",
        "Europe/Wien\"",
        "time_zone: expected an IANA time zone such as Europe/Vienna, found `Europe/Wien`",
    ),
    ("interval_minutes = 15", "interval_minutes = 7", "expected an interval of 5, 15, 30 or 60 minutes, found `7`"),
    ("interval_minutes = 15", "interval_seconds = 15", "unknown field `interval_seconds`"),
    (
        "retail = \"0.30\"",
        "retail = \"0.07\"",
        "[tariffs]: expected a `feed_in` of at most `retail`, 0.07, found 0.08: are they the wrong way round?",
    ),
    ("retail = \"0.30\"", "retail = 0.30", "expected a"),
    (
        "mqtt://127.0.0.1:1883",
        "mqtt://broker.example",
        "broker: expected mqtts:// where other machines reach it, found mqtt://broker.example:1883",
    ),
    ("name = \"uniform\"", "name = \"unifrom\"", "`unifrom`"),
    (
        "name = \"uniform\"",
        "name = \"uniform\"\nk = \"0.5\"",
        "unknown field `k`, expected one of `name`, `price`, `keys`, `fees`, `derate`",
    ),
    ("name = \"uniform\"", "name = \"feeder\"\nderate = \"1.1\"", "[mechanism] derate: expected a number from 0 to 1"),
    (
        "name = \"uniform\"",
        "name = \"static_key\"\nkeys = \"keys.csv\"",
        "[mechanism] keys: expected names of members, found `Eve`",
    ),
    (
        "name = \"uniform\"",
        "name = \"feeder\"\nfees = \"fees.csv\"",
        "expected a line of the grid or its transformer, found `L9`",
    ),
    ("[market]\n", "[other]\n", "unknown field `other`"),
    ("[market]\nkey = ", "[market]\nkeys = ", "unknown field `keys`"),
    ("name = \"east\"", "name = \"north\"", "validator north: expected a name of its own, found north twice"),
    ("name = \"east\"", "name = \"market\"", "none of broker, household, market, found `market`"),
    ("port = 27001", "port = 27000", "validator east: expected an address of its own, found 127.0.0.1:27000 twice"),
    (
        "api = \"127.0.0.1:26001\"",
        "api = \"127.0.0.1:26000\"",
        "validator east: expected an `api` of its own, found 127.0.0.1:26000 twice; on another machine it is an address that the market reaches",
    ),
    ("api = \"127.0.0.1:26001\"", "api = \"192.0.2.7:26001\"", "validator east: expected a `certificate`"),
    ("host = \"127.0.0.1\"", "host = \"a/b\"", "validator north: expected a host and two ports, found a/b:27000"),
    (
        "[market]\n",
        "[transformer]\nname = \"Eve\"\n[market]\n",
        "[transformer]: expected the name of a member, found `Eve`",
    ),
    (
        "[market]\n",
        "[transformer]\nname = \"Ada\"\ntolerance = \"2\"\n[market]\n",
        "[transformer] tolerance: expected a number from 0 to 1",
    ),
    (
        "[market]\n",
        "[market]\ntokens = { nowhere = \"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\" }\n",
        "[market.tokens]: expected names of validators, found `nowhere`",
    ),
    ("members = \"members.csv\"", "members = \"nobody.csv\"", "nobody.csv: No such file"),
    (
        "interval_minutes = 15",
        "interval_minutes = 15\nstart = \"2016-07-04T12:00:00Z\"",
        "start: expected a time to come, found 2016-07-04T12:00:00Z",
    ),
];

#[test]
fn whatever_is_wrong_in_the_file_gets_one_line_and_nothing_is_written() {
    let desk = Desk::new();
    desk.write("keys.csv", "id,share\nAda,0.5\nEve,0.5\n");
    desk.write("fees.csv", "line_id,fee\nL9,0.01\n");
    let right = desk.read("community.toml");
    for (from, to, expected) in WRONG {
        desk.change("community.toml", from, to);
        desk.refuses(&[], expected);
        desk.write("community.toml", &right);
    }
    desk.refuses(&["--start", "soon"], "start: expected a UTC time such as 2026-06-01T12:00:00Z, or now, found `soon`");
    // The market's key signs no votes, and no key votes twice.
    let keys: Vec<&str> = right.lines().filter(|line| line.starts_with("key = \"did")).collect();
    for (key, twice, expected) in [
        (1, 0, "expected a key of its own, found the market's: did:key:"),
        (2, 1, "expected a key of its own, found did:key:"),
    ] {
        desk.change("community.toml", keys[key], keys[twice]);
        desk.refuses(&[], expected);
        desk.write("community.toml", &right);
    }
    let market = format!("[market]\n{}\n", keys[0]);
    desk.change("community.toml", &market, "");
    desk.refuses(
        &[],
        "expected [market] with the market's key, found none: put the public.toml of `market init` behind the file",
    );
    desk.write("community.toml", &right);

    // Three validators stand still as soon as one fails: whoever wants that has to say so.
    let west = desk.read("west/public.toml");
    desk.change("community.toml", &west, "");
    desk.refuses(&[], "expected at least 4 validators, so that one may fail, found 3");
    desk.change("community.toml", "# allow_no_fault", "allow_no_fault");
    stdout(&desk.found(&[]));
}

#[test]
fn whatever_is_wrong_about_a_member_gets_one_line_and_nothing_is_written() {
    let desk = Desk::new();
    let mut forged: serde_json::Value = serde_json::from_str(&request(5, 6)).unwrap();
    forged["key"] = key(7).public().to_string().into();
    desk.write("forged.json", &forged.to_string());
    desk.write("same-device.json", &request(5, 2));
    for (from, to, expected) in [
        (
            "Ada,ada.json",
            "Ada,forged.json",
            "members.csv, line 2: forged.json: the member key did not sign this request",
        ),
        ("Ada,ada.json", "Ada,nowhere.json", "members.csv, line 2: nowhere.json: No such file"),
        ("Ada,ada.json", "Ada,members.csv", "expected an enrolment request, as `meter-agent init` makes it"),
        (
            ",bob.json",
            ",ada.json",
            "members.csv, line 3: expected each household once, found the member key of `Bob, no. 7` at `Ada`, too: did:key:",
        ),
        (",bob.json", ",same-device.json", "found the device key of `Bob, no. 7` at `Ada`, too"),
        ("\"Bob, no. 7\"", "Ada", "members.csv, line 3: expected each name once, found `Ada` twice"),
        ("Ada,", "a/b,", "members.csv, line 2: expected a name of 1 to 64 bytes"),
        (",43470,B", ",43470,C", "member `Ada`: expected a bus of the grid, found `C`: no line leads to it"),
        (",43470,B", ",43470,", "member `Ada`: expected the name of a bus, because the grid is known; found none"),
        (",43470,", ",0,", "Ada: expected a rated power of at least 1 W, found 0"),
        ("1204310", "-1", "members.csv, line 2: column 3: "),
        ("1204310", "1000000000000001", "Ada: import_wh: expected at most 1000000000000000 Wh, found 1000000000000001"),
        ("solar", "coal", "unknown variant `coal`"),
        (",technology", ",colour", "unknown field `colour`"),
        ("rated_power_w", "power_w", "field `"),
    ] {
        desk.change("members.csv", from, to);
        desk.refuses(&[], expected);
        desk.write("members.csv", MEMBERS);
    }
    for (file, from, to, expected) in [
        ("grid/grid_lines.csv", "L1,A,B", "L1,A,C", "expected a bus of grid_buses.csv, found `C`"),
        ("grid/grid_lines.csv", "97,1", "97,0", "found an island of the buses `B`"),
    ] {
        let right = desk.read(file);
        desk.change(file, from, to);
        desk.refuses(&[], expected);
        desk.write(file, &right);
    }
    stdout(&desk.found(&[]));
}

#[test]
fn what_no_node_can_be_called_is_refused_before_anything_is_made() {
    let desk = Desk::new();
    for (arguments, expected) in [
        (&["--name", "a b", "--host", "127.0.0.1"][..], "expected a validator's name of letters, digits, - and _"),
        (&["--name", "new", "--host", "a b"], "expected a host and two ports, found a b:27000"),
        (
            &["--name", "new", "--host", "127.0.0.1", "--port", "0"],
            "expected a whole number from 1 to 65535, found `0`",
        ),
        (&["--name", "new", "--host", "127.0.0.1", "--port", "28000"], "expected two ports, found 28000 for both"),
        (
            &["--name", "new", "--host", "127.0.0.1", "--api", "0.0.0.0:1"],
            "expected an address that the market can ask",
        ),
        (
            &["--name", "new", "--host", "127.0.0.1", "--api", "here"],
            "expected an address and a port such as 127.0.0.1:26000, found `here`",
        ),
        (&["--name", "new"], "--host"),
    ] {
        let output = desk.ledger(&[&["init", "new"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
        assert!(!desk.path("new").exists(), "{arguments:?}");
    }
}
