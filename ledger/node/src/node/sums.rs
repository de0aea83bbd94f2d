//! What everyone may know where the community lets them: sums, of accounts and of settled intervals.

use protocol::{
    api::{Balances, Community, IntervalSums, Settled},
    energy::Energy,
    interval::Interval,
    member::AccountId,
    money::Amount,
    settlement::Line,
};

use super::{Ledger, LedgerError};

impl Ledger {
    /// The community, and what its accounts have.
    pub fn community(&self) -> Community {
        let head = self.head();
        let (mut members, mut supplier, mut operator, mut count) = (0, 0, 0, 0);
        for (id, account) in head.state.accounts() {
            match id {
                AccountId::Member(_) => (members, count) = (members + i128::from(account.balance().nano()), count + 1),
                AccountId::Supplier => supplier = account.balance().nano().into(),
                AccountId::Operator => operator = account.balance().nano().into(),
            }
        }
        let genesis = self.genesis();
        Community {
            chain: self.chain(),
            name: genesis.community.clone(),
            currency: genesis.currency.clone(),
            time_zone: genesis.time_zone.clone(),
            members: count,
            first: genesis.first_interval,
            settled: head.state.settled(),
            settlements: head.state.settlements(),
            decisions: head.state.decision_sequence(),
            balances: balances(members, supplier, operator),
        }
    }

    /// At most `limit` settled intervals from `from` on in sums, each as it stands.
    pub fn sums(&self, from: Interval, limit: usize) -> Result<Vec<IntervalSums>, LedgerError> {
        Ok(self.settlements_in_force(from, limit)?.into_iter().map(in_sums).collect())
    }
}

fn in_sums(settled: Settled) -> IntervalSums {
    let Settled { interval, height, price, lines, supplier, operator, provisional, corrections, .. } = settled;
    let energy = |of: fn(&Line) -> Energy| Energy::from_wh(lines.iter().map(|line| of(line).wh()).sum());
    let members = lines.iter().filter_map(Line::net).sum();
    IntervalSums {
        interval,
        height,
        price,
        members: u64::try_from(lines.len()).unwrap_or(u64::MAX),
        traded: energy(|line| line.bought),
        imported: energy(|line| line.imported),
        exported: energy(|line| line.exported),
        gained: balances(members, supplier.nano().into(), operator.nano().into()),
        provisional: provisional.is_some(),
        corrections,
    }
}

/// In nano-units. One past the type's range is not a smaller one.
fn balances(members: i128, supplier: i128, operator: i128) -> Balances {
    let amount = |nano: i128| {
        let most = if nano < 0 { i64::MIN } else { i64::MAX };
        Amount::from_nano(i64::try_from(nano).unwrap_or(most))
    };
    Balances {
        members: amount(members),
        supplier: amount(supplier),
        operator: amount(operator),
        sum: amount(members + supplier + operator),
    }
}
