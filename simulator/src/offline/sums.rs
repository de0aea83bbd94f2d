//! What adds up: of a member, and of an interval.

use market::welfare::Welfare;
use protocol::{genesis::Rules, money::Price, settlement::Line};

use super::uses::Use;

/// Sums of one member over some intervals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberSums {
    /// Used, Wh.
    pub consumption_wh: u64,
    /// Made, Wh.
    pub production_wh: u64,
    /// Taken by the home's battery, Wh.
    pub charged_wh: u64,
    /// Given by the home's battery, Wh.
    pub discharged_wh: u64,
    /// Bought from neighbours, Wh.
    pub bought_wh: u64,
    /// Sold to neighbours, Wh.
    pub sold_wh: u64,
    /// Drawn from the supplier, Wh.
    pub imported_wh: u64,
    /// Fed in to the supplier, Wh.
    pub exported_wh: u64,
    /// Paid to neighbours, n€.
    pub paid_nano: i128,
    /// Earned from neighbours, n€.
    pub earned_nano: i128,
    /// Paid to the supplier, n€.
    pub supply_cost_nano: i128,
    /// Earned from the supplier, n€.
    pub supply_revenue_nano: i128,
    /// What it would have cost to have no neighbours, n€: negative where the roof earns more than the house costs.
    pub alone_nano: i128,
}

impl MemberSums {
    /// One interval.
    pub(crate) fn of_line(of_member: Use, line: &Line, rules: &Rules) -> MemberSums {
        let (deficit, surplus) = (line.bought.wh() + line.imported.wh(), line.sold.wh() + line.exported.wh());
        let times = |price: Price, wh: u64| i128::from(price.micro()) * i128::from(wh);
        MemberSums {
            consumption_wh: of_member.consumption.into(),
            production_wh: of_member.production.into(),
            charged_wh: of_member.charged.into(),
            discharged_wh: of_member.discharged.into(),
            bought_wh: line.bought.wh(),
            sold_wh: line.sold.wh(),
            imported_wh: line.imported.wh(),
            exported_wh: line.exported.wh(),
            paid_nano: line.paid.nano().into(),
            earned_nano: line.earned.nano().into(),
            supply_cost_nano: line.supply_cost.nano().into(),
            supply_revenue_nano: line.supply_revenue.nano().into(),
            alone_nano: times(rules.retail_price, deficit) - times(rules.feed_in_price, surplus),
        }
    }

    /// The same in an outage: who has no neighbours then has nothing, for nothing.
    fn of_outage(of_member: Use, line: &Line, rules: &Rules) -> MemberSums {
        MemberSums { alone_nano: 0, ..MemberSums::of_line(of_member, line, rules) }
    }

    /// How lines are summed up, by whether the grid above is gone.
    pub(crate) fn of(in_outage: bool) -> fn(Use, &Line, &Rules) -> MemberSums {
        if in_outage { MemberSums::of_outage } else { MemberSums::of_line }
    }

    /// Adds other sums. What a century of the largest members comes to is far from the types' ranges.
    pub fn add(&mut self, other: &MemberSums) {
        self.consumption_wh += other.consumption_wh;
        self.production_wh += other.production_wh;
        self.charged_wh += other.charged_wh;
        self.discharged_wh += other.discharged_wh;
        self.bought_wh += other.bought_wh;
        self.sold_wh += other.sold_wh;
        self.imported_wh += other.imported_wh;
        self.exported_wh += other.exported_wh;
        self.paid_nano += other.paid_nano;
        self.earned_nano += other.earned_nano;
        self.supply_cost_nano += other.supply_cost_nano;
        self.supply_revenue_nano += other.supply_revenue_nano;
        self.alone_nano += other.alone_nano;
    }

    /// What was lacking at the meter, Wh.
    pub fn deficit_wh(&self) -> u64 {
        self.bought_wh + self.imported_wh
    }

    /// What was to spare at the meter, Wh.
    pub fn surplus_wh(&self) -> u64 {
        self.sold_wh + self.exported_wh
    }

    /// Used of what its own roof made, at the time or from its battery, Wh: what was not lacking. Less than nothing
    /// where a battery was charged from the grid and has not given it back.
    pub fn self_wh(&self) -> i128 {
        i128::from(self.consumption_wh) - i128::from(self.deficit_wh())
    }

    /// What the energy cost, n€: negative where it earned.
    pub fn cost_nano(&self) -> i128 {
        self.paid_nano - self.earned_nano + self.supply_cost_nano - self.supply_revenue_nano
    }

    /// What having neighbours was worth, n€.
    pub fn saving_nano(&self) -> i128 {
        self.alone_nano - self.cost_nano()
    }
}

/// What an interval came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalSums {
    /// All members.
    pub sums: MemberSums,
    /// The most that could have been traded, Wh: the lesser of all that was lacking and all that was to spare.
    pub tradable_wh: u64,
    /// The price, where there is one for all and something was traded.
    pub price: Option<Price>,
    /// What the grid operator gained, n€.
    pub operator_nano: i64,
    /// What the community drew from the grid, less what it fed in, whenever it was read, Wh.
    pub net_wh: i64,
    /// What it would have cost as one household, n€.
    pub pooled_nano: i128,
    /// What its trades are worth.
    pub welfare: Welfare,
    /// What all batteries hold at its end, Wh.
    pub stored_wh: u64,
    /// Members that bought.
    pub buyers: u32,
    /// Members that sold.
    pub sellers: u32,
}
