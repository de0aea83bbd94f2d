//! The rules, each from an interval on: tariffs, mechanism, grid.

use std::sync::Arc;

use market::{
    clearing::{Network, mechanism},
    grid::Grid,
};
use minicbor::{Decode, Encode};
use protocol::{
    genesis::{GridPlan, Rules},
    interval::Interval,
};

use super::{Refusal, StateError};

/// Rules and the interval from which on they hold.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Version {
    /// The first interval.
    #[n(0)]
    pub from: Interval,
    /// Tariffs and mechanism.
    #[n(1)]
    pub rules: Rules,
    /// The grid, if known.
    #[n(2)]
    pub plan: Option<GridPlan>,
}

/// All rules that an interval on record was settled under, and those to come.
#[derive(Debug, Clone, Default)]
pub(super) struct Rulebook(Vec<(Version, Arc<Grid>)>);

/// Checks that there is such a mechanism, and that its parameters fit the grid.
pub(super) fn check_terms(version: &Version, grid: &Grid) -> Result<(), Refusal> {
    mechanism(&version.rules.mechanism).map_err(Refusal::UnknownMechanism)?;
    let parameters = version.rules.parameters.clone().unwrap_or_default();
    Network::new(grid, &parameters, version.from, &[]).map_err(Refusal::BadTerms)?;
    Ok(())
}

impl Rulebook {
    /// Of at least one version, in ascending order of their first interval.
    pub(super) fn new(versions: Vec<Version>) -> Result<Rulebook, StateError> {
        if versions.is_empty() || !versions.is_sorted_by(|a, b| a.from < b.from) {
            let reason = "expected at least one version, in ascending order of the first interval".into();
            return Err(StateError::Entry { key: "rules".into(), reason });
        }
        let parsed = |version: Version| {
            let grid = Grid::of(version.plan.as_ref())?;
            check_terms(&version, &grid).map_err(StateError::Rules)?;
            Ok((version, Arc::new(grid)))
        };
        versions.into_iter().map(parsed).collect::<Result<_, StateError>>().map(Rulebook)
    }

    /// The rules of an interval; before the first, the first.
    pub(super) fn at(&self, interval: Interval) -> Option<&(Version, Arc<Grid>)> {
        self.0.iter().rev().find(|(version, _)| version.from <= interval).or(self.0.first())
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.0.iter().map(|(version, _)| version)
    }

    /// The grids of these rules that hold at `next` or later.
    pub(super) fn grids_from(&self, next: Interval) -> impl Iterator<Item = &Grid> {
        let first = self.0.iter().rposition(|(version, _)| version.from <= next).unwrap_or(0);
        self.0[first..].iter().map(|(_, grid)| &**grid)
    }

    /// Rules to come. They take the place of others that would begin as early or later.
    pub(super) fn set(&mut self, version: Version, grid: Grid) {
        self.0.retain(|(earlier, _)| earlier.from < version.from);
        self.0.push((version, Arc::new(grid)));
    }

    /// The rules that hold at `from`, and those that come later.
    pub(super) fn since(&self, from: Interval) -> Vec<Version> {
        let first = self.0.iter().rposition(|(version, _)| version.from <= from).unwrap_or(0);
        self.0[first..].iter().map(|(version, _)| version.clone()).collect()
    }

    /// Lets others take the place of all rules that begin at `from` or later.
    pub(super) fn continue_with(&mut self, from: Interval, versions: Vec<Version>) {
        self.0.retain(|(earlier, _)| earlier.from < from);
        self.0.extend(versions.into_iter().map(|version| match Grid::of(version.plan.as_ref()) {
            Ok(grid) => (version, Arc::new(grid)),
            Err(error) => unreachable!("the grid was one when these rules were set, or read: {error}"),
        }));
    }

    /// Forgets the rules under which nothing on record was settled: all before those of `oldest`.
    pub(super) fn expire(&mut self, oldest: Interval) -> bool {
        let past = self.0.iter().take_while(|(version, _)| version.from <= oldest).count().saturating_sub(1);
        self.0.drain(..past);
        past > 0
    }
}
