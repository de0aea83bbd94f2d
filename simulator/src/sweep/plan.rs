//! A plan: which tasks there are, and where their figures go.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use protocol::hash::Hash;
use serde::{Deserialize, Serialize};

use super::{Vary, VaryError};
use crate::{
    draft::place,
    offline::{self, Community, RunError},
    scenario::{Scenario, ScenarioError},
};

/// A sweep, as it is written down for whoever runs its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the simulator that made it; another runs none of its tasks.
    pub version: String,
    /// The scenario, with the paths of its files whole.
    pub scenario: toml::Table,
    /// What is varied: every value with every other.
    pub vary: Vec<Vary>,
    /// Seeds of each variant, from the scenario's own on.
    pub seeds: u32,
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its number, from 0.
    pub number: usize,
    /// Which variant, from 0.
    pub variant: usize,
    /// The values of what is varied, in the order of the plan.
    pub values: Vec<String>,
    /// The seed.
    pub seed: u64,
}

/// The figures of a task, as it writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    /// Which plan it is a task of.
    pub(super) plan: Hash,
    pub(super) task: usize,
    pub(super) figures: serde_json::Value,
}

/// Why a plan cannot be made, read or run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The scenario cannot be.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// What is varied cannot be.
    #[error(transparent)]
    Vary(#[from] VaryError),
    /// A key is varied twice.
    #[error("--vary: expected each key once, found {0} twice")]
    Twice(String),
    /// More tasks than anyone means.
    #[error("expected at most {max} tasks, found {found}: vary less, or take fewer seeds")]
    TooMany {
        /// The limit.
        max: usize,
        /// All values with all others, times the seeds.
        found: usize,
    },
    /// A file cannot be read or written.
    #[error("{}: expected a file that can be read and written, found: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no plan.
    #[error("{}: expected a plan of `simulator sweep --plan`, found: {error}", path.display())]
    NoPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// Another plan is there.
    #[error("{}: expected no plan, or the same, found another: remove it, or name another directory", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// Another version made it.
    #[error("{}: expected a plan of version {expected}, found one of {found}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// This version.
        expected: String,
        /// The plan's.
        found: String,
    },
    /// No such task.
    #[error("--task: expected a number below {tasks}, found {found}")]
    NoTask {
        /// How many there are.
        tasks: usize,
        /// What was asked for.
        found: usize,
    },
    /// A task failed.
    #[error("task {task} ({what}): {error}")]
    Run {
        /// Which one.
        task: usize,
        /// Its values and seed.
        what: String,
        /// Why.
        error: RunError,
    },
}

/// This version, with the commit that a release was built from.
fn version() -> String {
    let commit = option_env!("VOISIN_COMMIT").map(|commit| format!(" at {commit}"));
    env!("CARGO_PKG_VERSION").to_owned() + &commit.unwrap_or_default()
}

/// Most tasks of a plan.
const TASKS_MAX: usize = 1_000_000;
const PLAN: &str = "plan.json";
const TASKS: &str = "tasks.csv";

impl Plan {
    /// A plan for the scenario at `path`; every variant of it is tried to be read.
    pub fn new(path: &Path, vary: Vec<Vary>, seeds: u32) -> Result<Plan, PlanError> {
        let file = |error| PlanError::File { path: path.to_owned(), error };
        let mut scenario = Scenario::load(path)?;
        // Tasks are run from elsewhere.
        for file_of in scenario.files_mut() {
            *file_of = std::path::absolute(&*file_of).map_err(file)?;
        }
        let scenario = toml::Table::try_from(&scenario).map_err(|error| ScenarioError::at("scenario", error))?;
        for (index, one) in vary.iter().enumerate() {
            if vary[..index].iter().any(|other| other.key == one.key) {
                return Err(PlanError::Twice(one.key.clone()));
            }
        }
        let plan = Plan { version: version(), scenario, vary, seeds };
        let variants = plan.vary.iter().try_fold(1usize, |product, vary| product.checked_mul(vary.values.len()));
        let found = variants.and_then(|variants| variants.checked_mul(seeds as usize)).unwrap_or(usize::MAX);
        if found > TASKS_MAX {
            return Err(PlanError::TooMany { max: TASKS_MAX, found });
        }
        for number in (0..found).step_by(seeds as usize) {
            plan.scenario_of(&plan.task(number))?;
        }
        Ok(plan)
    }

    /// How many tasks there are: for each variant its seeds.
    pub fn count(&self) -> usize {
        self.vary.iter().map(|vary| vary.values.len()).product::<usize>() * self.seeds as usize
    }

    /// The tasks, in the order of their numbers.
    pub fn tasks(&self) -> impl Iterator<Item = Task> + '_ {
        (0..self.count()).map(|number| self.task(number))
    }

    /// The task of this number, below [`Plan::count`].
    fn task(&self, number: usize) -> Task {
        let seeds = self.seeds as usize;
        let first_seed = self.scenario.get("seed").and_then(toml::Value::as_integer).unwrap_or(1).cast_unsigned();
        let variant = number / seeds;
        // The last key varies fastest.
        let mut left = variant;
        let mut values: Vec<String> = Vec::with_capacity(self.vary.len());
        for vary in self.vary.iter().rev() {
            values.push(vary.values[left % vary.values.len()].clone());
            left /= vary.values.len();
        }
        values.reverse();
        Task { number, variant, values, seed: first_seed.wrapping_add((number % seeds) as u64) }
    }

    fn scenario_of(&self, task: &Task) -> Result<Scenario, PlanError> {
        let mut table = self.scenario.clone();
        for (vary, value) in self.vary.iter().zip(&task.values) {
            table = vary.apply(&table, value)?;
        }
        let text = toml::to_string(&table).map_err(|error| ScenarioError::at("scenario", error))?;
        let mut scenario = Scenario::parse(&text)?;
        scenario.seed = task.seed;
        Ok(scenario)
    }

    fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// What tells this plan from any other.
    pub(super) fn hash(&self) -> Hash {
        Hash::of(&self.json())
    }

    /// Writes the plan, and a table of its tasks for people. The same plan may be there already.
    pub fn write(&self, directory: &Path) -> Result<(), PlanError> {
        let path = directory.join(PLAN);
        let file = |error| PlanError::File { path: path.clone(), error };
        fs::create_dir_all(directory).map_err(file)?;
        match fs::read(&path) {
            Ok(there) if there == self.json() => return Ok(()),
            Ok(_) => return Err(PlanError::Other { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(file(error)),
        }
        let keys: Vec<&str> = self.vary.iter().map(|vary| vary.key.as_str()).collect();
        let mut table = csv::Writer::from_writer(Vec::new());
        let written = table.write_record(["task", "variant", "seed"].into_iter().chain(keys)).and_then(|()| {
            for Task { number, variant, values, seed } in self.tasks() {
                let fixed = [number.to_string(), variant.to_string(), seed.to_string()];
                table.write_record(fixed.into_iter().chain(values))?;
            }
            Ok(())
        });
        written.map_err(|error| file(error.into()))?;
        let table = table.into_inner().map_err(|error| file(error.into_error()))?;
        place(&directory.join(TASKS), &table).map_err(file)?;
        place(&path, &self.json()).map_err(file)
    }

    /// Reads the plan of a directory.
    pub fn read(directory: &Path) -> Result<Plan, PlanError> {
        let path = directory.join(PLAN);
        let json = fs::read(&path).map_err(|error| PlanError::File { path: path.clone(), error })?;
        let plan: Plan =
            serde_json::from_slice(&json).map_err(|error| PlanError::NoPlan { path: path.clone(), error })?;
        if plan.version != version() {
            return Err(PlanError::Version { path, expected: version(), found: plan.version });
        }
        Ok(plan)
    }

    /// Where a task's figures go.
    pub(super) fn path_of(&self, directory: &Path, task: usize) -> PathBuf {
        directory.join(format!("task-{task:06}.json"))
    }

    /// The tasks whose figures are not there.
    pub fn missing(&self, directory: &Path) -> Vec<usize> {
        (0..self.count()).filter(|task| !self.path_of(directory, *task).exists()).collect()
    }

    /// Runs a task on one thread, unless its figures are there. They are written beside, and renamed when whole.
    pub fn run(&self, directory: &Path, number: usize) -> Result<(), PlanError> {
        let path = self.path_of(directory, number);
        if number >= self.count() {
            return Err(PlanError::NoTask { tasks: self.count(), found: number });
        }
        if path.exists() {
            return Ok(());
        }
        let task = self.task(number);
        let scenario = self.scenario_of(&task)?;
        let community = Community::of(&scenario)?;
        let failed = |error| {
            let named = self.vary.iter().zip(&task.values).map(|(vary, value)| format!("{}={value}, ", vary.key));
            PlanError::Run { task: number, what: format!("{}seed {}", named.collect::<String>(), task.seed), error }
        };
        let figures = offline::figures(&scenario, &community, 1, &|_| ControlFlow::Continue(())).map_err(failed)?;
        let figures = serde_json::to_value(&figures).unwrap_or_default();
        let mut json =
            serde_json::to_vec_pretty(&Done { plan: self.hash(), task: number, figures }).unwrap_or_default();
        json.push(b'\n');
        place(&path, &json).map_err(|error| PlanError::File { path, error })
    }
}
