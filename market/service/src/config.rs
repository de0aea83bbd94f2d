//! What `market serve` is told by its configuration file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use broker_login::BrokerLogin;
use protocol::{
    interval::{parse_utc, utc_text},
    text::ParseError,
};
use public_http::{Tls, Tokens};
use serde::Deserialize;
use settings::{broker::BrokerAddress, listen::Listen};

use super::alarms::notices::Notices;
pub use super::ledger_node::{LedgerNode, LedgerUrl};

/// Longest that the gate may wait for missing readings: a day, ms.
const GATE_DELAY_MS_MAX: u64 = 86_400_000;
/// Longest pause between two intervals of a replay: a day, ms.
const INTERVAL_MS_MAX: u64 = 86_400_000;
/// How long the gate waits for missing readings unless told otherwise, ms. Generous: whoever is read later than this is
/// settled with the supplier instead of the neighbours.
pub const GATE_DELAY_MS_DEFAULT: u64 = 60_000;

/// Everything the market service needs to know. [`load`](Config::load) makes the paths absolute or relative to where
/// the program runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The genesis file of the community.
    pub genesis: PathBuf,
    /// File with the market's secret key: 64 lowercase hex digits.
    pub key: PathBuf,
    /// Directory of the market's durable state; made if it does not exist.
    pub state: PathBuf,
    /// CSV file `member,name`: the names that the console shows. Without it, it shows pseudonyms.
    pub directory: Option<PathBuf>,
    /// The MQTT broker.
    pub broker: BrokerAddress,
    /// How to log in there.
    #[serde(default)]
    pub broker_login: BrokerLogin,
    /// The validators' HTTP APIs.
    pub ledger: Vec<LedgerNode>,
    /// Where the console listens.
    pub console: Listen,
    /// Names under which the console is asked, as by a proxy, beside the one it listens on, addresses and `localhost`.
    #[serde(default)]
    pub console_names: Vec<String>,
    /// How the console proves that it is this market's; needed beyond loopback.
    #[serde(default)]
    pub console_tls: Option<Tls>,
    /// Who may look at the console; needed beyond loopback.
    #[serde(default)]
    pub console_tokens: Tokens,
    /// Who may also acknowledge alarms there: names, each with the SHA-256 of a token.
    #[serde(default)]
    pub console_operators: BTreeMap<String, String>,
    /// Who is told of alarms.
    #[serde(default)]
    pub notices: Notices,
    /// How long the gate waits for missing readings, ms.
    #[serde(default = "gate_delay_default")]
    pub gate_delay_ms: GateDelay,
    /// Market time.
    pub clock: Clock,
}

fn gate_delay_default() -> GateDelay {
    GateDelay(GATE_DELAY_MS_DEFAULT)
}

/// Which clock paces the market.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Clock {
    /// UTC: an interval opens when it has ended.
    System,
    /// Market time runs as fast as the readings come in.
    Replay {
        /// Least wall time from one interval's opening to the next, ms.
        #[serde(default)]
        interval_ms: IntervalMs,
        /// Start of the last interval to open; without it, there is no last one.
        until: Option<UtcTime>,
        /// How many devices will not be read, from some interval on until the next that is named.
        #[serde(default)]
        unread: Vec<Unread>,
    },
}

/// From when on so many devices will not be read in time, so that nothing waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Start of the first such interval.
    pub from: UtcTime,
    /// How many.
    pub devices: usize,
}

macro_rules! text_or_number {
    ($type:ty, $from:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$from>::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// How long the gate waits, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateDelay(u64);

text_or_number!(GateDelay, i64);

impl GateDelay {
    /// Milliseconds.
    pub fn ms(self) -> u64 {
        self.0
    }
}

impl TryFrom<i64> for GateDelay {
    type Error = ParseError;

    fn try_from(ms: i64) -> Result<GateDelay, ParseError> {
        whole_ms(ms, GATE_DELAY_MS_MAX).map(GateDelay)
    }
}

/// Pace of a replay, ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntervalMs(u64);

text_or_number!(IntervalMs, i64);

impl IntervalMs {
    /// Milliseconds.
    pub fn ms(self) -> u64 {
        self.0
    }
}

impl TryFrom<i64> for IntervalMs {
    type Error = ParseError;

    fn try_from(ms: i64) -> Result<IntervalMs, ParseError> {
        whole_ms(ms, INTERVAL_MS_MAX).map(IntervalMs)
    }
}

/// A moment in UTC, whole seconds after the epoch; `2026-06-01T12:00:00Z` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcTime(pub i64);

text_or_number!(UtcTime, String);

impl TryFrom<String> for UtcTime {
    type Error = ParseError;

    fn try_from(text: String) -> Result<UtcTime, ParseError> {
        parse_utc(&text).map(UtcTime)
    }
}

fn whole_ms(ms: i64, max: u64) -> Result<u64, ParseError> {
    let found = u64::try_from(ms).ok().filter(|ms| *ms <= max);
    found.ok_or_else(|| ParseError::new("0 to 86400000 milliseconds, a day", &ms.to_string()))
}

/// Why a configuration is none: one line that names the file, the place, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "expected a configuration file at {file}: {error}; `config/market.toml` shows one, `ledger community init` makes one"
    )]
    Unreadable {
        /// Which file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file says something it may not.
    #[error("{file}, line {line} (`{text}`): {reason}")]
    Invalid {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// Something that must be there is not.
    #[error("{file}: {reason}")]
    Incomplete {
        /// Which file.
        file: String,
        /// What is missing.
        reason: String,
    },
}

impl Config {
    /// Reads the file at `path`; the paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let file = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { file: file.clone(), error })?;
        let mut config = Config::parse(&file, &text)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for path in [&mut config.genesis, &mut config.key, &mut config.state] {
            *path = directory.join(&*path);
        }
        let beside_keys = config.ledger.iter_mut().flat_map(|node| [&mut node.ca, &mut node.token]);
        for path in beside_keys.flatten() {
            *path = directory.join(&*path);
        }
        if let Some(tls) = &mut config.console_tls {
            tls.resolve(directory);
        }
        config.broker_login.resolve(directory);
        config.notices.resolve(directory);
        config.directory = config.directory.map(|names| directory.join(names));
        Ok(config)
    }

    fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| invalid(file, text, &error))?;
        if let Clock::Replay { unread, .. } = &config.clock
            && let Some(pair) = unread.windows(2).find(|pair| pair[0].from.0 >= pair[1].from.0)
        {
            let [last, found] = [pair[0], pair[1]].map(|unread| utc_text(unread.from.0));
            let reason = format!("clock.unread: expected ascending times, found {found} after {last}");
            return Err(ConfigError::Incomplete { file: file.into(), reason });
        }
        if config.ledger.is_empty() {
            let reason = "ledger: expected at least one node such as [\"http://127.0.0.1:26000\"], found none".into();
            return Err(ConfigError::Incomplete { file: file.into(), reason });
        }
        Ok(config)
    }
}

fn invalid(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let file = file.to_owned();
    let reason = error.message().replace('\n', ", ");
    let start = error.span().map(|span| span.start).filter(|start| *start > 0 || !reason.starts_with("missing"));
    let Some(before) = start.and_then(|start| text.get(..start)) else {
        return ConfigError::Incomplete { file, reason };
    };
    let line = before.matches('\n').count();
    let text = text.lines().nth(line).unwrap_or_default().trim().chars().take(80).collect();
    ConfigError::Invalid { file, line: line + 1, text, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: &str = r#"["http://127.0.0.1:26000", "http://[::1]:26001/", { url = "https://ledger.example:26002", ca = "ca.pem", token = "market.token" }]"#;

    const GOOD: &str = r#"
genesis = "genesis.json"
key = "key"
state = "/var/lib/voisin"
broker = "mqtt://127.0.0.1:1883"
ledger = ["http://127.0.0.1:26000", "http://[::1]:26001/", { url = "https://ledger.example:26002", ca = "ca.pem", token = "market.token" }]
console = "off"
gate_delay_ms = 2000
[clock]
kind = "replay"
until = "2026-06-01T12:00:00Z"
"#;

    #[test]
    fn where_there_is_no_file_the_message_says_how_to_get_one() {
        let error = Config::load(Path::new("nowhere.toml")).unwrap_err().to_string();
        assert!(
            error.starts_with("expected a configuration file at nowhere.toml: ")
                && error.contains("`ledger community init`"),
            "{error}"
        );
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("market.toml");
        std::fs::write(&path, GOOD).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!(config.genesis, directory.path().join("genesis.json"));
        assert_eq!(config.state, Path::new("/var/lib/voisin"));
        assert_eq!(config.ledger[1].url.as_str(), "http://[::1]:26001");
        assert_eq!(config.ledger[2].url.as_str(), "https://ledger.example:26002");
        assert_eq!(config.ledger[2].ca, Some(directory.path().join("ca.pem")));
        assert_eq!(config.ledger[2].token, Some(directory.path().join("market.token")));
        assert_eq!(config.gate_delay_ms.ms(), 2000);
        let until = Some(UtcTime(parse_utc("2026-06-01T12:00:00Z").unwrap()));
        assert_eq!(config.clock, Clock::Replay { interval_ms: IntervalMs(0), until, unread: Vec::new() });
    }

    #[test]
    fn the_shipped_file_is_one() {
        let config = Config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/market.toml"))).unwrap();
        assert!(config.genesis.ends_with("config/../run/genesis.json"));
        assert_eq!((config.ledger.len(), config.clock), (4, Clock::System));
    }

    #[test]
    fn the_login_of_the_shipped_file_is_valid_and_its_files_are_beside_it() {
        let text = include_str!("../../../config/market.toml");
        let (before, login) = text.split_once("# [broker_login]\n").unwrap();
        let (login, after) = login.split_once("\n\n").unwrap();
        let keys = login.lines().filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = \"")));
        let text = format!("{before}[broker_login]\n{}\n{after}", keys.collect::<Vec<_>>().join("\n"));
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("market.toml"), text).unwrap();
        let login = Config::load(&directory.path().join("market.toml")).unwrap().broker_login;
        assert_eq!(login.ca, Some(directory.path().join("broker-ca.pem")));
        assert_eq!(login.user.as_deref(), Some("market"));
        assert!(login.certificate.is_some() && login.certificate_key.is_some() && login.password_file.is_some());
    }

    #[test]
    fn the_notices_of_the_shipped_file_are_valid_and_their_files_are_beside_it() {
        let text = include_str!("../../../config/market.toml");
        let (before, rest) = text.split_once("# [notices]\n").unwrap();
        let (notices, after) = rest.split_once("[clock]\n").unwrap();
        let is_setting = |line: &&str| line.starts_with('[') || line.contains(" = ");
        let lines = notices.lines().filter_map(|line| line.strip_prefix("# ").filter(is_setting));
        let text = format!("{before}[notices]\n{}\n[clock]\n{after}", lines.collect::<Vec<_>>().join("\n"));
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("market.toml"), text).unwrap();
        let notices = Config::load(&directory.path().join("market.toml")).unwrap().notices;
        assert_eq!(notices.webhook.unwrap().token, Some(directory.path().join("webhook.token")));
        let mail = notices.mail.unwrap();
        assert_eq!((mail.server.as_str(), mail.to.len(), mail.user.is_some()), ("mail.example", 1, true));
        assert_eq!(
            mail.password_file.unwrap().to_string(),
            directory.path().join("mail.password").display().to_string()
        );
    }

    #[test]
    fn a_wrong_file_gets_one_line_that_says_where_and_what() {
        for (from, to, expected) in [
            ("gate_delay_ms = 2000", "gate_delay_ms = -1", "line 8 (`gate_delay_ms = -1`): expected 0 to 86400000"),
            ("gate_delay_ms = 2000", "gate_delay = 2000", "line 8 (`gate_delay = 2000`): unknown field `gate_delay`"),
            (
                "mqtt://127.0.0.1:1883",
                "127.0.0.1",
                "line 5 (`broker = \"127.0.0.1\"`): expected a broker such as mqtt://127.0.0.1:1883 or mqtts://",
            ),
            (
                "[clock]",
                "[broker_login]\npassword = \"hunter2\"\n[clock]",
                "unknown field `password`, expected one of `ca`, `certificate`, `certificate_key`, `user`, `password_file`",
            ),
            ("http://127.0.0.1:26000", "https://x", "expected a ledger node"),
            ("http://127.0.0.1:26000", "http://127.0.0.1", "found `http://127.0.0.1`: add a port"),
            ("http://127.0.0.1:26000", "http://127.0.0.1:0", "found `http://127.0.0.1:0`: write the port"),
            ("http://127.0.0.1:26000", "ftp://127.0.0.1:21", "expected a ledger node"),
            (
                "token = \"market.token\"",
                "secret = \"7\"",
                "unknown field `secret`, expected one of `url`, `ca`, `token`",
            ),
            ("url = \"https://ledger.example:26002\", ", "", "missing field `url`"),
            ("[\"http://127.0.0.1:26000\"", "[7", "expected an address, or a table of `url`, `ca` and `token`"),
            ("\"off\"", "\"on\"", "expected an address such as 127.0.0.1:8080, or off, found `on`"),
            ("\"off\"", "7", "line 7 (`console = 7`): invalid type: integer `7`, expected a string"),
            ("genesis = \"genesis.json\"", "", "m.toml: missing field `genesis`"),
            ("kind = \"replay\"", "kind = \"moon\"", "unknown variant `moon`"),
            ("12:00:00Z\"", "12 o'clock\"", "expected a UTC time such as 2026-06-01T12:00:00Z"),
            ("[clock]", "[clock", "line 9"),
            (
                "until = ",
                "unread = [{ from = \"2026-06-01T12:00:00Z\", devices = 1 }, { from = \"2026-06-01T11:00:00Z\", devices = 0 \
                 }]\nuntil = ",
                "clock.unread: expected ascending times, found 2026-06-01T11:00:00Z after 2026-06-01T12:00:00Z",
            ),
            (
                "until = ",
                "unread = [{ from = \"2026-06-01T12:00:00Z\", device = 1 }]\nuntil = ",
                "unknown field `device`, expected `from` or `devices`",
            ),
            (
                "[clock]",
                "[notices.webhook]\nurl = \"http://hooks.example/x\"\n[clock]",
                "expected an address such as https://hooks.example/voisin: write https://",
            ),
            (
                "[clock]",
                "[notices.mail]\nserver = \"a\"\nfrom = \"ada\"\nto = []\n[clock]",
                "expected an address of mail such as ada@example.org, found `ada`",
            ),
            ("[clock]", "[notices]\nmessages_an_hour = 0\n[clock]", "expected 1 to 1000 messages an hour, found 0"),
            ("[clock]", "[notices]\nhook = 1\n[clock]", "unknown field `hook`, expected one of `messages_an_hour`"),
            (LEDGER, "[]", "ledger: expected at least one node"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let error = Config::parse("m.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with("m.toml") && !error.contains('\n'), "{error}");
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
    }
}
