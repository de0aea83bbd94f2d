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

#[cfg(test)]
mod tests {
    use market::{inputs::member_input, metering::Metered};
    use protocol::{
        energy::Energy,
        genesis::{GridLine, GridPlan, Rules},
        hash::Hash,
        order::PriceLimits,
        reading::Flow,
    };

    use super::*;

    fn member(id: u8) -> MemberId {
        MemberId::from_bytes([id; 16])
    }

    /// Two households below one line, the second of which sells 300 Wh to the first.
    fn correctable(mechanism: &str) -> (Correctable, Buses) {
        let line = GridLine { line: "l1".into(), from: "r".into(), to: "a".into(), rated_va: 8_000 };
        let plan = GridPlan { transformer: "T".into(), transformer_va: 40_000, root: "r".into(), lines: vec![line] };
        let buses = Buses(BTreeMap::from([(member(1), Some("a".into())), (member(2), Some("r".into()))]));
        let input = |id, import, export| {
            let [import, export] = [import, export].map(Energy::from_wh);
            let metered = Metered { measured: Some(Flow { import, export }), late: Flow::default() };
            member_input(member(id), None, None, PriceLimits::default(), Some(metered))
        };
        let inputs = vec![input(1, 300, 0), input(2, 0, 900)];
        let rules = Rules::new("0.3".parse().unwrap(), "0.1".parse().unwrap(), mechanism);
        let grid = Grid::from_plan(&plan).unwrap();
        let (settlement, _) = settle_on_grid(IntervalInput {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            rules: &rules,
            grid: &grid,
            tie_seed: &Hash::ZERO,
            readings: Vec::new(),
            inputs: &buses.inputs(&grid, &inputs).unwrap(),
        })
        .unwrap();
        let (grid, tie_seed) = (Some(plan), Hash::ZERO);
        (Correctable { settlement, inputs, corrections: 0, tie_seed, rules, grid, late: Vec::new() }, buses)
    }

    #[test]
    fn a_picture_is_of_the_settlement_on_the_ledger_or_there_is_none() {
        for mechanism in ["uniform", "feeder"] {
            let (of, buses) = correctable(mechanism);
            let shown = picture(&of, &buses).unwrap();
            assert_eq!((shown.mechanism.as_str(), shown.curves.demand[0].energy.wh()), (mechanism, 300));
            let flow = |bus: &BusUse| bus.line.as_ref().map(|line| (line.line.clone(), line.flow_wh));
            let flows: Vec<_> = flows(&of, &buses).unwrap().iter().filter_map(flow).collect();
            assert_eq!(flows, [("T".into(), -600), ("l1".into(), 300)]);

            let mut other = of.clone();
            other.settlement.lines[0].imported = Energy::from_wh(1);
            assert_eq!(picture(&other, &buses), None, "another line");
            let mut other = of.clone();
            other.inputs[0].values.as_mut().unwrap().import = Energy::from_wh(301);
            assert_eq!(picture(&other, &buses), None, "other inputs");
            let unknown = Correctable { rules: Rules { mechanism: "later".into(), ..of.rules.clone() }, ..of.clone() };
            assert_eq!(picture(&unknown, &buses), None, "a mechanism that this program does not have");
            assert_eq!(picture(&of, &Buses::default()), None, "members whose bus nobody knows");
        }
    }

    #[test]
    fn where_no_grid_is_known_there_are_no_lines() {
        let (of, buses) = correctable("uniform");
        assert_eq!(flows(&Correctable { grid: None, ..of.clone() }, &buses), Some(Vec::new()));
        assert_eq!(flows(&of, &Buses::default()), None);
    }
}
