//! The simulator as a Python module: runs a scenario, or plays it interval by interval for whoever decides in the place
//! of its members. What crosses the border are whole numbers, arrays of them as bytes; `package/voisin` makes of them
//! what Python's users expect.

mod error;
mod market;
mod scenario;

use std::{collections::BTreeSet, path::PathBuf, thread};

use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
};
use simulator::offline::{self, Options};

use self::scenario::Said;

/// Most threads, as of the program.
const THREADS_MAX: i64 = 1024;

/// Runs a scenario as `simulator run` does, and returns `summary.json`; without `out`, nothing is written.
#[pyfunction]
#[pyo3(signature = (scenario, seed=None, threads=None, out=None))]
fn run(
    py: Python<'_>,
    scenario: Said,
    seed: Option<i128>,
    threads: Option<i64>,
    out: Option<PathBuf>,
) -> PyResult<String> {
    let threads = match threads {
        None => thread::available_parallelism().map_or(1, usize::from),
        Some(threads) => {
            usize::try_from(threads).ok().filter(|_| (1..=THREADS_MAX).contains(&threads)).ok_or_else(|| {
                PyValueError::new_err(format!("threads: expected from 1 to {THREADS_MAX}, found {threads}"))
            })?
        }
    };
    py.detach(|| {
        let scenario = scenario.load(seed)?;
        let community = scenario.community()?;
        let said = scenario.said();
        let figures = match out {
            None => offline::figures(said, &community, threads),
            Some(out) => {
                let options = Options { out, threads, lines: true, details: BTreeSet::new(), report: true };
                offline::run(said, &community, &options, &|_| ()).map(|outcome| outcome.figures)
            }
        };
        let figures = figures.map_err(|error| scenario.error(error))?;
        serde_json::to_string(&figures).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    })
}

#[pymodule]
mod _voisin {
    #[pymodule_export]
    const OWN: i64 = super::market::OWN;

    #[pymodule_export]
    use super::{market::Market, run};
}
