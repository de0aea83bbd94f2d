//! Members whose meters say something else than what flows, and what becomes of it.
//!
//! Energy and money of a run are then what the meters said, and what the grid carries is what flowed. Beside the market
//! of each interval the one is cleared that honest meters would have made, from the same flows.

use household::home::{HomeFlows, misreport::Misreport};
use market::{balance::provisional, economics::Economics, grid::Grid, inputs::MeteredMember, metering::Metered};
use protocol::{
    energy::Energy,
    genesis::{Rules, TransformerMeter},
    member::MemberId,
    order::PriceLimits,
    reading::Flow,
    settlement::Line,
};

use super::{
    chance::Chance,
    uses::{Use, narrow},
};
use crate::scenario::Dishonest as Said;

/// Whose meters do, and how.
#[derive(Debug)]
pub(crate) struct Dishonest {
    /// By member.
    is_dishonest: Vec<bool>,
    misreport: Misreport,
    transformer: TransformerMeter,
}

/// The lot by which they are drawn: none of those by which anything else is.
const LOT: u64 = 101;

impl Dishonest {
    pub(crate) fn of(said: &Said, members: usize, chance: &Chance) -> Dishonest {
        let count = said.share.of(u32::try_from(members).unwrap_or(u32::MAX)) as usize;
        let mut is_dishonest = vec![false; members];
        chance.lots(LOT, members).into_iter().take(count).for_each(|member| is_dishonest[member] = true);
        let transformer = TransformerMeter {
            // Above all members, who are numbered.
            member: MemberId::from_bytes([0xff; 16]),
            tolerance_wh: 0,
            tolerance_ppm: said.tolerance.ppm(),
        };
        let misreport = Misreport::of_ppm(said.hides.ppm(), said.invents.ppm());
        Dishonest { is_dishonest, misreport, transformer }
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.is_dishonest.iter().filter(|is_dishonest| **is_dishonest).count()
    }

    /// How a member's meter misreports; none of an honest one.
    pub(crate) fn misreport(&self, member: usize) -> Option<Misreport> {
        self.is_dishonest[member].then_some(self.misreport)
    }

    /// What the meters say that everyone did.
    pub(crate) fn tell(&self, uses: &[Use], told: &mut Vec<Use>) {
        told.clear();
        told.extend_from_slice(uses);
        for (of_member, _) in told.iter_mut().zip(&self.is_dishonest).filter(|(_, is_dishonest)| **is_dishonest) {
            let (import_wh, export_wh) = of_member.at_meter();
            let flows = HomeFlows {
                consumption_wh: of_member.consumption.into(),
                production_wh: of_member.production.into(),
                charged_wh: of_member.charged.into(),
                discharged_wh: of_member.discharged.into(),
                import_wh: import_wh.into(),
                export_wh: export_wh.into(),
                ..HomeFlows::default()
            };
            let said = self.misreport.tell(&flows);
            (of_member.consumption, of_member.production) = (narrow(said.consumption_wh), narrow(said.production_wh));
        }
    }

    /// Whether what the members' meters say comes to what the transformer's says, which drew so much for all.
    pub(crate) fn closes(&self, members: &[MeteredMember], rules: &Rules, net_wh: i64) -> bool {
        let rules = Rules { transformer: Some(self.transformer), ..rules.clone() };
        let energy = |wh: i64| Energy::from_wh(u64::try_from(wh).unwrap_or(0));
        let measured = Some(Flow { import: energy(net_wh), export: energy(-net_wh) });
        let transformer = MeteredMember {
            quota: None,
            member: self.transformer.member,
            bus: Grid::ROOT,
            limits: PriceLimits::default(),
            metered: Metered { measured, late: Flow::default() },
            technology: None,
        };
        provisional(&rules, &[members, &[transformer]].concat(), Vec::new()).is_none()
    }
}

/// What dishonest meters came to, over some intervals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Misreported {
    /// What passed the transformer and no meter said, Wh.
    pub(crate) unmetered_wh: u64,
    /// Intervals in which the transformer's meter was too far from the members' sum.
    pub(crate) open_intervals: usize,
    /// What honest members bought and sold otherwise than they would have, Wh.
    pub(crate) misallocated_wh: u64,
    /// What it cost honest members, n€.
    pub(crate) honest_loss_nano: i128,
    /// What it gained the others, n€.
    pub(crate) dishonest_gain_nano: i128,
    /// What it cost the supplier, n€.
    pub(crate) supplier_loss_nano: i128,
    /// What it cost the grid operator, n€.
    pub(crate) operator_loss_nano: i128,
}

impl Misreported {
    /// Adds an interval: what came of it, and what would have come of the truth.
    pub(crate) fn add_interval(
        &mut self,
        dishonest: &Dishonest,
        found: &Economics,
        truth: &Economics,
        unmetered_wh: u64,
        closes: bool,
    ) {
        self.unmetered_wh += unmetered_wh;
        self.open_intervals += usize::from(!closes);
        for ((found, truth), is_dishonest) in found.lines.iter().zip(&truth.lines).zip(&dishonest.is_dishonest) {
            let lost = net_nano(truth) - net_nano(found);
            match is_dishonest {
                true => self.dishonest_gain_nano -= lost,
                false => {
                    self.honest_loss_nano += lost;
                    let apart = |one: Energy, other: Energy| one.wh().abs_diff(other.wh());
                    self.misallocated_wh += apart(found.bought, truth.bought) + apart(found.sold, truth.sold);
                }
            }
        }
        let lost = |truth: i64, found: i64| i128::from(truth) - i128::from(found);
        self.supplier_loss_nano += lost(truth.supplier.nano(), found.supplier.nano());
        self.operator_loss_nano += lost(truth.operator.nano(), found.operator.nano());
    }

    /// Adds other intervals.
    pub(crate) fn add(&mut self, other: &Misreported) {
        self.unmetered_wh += other.unmetered_wh;
        self.open_intervals += other.open_intervals;
        self.misallocated_wh += other.misallocated_wh;
        self.honest_loss_nano += other.honest_loss_nano;
        self.dishonest_gain_nano += other.dishonest_gain_nano;
        self.supplier_loss_nano += other.supplier_loss_nano;
        self.operator_loss_nano += other.operator_loss_nano;
    }
}

/// What a member gains.
fn net_nano(line: &Line) -> i128 {
    let gains = i128::from(line.earned.nano()) + i128::from(line.supply_revenue.nano());
    gains - i128::from(line.paid.nano()) - i128::from(line.supply_cost.nano())
}
