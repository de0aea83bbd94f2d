//! `simulator sweep`: variants of a scenario with several seeds, here or wherever a plan's directory is seen.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use clap::Args;
use usage::whole;

use super::{Failure, bad_input, print, threads};
use crate::{
    progress,
    sweep::{self, MergeError, Plan, PlanError, Vary},
};

const EXAMPLES: &str = "Examples:
  simulator sweep SCENARIO.toml --vary market.mechanism=uniform,pay_as_bid --seeds 20 --out mechanisms
  simulator sweep SCENARIO.toml --vary community.drawn.pv_share=0.2,0.4 --vary equipment.0.share=0,0.5 --out storage
The same command goes on where it was stopped. On many machines that see one directory:
  simulator sweep SCENARIO.toml --vary market.mechanism=uniform,feeder --seeds 20 --plan sweep
  simulator sweep --plan sweep --task 7        one task, such as $SLURM_ARRAY_TASK_ID; done at once if it is done
  simulator sweep --plan sweep --missing       what is left, as 3,7
  simulator sweep --plan sweep --merge         the tables, once all are done

docs/researcher.md has job files for SLURM, Kubernetes, GNU parallel and Snakemake.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sweep {
    /// The scenario, a TOML file
    #[arg(value_name = "SCENARIO.toml", required_unless_present = "plan")]
    scenario: Option<PathBuf>,
    /// A key of the scenario, and the values that it takes; several times for every value with every other
    #[arg(long, value_name = "KEY=VALUE,VALUE", requires = "scenario")]
    vary: Vec<Vary>,
    /// How many seeds each variant is run with, from the scenario's own on [default: 1]
    #[arg(long, value_name = "N", requires = "scenario", value_parser = whole::<u32>(1..=100_000))]
    seeds: Option<u32>,
    /// Directory to write to, and to go on in
    #[arg(long, value_name = "DIR", default_value = "sweep", conflicts_with = "plan")]
    out: PathBuf,
    /// Write the plan of the scenario to this directory and run nothing; or, with none of a scenario, use the plan
    /// there
    #[arg(long, value_name = "DIR")]
    plan: Option<PathBuf>,
    /// Run this task of the plan
    #[arg(long, value_name = "K", requires = "plan", conflicts_with_all = ["scenario", "missing", "merge"],
          allow_negative_numbers = true, value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    task: Option<u32>,
    /// Print the numbers of the tasks that are not done
    #[arg(long, requires = "plan", conflicts_with_all = ["scenario", "merge"])]
    missing: bool,
    /// Merge the tasks of the plan into its tables
    #[arg(long, requires = "plan", conflicts_with = "scenario")]
    merge: bool,
    /// How many tasks run at a time [default: as many as there are cores]
    #[arg(long, value_name = "K", conflicts_with = "plan", allow_negative_numbers = true, value_parser = whole::<u16>(1..=1024))]
    threads: Option<u16>,
}

fn plan_failure(error: PlanError) -> Failure {
    match error {
        PlanError::Run { .. } => Failure::Failed(error.to_string()),
        error => bad_input(error),
    }
}

fn merge_failure(error: MergeError) -> Failure {
    match error {
        MergeError::File { .. } => Failure::Failed(error.to_string()),
        error => bad_input(error),
    }
}

pub(super) fn sweep(options: Sweep) -> Result<(), Failure> {
    let made = |path: &PathBuf| {
        Plan::new(path, options.vary.clone(), options.seeds.unwrap_or(1)).map_err(|error| match error {
            PlanError::Scenario(error) => bad_input(format!("{}: {error}", path.display())),
            error => plan_failure(error),
        })
    };
    match (&options.scenario, &options.plan) {
        (Some(scenario), Some(directory)) => {
            let plan = made(scenario)?;
            plan.write(directory).map_err(plan_failure)?;
            print(&format!("{} has a plan of {} tasks", directory.display(), plan.count()))
        }
        (Some(scenario), None) => {
            let plan = made(scenario)?;
            plan.write(&options.out).map_err(plan_failure)?;
            run_all(&plan, &options)?;
            sweep::merge(&plan, &options.out).map_err(merge_failure)?;
            print(&format!(
                "{}/sweep.html shows {} tasks, beside sweep.csv and means.csv",
                options.out.display(),
                plan.count()
            ))
        }
        (None, Some(directory)) => {
            let plan = Plan::read(directory).map_err(plan_failure)?;
            if let Some(task) = options.task {
                return plan.run(directory, task as usize).map_err(plan_failure);
            }
            if options.merge {
                return sweep::merge(&plan, directory).map_err(merge_failure);
            }
            if options.missing {
                return print(&plan.missing(directory).iter().map(usize::to_string).collect::<Vec<_>>().join(","));
            }
            Err(bad_input("--plan: expected a scenario, --task, --missing or --merge with it, found none"))
        }
        (None, None) => Err(bad_input("expected a scenario or --plan, found none")),
    }
}

/// Runs all tasks that are not done.
fn run_all(plan: &Plan, options: &Sweep) -> Result<(), Failure> {
    let missing = plan.missing(&options.out);
    let threads = threads(options.threads);
    let bar = progress::over(missing.len() as u64, "tasks");
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first_error: Mutex<Option<PlanError>> = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, missing.len().max(1)) {
            scope.spawn(|| {
                while let Some(task) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if failed.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Err(error) = plan.run(&options.out, *task) {
                        failed.store(true, Ordering::Relaxed);
                        first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(plan_failure(error)),
        None => Ok(()),
    }
}
