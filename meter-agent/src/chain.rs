//! The hash chain of readings: the next link. Pure.

use protocol::{
    envelope::{ChainId, Sealed},
    interval::Interval,
    key::SecretKey,
    reading::{ChainHead, Flow, Reading, Registers, SignedReading},
};

use crate::{record::ReadingRecord, source::Measurement};

/// The meter went back, or past the end of its register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the meter shows import {} Wh and export {} Wh, after {} Wh and {} Wh signed before: registers only grow; was the \
     meter replaced, or the recording changed?",
    found.import_wh, found.export_wh, before.import_wh, before.export_wh
)]
pub(crate) struct MeterWentBack {
    before: Registers,
    found: Registers,
}

/// Where the chain starts: before the community's first interval, at the registers of the registration.
pub(crate) fn start(first: Interval, registers: Registers) -> Option<ChainHead> {
    let hash = protocol::hash::Hash::ZERO;
    Some(ChainHead { sequence: 0, hash, interval: first.offset(-1)?, registers })
}

/// Signs what the meter showed at the end of `interval` as the link after `head`.
pub(crate) fn link(
    head: &ChainHead,
    interval: Interval,
    measurement: &Measurement,
    salt: [u8; 16],
    chain: &ChainId,
    key: &SecretKey,
) -> Result<(ChainHead, ReadingRecord), MeterWentBack> {
    let Measurement { registers, gross } = *measurement;
    let flow = registers.since(head.registers).ok_or(MeterWentBack { before: head.registers, found: registers })?;
    let consecutive = interval.since(head.interval) == Some(1);
    // The same rule as at the market and at every validator: within an interval import and export are set off against
    // each other, over a gap nobody knows which met which.
    let flow = if consecutive { netted(flow) } else { flow };
    let reading = Reading { interval, sequence: head.sequence + 1, previous: head.hash, registers, salt };
    let signed = SignedReading::sign(reading, chain, key);
    let record = ReadingRecord {
        message: Sealed::from(&signed),
        interval,
        consecutive,
        import: flow.import,
        export: flow.export,
        gross: gross.map(|gross| (gross.consumption, gross.production)),
        settled: false,
        stored_uwh: gross.and_then(|gross| gross.stored_uwh),
    };
    Ok((ChainHead::after(&signed), record))
}

fn netted(flow: Flow) -> Flow {
    Flow { import: flow.import.saturating_sub(flow.export), export: flow.export.saturating_sub(flow.import) }
}

#[cfg(test)]
mod tests {
    use protocol::{energy::Energy, hash::Hash};

    use super::*;

    #[test]
    fn links_follow_each_other_and_net_only_within_an_interval() {
        let first: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let key = SecretKey::from_seed(&[1; 32]);
        let head = start(first, Registers { import_wh: 10, export_wh: 20 }).unwrap();
        let shown = |import_wh, export_wh| Measurement { registers: Registers { import_wh, export_wh }, gross: None };

        let (second, record) = link(&head, first, &shown(110, 50), [0; 16], &Hash::ZERO, &key).unwrap();
        assert!(record.consecutive);
        assert_eq!((record.import, record.export), (Energy::from_wh(70), Energy::ZERO));
        let opened = record.message.open::<Reading>(&Hash::ZERO, |signer| *signer == key.public()).unwrap();
        assert_eq!((opened.sequence, opened.previous, second.hash), (1, Hash::ZERO, opened.hash()));

        let (third, record) =
            link(&second, first.offset(3).unwrap(), &shown(210, 80), [0; 16], &Hash::ZERO, &key).unwrap();
        assert!(!record.consecutive);
        assert_eq!((record.import, record.export), (Energy::from_wh(100), Energy::from_wh(30)));
        let opened = record.message.open::<Reading>(&Hash::ZERO, |_| true).unwrap();
        assert_eq!((opened.sequence, opened.previous), (2, second.hash));

        for (import_wh, export_wh) in [(209, 80), (210, 79), (u64::MAX, 80)] {
            assert!(
                link(&third, first.offset(4).unwrap(), &shown(import_wh, export_wh), [0; 16], &Hash::ZERO, &key)
                    .is_err()
            );
        }
    }
}
