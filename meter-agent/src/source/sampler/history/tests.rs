//! Lists of samples, and the readings that come of them.

use proptest::prelude::*;

use super::*;

/// The end of an interval of a quarter of an hour.
const END_S: i64 = 1_780_315_200;
const MAX_AGE_S: i64 = 30;
const QUARTER_S: i64 = 900;

fn rules() -> Rules {
    Rules {
        max_age_s: MAX_AGE_S,
        interval_s: QUARTER_S,
        rated_power_w: Some(10_000),
        registered: (Registers { import_wh: 1_000, export_wh: 500 }, END_S - QUARTER_S),
        serial: None,
    }
}

fn sample(import_wh: u64, export_wh: u64) -> Sample {
    Sample { registers: Registers { import_wh, export_wh }, at_s: None, power_w: None, serial: None }
}

/// A history that has taken samples of the import register, each at so many seconds after the interval's end.
fn taken(samples: &[(i64, u64)]) -> History {
    let mut history = History::new(rules(), END_S - QUARTER_S);
    for (after_s, import_wh) in samples {
        history.take(sample(*import_wh, 500), END_S + after_s).unwrap();
    }
    history
}

/// The import register of the reading of the interval, so many seconds after its end.
fn read(history: &History, after_s: i64) -> Result<Option<u64>, Reading> {
    match history.read(END_S, END_S + after_s) {
        Ok(Reading::Measured(measurement)) => Ok(Some(measurement.registers.import_wh)),
        Ok(other) => Err(other),
        Err(_) => Ok(None),
    }
}

#[test]
fn the_sample_nearest_the_end_is_the_reading() {
    let ten_seconds = taken(&[(-24, 2_000), (-14, 2_001), (-4, 2_002), (6, 2_003), (16, 2_004)]);
    assert_eq!(read(&ten_seconds, 17), Ok(Some(2_002)));
    assert_eq!(read(&taken(&[(-16, 2_000), (-6, 2_001), (4, 2_002)]), 5), Ok(Some(2_002)));
    assert_eq!(read(&taken(&[(-2, 2_000), (-1, 2_001), (0, 2_002)]), 1), Ok(Some(2_002)));
    assert_eq!(read(&taken(&[(-6, 2_000), (6, 2_001)]), 7), Ok(Some(2_000)), "of two as near, the earlier");
    assert_eq!(
        read(&taken(&[(-25, 2_000), (-5, 2_000), (30, 2_001), (40, 2_001)]), 600),
        Ok(Some(2_000)),
        "asked late"
    );
}

#[test]
fn a_nearer_sample_is_waited_for_as_long_as_one_may_come() {
    let before = taken(&[(-14, 2_000), (-4, 2_001)]);
    assert_eq!(read(&before, 1), Err(Reading::NotYet));
    assert_eq!(read(&before, 29), Err(Reading::NotYet));
    assert_eq!(read(&before, 30), Ok(Some(2_001)), "then what there is");
    let nothing_near = taken(&[(-60, 2_000), (-50, 2_001)]);
    assert_eq!(read(&nothing_near, 29), Err(Reading::NotYet));
    assert_eq!(read(&nothing_near, 30), Ok(None), "silent");
    assert_eq!(read(&before, -60), Err(Reading::NotYet), "a market that is ahead of this machine");
}

#[test]
fn an_interval_that_nobody_saw_end_is_missed_once_the_meter_speaks() {
    assert_eq!(read(&taken(&[(31, 2_000), (41, 2_001)]), 42), Err(Reading::Missed));
    assert_eq!(read(&taken(&[(-31, 2_000), (-31, 2_000), (31, 2_001), (41, 2_001)]), 42), Err(Reading::Missed));
    // Started long after the interval's end.
    let mut late = History::new(rules(), END_S + 3_600);
    assert_eq!(read(&late, 3_601), Err(Reading::NotYet), "its first telegram is on its way");
    assert_eq!(late.read(END_S, END_S + 3_631), Err(Silence::Silent(END_S + 3_600)));
    late.take(sample(2_000, 500), END_S + 3_700).unwrap();
    late.take(sample(2_000, 500), END_S + 3_701).unwrap();
    assert_eq!(read(&late, 3_701), Err(Reading::Missed));
}

#[test]
fn silence_has_the_same_words_for_as_long_as_it_lasts() {
    let mut history = taken(&[(-50, 2_000), (-49, 2_000)]);
    let silent = Silence::Silent(END_S - 49);
    assert_eq!(history.read(END_S, END_S + 30), Err(silent.clone()));
    assert_eq!(history.read(END_S, END_S + 3_600), Err(silent));
    history.refuse(Refusal::Unreachable("no route".into()));
    let unreachable = history.read(END_S, END_S + 3_601).unwrap_err();
    history.refuse(Refusal::Unreachable("refused".into()));
    assert_eq!(history.read(END_S, END_S + 7_200), Err(unreachable.clone()), "the first of its kind");
    assert_eq!(unreachable.to_string(), "no reading since 2026-06-01T11:59:11Z: it cannot be reached: no route");
    history.take(sample(2_100, 500), END_S + 7_300).unwrap();
    assert!(history.read(END_S, END_S + 7_300).is_err(), "one sample alone says little");
    history.take(sample(2_100, 500), END_S + 7_301).unwrap();
    assert_eq!(history.read(END_S, END_S + 7_301), Ok(Reading::Missed));
    assert_eq!(history.sight().fault, None);
}

#[test]
fn what_no_meter_shows_is_refused_by_name_and_the_next_right_sample_is_not() {
    let (import, export) = ("import", "export");
    for (found, refusal) in [
        (sample(0, 500), Refusal::Zero { register: import, before_wh: 2_000 }),
        (sample(2_000, 0), Refusal::Zero { register: export, before_wh: 500 }),
        (sample(1_999, 500), Refusal::WentBack { register: import, before_wh: 2_000, found_wh: 1_999 }),
        (sample(2_000, 499), Refusal::WentBack { register: export, before_wh: 500, found_wh: 499 }),
        // 10 kW for 62 s, which is 172.2 Wh, and a fifth.
        (sample(2_208, 500), Refusal::Step { found_wh: 208, most_wh: 207 }),
        (sample(2_000, 53_700_500), Refusal::Step { found_wh: 53_700_000, most_wh: 207 }),
    ] {
        let mut history = taken(&[(-2, 2_000), (-1, 2_000)]);
        assert_eq!(history.take(found, END_S), Err(refusal));
        assert!(history.sight().fault.is_some());
        history.take(sample(2_207, 500), END_S).unwrap();
        assert_eq!(read(&history, 1), Ok(Some(2_207)));
        assert_eq!(history.sight().fault, None);
    }
}

#[test]
fn the_first_sample_is_held_against_the_registration_and_borne_out_by_the_next() {
    let mut history = History::new(rules(), END_S - 60);
    let at_s = END_S - 10;
    assert_eq!(history.take(sample(0, 500), at_s), Err(Refusal::Zero { register: "import", before_wh: 1_000 }));
    let back = Refusal::WentBack { register: "export", before_wh: 500, found_wh: 499 };
    assert_eq!(history.take(sample(1_000, 499), at_s), Err(back));
    // A flipped digit with no checksum: the next samples do not bear it out.
    history.take(sample(91_000, 500), at_s).unwrap();
    assert_eq!(history.sight().registers, None);
    history.take(sample(1_001, 500), at_s + 1).unwrap();
    assert_eq!(history.sight().registers, None);
    history.take(sample(1_002, 500), at_s + 2).unwrap();
    assert_eq!(history.sight().registers, Some(Registers { import_wh: 1_002, export_wh: 500 }));
    assert_eq!(history.sight().believed, 2);

    let mut early = History::new(rules(), END_S - 7_200);
    early.take(sample(900, 400), END_S - 7_200).unwrap();
    early.take(sample(900, 400), END_S - 7_199).unwrap();
    assert_eq!(early.sight().believed, 2, "before its first interval the registers may be lower");
}

#[test]
fn a_register_that_counts_whole_kwh_makes_no_leap() {
    let mut history = taken(&[(-20, 2_000), (-10, 2_000)]);
    for count in 0..60 {
        history.take(sample(2_000, 500), END_S + 10 * count).unwrap();
    }
    // 6 kW: a step every ten minutes.
    history.take(sample(3_000, 500), END_S + 600).unwrap();
}

#[test]
fn counters_that_stand_still_while_power_flows_are_frozen_after_four_intervals() {
    let flowing = |power_w| Sample { power_w: Some(power_w), ..sample(2_000, 500) };
    for power_w in [4_000, -4_000] {
        let mut history = taken(&[(-20, 2_000), (-10, 2_000)]);
        let until_frozen = (0..).map(|count| 10 * count).find(|after_s| {
            let taken = history.take(flowing(power_w), END_S + after_s);
            assert!(matches!(taken, Ok(()) | Err(Refusal::Frozen { .. })), "{taken:?}");
            taken.is_err()
        });
        assert_eq!(until_frozen, Some(4 * QUARTER_S - 20));
        let silence = history.read(END_S + 5 * QUARTER_S, END_S + 5 * QUARTER_S + 30).unwrap_err();
        assert!(silence.to_string().contains("have not moved since 2026-06-01T11:59:40Z"), "{silence}");
        history.take(Sample { power_w: Some(power_w), ..sample(2_001, 500) }, END_S + 4 * QUARTER_S).unwrap();
        history.take(flowing(power_w), END_S + 4 * QUARTER_S + 10).unwrap_err();
        assert!(history.read(END_S + 4 * QUARTER_S, END_S + 4 * QUARTER_S + 30).is_ok(), "they move again");
    }
    let mut night = taken(&[(-20, 2_000), (-10, 2_000)]);
    for count in 0..2_000 {
        night.take(flowing(100), END_S + 10 * count).unwrap();
    }
}

#[test]
fn an_exchanged_meter_is_refused() {
    let of = |serial: &str| Sample { serial: Some(serial.into()), ..sample(2_000, 500) };
    let exchanged = Refusal::Exchanged { expected: "A".into(), found: "B".into() };
    let mut seen = History::new(rules(), END_S);
    for at_s in [END_S, END_S + 1] {
        seen.take(of("A"), at_s).unwrap();
    }
    assert_eq!(seen.take(of("B"), END_S + 2), Err(exchanged.clone()));
    seen.take(sample(2_000, 500), END_S + 3).unwrap();
    assert_eq!(seen.take(of("B"), END_S + 4), Err(exchanged.clone()), "a telegram without a number changes nothing");
    let mut pinned = History::new(Rules { serial: Some("A".into()), ..rules() }, END_S);
    assert_eq!(pinned.take(of("B"), END_S), Err(exchanged));
    pinned.take(of("A"), END_S).unwrap();
}

#[test]
fn a_value_of_another_time_is_refused() {
    let mut history = taken(&[(-2, 2_000), (-1, 2_000)]);
    let of = |at_s| Sample { at_s: Some(at_s), ..sample(2_000, 500) };
    assert_eq!(history.take(of(END_S - 31), END_S), Err(Refusal::Stale { age_s: 31 }));
    assert_eq!(history.take(of(END_S + 31), END_S), Err(Refusal::Ahead { ahead_s: 31 }));
    history.take(of(END_S - 1), END_S + 29).unwrap();
    history.take(of(END_S), END_S + 30).unwrap();
}

#[test]
fn a_clock_that_was_set_back_leaves_no_samples_from_the_future() {
    let mut history = taken(&[(3_600, 2_000), (3_601, 2_000)]);
    for (after_s, import_wh) in [(-1, 2_001), (0, 2_002), (1, 2_003)] {
        history.take(sample(import_wh, 500), END_S + after_s).unwrap();
    }
    assert_eq!(read(&history, 2), Ok(Some(2_002)));
    assert_eq!(history.recent.len(), 3);
}

#[test]
fn memory_is_bounded_and_still_reaches_over_an_end() {
    let mut history = taken(&[(-2, 2_000), (-1, 2_000)]);
    for after_s in 0..300 {
        history.take(sample(2_000, 500), END_S + after_s).unwrap();
    }
    assert_eq!(read(&history, 300), Ok(Some(2_000)));
    for after_s in 300..5_000 {
        history.take(sample(2_000, 500), END_S + after_s).unwrap();
    }
    assert_eq!(history.recent.len(), RECENT_MAX);
    assert_eq!(read(&history, 5_000), Err(Reading::Missed));
}

proptest! {
    #[test]
    fn whatever_comes_registers_only_grow_and_a_reading_is_of_its_interval(
        steps in prop::collection::vec(
            (0_i64..70, prop_oneof![4 => 0_u64..40, 1 => any::<u64>()], 0_u64..3, -40_i64..40, any::<bool>()), 0..60,
        ),
    ) {
        let mut history = taken(&[(-3_001, 2_000), (-3_000, 2_000)]);
        let (mut now_s, mut import_wh) = (END_S - 3_000, 2_000);
        for (passed_s, import, export, off_s, own_clock) in steps {
            now_s += passed_s;
            let shown = if import < 40 { import_wh + import } else { import };
            let at_s = own_clock.then_some(now_s - off_s);
            if history.take(Sample { at_s, ..sample(shown, 500 + export) }, now_s).is_ok() {
                import_wh = shown;
            }
            let in_order = history.recent.iter().zip(history.recent.iter().skip(1)).all(|(before, after)| {
                before.at_s < after.at_s && not_back(before.registers, after.registers, true).is_ok()
            });
            prop_assert!(in_order, "{:?}", history.recent);
            for end_s in [now_s - QUARTER_S, now_s - MAX_AGE_S, now_s, now_s + 60] {
                if let Ok(Reading::Measured(measurement)) = history.read(end_s, now_s) {
                    let of_the_end = |taken: &Taken| {
                        taken.registers == measurement.registers && (taken.at_s - end_s).abs() <= MAX_AGE_S
                    };
                    prop_assert!(history.recent.iter().any(of_the_end), "{end_s}");
                }
            }
        }
    }
}
