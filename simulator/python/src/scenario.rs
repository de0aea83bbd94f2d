//! The scenario that a caller names: a file, or its text.

use std::path::PathBuf;

use pyo3::{exceptions::PyValueError, prelude::*};
use simulator::{
    offline::{Community, RunError},
    scenario::{Scenario, ScenarioError},
};

use crate::error;

/// What a caller says: text where it has a line break, else the path of a file.
pub(crate) enum Said {
    File(PathBuf),
    Text(String),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Said {
    type Error = PyErr;

    fn extract(said: Borrowed<'a, 'py, PyAny>) -> PyResult<Said> {
        match said.extract::<String>() {
            Ok(text) if text.contains('\n') => Ok(Said::Text(text)),
            _ => said.extract().map(Said::File),
        }
    }
}

impl Said {
    /// Reads it, with a seed in the place of its own if one is given.
    pub(crate) fn load(self, seed: Option<i128>) -> PyResult<Loaded> {
        let (scenario, file) = match self {
            Said::File(path) => (Scenario::load(&path), Some(path)),
            Said::Text(text) => (Scenario::parse(&text), None),
        };
        let mut loaded = Loaded { scenario: scenario.map_err(error::of_scenario)?, file };
        if let Some(seed) = seed {
            loaded.scenario.seed = seed_of(seed)?;
        }
        Ok(loaded)
    }
}

fn seed_of(seed: i128) -> PyResult<u64> {
    u64::try_from(seed)
        .map_err(|_| PyValueError::new_err(format!("seed: expected from 0 to {}, found {seed}", u64::MAX)))
}

/// A scenario, and the file that it was read from.
pub(crate) struct Loaded {
    scenario: Scenario,
    file: Option<PathBuf>,
}

impl Loaded {
    pub(crate) fn said(&self) -> &Scenario {
        &self.scenario
    }

    /// Its community.
    pub(crate) fn community(&self) -> PyResult<Community> {
        Community::of(&self.scenario).map_err(|error| self.error(error.into()))
    }

    /// The same with another seed; none where it has that one.
    pub(crate) fn reseeded(&self, seed: i128) -> PyResult<Option<Loaded>> {
        let seed = seed_of(seed)?;
        let other = || Loaded { scenario: Scenario { seed, ..self.scenario.clone() }, file: self.file.clone() };
        Ok((seed != self.scenario.seed).then(other))
    }

    /// What is raised where a run of it fails: as of the program, what is wrong with a scenario says in which file.
    pub(crate) fn error(&self, error: RunError) -> PyErr {
        match (error, &self.file) {
            (RunError::Scenario(error), Some(path)) => {
                error::of_scenario(ScenarioError::In { path: path.clone(), error: error.into() })
            }
            (error, _) => error::of_run(error),
        }
    }
}
