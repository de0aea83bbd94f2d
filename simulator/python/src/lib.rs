//! The simulator as a Python module: runs a scenario, or plays it interval by interval for whoever decides in the place
//! of its members. What crosses the border are whole numbers, arrays of them as bytes; `package/voisin` makes of them
//! what Python's users expect.

mod error;
mod market;
mod scenario;

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
};
use simulator::offline::{self, Detail, Options};

use self::scenario::Said;

/// Most threads, as of the program.
const THREADS_MAX: i64 = 1024;

/// How often Python is asked whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a scenario as `simulator run` does, and returns `summary.json`; without `out`, nothing is written. Ctrl-C ends
/// it between two blocks of work.
#[pyfunction]
#[pyo3(signature = (scenario, seed=None, threads=None, out=None, tables=Vec::new()))]
fn run(
    py: Python<'_>,
    scenario: Said,
    seed: Option<i128>,
    threads: Option<i64>,
    out: Option<PathBuf>,
    tables: Vec<String>,
) -> PyResult<String> {
    let threads = match threads {
        None => thread::available_parallelism().map_or(1, usize::from),
        Some(threads) => {
            usize::try_from(threads).ok().filter(|_| (1..=THREADS_MAX).contains(&threads)).ok_or_else(|| {
                PyValueError::new_err(format!("threads: expected from 1 to {THREADS_MAX}, found {threads}"))
            })?
        }
    };
    let details = tables.iter().map(|name| detail(name)).collect::<PyResult<BTreeSet<Detail>>>()?;
    if out.is_none() && !details.is_empty() {
        let found = tables.join(", ");
        let message = format!("tables: expected a directory in `out` to write {found} to, found none");
        return Err(PyValueError::new_err(message));
    }
    interruptible(py, move |done| {
        let scenario = scenario.load(seed)?;
        let community = scenario.community()?;
        let said = scenario.said();
        let figures = match out {
            None => offline::figures(said, &community, threads, done),
            Some(out) => {
                let options = Options { out, threads, lines: true, details, report: true };
                offline::run(said, &community, &options, done).map(|outcome| outcome.figures)
            }
        };
        let figures = figures.map_err(|error| scenario.error(error))?;
        serde_json::to_string(&figures).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    })
}

/// The table of this name.
fn detail(name: &str) -> PyResult<Detail> {
    Detail::named(name).ok_or_else(|| {
        let known: Vec<&str> = Detail::ALL.iter().map(|detail| detail.name()).collect();
        let (known, found) = (known.join(", "), name.chars().take(80).collect::<String>());
        PyValueError::new_err(format!("tables: expected some of {known}, found `{found}`"))
    })
}

/// Works on a thread of its own, while this one, on which alone Python handles signals, asks for them. What a handler
/// raises, as Ctrl-C does, ends the work with its next block, and is what is raised here.
fn interruptible<T: Send>(py: Python<'_>, work: impl FnOnce(offline::Done<'_>) -> PyResult<T> + Send) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    let done = |_| match stop.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    thread::scope(|scope| {
        let working = scope.spawn(move || work(&done));
        let mut raised = None;
        while !working.is_finished() {
            py.detach(|| thread::sleep(LOOK));
            if raised.is_none()
                && let Err(error) = py.check_signals()
            {
                raised = Some(error);
                stop.store(true, Ordering::Relaxed);
            }
        }
        let worked = py.detach(|| working.join());
        match (raised, worked) {
            (Some(raised), _) => Err(raised),
            (None, Ok(worked)) => worked,
            (None, Err(_)) => Err(PyRuntimeError::new_err("the run ended before its time")),
        }
    })
}

#[pymodule]
mod _voisin {
    #[pymodule_export]
    const OWN: i64 = super::market::OWN;

    #[pymodule_export]
    use super::{market::Market, run};
}
