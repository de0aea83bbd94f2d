//! `meter-agent check`: everything that has to be right before `run`, one line each.

mod broker;
mod disk;
mod time;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use protocol::{genesis::Genesis, key::PublicKey, reading::Registers};
use settings::owner_only;

use super::{Failure, print};
use crate::{
    choice_file,
    config::Config,
    key::read_key,
    registered::Registration,
    source::{MeterClock, MeterSource, Placement},
    start::{StartError, access, decided, placement, read_genesis, registration},
    wall_clock::now_s,
};

/// How long a meter may take to be read twice: two telegrams come within 20 s, and one may be damaged.
const METER_PATIENCE: Duration = Duration::from_secs(45);
/// Refused samples, or attempts that failed, after which it is not waited for better ones.
const METER_FAILURES: u64 = 3;
/// Pause between two looks at the meter.
const METER_LOOK: Duration = Duration::from_millis(100);

/// Prints every line, and counts what is wrong.
#[derive(Default)]
struct Report {
    wrong: usize,
    /// Why a line could not be printed.
    failed: Option<Failure>,
}

impl Report {
    fn good(&mut self, line: impl std::fmt::Display) {
        self.print(format_args!("ok     {line}\n"));
    }

    /// Neither right nor wrong yet.
    fn waits(&mut self, line: impl std::fmt::Display) {
        self.print(format_args!("wait   {line}\n"));
    }

    fn bad(&mut self, line: impl std::fmt::Display) {
        self.wrong += 1;
        self.print(format_args!("WRONG  {line}\n"));
    }

    fn print(&mut self, line: impl std::fmt::Display) {
        self.failed = print(line).err().or(self.failed.take());
    }

    fn say(&mut self, said: Result<String, String>) {
        match said {
            Ok(line) => self.good(line),
            Err(line) => self.bad(line),
        }
    }

    /// How the household is registered, by whose word, and whether the validators have decided otherwise.
    fn registered(
        &mut self,
        config: &Config,
        genesis: &Genesis,
        registered: &Registration,
        (device, member_key): (&PublicKey, &PublicKey),
    ) {
        let decided = self.take(decided(config, genesis, device, member_key)).flatten();
        let by = match &decided {
            _ if config.registration.is_some() => "by a decision, as you say",
            Some(decided) if decided == registered => "by a decision, which is proved",
            _ => "in the genesis",
        };
        let (member, first) = (registered.member, registered.first_interval);
        self.good(format_args!("registered as member {member} {by}, from {first} on"));
        if let Some(decided) = decided.filter(|decided| !decided.agrees_with(registered)) {
            self.bad(format_args!(
                "[registration] in agent.toml says {registered}, and counts; the validators have decided, and it is \
                 proved, {decided}: correct the section, or take it out"
            ));
        }
    }

    fn take<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.bad(error)).ok()
    }
}

pub(crate) async fn check(path: &Path) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    let mut report = Report::default();
    report.good(format_args!("configuration {}", path.display()));

    let genesis = report.take(read_genesis(&config.genesis));
    if let Some(genesis) = &genesis {
        report.good(format_args!(
            "genesis of {}: {} members, {} validators, chain {}",
            genesis.community,
            genesis.members.len(),
            genesis.validators.len(),
            genesis.chain()
        ));
    }
    let device = report.take(read_key(&config.device_key()));
    let member = report.take(read_key(&config.member_key()));
    if let Some(warning) = owner_only::warning(&config.state) {
        report.bad(warning);
    }
    let configured = config.order.name();
    match report.take(choice_file::read(&config.state)) {
        Some(Some(choice)) => report.good(format_args!(
            "prices as set on the page ({}), in the place of agent.toml ({configured})",
            choice.strategy().name()
        )),
        Some(None) => report.good(format_args!("prices as in agent.toml ({configured})")),
        None => {}
    }
    let mut needs_clock = true;
    if let (Some(genesis), Some(device), Some(member)) = (&genesis, &device, &member) {
        let placed = match registration(&config, genesis, &device.public(), &member.public()) {
            Ok(registered) => {
                report.registered(&config, genesis, &registered, (&device.public(), &member.public()));
                Some(placement(&registered, genesis))
            }
            // Its meter can be read all the same.
            Err(StartError::NotRegistered { device, .. }) => {
                report.waits(format_args!(
                    "not registered yet: hand enrolment.json to your operator, unless you have; no proof of a decision \
                     has come here yet: `run` waits for what the validators decide of device {device}, and begins by \
                     itself"
                ));
                Some(Placement { first: genesis.first_interval, registers: Registers::default(), rated_power_w: None })
            }
            Err(error) => {
                report.bad(error);
                None
            }
        };
        if let Some(placed) = placed
            && let Some(meter) = report.take(config.source.open(&placed))
        {
            match sight_of(&*meter).await {
                None => report.good("meter readable"),
                Some(Ok(shown)) => report.good(shown),
                Some(Err(problem)) => report.bad(problem),
            }
            if let Some(ahead_s) = meter.sight().and_then(|sight| sight.ahead_s) {
                report.say(time::beside_the_meters(ahead_s));
            }
            if let Some(caveat) = meter.kind().caveat() {
                report.good(caveat);
            }
            needs_clock = meter.clock() == MeterClock::Real;
        }
    }
    // Offline, no clock can be proved right; one that NTP never set can be found wrong.
    report.say(time::plausible(now_s()));
    // A recording follows the market's time.
    if let Some(said) = time::synchronised().filter(|_| needs_clock) {
        report.say(said);
    }
    if config.state.exists() {
        report.say(disk::state(&config.state));
    }
    if let Some(device) = device.map(|device| device.public())
        && let Some(access) = report.take(access(&config, &device))
    {
        if !access.may_be(&device.multibase()) {
            report.bad(format_args!(
                "expected a certificate of this device, {}, found the name nowhere in `certificate` of [broker_login]: the \
                 broker lets a device use the topics of its own name alone; ask whoever runs it for one of this name",
                device.multibase()
            ));
        }
        match broker::reach(&access, &device, genesis.as_ref()).await {
            Ok(()) if genesis.is_some() => {
                report.good(format_args!("broker {} reachable, and takes this device's subscriptions", config.broker));
            }
            Ok(()) => report.good(format_args!("broker {} reachable", config.broker)),
            Err(error) => report.bad(format_args!("expected a broker at {}: {error}", config.broker)),
        }
    }
    report.failed.map_or(Ok(()), Err)?;
    match report.wrong {
        0 => Ok(ExitCode::SUCCESS),
        1 => Err("1 thing is wrong, see above".into()),
        wrong => Err(format!("{wrong} things are wrong, see above").into()),
    }
}

/// Reads a live meter twice, and says what it shows or why it cannot be read; nothing of a meter that is none.
async fn sight_of(meter: &dyn MeterSource) -> Option<Result<String, String>> {
    let until = Instant::now() + METER_PATIENCE;
    loop {
        let sight = meter.sight()?;
        if let (true, Some(registers)) = (sight.believed >= 2, sight.registers) {
            let power = match sight.power_w {
                Some(watts) if watts < 0 => format!(", feeding in {} W", watts.unsigned_abs()),
                Some(watts) => format!(", drawing {watts} W"),
                None => String::new(),
            };
            let serial = sight.serial.map(|serial| format!(", serial number {serial}")).unwrap_or_default();
            let refused = match sight.refused {
                0 => String::new(),
                refused => format!("; {refused} more could not be used: look at its cable, or turn the reading head"),
            };
            return Some(Ok(format!(
                "meter read twice: import {} Wh, export {} Wh{power}{serial}{refused}",
                registers.import_wh, registers.export_wh
            )));
        }
        let timed_out = Instant::now() >= until;
        if timed_out || (sight.refused >= METER_FAILURES && sight.believed == 0) {
            let problem = sight.fault.unwrap_or_else(|| "nothing came; is its port switched on?".into());
            return Some(Err(format!("expected two readings of the meter, found {}: {problem}", sight.believed)));
        }
        tokio::time::sleep(METER_LOOK).await;
    }
}
