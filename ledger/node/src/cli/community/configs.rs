//! The configuration of each part, from the commented files that `config/` ships: what they explain stays.

use protocol::genesis::Genesis;
use settings::{broker::BrokerAddress, commented};

use super::founding::Founding;
use crate::cli::{card::Card, init};

const MARKET: &str = include_str!("../../../../../config/market.toml");
const ACCESS: &str = include_str!("../../../../../config/mosquitto/acl.conf");
const OPEN_BROKER: &str = include_str!("../../../../../config/mosquitto/mosquitto.conf");
const TLS_BROKER: &str = include_str!("../../../../../config/mosquitto/certificates.conf");
/// Where the shipped files of the broker expect the others.
const BROKER_PLACE: &str = "/etc/mosquitto/voisin/";

/// A file to be written: its path below the community's directory, and its text.
pub(super) struct Written {
    pub(super) path: String,
    pub(super) text: String,
    /// Whether only its owner may read it.
    pub(super) private: bool,
}

impl Written {
    fn new(path: impl Into<String>, text: String) -> Written {
        Written { path: path.into(), text, private: false }
    }
}

/// All files, those of one owner in a directory of their own.
pub(super) fn all(founding: &Founding) -> Vec<Written> {
    let Founding { file, genesis, names, certificates } = founding;
    let json = genesis.to_json();
    let mut files = vec![
        Written::new("genesis.json", json.clone()),
        Written::new("market/genesis.json", json.clone()),
        Written::new("market/market.toml", market(founding)),
        Written { private: true, ..Written::new("market/members.csv", market_files::names_text(names)) },
        Written::new("household/genesis.json", json.clone()),
        Written::new("household/broker-login.toml", household(genesis, &file.broker)),
        Written::new("broker/acl.conf", ACCESS.to_owned()),
        Written::new("broker/mosquitto.conf", broker(&file.broker)),
        Written { private: true, ..Written::new("broker/users.txt", users(founding)) },
    ];
    for card in &file.validators {
        files.push(Written::new(format!("{}/genesis.json", card.name), json.clone()));
        files.push(Written::new(format!("{}/validator.toml", card.name), validator(card, founding)));
    }
    let certificates = certificates.iter();
    files.extend(certificates.map(|(name, pem)| Written::new(format!("market/{name}.pem"), pem.clone())));
    files
}

/// A shipped file, line by line.
struct Example(Vec<String>);

impl Example {
    fn of(text: &str) -> Example {
        Example(text.lines().map(str::to_owned).collect())
    }

    fn set(&mut self, key: &str, value: &toml::Value) {
        commented::set(&mut self.0, key, &value.to_string());
    }

    /// Turns a table that is commented out, and these keys of it, into one that counts.
    fn open_table(&mut self, table: &str, keys: &[(&str, toml::Value)]) {
        let commented_out = format!("# [{table}]");
        let Some(at) = self.0.iter().position(|line| *line == commented_out) else { return };
        self.0[at] = format!("[{table}]");
        for (key, value) in keys {
            commented::set(&mut self.0[at..], key, &value.to_string());
        }
    }

    fn text(self) -> String {
        self.0.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

fn list(items: impl IntoIterator<Item = String>) -> toml::Value {
    items.into_iter().collect::<Vec<_>>().into()
}

fn validator(card: &Card, founding: &Founding) -> String {
    let others = || founding.file.validators.iter().filter(|other| other.name != card.name);
    let mut example = Example::of(&init::config_text());
    example.0[0] = format!(
        "# The node {} of {}. Run it with: ledger serve --config validator.toml",
        card.name, founding.genesis.community
    );
    example.set("name", &card.name.as_str().into());
    example.set("listen", &card.listens(card.port).into());
    example.set("peers", &list(others().map(|other| other.is_reached(other.port))));
    example.set("gossip_listen", &card.listens(card.gossip_port).into());
    example.set("gossip_peers", &list(others().map(|other| other.is_reached(other.gossip_port))));
    example.set("api", &card.api.to_string().into());
    if card.certificate.is_some() {
        example.open_table("api_tls", &[("certificate_chain", "chain.pem".into()), ("private_key", "key.pem".into())]);
        let token = founding.file.market.as_ref().and_then(|market| market.tokens.get(&card.name));
        let tokens = list(token.map(|token| token.to_string()));
        example.open_table("api_tokens", &[("submit", tokens)]);
    }
    example.text()
}

fn market(founding: &Founding) -> String {
    let Founding { file, genesis, certificates, .. } = founding;
    let beside = MARKET
        .replace("../run/genesis.json", "genesis.json")
        .replace("../run/market/", "")
        .replace("those here are what `simulator init --state run` makes. ", "");
    // The list of nodes, which has several lines.
    let (before, after) = beside.split_once("ledger = [\n").unwrap_or((&beside, ""));
    let after = after.split_once("\n]\n").map_or(after, |(_, after)| after);
    let node = |card: &Card| match certificates.contains_key(&card.name) {
        true => {
            format!("    {{ url = \"https://{}\", ca = \"{1}.pem\", token = \"{1}.token\" }},\n", card.api, card.name)
        }
        false => format!("    \"http://{}\",\n", card.api),
    };
    let nodes: String = file.validators.iter().map(node).collect();
    let mut example = Example::of(&format!("{before}ledger = [\n{nodes}]\n{after}"));
    example.0[0] = format!("# The market of {}. Run it with: market serve --config market.toml", genesis.community);
    example.set("broker", &file.broker.to_string().into());
    example.open_table("broker_login", &login(&file.broker));
    example.text()
}

/// How one logs in at the broker: with a certificate beside the configuration, or a password.
fn login(broker: &BrokerAddress) -> Vec<(&'static str, toml::Value)> {
    let files: &[(&str, &str)] = if broker.is_tls() {
        &[("ca", "broker-ca.pem"), ("certificate", "broker-login.pem"), ("certificate_key", "broker-login.key")]
    } else {
        &[("password_file", "broker.password")]
    };
    files.iter().map(|(key, file)| (*key, (*file).into())).collect()
}

/// What a household puts behind its agent.toml.
fn household(genesis: &Genesis, broker: &BrokerAddress) -> String {
    let keys: String = login(broker).iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    format!(
        "\n# For the agent of a household of {}: put this behind agent.toml, whose `broker` has to be {broker}.\n\
         # The files beside it, which the operator hands you; those with a secret need chmod 600.\n\
         [broker_login]\n{keys}",
        genesis.community
    )
}

fn broker(address: &BrokerAddress) -> String {
    let head = "# Mosquitto for this community. Start it in this directory: mosquitto -c mosquitto.conf\n";
    if address.is_tls() {
        let (_, shipped) = TLS_BROKER.split_once("\n\n").unwrap_or(("", TLS_BROKER));
        let port = format!("listener {}\n", address.port());
        let text = shipped.replace(BROKER_PLACE, "").replace("listener 8883\n", &port);
        format!(
            "{head}# TLS for all, and a certificate from each: its common name is the user that acl.conf asks for. docs/operator.md has\n\
             # the commands that make the certificates.\n\n{text}"
        )
    } else {
        let limits = OPEN_BROKER.split_once("allow_anonymous true\n").map_or("", |(_, limits)| limits);
        let host = if address.host() == "localhost" { "127.0.0.1" } else { address.host() };
        format!(
            "{head}# This machine alone, and a password from each user: mosquitto_passwd passwords USER\n\n\
             listener {} {host}\nallow_anonymous false\npassword_file passwords\nacl_file acl.conf\n{limits}",
            address.port()
        )
    }
}

/// Who logs in at the broker: the user's name, and whose it is.
fn users(founding: &Founding) -> String {
    let member = |member: &protocol::genesis::GenesisMember| {
        format!("{} {}\n", member.device.multibase(), founding.names[&member.member])
    };
    let members: String = founding.genesis.members.iter().map(member).collect();
    format!("market market\n{members}")
}
