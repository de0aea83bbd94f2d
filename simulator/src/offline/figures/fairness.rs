//! Who gains how much: figures over the members' savings and prices.

use protocol::genesis::Rules;
use serde::Serialize;

use super::ratio::{Ratio, deviation, rounded};
use crate::offline::sums::MemberSums;

/// How evenly the market's worth is spread. A figure that has no meaning for these savings is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fairness {
    /// Participation willingness: part of the members that the market costs nothing (Zhou, Wu and Long 2018).
    pub members_not_worse_off: Option<Ratio>,
    /// Part of the members that would be better off without it.
    pub losers: Option<Ratio>,
    /// The least and the most that a member saves, n€.
    pub least_saving_nano: i64,
    /// See there.
    pub most_saving_nano: i64,
    /// Gini coefficient of the savings, Σᵢ Σⱼ |gᵢ − gⱼ| ÷ (2 n² ḡ): 0 where all save the same. None where a member
    /// loses or nobody saves.
    pub gini: Option<Ratio>,
    /// Quality of service: Jain's index of the savings, (Σ g)² ÷ (n Σ g²): 1 where all save the same.
    pub quality_of_service: Option<Ratio>,
    /// Quality of experience: 1 − 2 σ ÷ (H − L) over what each buyer paid on average for a kWh, between the feed-in
    /// price L and the retail price H (Hoßfeld et al. 2017). None where these changed.
    pub quality_of_experience: Option<Ratio>,
    /// The least saving as a part of the most (Moret and Pinson 2018). None where a member loses.
    pub least_to_most: Option<Ratio>,
}

impl Fairness {
    /// `rules` are those that were in force all the time; none where they changed.
    pub(super) fn of(members: &[MemberSums], rules: Option<&Rules>) -> Fairness {
        let mut savings: Vec<i128> = members.iter().map(MemberSums::saving_nano).collect();
        savings.sort_unstable();
        let (least, most) = (savings.first().copied().unwrap_or(0), savings.last().copied().unwrap_or(0));
        let count = savings.len() as i128;
        let losers = savings.iter().filter(|saving| **saving < 0).count() as i128;
        let nobody_loses = losers == 0;
        Fairness {
            members_not_worse_off: Ratio::of(count - losers, count),
            losers: Ratio::of(losers, count),
            least_saving_nano: i64::try_from(least).unwrap_or(i64::MIN),
            most_saving_nano: i64::try_from(most).unwrap_or(i64::MAX),
            gini: gini(&savings).filter(|_| nobody_loses),
            quality_of_service: jain(&savings),
            quality_of_experience: rules.and_then(|rules| experience(members, rules)),
            least_to_most: Ratio::of(least, most).filter(|_| nobody_loses),
        }
    }
}

/// Of savings in ascending order. Σᵢ Σⱼ |gᵢ − gⱼ| is 2 Σᵢ (2 i − n + 1) gᵢ there, counted from 0; and n² ḡ is n Σ g.
fn gini(ascending: &[i128]) -> Option<Ratio> {
    let count = i128::try_from(ascending.len()).ok()?;
    let sum: i128 = ascending.iter().sum();
    let apart: i128 = (0..).zip(ascending).map(|(at, saving): (i128, _)| (2 * at - count + 1) * saving).sum();
    Ratio::of(apart, count * sum)
}

fn jain(savings: &[i128]) -> Option<Ratio> {
    // In whole m€, so that the squares fit: a saving of a millionth of a euro changes no digit that is shown.
    let savings: Vec<i128> = savings.iter().map(|nano| rounded(*nano, 1_000_000)).collect();
    let sum: i128 = savings.iter().sum();
    let squares: i128 = savings.iter().map(|saving| saving * saving).sum();
    Ratio::of(sum.checked_mul(sum)?, squares.checked_mul(i128::try_from(savings.len()).ok()?)?)
}

fn experience(members: &[MemberSums], rules: &Rules) -> Option<Ratio> {
    let paid = |sums: &MemberSums| {
        let micro = (sums.bought_wh > 0).then(|| rounded(sums.paid_nano, sums.bought_wh.into()))?;
        i64::try_from(micro).ok()
    };
    let prices: Vec<i64> = members.iter().filter_map(paid).collect();
    let span = rules.retail_price.micro() - rules.feed_in_price.micro();
    let off = Ratio::of(2 * deviation(&prices)?, span)?;
    Some(Ratio::from_ppm(1_000_000 - off.ppm()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members that save this much of 1,000 € each.
    fn saving(euros: &[i64]) -> Vec<MemberSums> {
        let sums = |euros: &i64| MemberSums { alone_nano: i128::from(*euros) * 1_000_000_000, ..MemberSums::default() };
        euros.iter().map(sums).collect()
    }

    fn rules() -> Rules {
        Rules::new("0.30".parse().unwrap(), "0.10".parse().unwrap(), "uniform")
    }

    fn ppm(ratio: Option<Ratio>) -> Option<i64> {
        ratio.map(Ratio::ppm)
    }

    #[test]
    fn the_worked_numbers_of_the_documentation() {
        // Savings of 10, 20 and 30 €: Gini = (10 + 20 + 10 + 10 + 20 + 10) ÷ (2 · 9 · 20) = 80 ÷ 360,
        // Jain = 60² ÷ (3 · 1,400) = 3,600 ÷ 4,200.
        let found = Fairness::of(&saving(&[20, 10, 30]), Some(&rules()));
        assert_eq!(ppm(found.gini), Some(222_222));
        assert_eq!(ppm(found.quality_of_service), Some(857_143));
        assert_eq!(ppm(found.least_to_most), Some(333_333));
        assert_eq!((ppm(found.members_not_worse_off), ppm(found.losers)), (Some(1_000_000), Some(0)));
        assert_eq!((found.least_saving_nano, found.most_saving_nano), (10_000_000_000, 30_000_000_000));

        let even = Fairness::of(&saving(&[7, 7, 7]), Some(&rules()));
        assert_eq!((ppm(even.gini), ppm(even.quality_of_service)), (Some(0), Some(1_000_000)));
    }

    #[test]
    fn where_a_member_loses_there_is_no_gini_coefficient() {
        let found = Fairness::of(&saving(&[-5, 10, 10, 10]), Some(&rules()));
        assert_eq!((found.gini, found.least_to_most), (None, None));
        assert_eq!((ppm(found.losers), ppm(found.members_not_worse_off)), (Some(250_000), Some(750_000)));
        assert_eq!(Fairness::of(&saving(&[0, 0]), Some(&rules())).gini, None, "nobody saves");
    }

    #[test]
    fn experience_is_how_even_the_prices_are_that_buyers_pay() {
        let buyer = |micro: i128| MemberSums { bought_wh: 1_000, paid_nano: micro * 1_000, ..MemberSums::default() };
        let seller = MemberSums { sold_wh: 1_000, ..MemberSums::default() };
        // 0.15 and 0.25: σ is 0.05, and H − L is 0.20.
        let found = Fairness::of(&[buyer(150_000), buyer(250_000), seller], Some(&rules()));
        assert_eq!(ppm(found.quality_of_experience), Some(500_000));
        assert_eq!(ppm(Fairness::of(&[buyer(1), buyer(1)], Some(&rules())).quality_of_experience), Some(1_000_000));
        assert_eq!(Fairness::of(&[seller], Some(&rules())).quality_of_experience, None);
    }
}
