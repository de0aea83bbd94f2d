//! The configuration files of the parts, as each part's own program reads them.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    path::Path,
};

use protocol::{genesis::Genesis, interval::Interval};
use settings::broker::BrokerAddress;

use super::{
    AGENT_STATE, GENESIS, MARKET, NAMES, Setup, StateError, agent,
    files::{self, Readers},
    meter,
    ports::Ports,
    validator,
};
use crate::dataset::Participant;

/// The MQTT broker of a neighbourhood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// Embedded, on a free port of the loopback interface.
    Embedded,
    /// One that runs already.
    Existing(BrokerAddress),
}

/// How a neighbourhood is to run, as far as its configuration files say it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The MQTT broker.
    pub broker: Broker,
    /// Where the console listens; without it, the market's HTTP API is on a free port of the loopback interface.
    pub console: Option<SocketAddr>,
    /// Least time from one interval to the next, ms.
    pub interval_ms: u64,
    /// The last interval.
    pub until: Interval,
}

/// Where the parts are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The MQTT broker.
    pub broker: BrokerAddress,
    /// The port on which the embedded broker is to listen, if there is to be one.
    pub embedded_broker: Option<u16>,
    /// The market's HTTP API.
    pub market: SocketAddr,
    /// The ledger's HTTP APIs, one per validator.
    pub ledger: Vec<SocketAddr>,
    /// The agents' HTTP APIs, by participant.
    pub agents: BTreeMap<String, SocketAddr>,
}

/// How long the gate waits for missing readings, ms: only a part that is broken takes that long here.
pub(crate) const GATE_DELAY_MS: u64 = 60_000;

/// Calls a second that a node takes from this machine: more than it can answer.
const REQUESTS_PER_SECOND_MAX: u32 = 100_000;
/// Connections that a node takes from this machine: all of them.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;

/// The configuration file in each part's directory.
pub(super) const VALIDATOR_FILE: &str = "validator.toml";
pub(super) const MARKET_FILE: &str = "market.toml";
pub(super) const AGENT_FILE: &str = "agent.toml";

const HEADER: &str = "# Written by the simulator at every start. Paths are relative to this file.\n";

/// Writes all configuration files; returns the addresses in them.
pub(super) fn write(root: &Path, setup: &Setup, genesis: &Genesis, run: &Run) -> Result<Addresses, StateError> {
    let (addresses, ports) = choose_addresses(root, setup, genesis, run)?;
    for (index, api) in addresses.ledger.iter().enumerate() {
        let text = validator_text(index, &ports, *api);
        files::write(&validator(root, index).join(VALIDATOR_FILE), text.as_bytes(), Readers::Everyone)?;
    }
    let text = market_text(&addresses, run, &unread(setup));
    files::write(&root.join(MARKET).join(MARKET_FILE), text.as_bytes(), Readers::Everyone)?;
    for participant in &setup.dataset.participants {
        let id = &participant.id;
        let out_of_reach = setup.out_of_reach.get(id).map_or(&[][..], Vec::as_slice);
        let text =
            agent_text(participant, &addresses.broker, addresses.agents[id], setup.orders.table(id), out_of_reach);
        files::write(&agent(root, id).join(AGENT_FILE), text.as_bytes(), Readers::Everyone)?;
    }
    // A console on all interfaces is asked on this one.
    let mut addresses = addresses;
    if addresses.market.ip().is_unspecified() {
        addresses.market.set_ip(match addresses.market.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(addresses)
}

/// Where a validator listens for the others.
struct NodePorts {
    consensus: u16,
    gossip: u16,
}

/// Chooses free ports, and keeps those that an earlier start chose where they are still free. Beside the addresses,
/// the ports on which the validators listen for each other.
fn choose_addresses(
    root: &Path,
    setup: &Setup,
    genesis: &Genesis,
    run: &Run,
) -> Result<(Addresses, Vec<NodePorts>), StateError> {
    let mut ports = Ports::new()?;
    // Those that were given come first, so that none of the others is in their way.
    if let Some(console) = run.console {
        ports.leave(console.port());
    }
    let (mut listen, mut ledger) = (Vec::new(), Vec::new());
    for index in 0..genesis.validators.len() {
        let earlier = Earlier::read(&validator(root, index).join(VALIDATOR_FILE));
        let consensus = ports.take(earlier.port("listen"))?;
        listen.push(NodePorts { consensus, gossip: ports.take(earlier.port("gossip_listen"))? });
        ledger.push(loopback(ports.take(earlier.port("api"))?));
    }
    let earlier = Earlier::read(&root.join(MARKET).join(MARKET_FILE));
    let (broker, embedded_broker) = match &run.broker {
        Broker::Existing(address) => (address.clone(), None),
        Broker::Embedded => {
            let port = ports.take(earlier.port("broker"))?;
            (BrokerAddress::loopback(port), Some(port))
        }
    };
    let market = match run.console {
        Some(address) if address.port() != 0 => address,
        Some(address) => SocketAddr::new(address.ip(), ports.take(earlier.port("console"))?),
        None => loopback(ports.take(earlier.port("console"))?),
    };
    let mut agents = BTreeMap::new();
    for participant in &setup.dataset.participants {
        let earlier = Earlier::read(&agent(root, &participant.id).join(AGENT_FILE));
        agents.insert(participant.id.clone(), loopback(ports.take(earlier.port("status"))?));
    }
    Ok((Addresses { broker, embedded_broker, market, ledger, agents }, listen))
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn multiaddress(port: u16) -> String {
    format!("/ip4/127.0.0.1/tcp/{port}")
}

fn validator_text(index: usize, ports: &[NodePorts], api: SocketAddr) -> String {
    let others = |port: fn(&NodePorts) -> u16| {
        let others = ports.iter().enumerate().filter(|(peer, _)| *peer != index);
        list(&others.map(|(_, ports)| multiaddress(port(ports))).collect::<Vec<_>>())
    };
    let NodePorts { consensus, gossip } = &ports[index];
    format!(
        "{HEADER}\
         name = \"validator-{index}\"\n\
         genesis = \"../{GENESIS}\"\n\
         key = \"validator.key\"\n\
         # Authenticates connections between nodes.\n\
         network_key = \"network.key\"\n\
         # Blocks, state and votes: beside this file.\n\
         state = \".\"\n\
         listen = {}\n\
         peers = {}\n\
         gossip_listen = {}\n\
         gossip_peers = {}\n\
         api = \"{api}\"\n\
         # Market and simulator share an address, and a replay asks as fast as it goes.\n\
         [api_limits]\n\
         requests_per_second_max = {REQUESTS_PER_SECOND_MAX}\n\
         requests_burst_max = {REQUESTS_PER_SECOND_MAX}\n\
         connections_per_address_max = {CONNECTIONS_PER_ADDRESS_MAX}\n",
        quoted(&multiaddress(*consensus)),
        others(|ports| ports.consensus),
        quoted(&multiaddress(*gossip)),
        others(|ports| ports.gossip),
    )
}

/// From which starts on how many meters are out of reach.
fn unread(setup: &Setup) -> BTreeMap<Interval, usize> {
    let mut changes: BTreeMap<Interval, i64> = BTreeMap::new();
    for out in setup.out_of_reach.values().flatten() {
        *changes.entry(out.start).or_default() += 1;
        *changes.entry(out.end).or_default() -= 1;
    }
    let mut devices = 0;
    let counted = changes.into_iter().map(|(from, change)| {
        devices += change;
        // Whoever comes back was away before.
        (from, usize::try_from(devices).unwrap_or_default())
    });
    counted.collect()
}

fn market_text(addresses: &Addresses, run: &Run, unread: &BTreeMap<Interval, usize>) -> String {
    let unread: Vec<String> = unread
        .iter()
        .map(|(from, devices)| format!("{{ from = \"{}\", devices = {devices} }}", from.start_text()))
        .collect();
    let ledger: Vec<String> = addresses.ledger.iter().map(|node| format!("http://{node}")).collect();
    let mut text = format!(
        "{HEADER}\
         genesis = \"../{GENESIS}\"\n\
         key = \"market.key\"\n\
         state = \"{AGENT_STATE}\"\n\
         # The names that the console shows.\n\
         directory = \"{NAMES}\"\n\
         broker = {}\n\
         ledger = {}\n\
         console = \"{}\"\n\
         # How long the gate waits for missing readings.\n\
         gate_delay_ms = {GATE_DELAY_MS}\n\
         \n\
         [clock]\n\
         kind = \"replay\"\n\
         # Least time from one interval to the next; 0 is as fast as it goes.\n\
         interval_ms = {}\n\
         # Start of the last interval.\n\
         until = \"{}\"\n",
        quoted(&addresses.broker.to_string()),
        list(&ledger),
        addresses.market,
        run.interval_ms,
        run.until.start_text(),
    );
    if !unread.is_empty() {
        text += "# From when on how many meters are out of reach: for these nothing waits.\n";
        text += &format!("unread = [{}]\n", unread.join(", "));
    }
    text
}

fn agent_text(
    participant: &Participant,
    broker: &BrokerAddress,
    status: SocketAddr,
    order: toml::Table,
    out_of_reach: &[Range<Interval>],
) -> String {
    let battery = participant.battery.as_ref();
    let kind = if battery.is_some() { "home" } else { "replay" };
    let mut text = format!(
        "{HEADER}\
         name = {}\n\
         genesis = \"../../{GENESIS}\"\n\
         device_key = \"device.key\"\n\
         member_key = \"member.key\"\n\
         # Outbox and receipts.\n\
         state = \"{AGENT_STATE}\"\n\
         # A power cut of this machine is not part of the simulation. On a household's agent: true.\n\
         fsync = false\n\
         broker = {}\n\
         status = \"{status}\"\n\
         \n\
         [source]\n\
         kind = \"{kind}\"\n\
         file = \"{}\"\n",
        quoted(&participant.id),
        quoted(&broker.to_string()),
        meter::FILE,
    );
    if let Some(battery) = battery {
        // An inline table.
        text += &format!("battery = {}\n", battery.settings);
        if let Some(misreport) = battery.misreports {
            let [hides, invents] = [misreport.hides_ppm(), misreport.invents_ppm()].map(decimal);
            text += &format!(
                "# What the meter says is not what flows.\nmisreports = {{ hides = {hides}, invents = {invents} }}\n"
            );
        }
    }
    if !out_of_reach.is_empty() {
        let times = out_of_reach
            .iter()
            .map(|out| format!("{{ from = \"{}\", until = \"{}\" }}", out.start.start_text(), out.end.start_text()));
        text += &format!(
            "# What flows meanwhile is read when the meter is back.\nout_of_reach = [{}]\n",
            times.collect::<Vec<_>>().join(", ")
        );
    }
    if !order.is_empty() {
        // A table is TOML, and its tables have their names in front.
        let order = toml::to_string(&toml::Table::from_iter([("order".to_owned(), order.into())])).unwrap_or_default();
        text +=
            &format!("\n# Highest price to buy at, lowest price to sell at, per kWh; or another strategy.\n{order}");
    }
    text
}

/// Millionths as a decimal.
fn decimal(ppm: u32) -> String {
    format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: &[String]) -> String {
    toml::Value::from(items.to_vec()).to_string()
}

/// The addresses in a configuration file of an earlier start, if there is one.
struct Earlier(BTreeMap<String, String>);

impl Earlier {
    fn read(path: &Path) -> Earlier {
        // Only to keep ports where they were: a file that cannot be read gets new ones.
        let table = fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
        Earlier(table.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect())
    }

    fn port(&self, key: &str) -> Option<u16> {
        let address = self.0.get(key)?;
        address.rsplit([':', '/']).next()?.parse().ok()
    }
}
