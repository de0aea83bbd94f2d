//! A household's month, a line a day: what it bought, sold and saved. Pure, and exact to the nano-unit.

use std::collections::BTreeMap;

use calendar::Month;
use jiff::civil::Date;
use protocol::{api::Settled, member::MemberId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::view::{Sums, Total},
    calendar::Calendar,
    day::at_the_supplier,
    table::table,
};

/// A household's month, from the settlements in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HouseholdMonth {
    /// Pseudonym on the ledger.
    #[schema(value_type = String)]
    pub(crate) member: MemberId,
    /// Name, where the operator has one for it.
    pub(crate) name: Option<String>,
    /// The month on the community's wall.
    #[schema(example = "2026-06")]
    pub(crate) month: String,
    /// Whose clock makes the days, by its IANA name.
    #[schema(example = "Europe/Zurich")]
    pub(crate) time_zone: String,
    /// The sums of the days below.
    pub(crate) sums: HouseholdFigures,
    /// The days of which something is settled, in order.
    pub(crate) days: Vec<HouseholdDay>,
}

/// A household's day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HouseholdDay {
    /// The date on the community's wall.
    #[schema(example = "2026-06-01")]
    pub(crate) date: String,
    /// The sums of its intervals.
    #[serde(flatten)]
    pub(crate) figures: HouseholdFigures,
}

/// What a household traded in some intervals.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(crate) struct HouseholdFigures {
    /// Settled intervals.
    pub(crate) settled: u64,
    /// Of these, those in which the household was read.
    pub(crate) read: u64,
    /// Of these, those that do not close as they stand.
    pub(crate) provisional: u64,
    /// Of these, those that were corrected.
    pub(crate) corrected: u64,
    /// The sums.
    #[serde(flatten)]
    pub(crate) sums: Sums,
    /// What its account gained.
    #[schema(value_type = String)]
    pub(crate) net: Total,
    /// What it saved: what its account gained, less what it would have gained at the supplier's tariffs alone.
    #[schema(value_type = String)]
    pub(crate) saved: Total,
}

impl HouseholdFigures {
    /// Adds a settled interval, with the lines of this household alone.
    fn add(&mut self, settled: &Settled) {
        self.settled += 1;
        self.provisional += u64::from(settled.provisional.is_some());
        self.corrected += u64::from(settled.corrections > 0);
        for line in &settled.lines {
            self.read += 1;
            let before = self.sums.net();
            self.sums.add(line);
            self.net = self.sums.net();
            self.saved.0 += self.net.0 - before.0 - at_the_supplier(line, &settled.tariffs);
        }
    }
}

/// Adds up a month, interval by interval: no more is kept than its days.
#[derive(Debug)]
pub(super) struct Adding {
    member: MemberId,
    sums: HouseholdFigures,
    days: BTreeMap<Date, HouseholdFigures>,
}

impl Adding {
    pub(super) fn of(member: MemberId) -> Adding {
        Adding { member, sums: HouseholdFigures::default(), days: BTreeMap::new() }
    }

    /// Takes a settled interval as it stands; lines of others are left out.
    pub(super) fn add(&mut self, calendar: &Calendar, mut settled: Settled) {
        settled.lines.retain(|line| line.member == self.member);
        self.sums.add(&settled);
        self.days.entry(calendar.date_of(settled.interval)).or_default().add(&settled);
    }

    pub(super) fn view(self, calendar: &Calendar, month: Month, name: Option<String>) -> HouseholdMonth {
        let day = |(date, figures): (Date, HouseholdFigures)| HouseholdDay { date: date.to_string(), figures };
        HouseholdMonth {
            member: self.member,
            name,
            month: month.to_string(),
            time_zone: calendar.zone().to_owned(),
            sums: self.sums,
            days: self.days.into_iter().map(day).collect(),
        }
    }
}

/// A household's month as CSV, a line a day.
pub(crate) fn csv(month: &HouseholdMonth) -> Result<Vec<u8>, csv::Error> {
    let columns = [
        "date",
        "settled",
        "read",
        "provisional",
        "corrected",
        "bought_wh",
        "sold_wh",
        "imported_wh",
        "exported_wh",
        "paid",
        "earned",
        "supply_cost",
        "supply_revenue",
        "net",
        "saved",
    ];
    let row = |day: &HouseholdDay| {
        let HouseholdFigures { settled, read, provisional, corrected, sums, net, saved } = day.figures;
        vec![
            day.date.clone(),
            settled.to_string(),
            read.to_string(),
            provisional.to_string(),
            corrected.to_string(),
            sums.bought_wh.to_string(),
            sums.sold_wh.to_string(),
            sums.imported_wh.to_string(),
            sums.exported_wh.to_string(),
            sums.paid.to_string(),
            sums.earned.to_string(),
            sums.supply_cost.to_string(),
            sums.supply_revenue.to_string(),
            net.to_string(),
            saved.to_string(),
        ]
    };
    table(&columns, month.days.iter().map(row))
}
