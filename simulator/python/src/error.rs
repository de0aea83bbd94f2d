//! What is raised in Python: `ValueError` for what people wrote, `OSError` for what disks refuse, with the program's
//! line.

use std::io;

use pyo3::{
    PyErr,
    exceptions::{PyRuntimeError, PyValueError},
};
use simulator::{
    offline::{OutError, RunError},
    scenario::ScenarioError,
};

/// What a scenario that cannot be raises.
pub(crate) fn of_scenario(error: ScenarioError) -> PyErr {
    match &error {
        ScenarioError::Unreadable { error: cause, .. } => of_disk(cause, &error),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// What a run that did not come to its end raises.
pub(crate) fn of_run(error: RunError) -> PyErr {
    match error {
        RunError::Scenario(error) => of_scenario(error),
        RunError::Table(ref table) => of_disk(&table.error, &error),
        RunError::Out(OutError::Unwritable { error: ref cause, .. }) => of_disk(cause, &error),
        RunError::Out(OutError::Other { .. }) | RunError::Detail(_) => PyValueError::new_err(error.to_string()),
        RunError::Settle { .. } | RunError::Interrupted | RunError::Stopped => {
            PyRuntimeError::new_err(error.to_string())
        }
    }
}

/// The subclass of `OSError` for this cause.
fn of_disk(cause: &io::Error, error: &dyn std::error::Error) -> PyErr {
    io::Error::new(cause.kind(), error.to_string()).into()
}
