//! Double-entry accounts.

use minicbor::{Decode, Encode};
use protocol::money::Amount;

use super::Refusal;

/// An account: all that was ever booked to either side. What one account is credited another is debited, so over all
/// accounts the two sums are equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Account {
    #[n(0)]
    debits: Amount,
    #[n(1)]
    credits: Amount,
}

impl Account {
    /// All that was taken from it.
    pub fn debits(&self) -> Amount {
        self.debits
    }

    /// All that was given to it.
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
        let side = if net.nano() < 0 { &mut self.debits } else { &mut self.credits };
        let magnitude = i64::try_from(net.nano().unsigned_abs()).map_err(|_| Refusal::AmountOverflow)?;
        *side = side.checked_add(Amount::from_nano(magnitude)).ok_or(Refusal::AmountOverflow)?;
        Ok(())
    }
}
