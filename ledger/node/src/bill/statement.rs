//! What a member owes or is owed for a month: pure, lines in, bills out, integers only.
//!
//! Sums are `i128` and `u128`, which no month's lines reach.

use std::collections::BTreeMap;

use jiff::civil::Date;
use protocol::{
    interval::Interval,
    member::{AccountId, MemberId},
    money::Amount,
    pack::NetworkDiscount,
    parameters::WHOLE_PPM,
    reading::Flow,
    settlement::{Entry, Line},
};

/// Nano-units of currency in a cent.
const CENT_NANO: i128 = 10_000_000;

/// An interval as it stands in the books: as first settled, or as corrected last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Height of the block that booked it.
    pub height: u64,
    /// The members' entries, each at most once, with what came late of it where that is known.
    pub entries: Vec<(Entry, Option<Flow>)>,
    /// What the supplier's account gained.
    pub supplier: Amount,
    /// What the grid operator's account gained.
    pub operator: Amount,
    /// What the network costs less for what was bought from neighbours, by the rule pack in force.
    pub network: Option<NetworkDiscount>,
}

/// Money that was moved beside settlements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Height of the block that booked it.
    pub height: u64,
    /// The interval that was open then.
    pub open: Interval,
    /// Who gave.
    pub from: AccountId,
    /// Who got.
    pub to: AccountId,
    /// How much.
    pub amount: Amount,
    /// What for.
    pub reference: String,
}

/// One interval of a member's bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Height of the block that booked it.
    pub height: u64,
    /// What was booked, and what a receipt proves.
    pub entry: Entry,
    /// What came late from intervals before and was settled with it, Wh; none where the readings were pruned.
    pub late: Option<Flow>,
    /// What the network costs less for what was bought from neighbours.
    pub network: Option<NetworkDiscount>,
}

/// Sums of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Lines.
    pub intervals: u64,
    /// Lines of a corrected interval.
    pub corrected: u64,
    /// Lines of an interval that is still provisional.
    pub provisional: u64,
    /// Bought from neighbours, Wh.
    pub bought_wh: u128,
    /// Sold to neighbours, Wh.
    pub sold_wh: u128,
    /// Drawn from the supplier, Wh.
    pub imported_wh: u128,
    /// Fed in to the supplier, Wh.
    pub exported_wh: u128,
    /// Of what was drawn, what came late from intervals before; as far as it is known.
    pub late_import_wh: u128,
    /// Of what was fed in, what came late from intervals before; as far as it is known.
    pub late_export_wh: u128,
    /// Lines of which what came late is not known any more.
    pub late_unknown: u64,
    /// Paid to neighbours, nano-units of currency.
    pub paid_nano: i128,
    /// Earned from neighbours, nano-units of currency.
    pub earned_nano: i128,
    /// Paid to the supplier, nano-units of currency.
    pub supply_cost_nano: i128,
    /// Earned from the supplier, nano-units of currency.
    pub supply_revenue_nano: i128,
    /// Bought from neighbours while the network cost less for it, Wh.
    pub discounted_wh: u128,
    /// What the network cost less, exactly, in millionths of a nano-unit of currency: the grid operator owes it, and it
    /// is no part of what is billed here.
    pub network_discount: i128,
}

impl Sums {
    fn add(&mut self, row: &Row) {
        let Line { bought, sold, imported, exported, paid, earned, supply_cost, supply_revenue, .. } = row.entry.line;
        self.intervals += 1;
        self.corrected += u64::from(row.entry.correction > 0);
        self.provisional += u64::from(row.entry.provisional);
        self.bought_wh += u128::from(bought.wh());
        self.sold_wh += u128::from(sold.wh());
        self.imported_wh += u128::from(imported.wh());
        self.exported_wh += u128::from(exported.wh());
        match row.late {
            Some(late) => {
                self.late_import_wh += u128::from(late.import.wh());
                self.late_export_wh += u128::from(late.export.wh());
            }
            None => self.late_unknown += 1,
        }
        self.paid_nano += i128::from(paid.nano());
        self.earned_nano += i128::from(earned.nano());
        self.supply_cost_nano += i128::from(supply_cost.nano());
        self.supply_revenue_nano += i128::from(supply_revenue.nano());
        if let Some(network) = row.network {
            self.discounted_wh += u128::from(bought.wh());
            self.network_discount += network.on(bought.wh().into());
        }
    }

    /// What the member's account gained (lost, if negative), nano-units of currency.
    pub fn net_nano(&self) -> i128 {
        self.earned_nano + self.supply_revenue_nano - self.paid_nano - self.supply_cost_nano
    }
}

/// A member's bill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// In order of time, one an interval.
    pub rows: Vec<Row>,
    /// By day.
    pub days: BTreeMap<Date, Sums>,
    /// Of all rows.
    pub sums: Sums,
    /// What was moved to or from the member's account beside, in order of the blocks: no part of what is billed.
    pub transfers: Vec<Transfer>,
}

impl Bill {
    /// What is billed, in whole cents: the member gets it (owes it, if negative).
    pub fn cents(&self) -> i128 {
        cents(self.sums.net_nano())
    }

    /// What rounding left out, nano-units of currency: with the cents it is what the ledger booked.
    pub fn remainder_nano(&self) -> i128 {
        self.sums.net_nano() - self.cents() * CENT_NANO
    }

    /// What the grid operator owes the member for a network that cost less, in whole cents, rounded once: beside what
    /// is billed.
    pub fn network_discount_cents(&self) -> i128 {
        // Half a cent goes up, away from zero: it is never negative.
        let cent = CENT_NANO * i128::from(WHOLE_PPM);
        (self.sums.network_discount + cent / 2) / cent
    }

    /// What transfers gave the member (took, if negative), nano-units of currency.
    pub fn transfers_nano(&self, member: MemberId) -> i128 {
        let own = AccountId::Member(member);
        self.transfers.iter().map(|transfer| transfer.gained_nano(own)).sum()
    }
}

impl Transfer {
    /// What an account gained by it, nano-units of currency.
    pub fn gained_nano(&self, account: AccountId) -> i128 {
        let nano = i128::from(self.amount.nano());
        match (self.from == account, self.to == account) {
            (false, true) => nano,
            (true, false) => -nano,
            _ => 0,
        }
    }
}

/// Whole cents nearest to an amount; what lies half-way goes away from zero, so that who pays and who is paid are
/// rounded alike. Council Regulation (EC) No 1103/97, Article 5, rounds amounts to be paid after a conversion into euro
/// in the same way: to the nearest cent, and up where the result is exactly half-way.
pub fn cents(nano: i128) -> i128 {
    (nano.abs() + CENT_NANO / 2) / CENT_NANO * nano.signum()
}

/// Everyone's bills.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bills {
    /// By member.
    pub members: BTreeMap<MemberId, Bill>,
    /// What the supplier's account gained, nano-units of currency.
    pub supplier_nano: i128,
    /// What the grid operator's account gained, nano-units of currency.
    pub operator_nano: i128,
}

/// Bills that do not add up: what was handed in is no ledger's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{interval}: expected members, supplier and operator to sum to 0, found {found} nano-units")]
pub struct Unbalanced {
    /// The interval.
    pub interval: String,
    /// Their sum.
    pub found: i128,
}

impl Bills {
    /// Makes everyone's bill from the intervals of a month, in order of time, and what was moved meanwhile, in order of
    /// the blocks. `day` says on which day an interval begins.
    pub fn of(
        intervals: impl IntoIterator<Item = InForce>,
        transfers: impl IntoIterator<Item = Transfer>,
        day: impl Fn(Interval) -> Date,
    ) -> Result<Bills, Unbalanced> {
        let mut bills = Bills::default();
        for InForce { height, entries, supplier, operator, network } in intervals {
            let (supplier, operator) = (i128::from(supplier.nano()), i128::from(operator.nano()));
            bills.supplier_nano += supplier;
            bills.operator_nano += operator;
            let mut interval_sums = Sums::default();
            let interval = entries.first().map(|(entry, _)| entry.interval);
            for (entry, late) in entries {
                let bill = bills.members.entry(entry.line.member).or_default();
                let row = Row { height, entry, late, network };
                interval_sums.add(&row);
                bill.sums.add(&row);
                bill.days.entry(day(row.entry.interval)).or_default().add(&row);
                bill.rows.push(row);
            }
            let found = interval_sums.net_nano() + supplier + operator;
            if found != 0 {
                let interval = interval.map_or_else(|| "an interval without lines".into(), |of| of.to_string());
                return Err(Unbalanced { interval, found });
            }
        }
        for transfer in transfers {
            for account in [transfer.from, transfer.to] {
                if let AccountId::Member(member) = account {
                    bills.members.entry(member).or_default().transfers.push(transfer.clone());
                }
            }
        }
        Ok(bills)
    }

    /// What all members, the supplier and the operator gained together: 0.
    pub fn balance_nano(&self) -> i128 {
        let members: i128 = self.members.values().map(|bill| bill.sums.net_nano()).sum();
        members + self.supplier_nano + self.operator_nano
    }
}

#[cfg(test)]
mod tests;
