//! `roth_erev`: learns which limits pay. Each limit has a propensity, and is chosen as often as its share of all of
//! them; what it earns raises its own, and what was learned long ago is forgotten.
//!
//! The modified algorithm of J. Nicolaisen, V. Petrov and L. Tesfatsion, *Market Power and Efficiency in a
//! Computational Electricity Market with Discriminatory Double-Auction Pricing*, IEEE Transactions on Evolutionary
//! Computation 5 (2001) 504–523. Of K limits, the propensity q of the one that stood, with profit R, becomes
//! (1 − φ) q + R (1 − ε), and each other (1 − φ) q + q ε ÷ (K − 1). A home buys at one time and sells at another: it
//! learns both, each for itself.
//!
//! Profit is what a household gains by having neighbours: below the retail price for what it bought, and above the
//! feed-in price for what it sold. An interval teaches what can be known from a receipt: whether there was anything to
//! buy or to sell here, and whether neighbours traded at all. In a night without a trade no limit has failed.

use std::sync::Arc;

use protocol::{
    energy::Energy,
    hash::Hash,
    money::{Amount, Price},
    order::PriceLimits,
    settlement::Tariffs,
};
use serde::Deserialize;

use super::{Outcome, Situation, Strategy, Why, chance::Seed};
use crate::home::units::Share;

/// What `[order]` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// K, how many limits there are to choose from.
    #[serde(default = "a_dozen")]
    limits: usize,
    /// The lowest of them, per kWh; without it, the feed-in price.
    lowest: Option<Price>,
    /// The highest of them, per kWh; without it, the retail price.
    highest: Option<Price>,
    /// φ, the part of a propensity that is forgotten each time.
    #[serde(default = "a_tenth")]
    forgetting: Share,
    /// ε, the part of a profit that is not credited to the limit that made it.
    #[serde(default = "a_fifth")]
    experimentation: Share,
    /// The propensity that each limit begins with: a profit in one interval, in the community's currency. Some ten
    /// times what an interval brings lets each limit be tried before one is settled on.
    #[serde(default = "ten_cents")]
    initial: Amount,
}

fn a_dozen() -> usize {
    12
}

fn a_tenth() -> Share {
    Share::TENTH
}

fn a_fifth() -> Share {
    Share::FIFTH
}

fn ten_cents() -> Amount {
    Amount::from_nano(100_000_000)
}

/// Most limits to choose from: what is remembered of them fits into one value of the agent's store.
const LIMITS_MAX: usize = 50;
/// Most that a propensity comes to, n€: some 8,796 € in one interval. Fifty of them fit into 64 bits by far.
const PROPENSITY_MAX: u64 = 1 << 43;
const WHOLE_PPM: u64 = 1_000_000;

/// The strategy `roth_erev`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct RothErev {
    limits: usize,
    lowest: Option<Price>,
    highest: Option<Price>,
    initial: u64,
    /// 1 − φ, in 2⁻³².
    kept: u64,
    /// 1 − φ + ε ÷ (K − 1), in 2⁻³².
    kept_by_others: u64,
    /// 1 − ε, in 2⁻³².
    credited: u64,
    /// What its draws follow from.
    seed: Seed,
}

/// Settings with which nothing is learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadSettings {
    #[error("expected from 2 to {LIMITS_MAX} limits, found {0}; for one limit, `fixed` is the strategy")]
    Limits(usize),
    #[error("expected a `lowest` limit below the `highest`, found {lowest} and {highest}")]
    Order { lowest: Price, highest: Price },
    #[error("expected a forgetting below 1, found 1: nothing would be remembered")]
    Forgetting,
    #[error(
        "expected an experimentation below {}/{limits}, found {}: of {limits} limits, the one that made a profit would be \
         credited no more of it than the others; lower it",
        limits - 1, decimal(*found_ppm)
    )]
    Degenerate { limits: usize, found_ppm: u32 },
    #[error(
        "expected an experimentation of at most {} times the forgetting, found {} and {}: what is not chosen would grow \
         without end; lower the one or raise the other",
        limits - 1, decimal(*experimentation_ppm), decimal(*forgetting_ppm)
    )]
    Growing { limits: usize, experimentation_ppm: u32, forgetting_ppm: u32 },
    #[error("expected an initial profit above 0 and below {most}, found {0}", most = Amount::from_nano(PROPENSITY_MAX as i64))]
    Initial(Amount),
}

/// Millionths as a decimal.
fn decimal(ppm: u32) -> String {
    let text = format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl TryFrom<Settings> for RothErev {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<RothErev, BadSettings> {
        let Settings { limits, lowest, highest, forgetting, experimentation, initial } = settings;
        if !(2..=LIMITS_MAX).contains(&limits) {
            return Err(BadSettings::Limits(limits));
        }
        if let (Some(lowest), Some(highest)) = (lowest, highest)
            && lowest >= highest
        {
            return Err(BadSettings::Order { lowest, highest });
        }
        let (phi, epsilon) = (u64::from(forgetting.ppm()), u64::from(experimentation.ppm()));
        if phi == WHOLE_PPM {
            return Err(BadSettings::Forgetting);
        }
        let others = limits as u64 - 1;
        if (WHOLE_PPM - epsilon) * others <= epsilon {
            return Err(BadSettings::Degenerate { limits, found_ppm: experimentation.ppm() });
        }
        if epsilon > phi * others {
            let (experimentation_ppm, forgetting_ppm) = (experimentation.ppm(), forgetting.ppm());
            return Err(BadSettings::Growing { limits, experimentation_ppm, forgetting_ppm });
        }
        let begins_with = u64::try_from(initial.nano()).ok().filter(|nano| (1..PROPENSITY_MAX).contains(nano));
        let part = |millionths: u64, of: u64| (millionths << 32) / (WHOLE_PPM * of);
        Ok(RothErev {
            limits,
            lowest,
            highest,
            initial: begins_with.ok_or(BadSettings::Initial(initial))?,
            kept: part(WHOLE_PPM - phi, 1),
            kept_by_others: part((WHOLE_PPM - phi) * others + epsilon, others),
            credited: part(WHOLE_PPM - epsilon, 1),
            seed: Seed::default(),
        })
    }
}

/// The limits that there are to choose from: even from a price on, as far as a `span`, in µ€/kWh.
struct Grid {
    low: i64,
    span: i64,
    /// K − 1.
    steps: i64,
}

impl Grid {
    fn at(&self, choice: usize) -> Option<Price> {
        Price::from_micro(self.low + self.span * choice as i64 / self.steps)
    }

    /// Which of the limits this is.
    fn choice(&self, limit: Price) -> Option<usize> {
        let above = limit.micro() - self.low;
        let choice = if self.span == 0 { 0 } else { (above * self.steps + self.span - 1) / self.span };
        let choice = usize::try_from(choice).ok()?;
        (choice as i64 <= self.steps && self.at(choice) == Some(limit)).then_some(choice)
    }
}

impl RothErev {
    /// None while the supplier's prices are unknown that it needs.
    fn grid(&self, tariffs: Option<Tariffs>) -> Option<Grid> {
        let low = self.lowest.or(tariffs.map(|tariffs| tariffs.feed_in_price))?.micro();
        let high = self.highest.or(tariffs.map(|tariffs| tariffs.retail_price))?.micro();
        Some(Grid { low, span: (high - low).max(0), steps: self.limits as i64 - 1 })
    }

    /// After the limit of this number stood, and earned this many n€.
    fn reinforce(&self, propensities: &mut [u64], choice: usize, profit: u64) {
        let part = |of: u64, part: u64| ((u128::from(of) * u128::from(part)) >> 32) as u64;
        for (number, propensity) in propensities.iter_mut().enumerate() {
            let kept = if number == choice {
                part(*propensity, self.kept) + part(profit, self.credited)
            } else {
                part(*propensity, self.kept_by_others)
            };
            // None is forgotten for good.
            *propensity = kept.clamp(1, PROPENSITY_MAX);
        }
    }
}

/// The number of the propensity at which `draw` of 2⁶⁴ lies.
fn chosen(propensities: &[u64], draw: u64) -> usize {
    let all: u64 = propensities.iter().sum();
    // Below the sum of all, so that some propensity reaches it.
    let mut left = ((u128::from(all) * u128::from(draw)) >> 64) as u64;
    for (number, propensity) in propensities.iter().enumerate() {
        if left < *propensity {
            return number;
        }
        left -= propensity;
    }
    0
}

/// What energy earned beyond what the supplier's price makes of it, n€; never less than nothing.
fn profit(gain: i128) -> u64 {
    u64::try_from(gain.max(0)).unwrap_or(u64::MAX).min(PROPENSITY_MAX)
}

impl Strategy for RothErev {
    fn name(&self) -> &'static str {
        "roth_erev"
    }

    fn sees_tariffs(&self) -> bool {
        self.lowest.is_none() || self.highest.is_none()
    }

    fn limits(&self, situation: &Situation<'_>) -> PriceLimits {
        let Some(grid) = self.grid(situation.tariffs) else { return PriceLimits::default() };
        let [buy, sell] = self.seed.draws(situation.interval);
        let (to_buy, to_sell) = situation.memory.split_at(self.limits.min(situation.memory.len()));
        let limit = |propensities: &[u64], draw: u64| grid.at(chosen(propensities, draw));
        PriceLimits { buy: limit(to_buy, buy), sell: limit(to_sell, sell), ..PriceLimits::default() }
    }

    fn why(&self, situation: &Situation<'_>) -> Why {
        match self.grid(situation.tariffs).map(|grid| (grid.at(0), grid.at(self.limits - 1))) {
            Some((Some(lowest), Some(highest))) => Why::Learned { limits: self.limits, lowest, highest },
            _ => Why::TariffsUnproved,
        }
    }

    fn with_chance(&self, of: &Hash) -> Option<Arc<dyn Strategy>> {
        Some(Arc::new(RothErev { seed: Seed::of(of), ..self.clone() }))
    }

    fn memory(&self) -> Vec<u64> {
        vec![self.initial; 2 * self.limits]
    }

    fn learn(&self, memory: &mut [u64], of: &Outcome) {
        let Outcome { line, tariffs, limits, price, .. } = of;
        let Some(grid) = self.grid(Some(*tariffs)) else { return };
        let Some((to_buy, to_sell)) = memory.split_at_mut_checked(self.limits) else { return };
        let market = price.is_some();
        let teaches = |traded: Energy, other: Energy| !traded.is_zero() || market && !other.is_zero();
        if teaches(line.bought, line.imported)
            && let Some(choice) = limits.buy.and_then(|limit| grid.choice(limit))
        {
            let gain = tariffs.retail_price.times(line.bought) - i128::from(line.paid.nano());
            self.reinforce(to_buy, choice, profit(gain));
        }
        if teaches(line.sold, line.exported)
            && let Some(choice) = limits.sell.and_then(|limit| grid.choice(limit))
        {
            let gain = i128::from(line.earned.nano()) - tariffs.feed_in_price.times(line.sold);
            self.reinforce(to_sell, choice, profit(gain));
        }
    }
}

#[cfg(test)]
mod tests;
