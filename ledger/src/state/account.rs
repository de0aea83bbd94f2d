//! Double-entry accounts.

use minicbor::{Decode, Encode};
use protocol::money::Amount;

use super::Refusal;

/// An account: all that was ever booked to either side. What one account is credited another is debited, so over all
/// accounts the two sums are equal.
///
/// Where a side would pass the range of an [`Amount`], 9.2 billion, the account is carried forward first: what both
/// sides have in common is taken from both. So an account is full only when its balance is, however long it is used;
/// ten thousand households that spend 2,000 a year take the supplier's there in 460 years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Account {
    #[n(0)]
    debits: Amount,
    #[n(1)]
    credits: Amount,
}

impl Account {
    /// All that was taken from it, since it was carried forward if it ever was.
    pub fn debits(&self) -> Amount {
        self.debits
    }

    /// All that was given to it, since it was carried forward if it ever was.
    pub fn credits(&self) -> Amount {
        self.credits
    }

    /// What it holds: credits less debits.
    pub fn balance(&self) -> Amount {
        // Both sides are between zero and the type's largest value, so their difference is in its range.
        Amount::from_nano(self.credits.nano() - self.debits.nano())
    }

    /// Books a gain to the credits, a loss to the debits.
    pub(super) fn post(&mut self, net: Amount) -> Result<(), Refusal> {
        let [mut debits, mut credits] = [self.debits, self.credits].map(|side| i128::from(side.nano()));
        let net = i128::from(net.nano());
        *(if net < 0 { &mut debits } else { &mut credits }) += net.abs();
        if debits.max(credits) > i64::MAX.into() {
            let common = debits.min(credits);
            (debits, credits) = (debits - common, credits - common);
        }
        let side = |side| i64::try_from(side).map(Amount::from_nano).map_err(|_| Refusal::AmountOverflow);
        (self.debits, self.credits) = (side(debits)?, side(credits)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_full_when_its_balance_is_and_not_before() {
        let post = |account: &mut Account, nano| account.post(Amount::from_nano(nano));
        let mut account = Account::default();
        for _ in 0..5 {
            post(&mut account, i64::MAX - 1).unwrap();
            post(&mut account, 1 - i64::MAX).unwrap();
            assert_eq!(account.balance(), Amount::ZERO);
        }
        post(&mut account, 7).unwrap();
        assert_eq!((account.debits().nano(), account.credits().nano()), (0, 7), "carried forward");

        let mut account = Account::default();
        for nano in [10, -3, -4] {
            post(&mut account, nano).unwrap();
        }
        assert_eq!(
            (account.debits().nano(), account.credits().nano()),
            (7, 10),
            "both sides, as long as there is room"
        );
        post(&mut account, i64::MAX - 9).unwrap();
        assert_eq!((account.debits().nano(), account.credits().nano()), (0, i64::MAX - 6));
        let before = account;
        assert_eq!(post(&mut account, 7), Err(Refusal::AmountOverflow));
        assert_eq!(account, before, "a refusal changes nothing");
        post(&mut account, 6).unwrap();
        post(&mut account, i64::MIN).unwrap();
        assert_eq!(account.balance().nano(), -1);
    }
}
