//! The task that keeps sampling: time-outs, connecting again, and a log that does not fill a disk. It decides nothing.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{LiveMeter, NoSample, history::History, locked, refusal::Refusal};
use crate::wall_clock::now_s;

/// How long a meter is waited for.
pub(super) struct Pace {
    /// For a connection, and for the next sample.
    patience: Duration,
    /// Before connecting again; twice as long each time that no sample came, up to the longest.
    pause: Duration,
    pause_max: Duration,
}

/// DSMR 4 meters speak every 10 s.
pub(super) const PACE: Pace =
    Pace { patience: Duration::from_secs(25), pause: Duration::from_secs(1), pause_max: Duration::from_secs(60) };
/// At most one line in this time.
const LOG_PAUSE: Duration = Duration::from_secs(600);

/// Samples until it is aborted.
pub(super) async fn run(meter: impl LiveMeter, address: String, history: Arc<Mutex<History>>, pace: Pace) {
    let Pace { patience, pause: pause_min, pause_max } = pace;
    let mut log = Log { address, last: None, left_out: 0 };
    let mut pause = pause_min;
    loop {
        let lost = match timeout(patience, meter.connect()).await {
            Ok(Ok(mut connection)) => loop {
                match timeout(patience, meter.sample(&mut connection)).await {
                    Ok(Ok(sample)) => match locked(&history).take(sample, now_s()) {
                        Ok(()) => pause = pause_min,
                        Err(refusal) => log.warn(&refusal),
                    },
                    Ok(Err(NoSample::Unusable(problem))) => {
                        let refusal = Refusal::Unusable(problem);
                        log.warn(&refusal);
                        locked(&history).refuse(refusal);
                    }
                    Ok(Err(NoSample::Lost(error))) => break error,
                    Err(_) => break format!("it said nothing for {} s", patience.as_secs()),
                }
            },
            Ok(Err(error)) => error,
            Err(_) => format!("no connection within {} s", patience.as_secs()),
        };
        let refusal = Refusal::Unreachable(lost);
        log.warn(&refusal);
        locked(&history).refuse(refusal);
        sleep(pause).await;
        pause = (2 * pause).min(pause_max);
    }
}

/// What goes wrong with a meter, in few lines.
struct Log {
    address: String,
    last: Option<Instant>,
    left_out: u64,
}

impl Log {
    fn warn(&mut self, refusal: &Refusal) {
        if self.last.is_some_and(|last| last.elapsed() < LOG_PAUSE) {
            self.left_out += 1;
            return;
        }
        let left_out = std::mem::take(&mut self.left_out);
        tracing::warn!(meter = %self.address, left_out, "{refusal}");
        self.last = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use protocol::reading::Registers;

    use super::{
        super::{Sample, history::Rules},
        *,
    };

    /// The first connection never stands, the second is refused, the third says nothing, the fourth gives two samples,
    /// something else and the end, and every other one a sample that is too old.
    struct Scripted(Arc<AtomicUsize>);

    impl LiveMeter for Scripted {
        type Connection = (usize, usize);

        async fn connect(&self) -> Result<(usize, usize), String> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => pending().await,
                1 => Err("nobody there".into()),
                count => Ok((count, 0)),
            }
        }

        async fn sample(&self, (connection, asked): &mut (usize, usize)) -> Result<Sample, NoSample> {
            *asked += 1;
            let registers = Registers { import_wh: 2_000, export_wh: 500 };
            let sample = |at_s| Ok(Sample { registers, at_s, power_w: None, serial: None });
            match (*connection, *asked) {
                (2, _) => pending().await,
                (3, 1 | 2) => sample(None),
                (3, 3) => Err(NoSample::Unusable("noise".into())),
                (3, _) => Err(NoSample::Lost("over".into())),
                (_, 1) => sample(Some(0)),
                _ => pending().await,
            }
        }
    }

    #[tokio::test]
    async fn whatever_fails_is_given_up_and_tried_again() {
        let rules = Rules {
            max_age_s: 30,
            interval_s: 900,
            rated_power_w: None,
            registered: (Registers::default(), 0),
            serial: None,
        };
        let history = Arc::new(Mutex::new(History::new(rules, now_s())));
        let connections = Arc::new(AtomicUsize::new(0));
        let pace = Pace {
            patience: Duration::from_millis(50),
            pause: Duration::from_millis(1),
            pause_max: Duration::from_millis(4),
        };
        let meter = Scripted(connections.clone());
        let task = tokio::spawn(run(meter, "here".into(), history.clone(), pace));
        let mut faults = Vec::new();
        let watching = async {
            while connections.load(Ordering::SeqCst) < 6 {
                faults.extend(locked(&history).sight().fault);
                faults.dedup();
                sleep(Duration::from_micros(100)).await;
            }
        };
        // Only so that a hang fails.
        timeout(Duration::from_secs(60), watching).await.unwrap();
        task.abort();
        let sight = locked(&history).sight();
        assert_eq!((sight.believed, sight.registers.map(|shown| shown.import_wh)), (2, Some(2_000)));
        // Of its kind the first one stays, until a sample is believed.
        assert_eq!(faults[0], "it cannot be reached: no connection within 0 s", "{faults:?}");
        assert!(faults.iter().any(|fault| fault.contains("old by the meter's own clock")), "{faults:?}");
    }

    #[test]
    fn a_log_has_one_line_for_many_failures() {
        let mut log = Log { address: "here".into(), last: None, left_out: 0 };
        for _ in 0..1_000 {
            log.warn(&Refusal::Unusable("noise".into()));
        }
        assert_eq!(log.left_out, 999);
    }
}
