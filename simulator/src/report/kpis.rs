//! The figures as tables: each with its formula in words.

use super::text::{self, EnergyUnit, NONE, or_none};
use crate::offline::figures::{ByClass, Carbon, EnergyFigures, Figures, Money, Sufficiency};

/// A figure alone, with the market, and as one household.
pub(super) struct Compared {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) formula: &'static str,
    pub(super) values: [String; 3],
}

/// Figures that belong together.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) figures: Vec<Figure>,
}

/// A figure of the run.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) formula: &'static str,
    pub(super) value: String,
}

/// What can be compared.
pub(super) fn compared(figures: &Figures) -> Vec<Compared> {
    let EnergyFigures { alone, market, pooled, consumption_wh, production_wh, .. } = &figures.energy;
    let cases = [alone, market, pooled];
    let Money { alone_nano, cost_nano, pooled_nano, .. } = figures.money;
    let unit = EnergyUnit::of(i128::from(*consumption_wh.max(production_wh)));
    let energy = |wh: fn(&Sufficiency) -> i128| cases.map(|case| unit.text(wh(case)));
    let row = |name, unit, formula, values| Compared { name, unit, formula, values };
    vec![
        row(
            "Self-sufficiency",
            "",
            "Part of the consumption that is made here: (consumption − from supplier) ÷ consumption.",
            cases.map(|case| or_none(case.self_sufficiency, text::percent)),
        ),
        row(
            "Self-consumption",
            "",
            "Part of the production that stays here: (production − to supplier) ÷ production. What batteries lose has \
             stayed.",
            cases.map(|case| or_none(case.self_consumption, text::percent)),
        ),
        row("Made and used here", unit.name, "Consumption − from supplier.", energy(|case| case.self_wh.into())),
        row(
            "From supplier",
            unit.name,
            "Energy drawn from the supplier, added up over members and intervals.",
            energy(|case| case.imported_wh.into()),
        ),
        row(
            "To supplier",
            unit.name,
            "Energy fed in to the supplier, added up over members and intervals.",
            energy(|case| case.exported_wh.into()),
        ),
        row(
            "Cost",
            "",
            "Paid to neighbours and supplier − earned from them, of all members, in the currency of the tariffs. \
             Negative where they earn more.",
            [alone_nano, cost_nano, pooled_nano].map(text::money),
        ),
    ]
}

/// All other figures. A group is empty where a run has nothing for it.
pub(super) fn groups(figures: &Figures) -> Vec<Group> {
    vec![energy(figures), money(figures), prices(figures), grid(figures), fairness(figures), outage(figures)]
}

fn figure(name: &'static str, value: String, formula: &'static str) -> Figure {
    Figure { name, formula, value }
}

fn energy(figures: &Figures) -> Group {
    let of = &figures.energy;
    let mut list = vec![
        figure("Consumption", text::energy(of.consumption_wh), "Used by all devices but batteries."),
        figure("Production", text::energy(of.production_wh), "Made by roofs."),
        figure("Traded", text::energy(of.traded_wh), "Bought from neighbours, which is what neighbours sold."),
    ];
    if of.charged_wh + of.discharged_wh > 0 {
        list.extend([
            figure("Charged", text::energy(of.charged_wh), "Taken by batteries."),
            figure("Discharged", text::energy(of.discharged_wh), "Given by batteries."),
        ]);
    }
    list.extend([
        figure(
            "Local share of demand",
            or_none(of.local_share_of_demand, text::percent),
            "Part of what members lacked that came from neighbours: bought ÷ (bought + from supplier).",
        ),
        figure(
            "Local share of surplus",
            or_none(of.local_share_of_surplus, text::percent),
            "Part of what members had to spare that went to neighbours: sold ÷ (sold + to supplier).",
        ),
    ]);
    if let Some(pooled) = &of.pooled_batteries {
        list.extend([
            figure(
                "From supplier with all batteries as one, at least",
                text::energy(pooled.imported_wh),
                "As one household with one battery, run by someone who knows what comes.",
            ),
            figure(
                "Self-sufficiency with all batteries as one, at most",
                or_none(pooled.self_sufficiency, text::percent),
                "(Consumption − what is then from supplier) ÷ consumption.",
            ),
        ]);
    }
    if let Some(Carbon { supply_mg, alone_mg, avoided_mg }) = figures.carbon {
        list.extend([
            figure("Emitted", text::carbon(supply_mg), "From supplier × its carbon intensity in each interval."),
            figure("Emitted alone", text::carbon(alone_mg), "The same without neighbours."),
            figure("Emissions avoided", text::carbon(avoided_mg), "Emitted alone − emitted."),
        ]);
    }
    Group { title: "Energy", figures: list }
}

fn money(figures: &Figures) -> Group {
    let of = &figures.money;
    Group {
        title: "Money",
        figures: vec![
            figure("Saved", text::money(of.saving_nano), "Cost alone − cost with the market, of all members."),
            figure("Saved, part of the cost", or_none(of.saving_share, text::percent), "Saved ÷ cost alone."),
            figure(
                "Value tapping",
                or_none(of.value_tapping, text::percent),
                "The saving as a part of the most that there was: (alone − market) ÷ (alone − as one household).",
            ),
            figure("Supplier gains", text::money(of.supplier_nano), "Paid to the supplier − earned from it."),
            figure("Grid operator gains", text::money(of.operator_nano), "Fees and congestion rent."),
        ],
    }
}

fn prices(figures: &Figures) -> Group {
    let (of, welfare) = (&figures.market, &figures.welfare);
    let price = |micro: Option<i64>| or_none(micro, text::price);
    let trades =
        format!("{} of {}", text::number(of.intervals_with_trade as u64), text::number(figures.intervals as u64));
    Group {
        title: "Prices between neighbours, per kWh",
        figures: vec![
            figure("Paid, mean", price(of.paid_micro_per_kwh), "What buyers paid ÷ what they bought."),
            figure("Received, mean", price(of.received_micro_per_kwh), "What sellers earned ÷ what they sold."),
            figure("Median", price(of.median_micro_per_kwh), "Of the intervals that have one price for all."),
            figure("5 % are below", price(of.low_micro_per_kwh), "The price that a twentieth of them are below."),
            figure("5 % are above", price(of.high_micro_per_kwh), "The price that a twentieth of them are above."),
            figure("Standard deviation", price(of.deviation_micro_per_kwh), "Of their prices."),
            figure(
                "Welfare",
                text::money(welfare.realised_nano),
                "What the trades are worth by the limits of the orders: Σ limit × bought − Σ limit × sold.",
            ),
            figure(
                "Welfare at most",
                text::money(welfare.greatest_nano),
                "Of trades between the same orders, as if no line were in their way and none cost anything.",
            ),
            figure("Welfare efficiency", or_none(welfare.efficiency, text::percent), "Welfare ÷ welfare at most."),
            figure("Intervals with trade", trades, "In which neighbours traded something."),
        ],
    }
}

fn fairness(figures: &Figures) -> Group {
    let of = &figures.fairness;
    let mut list = vec![
        figure("Losers", or_none(of.losers, text::percent), "Part of the members that pay more than alone."),
        figure(
            "Not worse off",
            or_none(of.members_not_worse_off, text::percent),
            "Participation willingness: part of the members that the market costs nothing.",
        ),
        figure("Most saved by a member", text::money(of.most_saving_nano), "Its cost alone − with the market."),
        figure("Least saved by a member", text::money(of.least_saving_nano), "Its cost alone − with the market."),
        figure(
            "Least ÷ most",
            or_none(of.least_to_most, text::index),
            "The least saving as a part of the most. None where a member loses.",
        ),
        figure(
            "Gini coefficient",
            or_none(of.gini, text::index),
            "Of the savings: the mean difference of two members ÷ twice the mean. 0 where all save the same; none \
                 where a member loses.",
        ),
        figure(
            "Quality of service",
            or_none(of.quality_of_service, text::index),
            "Jain's index of the savings: (sum)² ÷ (members × sum of squares). 1 where all save the same.",
        ),
        figure(
            "Quality of experience",
            or_none(of.quality_of_experience, text::index),
            "1 − 2 σ ÷ (retail − feed-in), σ being the standard deviation of what buyers paid on average for a kWh. 1 \
                 where all paid the same.",
        ),
    ];
    if let Some(honesty) = &figures.honesty {
        list.extend([
            figure(
                "Dishonest meters gain",
                text::money(honesty.dishonest_gain_nano),
                "Beside the market that honest meters would have made in each interval, from the same flows.",
            ),
            figure("Honest members lose by it", text::money(honesty.honest_loss_nano), "Negative where they gain."),
            figure("Supplier loses by it", text::money(honesty.supplier_loss_nano), "Negative where it gains."),
            figure("Grid operator loses by it", text::money(honesty.operator_loss_nano), "Negative where it gains."),
            figure("Dishonest members", text::number(honesty.dishonest_members as u64), "Of the members."),
            figure(
                "Unmetered",
                text::energy(honesty.unmetered_wh),
                "What passed the transformer − what the members' meters said.",
            ),
            figure(
                "Misallocated",
                text::energy(honesty.misallocated_wh),
                "What honest members bought and sold more or less than they would have.",
            ),
            figure(
                "Intervals in which it is noticed",
                or_none(honesty.noticed, text::percent),
                "The transformer's meter is too far from the members' sum. It does not say who.",
            ),
        ]);
    }
    Group { title: "Who gains", figures: list }
}

fn outage(figures: &Figures) -> Group {
    let title = "While the grid above was gone";
    let Some(of) = &figures.outage else { return Group { title, figures: Vec::new() } };
    let by_class = |of: &ByClass| [of.life_safety, of.critical, of.basic, of.other].map(text::energy).join(", ");
    Group {
        title,
        figures: vec![
            figure("Intervals", text::number(of.intervals as u64), "Without a grid above."),
            figure(
                "Critical energy not served",
                text::energy(of.critical_unserved_wh),
                "Of what life-safety and critical devices lacked. What a member draws serves them first.",
            ),
            figure(
                "Critical energy not served, part",
                or_none(of.critical_unserved, text::percent),
                "Of what they lacked.",
            ),
            figure(
                "Not served, by class",
                by_class(&of.unserved_wh),
                "Life-safety, critical, basic allowance, all else.",
            ),
            figure(
                "Lacking, by class",
                by_class(&of.lacking_wh),
                "What members' own roofs and batteries left to be drawn.",
            ),
            figure("Shared", text::energy(of.shared_wh), "What members had from neighbours."),
            figure("Overdrawn", text::energy(of.overdraw_wh), "Drawn beyond quotas."),
            figure("Unused", text::energy(of.unused_wh), "What could have been fed in and nobody drew."),
        ],
    }
}

fn grid(figures: &Figures) -> Group {
    let of = &figures.grid;
    let mut list = vec![
        figure("Peak import", text::power(of.peak_import_w), "The most that all together draw, mean of an interval."),
        figure("Peak export", text::power(of.peak_export_w), "The most that all together feed in."),
        figure(
            "Load factor",
            or_none(of.load_factor, text::percent),
            "Mean net import ÷ its peak. None where more is fed in than drawn.",
        ),
        figure("Ramping", text::energy(of.ramping_wh), "Net import's steps up and down from interval to interval."),
    ];
    if let Some(worst) = &of.worst_line {
        let value = format!("{}, {}", worst.line, worst.loading.map_or_else(|| NONE.to_owned(), text::percent));
        list.push(figure("Most loaded line", value, "The larger peak ÷ the rating. No losses, power factor 1."));
    }
    Group { title: "Grid", figures: list }
}
