//! Weights, cut to shares: never rounded up, so that nobody is promised more than there is.

use protocol::{
    member::MemberId,
    parameters::{Share, WHOLE_PPM},
};
use serde::Deserialize;

/// What becomes of the millionths that are left where shares are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remainder {
    /// Nobody gets them: what they come to is the supplier's.
    Lost,
    /// The last of the list gets them, so that the shares are the whole.
    Last,
}

/// The shares that weights come to, in their order: each cut to whole millionths of the whole, never rounded up.
pub fn shares(weights: &[(MemberId, u64)], remainder: Remainder) -> Vec<Share> {
    let whole: u128 = weights.iter().map(|(_, weight)| u128::from(*weight)).sum();
    let cut = |weight: u64| (u128::from(weight) * u128::from(WHOLE_PPM)).checked_div(whole).unwrap_or(0);
    // No part is more than the whole.
    let share = |(member, weight): &(MemberId, u64)| Share { member: *member, ppm: cut(*weight) as u32 };
    let mut shares: Vec<Share> = weights.iter().map(share).collect();
    if remainder == Remainder::Last {
        let given: u32 = shares.iter().map(|share| share.ppm).sum();
        if let Some(last) = shares.last_mut() {
            last.ppm += WHOLE_PPM - given;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> MemberId {
        MemberId::from_bytes([number; 16])
    }

    fn ppm(weights: &[u64], remainder: Remainder) -> Vec<u32> {
        let weights: Vec<(MemberId, u64)> = (1..).map(member).zip(weights.iter().copied()).collect();
        shares(&weights, remainder).into_iter().map(|share| share.ppm).collect()
    }

    /// The example that comes with the message ECMPList of ebUtilities, in percent: 66.6666 and 33.3333, then 53.3333,
    /// 20.0000 and 26.6666.
    #[test]
    fn austrian_shares_are_cut_to_four_decimals_of_a_percent() {
        assert_eq!(ppm(&[80, 40], Remainder::Lost), [666_666, 333_333]);
        assert_eq!(ppm(&[80, 30, 40], Remainder::Lost), [533_333, 200_000, 266_666]);
    }

    #[test]
    fn spanish_coefficients_are_the_whole_because_the_last_takes_what_is_left() {
        assert_eq!(ppm(&[1, 1, 1], Remainder::Last), [333_333, 333_333, 333_334]);
        assert_eq!(ppm(&[5], Remainder::Last), [1_000_000]);
        assert!(ppm(&[], Remainder::Last).is_empty());
    }
}
