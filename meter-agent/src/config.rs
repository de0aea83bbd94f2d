//! The configuration file: TOML, in which every key is known and every path is relative to the file.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use broker_login::BrokerLogin;
use household::{
    local_time::LocalTime,
    strategy::{self, FixedLimits, PriceTaker, Strategy},
};
use jiff::tz::TimeZone;
use protocol::hash::Hash;
use serde::{Deserialize, de::Error as _};
use settings::{address::Address, broker::BrokerAddress, listen::Listen, secret::SecretFile};
use toml::de::{DeTable, DeValue, Deserializer, Error, ValueDeserializer};

use crate::{
    home_assistant::HomeAssistantConfig, island::IslandConfig, registered::Registration, set_point::BatteryConfig,
    source::SourceConfig, witnessed::WitnessesConfig,
};

/// What an agent needs to know before it starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the household calls itself; shown on its own page, never sent.
    #[serde(default)]
    pub name: Option<String>,
    /// The community's genesis file: all that the agent trusts.
    pub genesis: PathBuf,
    /// Where the outbox, the receipts and (unless named otherwise) the keys are kept.
    pub state: PathBuf,
    /// The MQTT broker.
    pub broker: BrokerAddress,
    /// How to log in there.
    #[serde(default)]
    pub broker_login: BrokerLogin,
    /// The key that signs readings; by default `device.key` in `state`.
    #[serde(default)]
    pub device_key: Option<SecretFile>,
    /// The key that signs orders; by default `member.key` in `state`.
    #[serde(default)]
    pub member_key: Option<SecretFile>,
    /// Where the status page is served; on any free port of this machine unless configured.
    #[serde(default = "any_free_port")]
    pub status: Listen,
    /// Names under which the status page is asked for, beside addresses and `localhost`.
    #[serde(default)]
    pub status_names: Vec<String>,
    /// The time zone of the status page; unless configured that of the bill, which the genesis names.
    #[serde(default)]
    pub time_zone: Option<LocalTime>,
    /// Whether a reading must be on the disk, safe from a power cut, before it is sent. Without it, readings are safe
    /// from a crash of the agent only: enough for a simulation, not for a household.
    #[serde(default = "yes")]
    pub fsync: bool,
    /// The meter.
    pub source: SourceConfig,
    /// How the household bids: what `[order]` says.
    #[serde(skip, default = "price_taker")]
    pub order: Arc<dyn Strategy>,
    /// What the strategy's draws follow from, if `[order]` says so: `chance`. Whoever knows it knows the limits before
    /// they stand, so that it is for simulations that are done again. Without it, the device's key is what nobody else
    /// knows.
    #[serde(skip)]
    pub chance: Option<Hash>,
    /// The household's battery, for which set-points are proposed; without it, none are.
    #[serde(default)]
    pub battery: Option<BatteryConfig>,
    /// What the household needs on an island. With it or a battery, the agent reports what stands behind its meter.
    #[serde(default)]
    pub island: Option<IslandConfig>,
    /// Home Assistant, which shows what the agent knows.
    #[serde(default)]
    pub home_assistant: Option<HomeAssistantConfig>,
    /// The witnesses that must have seen the blocks of its receipts; without it, none.
    #[serde(default)]
    pub witnesses: Option<WitnessesConfig>,
    /// How the household was registered, if that was by a decision after the genesis.
    #[serde(default)]
    pub registration: Option<Registration>,
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("expected a configuration file at {path}: {error}; `meter-agent init` makes one")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is not what an agent needs.
    #[error("{path}, line {line}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What was expected, what was found.
        message: String,
    },
}

impl Config {
    /// Reads and checks a configuration file.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.into(), error })?;
        Config::parse(&text, path)
    }

    /// Reads a configuration from `text`, found at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        // An error that says no place of its own is one of the `section`.
        let malformed = |error: Error, section: Range<usize>| ConfigError::Malformed {
            path: path.into(),
            line: text[..error.span().unwrap_or(section).start.min(text.len())].matches('\n').count() + 1,
            message: error.message().replace('\n', " "),
        };
        let mut document = DeTable::parse(text).map_err(|error| malformed(error, 0..0))?;
        // Apart from the rest: which keys it may have, the strategy that it names decides.
        let order = document.get_mut().remove("order");
        let mut config = Config::deserialize(Deserializer::from(document)).map_err(|error| malformed(error, 0..0))?;
        if let Some(order) = order {
            let section = order.span();
            (config.order, config.chance) = read_order(order).map_err(|error| malformed(error, section))?;
        }
        let base = path.parent().unwrap_or(Path::new(""));
        config.genesis = base.join(&config.genesis);
        config.state = base.join(&config.state);
        for key in [&mut config.device_key, &mut config.member_key].into_iter().flatten() {
            key.resolve(base);
        }
        config.broker_login.resolve(base);
        if let Some(witnesses) = &mut config.witnesses {
            for file in [&mut witnesses.ca, &mut witnesses.token].into_iter().flatten() {
                *file = base.join(&*file);
            }
        }
        config.source.resolve(base);
        if let Some(home_assistant) = &mut config.home_assistant {
            home_assistant.resolve(base);
        }
        Ok(config)
    }

    /// The clock on the wall: as configured; else that by which the community is `billed`, where its genesis names a
    /// zone that is known here; else this machine's, or UTC.
    pub(crate) fn local_time(&self, billed: Option<&str>) -> LocalTime {
        let billed = || LocalTime::try_from(billed?.to_owned()).ok();
        let of_this_machine = || TimeZone::try_system().map(LocalTime::from).unwrap_or_default();
        self.time_zone.clone().or_else(billed).unwrap_or_else(of_this_machine)
    }

    /// The names under which the status page is asked for, the one that it listens on among them.
    pub(crate) fn page_names(&self) -> impl Iterator<Item = &str> {
        self.status_names.iter().map(String::as_str).chain(self.status.host())
    }

    /// Where the device's key is.
    pub fn device_key(&self) -> SecretFile {
        self.device_key.clone().unwrap_or_else(|| SecretFile::At(self.state.join("device.key")))
    }

    /// Where the member's key is.
    pub fn member_key(&self) -> SecretFile {
        self.member_key.clone().unwrap_or_else(|| SecretFile::At(self.state.join("member.key")))
    }
}

/// Reads `[order]`: the strategy, and what its draws follow from. Without a `strategy` its limits are fixed.
fn read_order(mut order: toml::Spanned<DeValue<'_>>) -> Result<(Arc<dyn Strategy>, Option<Hash>), Error> {
    let (name, chance) = match order.get_mut() {
        DeValue::Table(keys) => (keys.remove("strategy"), keys.remove("chance")),
        _ => (None, None),
    };
    let settings = ValueDeserializer::from(order);
    let strategy: Arc<dyn Strategy> = match name {
        Some(name) => strategy::read(&String::deserialize(ValueDeserializer::from(name))?, settings)?,
        None => Arc::new(FixedLimits::deserialize(settings)?),
    };
    let chance = chance.map(|chance| Hash::deserialize(ValueDeserializer::from(chance))).transpose()?;
    if let Some(chance) = chance.filter(|chance| strategy.with_chance(chance).is_none()) {
        let name = strategy.name();
        let message =
            format!("expected no `chance` for `{name}`, which leaves nothing to it, found {chance}; leave it out");
        return Err(Error::custom(message));
    }
    Ok((strategy, chance))
}

fn price_taker() -> Arc<dyn Strategy> {
    Arc::new(PriceTaker::default())
}

fn yes() -> bool {
    true
}

fn any_free_port() -> Listen {
    Listen::At(Address::loopback(0))
}

/// The commented example, which `meter-agent init` writes.
pub(crate) const EXAMPLE: &str = include_str!("../../config/agent.toml");

#[cfg(test)]
mod tests {
    use household::strategy::Situation;
    use protocol::money::Price;

    use super::*;

    #[test]
    fn the_example_is_valid_and_paths_are_relative_to_it() {
        let config = Config::parse(EXAMPLE, Path::new("/etc/voisin/agent.toml")).unwrap();
        let zone = EXAMPLE.replacen("# time_zone = ", "time_zone = ", 1);
        let zone = Config::parse(&zone, Path::new("a.toml")).unwrap().time_zone.unwrap();
        assert_eq!(zone.name(), "Europe/Vienna");
        assert_eq!(config.genesis, Path::new("/etc/voisin/genesis.json"));
        assert_eq!(config.device_key().to_string(), "/etc/voisin/state/device.key");
        let situation = Situation::new("2026-06-01T12:00:00Z/PT15M".parse().unwrap(), None);
        assert_eq!(config.order.limits(&situation).buy, Price::from_micro(280_000));
        assert_eq!(config.order.name(), "fixed");
        let SourceConfig::Replay(replay) = config.source else { panic!("a recording") };
        assert_eq!(replay.file, Path::new("/etc/voisin/meter.csv"));
    }

    #[test]
    fn days_are_those_of_the_bill_unless_the_configuration_has_others() {
        let parsed = |text: &str| Config::parse(text, Path::new("a.toml")).unwrap();
        let config = parsed(EXAMPLE);
        assert_eq!(config.local_time(Some("Asia/Kathmandu")).name(), "Asia/Kathmandu");
        // A zone that came after this program is no reason to count days by none.
        assert_eq!(config.local_time(Some("Atlantis/Capital")), config.local_time(None));
        let configured = parsed(&EXAMPLE.replacen("# time_zone = ", "time_zone = ", 1));
        assert_eq!(configured.local_time(Some("Asia/Kathmandu")).name(), "Europe/Vienna");
    }

    #[test]
    fn home_assistant_of_the_example_is_valid() {
        let (before, section) = EXAMPLE.split_once("# [home_assistant]\n").unwrap();
        let (section, after) = section.split_once("\n\n").unwrap();
        let keys: Vec<&str> = section.lines().map(|line| line.strip_prefix("# ").unwrap()).collect();
        let text = format!("{before}[home_assistant]\n{}\n\n{after}", keys.join("\n"));
        let section = Config::parse(&text, Path::new("/etc/voisin/agent.toml")).unwrap().home_assistant.unwrap();
        let password = section.login.password_file.unwrap().to_string();
        assert_eq!(password, "/etc/voisin/home-assistant.password");
        let wild = text.replace("prefix = \"homeassistant\"", "prefix = \"home/#\"");
        let error = Config::parse(&wild, Path::new("a.toml")).unwrap_err().to_string();
        assert!(
            error.contains("expected a topic of letters and digits such as homeassistant, found `home/#`"),
            "{error}"
        );
    }

    #[test]
    fn the_island_of_the_example_is_valid() {
        let text = EXAMPLE.replacen("# [island]\n# critical_w", "[island]\ncritical_w", 1);
        let island = Config::parse(&text, Path::new("a.toml")).unwrap().island;
        assert_eq!(island, Some(IslandConfig { critical_w: 200 }));
    }

    #[test]
    fn the_witnesses_of_the_example_are_valid_and_those_that_cannot_be_are_named() {
        let (before, section) = EXAMPLE.split_once("# [witnesses]\n").unwrap();
        let (section, after) = section.split_once("\n\n").unwrap();
        let keys: Vec<&str> = section.lines().map(|line| line.strip_prefix("# ").unwrap()).collect();
        let text = format!("{before}[witnesses]\n{}\n\n{after}", keys.join("\n"));
        let witnesses = Config::parse(&text, Path::new("/etc/voisin/agent.toml")).unwrap().witnesses.unwrap();
        assert_eq!((witnesses.policy.demanded(), witnesses.policy.witnesses().len()), (1, 1));
        assert_eq!((witnesses.every_s, witnesses.ca), (60, Some("/etc/voisin/node-ca.pem".into())));
        for (change, with, reason) in [
            ("demand = 1 ", "demand = 2 ", "expected at most 1 witnesses to be demanded"),
            ("demand = 1 ", "demand = 0 ", "expected `nodes`, at least 1 in `demand`"),
            ("nodes = [\"https://node.example:26000\"]", "nodes = []", "expected `nodes`"),
            ("w1+efcd800c+", "w1+efcd800d+", "expected the key of a log or a witness"),
            ("every_s = 60 ", "every_seconds = 60 ", "unknown field `every_seconds`"),
        ] {
            assert!(text.contains(change), "{change}");
            let error = Config::parse(&text.replace(change, with), Path::new("a.toml")).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_other_meters_of_the_example_are_valid() {
        let (before, source) = EXAMPLE.split_once("[source]").unwrap();
        let (source, _) = source.split_once("\n[order]").unwrap();
        let kinds = source.split("\n# kind = ").skip(1).map(|kind| {
            let lines = kind.lines().take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
            let text = format!("{before}[source]\nkind = {}\n", lines.collect::<Vec<_>>().join("\n"));
            Config::parse(&text, Path::new("agent.toml")).unwrap_or_else(|error| panic!("{text}: {error}")).source
        });
        let kinds: Vec<SourceConfig> = kinds.collect();
        assert!(matches!(
            kinds.as_slice(),
            [
                SourceConfig::Obis(_),
                SourceConfig::Sml(_),
                SourceConfig::Linky(_),
                SourceConfig::Device(_),
                SourceConfig::Sunspec(_),
                SourceConfig::Synthetic(_),
                SourceConfig::Home(_)
            ]
        ));
    }

    #[test]
    fn the_login_of_the_example_is_valid_and_its_files_are_beside_it() {
        let (before, login) = EXAMPLE.split_once("# [broker_login]\n").unwrap();
        let (login, after) = login.split_once("\n\n").unwrap();
        let keys = login.lines().filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = \"")));
        let text = format!("{before}[broker_login]\n{}\n{after}", keys.collect::<Vec<_>>().join("\n"));
        let login = Config::parse(&text, Path::new("/etc/voisin/agent.toml")).unwrap().broker_login;
        assert_eq!(login.ca, Some("/etc/voisin/broker-ca.pem".into()));
        assert_eq!(login.password_file.unwrap().to_string(), "/etc/voisin/broker.password");
        assert!(login.certificate.is_some() && login.certificate_key.is_some() && login.user.is_some());
    }

    #[test]
    fn the_page_is_asked_for_by_the_name_that_it_listens_on() {
        let parsed = |status: &str| {
            let text = EXAMPLE.replace("# status_names", "status_names").replace("127.0.0.1:8787", status);
            Config::parse(&text, Path::new("agent.toml")).unwrap()
        };
        assert_eq!(parsed("pi.local:8787").page_names().collect::<Vec<_>>(), ["meter.home.arpa", "pi.local"]);
        assert_eq!(parsed("off").page_names().collect::<Vec<_>>(), ["meter.home.arpa"]);
    }

    #[test]
    fn what_the_example_leaves_as_comments_is_valid_too() {
        let (before, order) = EXAMPLE.split_once("[order]\n").unwrap();
        let is_key =
            |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let lines = order.lines().map(|line| line.strip_prefix("# ").filter(|line| is_key(line)).unwrap_or(line));
        let order = lines.collect::<Vec<_>>().join("\n");
        let config = Config::parse(&format!("{before}[order]\n{order}"), Path::new("a.toml")).unwrap();
        assert_eq!(config.order.name(), "time_of_use");
    }

    #[test]
    fn the_strategies_are_explained_to_the_household() {
        let page = include_str!("../../docs/prosumer.md");
        for name in strategy::names() {
            assert!(page.contains(&format!("| `{name}` |")), "docs/prosumer.md does not explain `{name}`");
            assert!(EXAMPLE.contains(&format!("\"{name}\"")), "config/agent.toml does not explain `{name}`");
        }
        let examples = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let (before, _) = EXAMPLE.split_once("[order]\n").unwrap();
        let orders = examples.filter(|example| example.starts_with("[order]"));
        let orders = orders.map(|order| Config::parse(&format!("{before}{order}"), Path::new("a.toml")).unwrap().order);
        assert_eq!(orders.map(|order| order.name()).collect::<Vec<_>>(), ["fixed", "time_of_use", "roth_erev"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good =
            "genesis = \"g\"\nstate = \"s\"\nbroker = \"mqtt://h:1\"\n[source]\nkind = \"replay\"\nfile = \"f\"\n";
        Config::parse(good, Path::new("a.toml")).unwrap();
        let cases = [
            (good.replace("state", "stat"), 2, "unknown field `stat`"),
            (good.replace("mqtt://h:1", "http://h:1"), 3, "expected a broker such as mqtt://"),
            (good.replace("mqtt://h:1", "mqtt://h:99999"), 3, "expected a broker such as mqtt://"),
            (good.replace("mqtt://h:1", "mqtt://:1"), 3, "expected a broker such as mqtt://"),
            (good.replace("mqtt://h:1", "mqtt://h:+1"), 3, "write the port in digits"),
            (good.replace("\"replay\"", "\"crystal ball\""), 5, "crystal ball"),
            (good.replace("file = \"f\"\n", ""), 4, "missing field `file`"),
            (format!("{good}fiel = \"f\"\n"), 4, "unknown field `fiel`"),
            (format!("{good}[order]\nbuy = \"cheap\"\n"), 8, "expected a price per kWh such as 0.125, found `cheap`"),
            (format!("{good}[order]\nbuy = 0.3\n"), 8, "expected a string"),
            (format!("{good}[order]\nbuy_cap_wh = -1\n"), 8, "-1"),
            (format!("{good}[order]\nstrategy = \"guess\"\n"), 7, "expected a strategy (`price_taker`, `fixed`, "),
            (format!("{good}[order]\nstrategy = 7\n"), 8, "expected a string"),
            (format!("{good}[order]\nstrategy = \"price_taker\"\nbuy = \"0.3\"\n"), 9, "unknown field `buy`"),
            (format!("{good}[order]\nsel = \"0.3\"\n"), 8, "unknown field `sel`, expected one of `buy`, `sell`"),
            (format!("{good}[order]\nstrategy = \"time_of_use\"\nwindows = []\n"), 7, "at least one window"),
            (format!("{good}[order]\nstrategy = \"zi_c\"\nchance = \"7\"\n"), 7, "64 lowercase hex digits"),
            (
                format!("{good}[order]\nchance = \"{}\"\n", Hash::ZERO),
                7,
                "expected no `chance` for `fixed`, which leaves nothing to it, found 0000",
            ),
            (format!("order = 3\n{good}"), 1, "invalid type: integer `3`"),
            (format!("{good}[broker_login]\npassword = \"7\"\n"), 8, "unknown field `password`, expected one of `ca`"),
            (format!("{good}[broker_login]\npassword_file = \"credential:\"\n"), 8, "that LoadCredential= gives"),
            (format!("{good}[registration]\nmember = \"me\"\n"), 8, "found `me`"),
            (format!("{good}[registration]\n"), 7, "missing field `member`"),
            (format!("{good}[island]\ncritical = 7\n"), 8, "unknown field `critical`, expected `critical_w`"),
            (format!("{good}[island]\ncritical_w = -1\n"), 8, "-1"),
            (format!("status = \"nowhere\"\n{good}"), 1, "expected an address such as 127.0.0.1:8080"),
            ("genesis = ".into(), 1, ""),
        ];
        for (text, line, expected) in cases {
            match Config::parse(&text, Path::new("a.toml")) {
                Err(ConfigError::Malformed { line: found, message, .. }) => {
                    assert_eq!(found, line, "{text}\n{message}");
                    assert!(message.contains(expected), "{text}\n{message}");
                    assert!(!message.contains('\n'), "{message}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
