//! An interval cleared again from what the ledger has of it: its picture, and what its energy did to the grid. Pure.

use std::collections::BTreeMap;

use market::{
    grid::{Grid, GridError},
    inputs::Inputs,
    settlement::{BusUse, IntervalInput, Picture, grid_use, settle_on_grid},
};
use protocol::{
    api::{Correctable, MemberStatus},
    correction::MemberInput,
    member::MemberId,
};

/// Where members are connected. No decision moves one, so where they are is where they were.
#[derive(Debug, Clone, Default)]
pub(super) struct Buses(BTreeMap<MemberId, Option<String>>);

impl Buses {
    pub(super) fn of(members: Vec<MemberStatus>) -> Buses {
        Buses(members.into_iter().map(|member| (member.member, member.bus)).collect())
    }

    fn inputs(&self, grid: &Grid, inputs: &[MemberInput]) -> Result<Inputs, GridError> {
        let bus = |input: &MemberInput| grid.bus(self.0.get(&input.member).and_then(Option::as_deref));
        Inputs::new(inputs.to_vec(), bus)
    }
}

/// The picture of an interval as it stands; none where this program does not come to the settlement that is on the
/// ledger: what is shown would be of another one.
pub(super) fn picture(of: &Correctable, buses: &Buses) -> Option<Picture> {
    let Correctable { settlement, rules, tie_seed, .. } = of;
    let grid = Grid::of(of.grid.as_ref()).ok()?;
    let inputs = buses.inputs(&grid, &of.inputs).ok()?;
    let again = settle_on_grid(IntervalInput {
        interval: settlement.interval,
        rules,
        grid: &grid,
        tie_seed,
        readings: settlement.readings.clone(),
        inputs: &inputs,
    });
    let (again, feeder) = again.ok()?;
    if again != *settlement {
        return None;
    }
    Picture::new(&inputs, rules, &grid, settlement.interval, feeder.as_ref()).ok()
}

/// What the energy of an interval did to the grid, whatever was traded; empty where no grid is known, none where it
/// cannot be told.
pub(super) fn flows(of: &Correctable, buses: &Buses) -> Option<Vec<BusUse>> {
    let grid = Grid::of(of.grid.as_ref()).ok()?;
    let inputs = buses.inputs(&grid, &of.inputs).ok()?;
    grid_use(inputs.metered(), &of.rules, &grid, of.settlement.interval, None).ok()
}
