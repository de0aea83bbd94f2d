//! The figures of a whole run, each by its formula (`docs/researcher.md` has them with sources). Sums are integers, and
//! a ratio is formed once, at the end, to six decimals: so the figures are the same to the byte on every machine.
//!
//! The supplier is no member: what it takes and gives is in none of the members' sums.

mod carbon;
mod fairness;
mod grid;
mod honesty;
mod outage;
mod ratio;
mod welfare;

use protocol::{genesis::Rules, interval::Interval};
use serde::Serialize;

pub use self::{
    carbon::Carbon,
    fairness::Fairness,
    grid::{Grid, LinePeak},
    honesty::Honesty,
    outage::{ByClass, Outage},
    ratio::Ratio,
    welfare::Welfare,
};
pub(crate) use self::{grid::watts, ratio::rounded};
use super::{
    dishonest::Misreported,
    intensity::Intensity,
    outage::Shed,
    pool::Pool,
    sums::{IntervalSums, MemberSums},
};

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Intervals played.
    pub intervals: usize,
    /// Members of the community.
    pub members: usize,
    /// Energy.
    pub energy: EnergyFigures,
    /// Money, in n€ over the whole period.
    pub money: Money,
    /// Who gains how much.
    pub fairness: Fairness,
    /// Prices, in µ€/kWh.
    pub market: Prices,
    /// How much of what the orders are worth is realised.
    pub welfare: Welfare,
    /// What the supplier's energy emits, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carbon: Option<Carbon>,
    /// What passes the transformer and the lines.
    pub grid: Grid,
    /// What dishonest meters do, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honesty: Option<Honesty>,
    /// Who had what while the grid above was gone, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
}

/// Energy over the whole period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnergyFigures {
    /// Used, Wh.
    pub consumption_wh: u64,
    /// Made, Wh.
    pub production_wh: u64,
    /// Taken by batteries, Wh.
    pub charged_wh: u64,
    /// Given by batteries, Wh.
    pub discharged_wh: u64,
    /// Traded between neighbours, Wh.
    pub traded_wh: u64,
    /// With no neighbours: each uses what its own roof makes, at the time or from its battery.
    pub alone: Sufficiency,
    /// With the market.
    pub market: Sufficiency,
    /// As if all were one household whose devices do the same: no market reaches more.
    pub pooled: Sufficiency,
    /// As if all were one household with one battery, run by someone who knows what comes: whatever batteries do, and
    /// with whatever market, no less is imported. None where there are no batteries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooled_batteries: Option<PooledBatteries>,
    /// Part of what members lacked that came from neighbours: Σ bought ÷ Σ (bought + imported).
    pub local_share_of_demand: Option<Ratio>,
    /// Part of what members had to spare that went to neighbours: Σ sold ÷ Σ (sold + exported).
    pub local_share_of_surplus: Option<Ratio>,
}

/// How much of the energy stays, and how much of the need it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sufficiency {
    /// Used of what was made here, Wh: consumption − imported. What a battery takes from the grid is imported.
    pub self_wh: i64,
    /// Drawn from the supplier, Wh.
    pub imported_wh: u64,
    /// Fed in to the supplier, Wh.
    pub exported_wh: u64,
    /// Part of the production that stays here: (production − exported) ÷ production. What batteries lose has stayed.
    pub self_consumption: Option<Ratio>,
    /// Part of the consumption that is made here: (consumption − imported) ÷ consumption.
    pub self_sufficiency: Option<Ratio>,
}

/// What all batteries could have done as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PooledBatteries {
    /// Drawn from the supplier at the least, Wh.
    pub imported_wh: u64,
    /// (consumption − imported) ÷ consumption.
    pub self_sufficiency: Option<Ratio>,
}

impl PooledBatteries {
    fn of(pool: &Pool, intervals: &[(Interval, IntervalSums)], all: &MemberSums) -> PooledBatteries {
        let energy = intervals.iter().map(|(at, row)| (*at, row.sums.consumption_wh, row.sums.production_wh));
        let imported_wh = pool.imported_wh(energy);
        let self_wh = i128::from(all.consumption_wh) - i128::from(imported_wh);
        PooledBatteries { imported_wh, self_sufficiency: Ratio::of(self_wh, all.consumption_wh) }
    }
}

/// Money over the whole period, n€.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Money {
    /// What all members' energy cost.
    #[serde(serialize_with = "as_integer")]
    pub cost_nano: i128,
    /// What it would have cost without neighbours.
    #[serde(serialize_with = "as_integer")]
    pub alone_nano: i128,
    /// What it would have cost as one household.
    #[serde(serialize_with = "as_integer")]
    pub pooled_nano: i128,
    /// What the market saved: alone − cost.
    #[serde(serialize_with = "as_integer")]
    pub saving_nano: i128,
    /// The saving as a part of what no neighbours cost.
    pub saving_share: Option<Ratio>,
    /// Value tapping: the saving as a part of the most that there was, (alone − cost) ÷ (alone − pooled).
    pub value_tapping: Option<Ratio>,
    /// What the supplier gained.
    #[serde(serialize_with = "as_integer")]
    pub supplier_nano: i128,
    /// What the grid operator gained.
    #[serde(serialize_with = "as_integer")]
    pub operator_nano: i128,
}

/// Prices between neighbours, µ€/kWh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prices {
    /// Intervals in which something was traded.
    pub intervals_with_trade: usize,
    /// What buyers paid on average for a kWh: Σ paid ÷ Σ traded.
    pub paid_micro_per_kwh: Option<i64>,
    /// What sellers received on average.
    pub received_micro_per_kwh: Option<i64>,
    /// Over the intervals with a price: the median.
    pub median_micro_per_kwh: Option<i64>,
    /// The price that a twentieth of the intervals are below.
    pub low_micro_per_kwh: Option<i64>,
    /// The price that a twentieth of the intervals are above.
    pub high_micro_per_kwh: Option<i64>,
    /// Standard deviation.
    pub deviation_micro_per_kwh: Option<i64>,
}

/// JSON has integers of any length, and these are beyond an `i64` only in theory.
fn as_integer<S: serde::Serializer>(nano: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i128(*nano)
}

/// What is known of a community, beside what it did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// The rules, where they were the same all the time.
    pub(crate) rules: Option<&'a Rules>,
    /// What the supplier's energy emits.
    pub(crate) intensity: Option<&'a Intensity>,
    /// All its batteries as one.
    pub(crate) pool: Option<Pool>,
    /// How many of its meters say something else than what flows, if the scenario has any.
    pub(crate) dishonest: Option<usize>,
    /// How many intervals were without a grid above, if the scenario has an outage.
    pub(crate) outage: Option<usize>,
}

/// What a run came to, before figures are made of it.
pub(crate) struct Totals<'a> {
    pub(crate) known: Known<'a>,
    pub(crate) misreported: &'a Misreported,
    pub(crate) shed: &'a Shed,
    pub(crate) intervals: &'a [(Interval, IntervalSums)],
    pub(crate) members: &'a [MemberSums],
    pub(crate) lines: Vec<LinePeak>,
}

impl Figures {
    pub(crate) fn of(totals: Totals<'_>) -> Figures {
        let Totals { known, misreported, shed, intervals, members, lines } = totals;
        let Known { rules, intensity, pool, dishonest, outage } = known;
        let mut all = MemberSums::default();
        members.iter().for_each(|member| all.add(member));
        let tradable_wh: u64 = intervals.iter().map(|(_, row)| row.tradable_wh).sum();
        let pooled_nano = intervals.iter().map(|(_, row)| row.pooled_nano).sum();
        let operator_nano = intervals.iter().map(|(_, row)| i128::from(row.operator_nano)).sum();
        Figures {
            intervals: intervals.len(),
            members: members.len(),
            energy: EnergyFigures {
                pooled_batteries: pool.map(|pool| PooledBatteries::of(&pool, intervals, &all)),
                ..energy(&all, tradable_wh)
            },
            money: money(&all, pooled_nano, operator_nano),
            fairness: Fairness::of(members, rules),
            market: prices(intervals, &all),
            welfare: Welfare::of(intervals.iter().map(|(_, row)| row.welfare)),
            carbon: intensity.map(|intensity| Carbon::of(intervals, intensity)),
            grid: Grid::of(intervals, lines),
            honesty: dishonest.map(|count| Honesty::of(count, misreported, intervals.len())),
            outage: outage.map(|intervals| Outage::of(intervals, shed)),
        }
    }
}

fn energy(all: &MemberSums, tradable_wh: u64) -> EnergyFigures {
    // What is traded lessens what is lacking and what is to spare.
    let sufficiency = |traded_wh: u64| {
        let lacking_wh = all.deficit_wh() - traded_wh;
        let spare_wh = all.surplus_wh() - traded_wh;
        let self_wh = i128::from(all.consumption_wh) - i128::from(lacking_wh);
        Sufficiency {
            self_wh: i64::try_from(self_wh).unwrap_or(i64::MAX),
            imported_wh: lacking_wh,
            exported_wh: spare_wh,
            self_consumption: Ratio::of(i128::from(all.production_wh) - i128::from(spare_wh), all.production_wh),
            self_sufficiency: Ratio::of(self_wh, all.consumption_wh),
        }
    };
    EnergyFigures {
        consumption_wh: all.consumption_wh,
        production_wh: all.production_wh,
        charged_wh: all.charged_wh,
        discharged_wh: all.discharged_wh,
        traded_wh: all.bought_wh,
        alone: sufficiency(0),
        market: sufficiency(all.bought_wh),
        pooled: sufficiency(tradable_wh),
        pooled_batteries: None,
        local_share_of_demand: Ratio::of(all.bought_wh, all.deficit_wh()),
        local_share_of_surplus: Ratio::of(all.sold_wh, all.surplus_wh()),
    }
}

fn money(all: &MemberSums, pooled_nano: i128, operator_nano: i128) -> Money {
    let (cost_nano, alone_nano, saving_nano) = (all.cost_nano(), all.alone_nano, all.saving_nano());
    Money {
        cost_nano,
        alone_nano,
        pooled_nano,
        saving_nano,
        saving_share: Ratio::of(saving_nano, alone_nano.abs()),
        value_tapping: Ratio::of(saving_nano, alone_nano - pooled_nano),
        supplier_nano: all.supply_cost_nano - all.supply_revenue_nano,
        operator_nano,
    }
}

fn prices(intervals: &[(Interval, IntervalSums)], all: &MemberSums) -> Prices {
    let mut found: Vec<i64> = intervals.iter().filter_map(|(_, row)| row.price.map(|price| price.micro())).collect();
    found.sort_unstable();
    // The nearest rank: the least price that so many hundredths of the intervals do not exceed.
    let quantile = |percent: usize| found.get((found.len() * percent).div_ceil(100).max(1) - 1).copied();
    let per_kwh = |nano: i128| (all.bought_wh > 0).then(|| ratio::rounded(nano, i128::from(all.bought_wh)));
    Prices {
        intervals_with_trade: intervals.iter().filter(|(_, row)| row.sums.bought_wh > 0).count(),
        paid_micro_per_kwh: per_kwh(all.paid_nano).and_then(|micro| i64::try_from(micro).ok()),
        received_micro_per_kwh: per_kwh(all.earned_nano).and_then(|micro| i64::try_from(micro).ok()),
        median_micro_per_kwh: quantile(50),
        low_micro_per_kwh: quantile(5),
        high_micro_per_kwh: quantile(95),
        deviation_micro_per_kwh: ratio::deviation(&found),
    }
}
