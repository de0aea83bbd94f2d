use proptest::{prelude::prop, prop_assert, prop_assert_eq, proptest};
use protocol::{interval::Interval, member::MemberId, settlement::Line};

use super::*;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn tariffs() -> Tariffs {
    Tariffs { retail_price: price("0.3"), feed_in_price: price("0.08") }
}

fn first() -> Interval {
    "2026-06-01T00:00:00Z/PT15M".parse().unwrap()
}

/// What came of a limit to buy at: so many Wh bought for an amount, others imported, and whether others traded.
fn bought(limit: Price, wh: u64, paid: i64, imported: u64, market: bool) -> Outcome {
    let line = Line {
        member: MemberId::from_bytes([1; 16]),
        bought: Energy::from_wh(wh),
        sold: Energy::ZERO,
        imported: Energy::from_wh(imported),
        exported: Energy::ZERO,
        paid: Amount::from_nano(paid),
        earned: Amount::ZERO,
        supply_cost: Amount::ZERO,
        supply_revenue: Amount::ZERO,
    };
    let limits = PriceLimits { buy: Some(limit), ..PriceLimits::default() };
    Outcome {
        interval: first(),
        tariffs: tariffs(),
        limits,
        price: market.then(|| price("0.2")),
        line,
        stored_uwh: None,
    }
}

/// The paper's update, as it is written there, in floating point.
fn reference(q: &mut [f64], choice: usize, profit: f64, forgetting: f64, experimentation: f64) {
    let others = q.len() as f64 - 1.0;
    for (number, q) in q.iter_mut().enumerate() {
        *q = if number == choice {
            (1.0 - forgetting) * *q + profit * (1.0 - experimentation)
        } else {
            (1.0 - forgetting) * *q + *q * experimentation / others
        };
    }
}

proptest! {
    #[test]
    fn propensities_are_the_papers_but_for_what_is_cut_off(
        limits in 2..=LIMITS_MAX,
        forgetting in 1..1_000_u32,
        experimentation in 0..1_000_u32,
        steps in prop::collection::vec((0..LIMITS_MAX, 0..500_u64), 1..300),
    ) {
        let text = format!("limits = {limits}\nforgetting = 0.{forgetting:03}\nexperimentation = 0.{experimentation:03}\n");
        let Ok(strategy) = toml::from_str::<RothErev>(&text) else { return Ok(()) };
        let mut memory = strategy.memory();
        let mut expected = vec![100_000_000.0; limits];
        let (phi, epsilon) = (f64::from(forgetting) / 1e3, f64::from(experimentation) / 1e3);
        for (place, wh) in steps {
            let choice = place % limits;
            let limit = price("0.08").micro() + 220_000 * choice as i64 / (limits as i64 - 1);
            // Bought for 0.2 € a kWh less than retail; nothing bought is a limit that was too low.
            let outcome = bought(Price::from_micro(limit).unwrap(), wh, 100_000 * wh as i64, 7, true);
            strategy.learn(&mut memory, &outcome);
            reference(&mut expected, choice, 200_000.0 * wh as f64, phi, epsilon);
            for (found, expected) in memory.iter().zip(&expected) {
                // Each step cuts off less than 2 n€ and 2⁻³¹ of what it keeps, and forgets of that φ less ε ÷ (K − 1).
                let left = phi - epsilon / (limits as f64 - 1.0);
                let off = if left > 0.0 { 2.0 / left } else { 600.0 };
                let bound = off.min(600.0) + expected * 300.0 / 2f64.powi(31) + 1.0;
                prop_assert!((*found as f64 - expected).abs() <= bound, "{found}, expected {expected} by {bound}");
            }
        }
        prop_assert_eq!(&memory[limits..], &vec![100_000_000; limits][..], "nothing was sold");
    }
}

#[test]
fn a_limit_is_chosen_as_often_as_its_share_of_all_propensities() {
    let strategy: RothErev = toml::from_str("limits = 3\n").unwrap();
    let strategy = strategy.with_chance(&Hash::of(b"home")).unwrap();
    // 0.08, 0.19 and 0.3, to buy and to sell.
    let memory = [100, 300, 600, 700, 0, 300];
    let mut chosen = [[0_u32; 3]; 2];
    for count in 0..20_000 {
        let interval = first().offset(count).unwrap();
        let situation = Situation { interval, tariffs: Some(tariffs()), memory: &memory };
        let limits = strategy.limits(&situation);
        assert_eq!(limits, strategy.limits(&situation));
        for (chosen, limit) in chosen.iter_mut().zip([limits.buy, limits.sell]) {
            chosen[((limit.unwrap().micro() - 80_000) / 110_000) as usize] += 1;
        }
    }
    for (found, share) in chosen.as_flattened().iter().zip([0.1, 0.3, 0.6, 0.7, 0.0, 0.3]) {
        // Four standard deviations of a binomial count.
        let (mean, deviation) = (20_000.0 * share, f64::sqrt(20_000.0 * share * (1.0 - share)));
        assert!((f64::from(*found) - mean).abs() <= 4.0 * deviation, "{chosen:?}");
    }
}

#[test]
fn an_interval_teaches_who_could_have_traded_and_under_limits_of_its_own() {
    let strategy: RothErev = toml::from_str("limits = 3\ninitial = \"0.01\"\n").unwrap();
    let learned = |outcome: &Outcome| {
        let mut memory = strategy.memory();
        strategy.learn(&mut memory, outcome);
        memory
    };
    let limit = price("0.19");
    let untouched = strategy.memory();
    assert_eq!(learned(&bought(limit, 0, 0, 500, false)), untouched, "nobody traded");
    assert_eq!(learned(&bought(limit, 0, 0, 0, true)), untouched, "there was nothing to buy");
    assert_eq!(learned(&bought(price("0.2"), 100, 0, 0, true)), untouched, "another's limit stood");
    assert_eq!(learned(&bought(price("0.31"), 100, 0, 0, true)), untouched, "a limit beyond all");
    // Of 10 million n€, 0.9 × 10⁷, cut off, and 10⁷ × (0.9 + 0.2 ÷ 2).
    assert_eq!(learned(&bought(limit, 0, 0, 500, true))[..3], [10_000_000, 8_999_999, 10_000_000], "the limit failed");
    // Bought for 0.1 € a kWh less than the supplier's: 10⁷ n€, of which 0.8 is credited.
    assert_eq!(learned(&bought(limit, 100, 20_000_000, 0, false))[1], 8_999_999 + 7_999_999, "it traded itself");
    assert_eq!(learned(&bought(limit, 100, 90_000_000, 0, true))[1], 8_999_999, "no loss is a profit below nothing");
}

#[test]
fn bounds_of_its_own_need_no_supplier() {
    let strategy: RothErev =
        toml::from_str("limits = 2\nexperimentation = 0.1\nlowest = \"0.1\"\nhighest = \"0.2\"\n").unwrap();
    let memory = [1, 0, 0, 1];
    let at = |tariffs| Situation { interval: first(), tariffs, memory: &memory };
    let expected = PriceLimits { buy: Some(price("0.1")), sell: Some(price("0.2")), ..PriceLimits::default() };
    assert_eq!(strategy.limits(&at(None)), expected);
    assert_eq!(strategy.why(&at(None)).to_string(), "by what each of 2 limits from 0.1 to 0.2 has earned");
    let without: RothErev = toml::from_str("limits = 2\nexperimentation = 0.1\n").unwrap();
    assert_eq!(without.limits(&at(None)), PriceLimits::default());
    assert_eq!(without.why(&at(None)), Why::TariffsUnproved);
    assert_eq!(without.limits(&at(Some(tariffs()))).sell, Some(price("0.3")));
}

#[test]
fn settings_with_which_nothing_is_learned_are_refused() {
    for (text, expected) in [
        ("limits = 1", "expected from 2 to 50 limits, found 1; for one limit, `fixed` is the strategy"),
        ("limits = 51", "found 51"),
        ("lowest = \"0.2\"\nhighest = \"0.2\"", "expected a `lowest` limit below the `highest`, found 0.2 and 0.2"),
        ("forgetting = 1", "expected a forgetting below 1, found 1: nothing would be remembered"),
        // 1 − ε = ε ÷ (K − 1).
        ("limits = 5\nexperimentation = 0.8", "expected an experimentation below 4/5, found 0.8: of 5 limits, the one"),
        ("limits = 2\nexperimentation = 0.5\nforgetting = 0.9", "expected an experimentation below 1/2, found 0.5"),
        (
            "limits = 3\nexperimentation = 0.5",
            "expected an experimentation of at most 2 times the forgetting, found 0.5",
        ),
        ("initial = \"0\"", "expected an initial profit above 0 and below 8796.093022208, found 0"),
        ("initial = \"-1\"", "found -1"),
        ("limit = 3", "unknown field `limit`"),
    ] {
        let error = toml::from_str::<RothErev>(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(toml::from_str::<RothErev>("limits = 5\nexperimentation = 0.799999\nforgetting = 0.2\n").is_ok());
}
