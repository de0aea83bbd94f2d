//! What all live meters have in common: a task that keeps sampling, and a handle that says what the meter showed at an
//! interval's end.
//!
//! A type of meter is a [`LiveMeter`]; what to believe of its samples is decided by [`history`], which is pure.

mod history;
mod max_age;
mod poll;
mod refusal;
mod task;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{interval::Interval, reading::Registers};
use tokio::{runtime::Handle, task::JoinHandle};

use self::history::History;
pub(crate) use self::{history::Rules, max_age::MaxAge, poll::Poll};
use super::{MeterClock, MeterError, MeterSource, Reading, Sight, SightWatch, SourceError};
use crate::wall_clock::now_s;

/// What a live meter shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Both cumulative registers.
    pub(crate) registers: Registers,
    /// When, by the meter's own clock, in seconds after 1970; without one, when it was received counts.
    pub(crate) at_s: Option<i64>,
    /// Power drawn from the grid, W; negative while it is fed in.
    pub(crate) power_w: Option<i64>,
    /// What tells this meter from every other one.
    pub(crate) serial: Option<String>,
}

/// Why there is no sample now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSample {
    /// The connection is of no more use.
    #[error("{0}")]
    Lost(String),
    /// What came cannot be used; more will come.
    #[error("{0}")]
    Unusable(String),
}

/// A type of meter that can be asked now. Time-outs, connecting again and every doubt are the sampler's.
pub(crate) trait LiveMeter: Send + Sync + 'static {
    /// An open connection to it.
    type Connection: Send;

    /// Connects. An error is what to do about it, for people.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, String>> + Send;

    /// Whether the time of a sample is the meter's own, where it has one.
    fn tells_time(&self) -> bool {
        true
    }

    /// Asks the meter, or waits for what it sends by itself. Whoever gives up waiting gives up the connection, too.
    fn sample(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<Sample, NoSample>> + Send;
}

/// A live meter as the agent reads it.
pub(crate) struct Sampler {
    history: Arc<Mutex<History>>,
    task: JoinHandle<()>,
    /// How the meter is reached.
    address: String,
    tells_time: bool,
}

impl Sampler {
    /// Starts to sample `meter`, which is reached at `address`.
    pub(crate) fn start(meter: impl LiveMeter, address: String, rules: Rules) -> Result<Sampler, SourceError> {
        let runtime = Handle::try_current().map_err(SourceError::new)?;
        let history = Arc::new(Mutex::new(History::new(rules, now_s())));
        let tells_time = meter.tells_time();
        let task = runtime.spawn(task::run(meter, address.clone(), history.clone(), task::PACE));
        Ok(Sampler { history, task, address, tells_time })
    }
}

impl MeterSource for Sampler {
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
        let read = locked(&self.history).read(interval.end_s(), now_s());
        read.map_err(|silence| MeterError(format!("{}: {silence}", self.address)))
    }

    fn clock(&self) -> MeterClock {
        MeterClock::Real
    }

    fn watch(&self) -> Option<SightWatch> {
        let (history, tells_time) = (self.history.clone(), self.tells_time);
        Some(Arc::new(move || {
            let sight = locked(&history).sight();
            Sight { ahead_s: sight.ahead_s.filter(|_| tells_time), ..sight }
        }))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Nothing panics in the middle of a change: what a lock that was left behind guards is a history all the same.
fn locked(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
