//! What a neighbourhood is asked to be and to play: the options of `live` and `init`, checked as a whole.
//!
//! An option means the same wherever it is given. What a missing one means depends on one thing: `live` with none but
//! options that say *how* it runs plays the [demonstration](Live::is_demonstration).

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use market::clearing;
use protocol::{
    interval::{Interval, parse_utc, utc_text},
    limits::MEMBERS_MAX,
    money::Price,
};
use settings::{
    address::{Address, AddressError},
    broker::BrokerAddress,
    listen::Listen,
};
use usage::whole;

use super::{Failure, bad_input};
use crate::{
    dataset::{Dataset, Source},
    offline::Community,
    orders::Orders,
    scenario::{FEED_IN_DEFAULT, RETAIL_DEFAULT, Scenario},
    state::{Broker, Run, Setup, setup_of_scenario},
    terms::TermsOptions,
};

#[derive(Debug, Args)]
pub(super) struct Neighbourhood {
    /// Directory with participants.csv, profiles_NAME.csv(.gz) or .parquet and, where there is a grid, grid_*.csv
    /// [default: the neighbourhood that is built in]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which profile to use; `summer` and `winter` are built in [default: summer]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Start of the first interval to play, UTC, such as 2016-07-04T04:00:00Z: one of the profile's. Meters begin at
    /// what they would show by then [default: the start of the profile]
    #[arg(long, value_name = "START", value_parser = parse_utc)]
    from: Option<i64>,
    /// How many intervals, counted from --from, earlier starts included [default: all that there are]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(1..=u64::MAX))]
    pub(super) intervals: Option<u64>,
    /// Least time from one interval to the next, ms; 0 is as fast as it goes
    #[arg(long, value_name = "MS", default_value_t = 2000, allow_negative_numbers = true, value_parser = whole::<u64>(0..=INTERVAL_MS_MAX))]
    interval_ms: u64,
    /// Clearing mechanism; `market mechanisms` lists them [default: uniform]
    #[arg(long, value_name = "NAME")]
    mechanism: Option<String>,
    #[command(flatten)]
    terms: TermsOptions,
    /// How many validators keep the ledger
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true, value_parser = whole::<u16>(1..=VALIDATORS_MAX))]
    validators: u16,
    /// What the supplier takes for a kWh [default: 0.30]
    #[arg(long, value_name = "PRICE", allow_hyphen_values = true)]
    retail: Option<Price>,
    /// What the supplier gives for a kWh [default: 0.08]
    #[arg(long, value_name = "PRICE", allow_hyphen_values = true)]
    feed_in: Option<Price>,
    /// Price limits per kWh that participants place: a CSV file participant_id,buy,sell, where an empty field is no
    /// limit; `built-in`, those of the built-in neighbourhood; or `none`, so that all are price takers [default: none]
    #[arg(long, value_name = "FILE|built-in|none", value_parser = OsStringValueParser::new().map(OrdersFrom::from))]
    orders: Option<OrdersFrom>,
    /// MQTT broker: `embedded`, or mqtt://HOST:PORT of one that runs already, port 1883 unless given
    #[arg(long, value_name = "BROKER", default_value = "embedded", value_parser = parse_broker)]
    broker: Broker,
    /// Where the console listens: HOST:PORT, or `off`
    #[arg(long, value_name = "HOST:PORT|off", default_value = "127.0.0.1:8080")]
    console: Listen,
}

#[derive(Debug, Args)]
pub(super) struct Live {
    #[command(flatten)]
    pub(super) neighbourhood: Neighbourhood,
    /// Directory that keeps everything; the next start on it goes on where this one ended
    /// [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Write the closing summary to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) summary: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    pub(super) neighbourhood: Neighbourhood,
    /// Directory to write to; `simulator live --state DIR` runs it
    #[arg(long, value_name = "DIR")]
    pub(super) state: PathBuf,
}

/// What the options come to, checked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) setup: Setup,
    pub(super) run: Run,
    /// How many intervals are to be settled, from the first on.
    pub(super) intervals: usize,
}

/// Slowest pace: an interval a day.
const INTERVAL_MS_MAX: u64 = 86_400_000;
/// Validators of one process: enough to see consensus among many, few enough for one machine.
const VALIDATORS_MAX: u64 = 31;
const PROFILE_DEFAULT: &str = "summer";
/// When the demonstration begins: by then the first roofs of the built-in summer produce more than their houses use.
const DEMONSTRATION_FROM: &str = "2016-07-04T04:00:00Z";
const DEMONSTRATION_ORDERS: OrdersFrom = OrdersFrom::BuiltIn;

/// Where the participants' price limits come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum OrdersFrom {
    /// Nobody has any.
    None,
    /// Those that travel inside the program.
    BuiltIn,
    File(PathBuf),
}

impl From<OsString> for OrdersFrom {
    fn from(text: OsString) -> OrdersFrom {
        match text.to_str() {
            Some("none") => OrdersFrom::None,
            Some("built-in") => OrdersFrom::BuiltIn,
            _ => OrdersFrom::File(text.into()),
        }
    }
}

fn parse_broker(text: &str) -> Result<Broker, AddressError> {
    if text == "embedded" {
        return Ok(Broker::Embedded);
    }
    let expected = "embedded, or a broker such as mqtt://127.0.0.1:1883";
    let broker = text.parse::<BrokerAddress>().map_err(|error| AddressError { expected, ..error })?;
    if broker.is_tls() {
        return Err(AddressError::new(expected, text, "name one that takes agents without TLS and logins, by mqtt://"));
    }
    Ok(Broker::Existing(broker))
}

/// Where the console's address leads: the market is told, and asked there.
fn resolve(console: &Address) -> Result<SocketAddr, Failure> {
    let no_address = |found: String| {
        bad_input(format!("--console: expected an address of this machine, found that {console} is none: {found}"))
    };
    let mut found =
        (console.host(), console.port()).to_socket_addrs().map_err(|error| no_address(error.to_string()))?;
    found.next().ok_or_else(|| no_address("the name has no address".into()))
}

/// `live` by its name, which takes a scenario, too.
#[derive(Debug, Args)]
pub(super) struct LiveOf {
    /// A scenario, a TOML file, instead of the options that say what is played
    #[arg(value_name = "SCENARIO.toml")]
    pub(super) scenario: Option<PathBuf>,
    #[command(flatten)]
    pub(super) live: Live,
}

impl Live {
    /// Whether the demonstration is played: where every option given says how it runs, and none what is played or that
    /// something of it is kept. Whoever names a state or a summary wants figures that follow from the options alone.
    fn is_demonstration(&self) -> bool {
        let Live { neighbourhood, state, summary } = self;
        !(neighbourhood.says_what() || neighbourhood.intervals.is_some() || state.is_some() || summary.is_some())
    }

    /// Gives the demonstration what was not given; says so.
    pub(super) fn demonstrate(&mut self) -> Option<String> {
        if !self.is_demonstration() {
            return None;
        }
        match parse_utc(DEMONSTRATION_FROM) {
            Ok(from) => self.neighbourhood.from = Some(from),
            Err(error) => unreachable!("the demonstration's start: {error}"),
        }
        self.neighbourhood.orders = Some(DEMONSTRATION_ORDERS);
        Some(format!("demonstration: --from {DEMONSTRATION_FROM} --orders built-in (see --help)"))
    }
}

impl Neighbourhood {
    /// Whether an option says what is played, and by which rules, as a scenario does.
    fn says_what(&self) -> bool {
        let Neighbourhood {
            data,
            profile,
            from,
            intervals: _,
            mechanism,
            terms,
            retail,
            feed_in,
            orders,
            interval_ms: _,
            validators: _,
            broker: _,
            console: _,
        } = self;
        let plays = data.is_some() || profile.is_some() || from.is_some() || orders.is_some();
        let clears = mechanism.is_some() || !terms.is_empty() || retail.is_some() || feed_in.is_some();
        plays || clears
    }

    /// The same of a scenario, which says itself what is played.
    pub(super) fn check_scenario(&self, path: &Path) -> Result<Asked, Failure> {
        if self.says_what() {
            let message =
                "expected a scenario, or options that say what is played (--data, --mechanism and such), found both";
            return Err(bad_input(message));
        }
        let scenario = Scenario::load(path).map_err(bad_input)?;
        let in_file = |error| bad_input(format!("{}: {error}", path.display()));
        let community = Community::of(&scenario).map_err(in_file)?;
        if community.members() > MEMBERS_MAX {
            let found = community.members();
            return Err(bad_input(format!(
                "{}: expected at most {MEMBERS_MAX} members, found {found}",
                path.display()
            )));
        }
        let setup = setup_of_scenario(&scenario, &community, self.validators.into()).map_err(in_file)?;
        let (intervals, until) = self.until(&setup.dataset, setup.from, "the scenario has")?;
        Ok(Asked { run: self.run(until)?, setup, intervals })
    }

    /// How many intervals are played from `from` on, and the last of them; `whose` there are.
    fn until(&self, dataset: &Dataset, from: Interval, whose: &str) -> Result<(usize, Interval), Failure> {
        let there_are = dataset.intervals - dataset.before(from);
        let intervals = match self.intervals {
            None => there_are,
            Some(intervals) => usize::try_from(intervals).unwrap_or(usize::MAX),
        };
        let until = dataset.last_of(from, intervals).ok_or_else(|| {
            bad_input(format!("--intervals: expected 1 to {there_are}, as {whose}, found {intervals}"))
        })?;
        Ok((intervals, until))
    }

    /// How it runs, up to an interval.
    fn run(&self, until: Interval) -> Result<Run, Failure> {
        let console = match &self.console {
            Listen::Off => None,
            Listen::At(address) => Some(resolve(address)?),
        };
        Ok(Run { broker: self.broker.clone(), console, interval_ms: self.interval_ms, until })
    }

    /// Reads and checks everything that the options name.
    pub(super) fn check(&self) -> Result<Asked, Failure> {
        let mechanism = match &self.mechanism {
            Some(name) => name.clone(),
            None => clearing::mechanisms().first().map(|first| first.name().to_owned()).unwrap_or_default(),
        };
        clearing::mechanism(&mechanism).map_err(|error| bad_input(format!("--mechanism: {error}")))?;
        let (retail, feed_in) = (self.retail.unwrap_or(RETAIL_DEFAULT), self.feed_in.unwrap_or(FEED_IN_DEFAULT));
        if feed_in > retail {
            let message = format!("--feed-in: expected at most the retail price {retail}, found {feed_in}");
            return Err(Failure::BadInput(message));
        }
        let source = self.data.clone().map_or(Source::BuiltIn, Source::Directory);
        let profile = self.profile.as_deref().unwrap_or(PROFILE_DEFAULT);
        let dataset = Dataset::load(&source, profile).map_err(bad_input)?;
        let orders = match &self.orders {
            None | Some(OrdersFrom::None) => Orders::default(),
            Some(OrdersFrom::BuiltIn) => Orders::built_in(&dataset).map_err(bad_input)?,
            Some(OrdersFrom::File(path)) => Orders::load(path, &dataset).map_err(bad_input)?,
        };
        let terms = self.terms.read(&dataset).map_err(bad_input)?;
        let from = match self.from {
            None => dataset.first,
            Some(start_s) => dataset.starting_at(start_s).ok_or_else(|| {
                let (first, last) = (dataset.first.start_text(), dataset.last().start_text());
                let minutes = dataset.first.length().minutes();
                bad_input(format!(
                    "--from: expected the start of an interval of {minutes} minutes of the profile {profile}, \
                     from {first} to {last}, found {}",
                    utc_text(start_s)
                ))
            })?,
        };
        let on = if self.from.is_some() { " from --from on" } else { "" };
        let (intervals, until) = self.until(&dataset, from, &format!("the profile {profile} has{on}"))?;
        let run = self.run(until)?;
        let validators = self.validators.into();
        let setup = Setup {
            dataset,
            from,
            mechanism,
            retail,
            feed_in,
            validators,
            orders,
            terms,
            tariffs: Vec::new(),
            out_of_reach: BTreeMap::new(),
        };
        Ok(Asked { setup, run, intervals })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        live: Live,
    }

    fn asked(arguments: &[&str]) -> (Option<String>, Asked) {
        let Line { mut live } = Line::try_parse_from([&["live"], arguments].concat()).unwrap();
        let note = live.demonstrate();
        (note, live.neighbourhood.check().unwrap())
    }

    #[test]
    fn a_broker_has_a_port_and_a_console_an_address() {
        let (_, Asked { run, .. }) = asked(&["--broker", "mqtt://Broker.invalid", "--console", "localhost:7"]);
        assert_eq!(run.broker, Broker::Existing("mqtt://broker.invalid:1883".parse().unwrap()));
        assert!(run.console.is_some_and(|console| console.ip().is_loopback() && console.port() == 7), "{run:?}");
    }

    #[test]
    fn the_demonstration_is_played_only_where_nothing_says_what_to_play_or_keep() {
        let (_, spelled) = asked(&["--from", DEMONSTRATION_FROM, "--orders", "built-in"]);
        assert_eq!(spelled.intervals, 1344 - 16);
        for how in [
            &[][..],
            &["--console", "off"],
            &["--interval-ms", "0", "--validators", "1"],
            &["--broker", "mqtt://127.0.0.1:1883"],
        ] {
            let (note, Asked { setup, run, intervals }) = asked(how);
            assert!(note.is_some_and(|note| note.contains(DEMONSTRATION_FROM)), "{how:?}");
            assert_eq!((setup.from, &setup.orders), (spelled.setup.from, &spelled.setup.orders), "{how:?}");
            assert_eq!((run.until, intervals), (spelled.run.until, spelled.intervals), "{how:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        let fees = directory.path().join("fees.csv");
        std::fs::write(&fees, "class,fee\nsame_feeder,0.02\n").unwrap();
        let keys = directory.path().join("keys.csv");
        std::fs::write(&keys, "id\nd001\n").unwrap();
        let neighbourhood = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/neighbourhood");
        for what in [
            ["--data", neighbourhood.to_str().unwrap()],
            ["--profile", "summer"],
            ["--from", "2016-07-04T00:00:00Z"],
            ["--intervals", "1344"],
            ["--mechanism", "uniform"],
            ["--price", "0.2"],
            ["--keys", keys.to_str().unwrap()],
            ["--fees", fees.to_str().unwrap()],
            ["--derate", "1"],
            ["--retail", "0.30"],
            ["--feed-in", "0.08"],
            ["--orders", "none"],
            ["--state", "state"],
            ["--summary", "summary.json"],
        ] {
            let (note, Asked { setup, intervals, .. }) = asked(&what);
            assert_eq!(note, None, "{what:?}");
            assert_eq!((setup.from, intervals), (setup.dataset.first, 1344), "{what:?}");
            assert_eq!(setup.orders, Orders::default(), "without orders, all are price takers: {what:?}");
        }
    }
}
