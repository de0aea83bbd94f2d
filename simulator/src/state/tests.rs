use std::net::{Ipv4Addr, TcpListener};

use household::strategy::Situation;
use protocol::reading::Registers;

use super::*;
use crate::dataset::{Dataset, Source};

fn setup() -> Setup {
    let dataset = Dataset::load(&Source::BuiltIn, "summer").unwrap();
    Setup {
        from: dataset.first,
        dataset,
        mechanism: "uniform".into(),
        retail: "0.3".parse().unwrap(),
        feed_in: "0.08".parse().unwrap(),
        validators: 4,
        orders: Orders::default(),
        terms: Terms::default(),
        tariffs: Vec::new(),
        out_of_reach: BTreeMap::new(),
    }
}

fn run(setup: &Setup) -> Run {
    Run {
        broker: Broker::Embedded,
        console: None,
        interval_ms: 0,
        until: setup.dataset.last_of(setup.from, 96).unwrap(),
    }
}

fn prepare(root: &Path, setup: &Setup) -> Result<Neighbourhood, StateError> {
    Neighbourhood::prepare(root, setup, &run(setup))
}

#[test]
fn the_same_directory_is_the_same_neighbourhood_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("new/state");
    let setup = setup();
    let first = prepare(&root, &setup).unwrap();
    assert_eq!(first.names.len(), 41);
    assert!(matches!(prepare(&root, &setup), Err(StateError::InUse(_))));
    let (genesis, addresses, names) = (first.genesis.clone(), first.addresses.clone(), first.names.clone());
    drop(first);
    let second = prepare(&root, &setup).unwrap();
    assert_eq!((second.genesis.clone(), second.names.clone()), (genesis, names));
    assert_eq!(second.addresses, addresses, "free ports are kept");
    drop(second);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, addresses.ledger[0].port())).unwrap();
    let third = prepare(&root, &setup).unwrap();
    assert_ne!(third.addresses.ledger[0], addresses.ledger[0], "taken ports are not");
    assert_eq!(third.addresses.ledger[1], addresses.ledger[1]);
    drop(taken);
    assert!(!root.join(UNFINISHED).exists());
}

#[test]
fn every_part_reads_its_configuration_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut setup = setup();
    let orders = directory.path().join("orders.csv");
    fs::write(&orders, "participant_id,buy,sell\nd001,0.25,0.1\nd002,,0.125\n").unwrap();
    setup.orders = Orders::load(&orders, &setup.dataset).unwrap();
    let state = prepare(&directory.path().join("state"), &setup).unwrap();
    for (index, path) in state.validator_configs().iter().enumerate() {
        let config = ledger_node::node::Config::load(path).unwrap();
        assert_eq!(config.read_genesis().unwrap(), state.genesis);
        assert_eq!(config.peers.len(), 3);
        assert!(!config.peers.contains(&config.listen), "a node is not its own peer");
        assert_eq!(config.gossip_peers.len(), 3);
        assert!(!config.gossip_peers.contains(&config.gossip_listen), "a node is not its own peer");
        let key = ledger_node::node::read_key(&config.key.unwrap()).unwrap();
        assert_eq!(key.public(), state.genesis.validators[index].key);
        ledger_node::node::read_key(&config.network_key).unwrap();
    }
    let market = market_service::Config::load(&state.market_config()).unwrap();
    assert_eq!(market.broker, state.addresses.broker);
    assert_eq!(market.ledger.len(), 4);
    for (participant, path) in state.agent_configs() {
        let config = meter_agent::Config::load(&path).unwrap();
        let device = meter_agent::read_key(&config.device_key()).unwrap().public();
        let member = state.genesis.members.iter().find(|member| member.device == device).unwrap();
        assert_eq!(state.names[&member.member], participant);
        assert_eq!(member.key, meter_agent::read_key(&config.member_key()).unwrap().public());
        let price = |text: &str| Some(text.parse().unwrap());
        let expected = match participant.as_str() {
            "d001" => (price("0.25"), price("0.1")),
            "d002" => (None, price("0.125")),
            _ => (None, None),
        };
        let limits = config.order.limits(&Situation::new(state.genesis.first_interval, None));
        assert_eq!((limits.buy, limits.sell), expected);
    }
}

#[cfg(unix)]
#[test]
fn keys_and_names_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let state = prepare(directory.path(), &setup()).unwrap();
    for file in [
        "validator-0/validator.key",
        "validator-0/network.key",
        "market/market.key",
        "market/members.csv",
        "agents/d001/device.key",
        "agents/d001/member.key",
    ] {
        let mode = fs::metadata(state.root().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn options_that_would_give_another_genesis_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    drop(prepare(directory.path(), &setup()).unwrap());
    let winter = Dataset::load(&Source::BuiltIn, "winter").unwrap();
    type Change<'a> = &'a dyn Fn(&mut Setup);
    let changes: [(&str, Change<'_>); 12] = [
        ("--validators 4 as it was started with, found 1", &|setup| setup.validators = 1),
        ("--mechanism uniform as it was started with, found mcafee", &|setup| setup.mechanism = "mcafee".into()),
        ("found other ones", &|setup| setup.terms.derate_ppm = Some(50_000)),
        ("--retail 0.3 as it was started with, found 0.31", &|setup| setup.retail = "0.31".parse().unwrap()),
        ("--feed-in 0.08 as it was started with, found 0", &|setup| setup.feed_in = "0".parse().unwrap()),
        ("2016-07-04T00:00:00Z/PT15M as it was started with, found 2016-01-11T00:00:00Z/PT15M", &|setup| {
            (setup.from, setup.dataset) = (winter.first, winter.clone())
        }),
        ("(--profile, --from) of 2016-07-04T00:00:00Z/PT15M as it was started with, found 2016-07-04T04", &|setup| {
            setup.from = setup.from.offset(16).unwrap()
        }),
        ("this many participants: 41 as it was started with, found 40", &|setup| {
            setup.dataset.participants.pop();
        }),
        ("found e001", &|setup| setup.dataset.participants[0].id = "e001".into()),
        ("d001 at bus bus_18 as it was started with, found bus_2", &|setup| {
            setup.dataset.participants[0].bus = Some("bus_2".into())
        }),
        ("a grid: known as it was started with, found none", &|setup| setup.dataset.grid = None),
        ("the energy of d007 in ", &|setup| setup.dataset.participants[6].usage[1000].consumption_wh += 1),
    ];
    let before = fs::read(directory.path().join(GENESIS)).unwrap();
    for (expected, change) in changes {
        let mut other = setup();
        change(&mut other);
        let error = prepare(directory.path(), &other).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
    }
    assert_eq!(fs::read(directory.path().join(GENESIS)).unwrap(), before);
    prepare(directory.path(), &setup()).unwrap();
}

#[test]
fn who_starts_later_has_meters_that_counted_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, mut later) = (setup(), setup());
    later.from = whole.from.offset(40).unwrap();
    let of_whole = prepare(&directory.path().join("whole"), &whole).unwrap();
    let of_later = prepare(&directory.path().join("later"), &later).unwrap();
    assert_eq!(of_later.genesis.first_interval.start_text(), "2016-07-04T10:00:00Z");
    let open = |state: &Neighbourhood, participant: &str| {
        let path = state.agent_configs().remove(participant).unwrap();
        let config = meter_agent::Config::load(&path).unwrap();
        let member = state.names.iter().find(|(_, name)| *name == participant).unwrap().0;
        let member = state.genesis.members.iter().find(|known| known.member == *member).unwrap();
        let registers = Registers { import_wh: member.import_wh, export_wh: member.export_wh };
        let first = state.genesis.first_interval;
        (
            registers,
            config.source.open(&meter_agent::source::Placement { first, registers, rated_power_w: None }).unwrap(),
        )
    };
    for participant in &whole.dataset.participants {
        let (zero, mut of_whole) = open(&of_whole, &participant.id);
        let (start, mut of_later) = open(&of_later, &participant.id);
        assert_eq!(zero, Registers::default());
        let shown = |reading| match reading {
            meter_agent::source::Reading::Measured(measurement) => measurement.registers,
            other => panic!("{other:?}"),
        };
        let before = later.from.offset(-1).unwrap();
        assert_eq!(shown(of_whole.read(before).unwrap()), start, "{}", participant.id);
        for at in [later.from, whole.dataset.last()] {
            assert_eq!(shown(of_whole.read(at).unwrap()), shown(of_later.read(at).unwrap()), "{}", participant.id);
        }
    }
}

#[test]
fn a_name_of_a_member_that_came_later_is_none_of_the_simulators() {
    let directory = tempfile::tempdir().unwrap();
    let before = prepare(directory.path(), &setup()).unwrap().names;
    let names = directory.path().join("market/members.csv");
    let mut text = fs::read_to_string(&names).unwrap();
    text.push_str("00112233445566778899aabbccddeeff,\"Casa Rossi, top floor\"\n");
    fs::write(&names, &text).unwrap();
    assert_eq!(prepare(directory.path(), &setup()).unwrap().names, before);
    assert_eq!(fs::read_to_string(&names).unwrap(), text, "and stays for the console");
    fs::write(&names, text.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let error = prepare(directory.path(), &setup()).unwrap_err().to_string();
    assert!(error.contains("market/members.csv: expected rows of member,name for every member"), "{error}");
    assert!(error.ends_with("add it, or give another --state"), "{error}");
}

#[test]
fn a_preparation_that_was_killed_is_done_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(prepare(directory.path(), &setup()).unwrap());
    let finished = fs::read(directory.path().join("market/market.key")).unwrap();
    // As if killed before the last step of the first preparation, with an agent of other options.
    fs::write(directory.path().join(UNFINISHED), b"").unwrap();
    fs::remove_file(directory.path().join(GENESIS)).unwrap();
    fs::create_dir(directory.path().join("agents/other")).unwrap();
    let state = prepare(directory.path(), &setup()).unwrap();
    assert_ne!(fs::read(directory.path().join("market/market.key")).unwrap(), finished, "keys nobody knows yet");
    assert!(!directory.path().join("agents/other").exists());
    drop(state);
    // As if killed between the last step and the removal of the mark.
    fs::write(directory.path().join(UNFINISHED), b"").unwrap();
    let genesis = fs::read(directory.path().join(GENESIS)).unwrap();
    drop(prepare(directory.path(), &setup()).unwrap());
    assert_eq!(fs::read(directory.path().join(GENESIS)).unwrap(), genesis);
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("agents")).unwrap();
    fs::write(directory.path().join("agents/photo"), b"precious").unwrap();
    let error = prepare(directory.path(), &setup()).unwrap_err();
    assert!(matches!(&error, StateError::NotAState { found, .. } if found == "agents"), "{error}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);

    fs::remove_dir_all(directory.path().join("agents")).unwrap();
    fs::write(directory.path().join(GENESIS), b"{}").unwrap();
    let error = prepare(directory.path(), &setup()).unwrap_err();
    assert!(matches!(error, StateError::Genesis { .. }), "{error}");
}
