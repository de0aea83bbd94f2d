//! From signed registers to energy. The intake and every validator make the same checks with the same functions.
//!
//! Energy counts as *measured* in an interval if the device was read at the interval's start and at its end. What
//! flowed over a gap, or was read in time but arrived after its interval had closed, is *late*: it goes to and from the
//! supplier, it is never auctioned, and never lost.

use protocol::{
    energy::Energy,
    hash::Hash,
    interval::Interval,
    limits::{ENERGY_WH_MAX, READINGS_PER_DEVICE_MAX, REGISTER_WH_MAX},
    reading::{ChainHead, Flow, Reading, SignedReading},
};

/// Seconds of an hour: 1 W for so long is 1 Wh.
const HOUR_S: u128 = 3_600;

/// Why readings say nothing about energy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeteringError {
    /// Not the reading after the last one.
    #[error("expected the reading with sequence number {expected}, found {found}")]
    SequenceNotNext {
        /// The next number.
        expected: u64,
        /// The reading's.
        found: u64,
    },
    /// It continues another chain than the known one.
    #[error("expected a reading that follows {expected}, found one that follows {found}")]
    ChainBroken {
        /// Hash of the last known reading.
        expected: Hash,
        /// What the reading names as its previous.
        found: Hash,
    },
    /// Its interval does not come after that of the last reading.
    #[error("expected a reading of an interval after {last}, found {found}")]
    IntervalNotAfter {
        /// Interval of the last reading.
        last: Interval,
        /// The reading's interval.
        found: Interval,
    },
    /// Its interval is not as long as the community's.
    #[error("expected an interval as long as {expected}, found {found}")]
    IntervalLengthDiffers {
        /// One of the right length.
        expected: Interval,
        /// The reading's interval.
        found: Interval,
    },
    /// A register is lower than before.
    #[error("expected an {register} register of at least {before} Wh, found {found} Wh")]
    RegisterWentBack {
        /// Which one: import or export.
        register: &'static str,
        /// What it was before.
        before: u64,
        /// What it is now.
        found: u64,
    },
    /// More energy than the connection can carry in the time since the last reading.
    #[error("expected at most {expected_max_wh} Wh since the last reading, found {found_wh} Wh")]
    ImplausiblePower {
        /// What the rated power gives in that time.
        expected_max_wh: u64,
        /// What the larger of the two registers counted.
        found_wh: u64,
    },
    /// A number beyond what the protocol allows.
    #[error("expected at most {max_wh} Wh of {what}, found {found_wh} Wh")]
    OutOfRange {
        /// What is too much.
        what: &'static str,
        /// The limit.
        max_wh: u64,
        /// What was found.
        found_wh: u64,
    },
    /// Nothing to measure with.
    #[error("expected at least one reading, found none")]
    NoReading,
    /// A reading of an interval that is not being settled yet.
    #[error("expected readings up to {expected}, found one of {found}")]
    WrongInterval {
        /// The interval being settled.
        expected: Interval,
        /// The reading's interval.
        found: Interval,
    },
    /// More readings of one device than one settlement takes.
    #[error("expected at most {max} readings of one device, found {found}")]
    TooManyReadings {
        /// The limit.
        max: usize,
        /// How many there are.
        found: usize,
    },
}

/// One member's energy in a settlement.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// In the interval itself: what can be traded. None where it was not measured by itself.
    pub measured: Option<Flow>,
    /// Over a gap, or from intervals already closed: what the supplier covers and absorbs.
    pub late: Flow,
}

/// Most Wh that a meter may show behind a connection of this rating, after so many seconds. Registers count whole Wh,
/// so it may show up to one Wh more than has flowed.
pub fn plausible_wh(rated_power_w: u64, seconds: u64) -> u64 {
    let wh = (u128::from(rated_power_w) * u128::from(seconds)).div_ceil(HOUR_S);
    u64::try_from(wh).unwrap_or(u64::MAX)
}

/// What flowed since `head` according to `reading`, if it is the next link of the chain and a plausible one.
pub fn follow(head: &ChainHead, reading: &Reading, rated_power_w: u64) -> Result<Flow, MeteringError> {
    let expected = head.sequence.saturating_add(1);
    if reading.sequence != expected {
        return Err(MeteringError::SequenceNotNext { expected, found: reading.sequence });
    }
    if reading.previous != head.hash {
        return Err(MeteringError::ChainBroken { expected: head.hash, found: reading.previous });
    }
    if reading.interval.length() != head.interval.length() {
        return Err(MeteringError::IntervalLengthDiffers { expected: head.interval, found: reading.interval });
    }
    let elapsed_s = u64::try_from(reading.interval.end_s() - head.interval.end_s()).unwrap_or(0);
    if elapsed_s == 0 {
        return Err(MeteringError::IntervalNotAfter { last: head.interval, found: reading.interval });
    }
    let flow = flow_between(head, reading)?;
    let expected_max_wh = plausible_wh(rated_power_w, elapsed_s);
    let found_wh = flow.import.max(flow.export).wh();
    if found_wh > expected_max_wh {
        return Err(MeteringError::ImplausiblePower { expected_max_wh, found_wh });
    }
    within_limit("energy between two readings", flow)
}

fn flow_between(head: &ChainHead, reading: &Reading) -> Result<Flow, MeteringError> {
    let (before, now) = (head.registers, reading.registers);
    for (register, before, found) in
        [("import", before.import_wh, now.import_wh), ("export", before.export_wh, now.export_wh)]
    {
        if found < before {
            return Err(MeteringError::RegisterWentBack { register, before, found });
        }
    }
    now.since(before).ok_or(MeteringError::OutOfRange {
        what: "a register",
        max_wh: REGISTER_WH_MAX,
        found_wh: now.import_wh.max(now.export_wh),
    })
}

fn within_limit(what: &'static str, flow: Flow) -> Result<Flow, MeteringError> {
    let most = flow.import.max(flow.export);
    if most.is_within_limit() {
        Ok(flow)
    } else {
        Err(MeteringError::OutOfRange { what, max_wh: ENERGY_WH_MAX, found_wh: most.wh() })
    }
}

/// Import and export of one interval set off against each other: at most one of the two is left.
pub fn netted(flow: Flow) -> Flow {
    Flow { import: flow.import.saturating_sub(flow.export), export: flow.export.saturating_sub(flow.import) }
}

/// What a device's readings, oldest first, say about the energy to settle with `interval`; and the chain's new head.
///
/// A device that has not caught up yet may have late energy only: then nothing of it is traded.
pub fn measure(
    head: &ChainHead,
    readings: &[SignedReading],
    interval: Interval,
    rated_power_w: u64,
) -> Result<(Metered, ChainHead), MeteringError> {
    if readings.is_empty() {
        return Err(MeteringError::NoReading);
    }
    if readings.len() > READINGS_PER_DEVICE_MAX {
        return Err(MeteringError::TooManyReadings { max: READINGS_PER_DEVICE_MAX, found: readings.len() });
    }
    let mut head = *head;
    let mut metered = Metered::default();
    for reading in readings {
        let flow = follow(&head, reading, rated_power_w)?;
        if reading.interval.start_s() > interval.start_s() {
            return Err(MeteringError::WrongInterval { expected: interval, found: reading.interval });
        }
        let one_interval = reading.interval.since(head.interval) == Some(1);
        // Over a gap nobody knows which import met which export: both are settled in full.
        let flow = if one_interval { netted(flow) } else { flow };
        if one_interval && reading.interval == interval {
            metered.measured = Some(flow);
        } else {
            metered.late = within_limit("late energy in one settlement", sum(metered.late, flow))?;
        }
        head = ChainHead::after(reading);
    }
    Ok((metered, head))
}

/// What a reading that came late says of intervals already closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// The first interval that it measures.
    pub from: Interval,
    /// The last one: the same, unless intervals before were not read.
    pub to: Interval,
    /// What flowed, as [`measure`] counts it.
    pub flow: Flow,
}

/// What of the late energy that [`measure`] finds in the same readings is of which intervals. `None` where the readings
/// do not follow `head`.
pub fn late(head: &ChainHead, readings: &[SignedReading], interval: Interval) -> Option<Vec<Late>> {
    let mut head = *head;
    let mut late = Vec::new();
    for reading in readings {
        if reading.previous != head.hash {
            return None;
        }
        let flow = reading.registers.since(head.registers)?;
        let from = head.interval.next()?;
        match from == reading.interval {
            true if from == interval => {}
            true => late.push(Late { from, to: from, flow: netted(flow) }),
            false => late.push(Late { from, to: reading.interval, flow }),
        }
        head = ChainHead::after(reading);
    }
    Some(late)
}

/// Both are within [`ENERGY_WH_MAX`], so that their sum is far from the type's range.
fn sum(one: Flow, other: Flow) -> Flow {
    let add = |a: Energy, b: Energy| Energy::from_wh(a.wh().saturating_add(b.wh()));
    Flow { import: add(one.import, other.import), export: add(one.export, other.export) }
}

#[cfg(test)]
mod tests {
    use protocol::{key::SecretKey, reading::Registers};

    use super::*;

    const RATED_W: u64 = 10_000;

    fn interval(count: i64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
    }

    fn start() -> ChainHead {
        let registers = Registers { import_wh: 1_000, export_wh: 500 };
        ChainHead { sequence: 0, hash: Hash::ZERO, interval: interval(-1), registers }
    }

    fn reading(head: &ChainHead, at: i64, import_wh: u64, export_wh: u64) -> Reading {
        Reading {
            interval: interval(at),
            sequence: head.sequence + 1,
            previous: head.hash,
            registers: Registers {
                import_wh: head.registers.import_wh + import_wh,
                export_wh: head.registers.export_wh + export_wh,
            },
            salt: [7; 16],
        }
    }

    /// Interval, import and export of a reading.
    type Step = (i64, u64, u64);

    /// A chain of readings from [`start`].
    fn chain(steps: &[Step]) -> Vec<SignedReading> {
        let key = SecretKey::from_seed(&[1; 32]);
        let mut head = start();
        let mut readings = Vec::new();
        for &(at, import_wh, export_wh) in steps {
            let signed = SignedReading::sign(reading(&head, at, import_wh, export_wh), &Hash::ZERO, &key);
            head = ChainHead::after(&signed);
            readings.push(signed);
        }
        readings
    }

    fn flow(import_wh: u64, export_wh: u64) -> Flow {
        Flow { import: Energy::from_wh(import_wh), export: Energy::from_wh(export_wh) }
    }

    #[test]
    fn the_next_reading_follows_and_any_other_is_refused_by_name() {
        let head = start();
        let next = reading(&head, 0, 300, 20);
        assert_eq!(follow(&head, &next, RATED_W), Ok(flow(300, 20)));

        let hour: Interval = "2026-06-01T12:00:00Z/PT1H".parse().unwrap();
        let registers = |import_wh, export_wh| Registers { import_wh, export_wh };
        let cases = [
            (Reading { sequence: 2, ..next.clone() }, MeteringError::SequenceNotNext { expected: 1, found: 2 }),
            (
                Reading { previous: Hash::of(b"other"), ..next.clone() },
                MeteringError::ChainBroken { expected: Hash::ZERO, found: Hash::of(b"other") },
            ),
            (
                Reading { interval: interval(-1), ..next.clone() },
                MeteringError::IntervalNotAfter { last: interval(-1), found: interval(-1) },
            ),
            (
                Reading { interval: hour, ..next.clone() },
                MeteringError::IntervalLengthDiffers { expected: interval(-1), found: hour },
            ),
            (
                Reading { registers: registers(999, 500), ..next.clone() },
                MeteringError::RegisterWentBack { register: "import", before: 1_000, found: 999 },
            ),
            (
                Reading { registers: registers(1_000, 0), ..next.clone() },
                MeteringError::RegisterWentBack { register: "export", before: 500, found: 0 },
            ),
            (
                Reading { registers: registers(1_000, 3_001), ..next.clone() },
                MeteringError::ImplausiblePower { expected_max_wh: 2_500, found_wh: 2_501 },
            ),
            (
                Reading { registers: registers(u64::MAX, 500), ..next },
                MeteringError::OutOfRange { what: "a register", max_wh: REGISTER_WH_MAX, found_wh: u64::MAX },
            ),
        ];
        for (reading, expected) in cases {
            assert_eq!(follow(&head, &reading, RATED_W), Err(expected));
        }
    }

    #[test]
    fn more_time_makes_more_energy_plausible() {
        let head = start();
        assert_eq!(follow(&head, &reading(&head, 0, 2_500, 2_500), RATED_W), Ok(flow(2_500, 2_500)));
        assert_eq!(follow(&head, &reading(&head, 3, 10_000, 0), RATED_W), Ok(flow(10_000, 0)));
        assert!(follow(&head, &reading(&head, 3, 10_001, 0), RATED_W).is_err());
        assert_eq!(
            follow(&head, &reading(&head, 0, ENERGY_WH_MAX + 1, 0), u64::MAX),
            Err(MeteringError::OutOfRange {
                what: "energy between two readings",
                max_wh: ENERGY_WH_MAX,
                found_wh: ENERGY_WH_MAX + 1
            })
        );
    }

    #[test]
    fn energy_is_measured_or_late_but_never_lost() {
        // What was read, for a settlement of interval 3, then what is measured and what is late.
        let cases: [(&[Step], Option<Flow>, Flow); 5] = [
            (&[(0, 10, 0), (1, 20, 0), (2, 30, 5), (3, 40, 70)], Some(flow(0, 30)), flow(55, 0)),
            (&[(3, 40, 70)], None, flow(40, 70)),
            (&[(1, 100, 50), (2, 100, 50)], None, flow(150, 50)),
            (&[(2, 100, 50), (3, 9, 0)], Some(flow(9, 0)), flow(100, 50)),
            (&[(0, 0, 0)], None, flow(0, 0)),
        ];
        for (steps, measured, late) in cases {
            let readings = chain(steps);
            let (metered, head) = measure(&start(), &readings, interval(3), RATED_W).unwrap();
            assert_eq!(metered, Metered { measured, late }, "{steps:?}");
            assert_eq!(head, ChainHead::after(readings.last().unwrap()));
            let parts = super::late(&start(), &readings, interval(3)).unwrap();
            assert_eq!(parts.iter().fold(Flow::default(), |all, part| sum(all, part.flow)), late, "{steps:?}");
        }
    }

    #[test]
    fn late_energy_is_of_the_interval_that_it_was_read_for_or_of_the_gap_before() {
        let readings = chain(&[(0, 10, 0), (2, 30, 25), (3, 40, 70), (4, 5, 1)]);
        let part = |from, to, flow| Late { from: interval(from), to: interval(to), flow };
        let expected = vec![part(0, 0, flow(10, 0)), part(1, 2, flow(30, 25)), part(3, 3, flow(0, 30))];
        assert_eq!(late(&start(), &readings, interval(4)), Some(expected));
        assert_eq!(late(&start(), &readings[..1], interval(0)), Some(vec![]), "in time");
        assert_eq!(late(&start(), &readings[1..], interval(4)), None, "they follow another reading");
    }

    #[test]
    fn no_reading_too_many_or_one_from_the_future_are_refused() {
        assert_eq!(measure(&start(), &[], interval(0), RATED_W), Err(MeteringError::NoReading));

        let steps: Vec<Step> = (0..98).map(|at| (at, 1, 0)).collect();
        let readings = chain(&steps);
        let (metered, _) = measure(&start(), &readings[..97], interval(96), RATED_W).unwrap();
        assert_eq!(metered, Metered { measured: Some(flow(1, 0)), late: flow(96, 0) });
        assert_eq!(
            measure(&start(), &readings, interval(97), RATED_W),
            Err(MeteringError::TooManyReadings { max: 97, found: 98 })
        );
        assert_eq!(
            measure(&start(), &readings[..2], interval(0), RATED_W),
            Err(MeteringError::WrongInterval { expected: interval(0), found: interval(1) })
        );
        assert!(matches!(
            measure(&start(), &readings[1..3], interval(3), RATED_W),
            Err(MeteringError::SequenceNotNext { expected: 1, found: 2 })
        ));
    }

    #[test]
    fn late_energy_is_limited_as_a_whole() {
        let readings = chain(&[(0, ENERGY_WH_MAX, 0), (1, 1, 0)]);
        assert_eq!(
            measure(&start(), &readings, interval(2), u64::MAX),
            Err(MeteringError::OutOfRange {
                what: "late energy in one settlement",
                max_wh: ENERGY_WH_MAX,
                found_wh: ENERGY_WH_MAX + 1
            })
        );
        let (metered, _) = measure(&start(), &readings, interval(1), u64::MAX).unwrap();
        assert_eq!(metered, Metered { measured: Some(flow(1, 0)), late: flow(ENERGY_WH_MAX, 0) });
    }
}
