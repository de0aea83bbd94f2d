//! Whether an interval comes to what the ledger has.

use std::fmt;

use market::economics::Economics;
use protocol::{
    member::MemberId,
    money::Price,
    settlement::{Line, Minted, Settlement, Trade},
};

/// The first thing in which an interval is not as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose it is; of a trade the buyer's.
    pub member: Option<MemberId>,
    /// What it is.
    pub what: &'static str,
    /// As the ledger has it.
    pub expected: String,
    /// As it was computed.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { member, what, expected, found } = self;
        if let Some(member) = member {
            write!(f, "member {member}: ")?;
        }
        write!(f, "expected `{what}` {expected}, as the ledger has it, found {found}")
    }
}

/// The first thing in which economics are not what was settled.
pub fn difference(settlement: &Settlement, economics: &Economics) -> Option<Difference> {
    let expected_and_found = || settlement.lines.iter().zip(&economics.lines);
    let of_lines = expected_and_found().find_map(|(expected, found)| of_line(expected, found));
    let of_lines = of_lines.or_else(|| of_count("lines", settlement.lines.len(), economics.lines.len()));
    let of_trades = || {
        let differ = settlement.trades.iter().zip(&economics.trades).find(|(expected, found)| expected != found);
        let text = |Trade { seller, buyer, energy, price }: &Trade| {
            format!("of {} Wh from {seller} to {buyer} at {price}", energy.wh())
        };
        differ.map(|(expected, found)| Difference {
            member: Some(expected.buyer),
            what: "trade",
            expected: text(expected),
            found: text(found),
        })
    };
    let of_all = || {
        let price = |price: Option<Price>| price.map_or_else(|| "none".into(), |it| it.to_string());
        let of_member = |Minted { member, energy, technology }: &Minted| {
            format!("{} Wh of {} of {member}", energy.wh(), technology.name())
        };
        let minted = |minted: &[Minted]| minted.iter().map(of_member).collect::<Vec<_>>().join(", ");
        let all = [
            ("price", price(settlement.price), price(economics.price)),
            ("supplier", settlement.supplier.to_string(), economics.supplier.to_string()),
            ("operator", settlement.operator.to_string(), economics.operator.to_string()),
            ("minted", minted(&settlement.minted), minted(&economics.minted)),
        ];
        let differ = all.into_iter().find(|(_, expected, found)| expected != found);
        differ.map(|(what, expected, found)| Difference { member: None, what, expected, found })
    };
    of_lines
        .or_else(of_trades)
        .or_else(|| of_count("trades", settlement.trades.len(), economics.trades.len()))
        .or_else(of_all)
}

fn of_count(what: &'static str, expected: usize, found: usize) -> Option<Difference> {
    let differs = expected != found;
    differs.then(|| Difference { member: None, what, expected: expected.to_string(), found: found.to_string() })
}

fn of_line(expected: &Line, found: &Line) -> Option<Difference> {
    let fields = |line: &Line| {
        [
            ("member", line.member.to_string()),
            ("bought", format!("{} Wh", line.bought.wh())),
            ("sold", format!("{} Wh", line.sold.wh())),
            ("imported", format!("{} Wh", line.imported.wh())),
            ("exported", format!("{} Wh", line.exported.wh())),
            ("paid", line.paid.to_string()),
            ("earned", line.earned.to_string()),
            ("supply_cost", line.supply_cost.to_string()),
            ("supply_revenue", line.supply_revenue.to_string()),
        ]
    };
    if expected == found {
        return None;
    }
    let differ = fields(expected).into_iter().zip(fields(found)).find(|(expected, found)| expected != found);
    let ((what, expected_text), (_, found)) = differ?;
    Some(Difference { member: Some(expected.member), what, expected: expected_text, found })
}
