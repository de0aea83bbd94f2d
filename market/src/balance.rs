//! Whether an interval closes: whether every meter was read, and whether the members' sum is what the transformer's
//! meter says. Where it does not, what was measured is settled all the same, as provisional. Nothing is scaled to fit.

use protocol::{
    genesis::{Rules, TransformerMeter},
    limits::ENERGY_WH_MAX,
    member::MemberId,
    parameters::WHOLE_PPM,
    reading::Flow,
    settlement::{Balance, Provisional},
};

use crate::{inputs::MeteredMember, metering::netted};

/// Why the settlement of these members is provisional; none if the interval closes. `unread` are the members whose
/// device did not measure it, in ascending order.
pub fn provisional(rules: &Rules, members: &[MeteredMember], unread: Vec<MemberId>) -> Option<Provisional> {
    let balance = rules.transformer.map(|meter| balance(&meter, members));
    let closes = unread.is_empty() && balance.is_none_or(|balance| balance.closes());
    (!closes).then_some(Provisional { unread, balance })
}

/// What the transformer's meter says, where an island begins or ends by it; none where it was not read.
pub fn exchange(rules: &Rules, members: &[MeteredMember]) -> Option<Flow> {
    let meter = rules.transformer.filter(|_| rules.island().is_some_and(|plan| plan.zero_intervals.is_some()))?;
    let at = members.binary_search_by_key(&meter.member, |metered| metered.member).ok()?;
    members[at].metered.measured
}

/// The members' sum beside what the transformer's meter says.
fn balance(meter: &TransformerMeter, members: &[MeteredMember]) -> Balance {
    let mut expected_wh = None;
    let (mut drawn, mut fed_in) = (0_u64, 0_u64);
    for MeteredMember { member, metered, .. } in members {
        let Some(flow) = metered.measured.map(netted) else { continue };
        if *member == meter.member {
            expected_wh = Some(net(flow.import.wh(), flow.export.wh()));
        } else {
            drawn = drawn.saturating_add(flow.import.wh());
            fed_in = fed_in.saturating_add(flow.export.wh());
        }
    }
    // Lines lose a part of what they carry, and only part of that passes the transformer.
    let carried = u128::from(drawn) + u128::from(fed_in);
    let lost = u64::try_from(carried * u128::from(meter.tolerance_ppm) / u128::from(WHOLE_PPM)).unwrap_or(u64::MAX);
    Balance {
        expected_wh,
        found_wh: net(drawn, fed_in),
        tolerance_wh: meter.tolerance_wh.min(ENERGY_WH_MAX).saturating_add(lost),
    }
}

fn net(import: u64, export: u64) -> i64 {
    let signed = |wh: u64| i64::try_from(wh).unwrap_or(i64::MAX);
    signed(import) - signed(export)
}

#[cfg(test)]
mod tests {
    use protocol::{energy::Energy, money::Price, order::PriceLimits, reading::Flow};

    use super::*;
    use crate::{grid::Grid, metering::Metered};

    const TRANSFORMER: u8 = 99;

    fn id(number: u8) -> MemberId {
        MemberId::from_bytes([number; 16])
    }

    fn rules(tolerance: Option<(u64, u32)>) -> Rules {
        let meter =
            |(tolerance_wh, tolerance_ppm)| TransformerMeter { member: id(TRANSFORMER), tolerance_wh, tolerance_ppm };
        Rules {
            retail_price: Price::from_micro(300_000).unwrap(),
            feed_in_price: Price::from_micro(80_000).unwrap(),
            mechanism: "uniform".into(),
            parameters: None,
            transformer: tolerance.map(meter),
            pack: None,
        }
    }

    fn read(member: u8, import: u64, export: u64) -> MeteredMember {
        let measured = Some(Flow { import: Energy::from_wh(import), export: Energy::from_wh(export) });
        MeteredMember {
            quota: None,
            member: id(member),
            bus: Grid::ROOT,
            limits: PriceLimits::default(),
            metered: Metered { measured, late: Flow { import: Energy::from_wh(9_999), export: Energy::ZERO } },
            technology: None,
        }
    }

    fn late_only(member: u8) -> MeteredMember {
        let mut late = read(member, 0, 0);
        late.metered.measured = None;
        late
    }

    #[test]
    fn an_interval_closes_where_the_sums_agree_within_the_tolerance() {
        // 1,000 Wh drawn, 400 Wh fed in: 600 Wh through the transformer, and 1,400 Wh on the lines.
        let members = [read(1, 900, 0), read(2, 100, 0), read(3, 50, 450)];
        let cases = [
            ((0, 0), (600, 0), true),
            ((0, 0), (700, 100), true),
            ((0, 0), (601, 0), false),
            ((0, 0), (599, 0), false),
            ((10, 0), (610, 0), true),
            ((10, 0), (611, 0), false),
            ((10, 10_000), (624, 0), true),
            ((10, 10_000), (625, 0), false),
            ((10, 10_000), (0, 300), false),
        ];
        for (tolerance, (import, export), closes) in cases {
            let all = [&members[..], &[read(TRANSFORMER, import, export)]].concat();
            let found = provisional(&rules(Some(tolerance)), &all, Vec::new());
            assert_eq!(found.is_none(), closes, "{tolerance:?} {import} {export}");
            let Some(found) = found else { continue };
            assert!(found.is_unbalanced());
            let balance = found.balance.unwrap();
            assert_eq!(balance.found_wh, 600);
            assert_eq!(balance.expected_wh, Some(import as i64 - export as i64));
        }
    }

    #[test]
    fn an_interval_with_a_meter_that_was_not_read_is_provisional_with_or_without_a_transformer() {
        let members = [read(1, 900, 0), late_only(2)];
        let found = provisional(&rules(None), &members, vec![id(2)]);
        assert_eq!(found, Some(Provisional { unread: vec![id(2)], balance: None }));

        let all = [&members[..], &[read(TRANSFORMER, 950, 0)]].concat();
        let found = provisional(&rules(Some((0, 0))), &all, vec![id(2)]).unwrap();
        let balance = Balance { expected_wh: Some(950), found_wh: 900, tolerance_wh: 0 };
        assert_eq!(found, Provisional { unread: vec![id(2)], balance: Some(balance) });

        let found = provisional(&rules(Some((7, 0))), &members[..1], vec![id(TRANSFORMER)]).unwrap();
        assert_eq!(found.balance, Some(Balance { expected_wh: None, found_wh: 900, tolerance_wh: 7 }));
        assert!(!found.is_unbalanced(), "it is not known");
        // Nobody was registered for it to be missed: the balance is missing all the same.
        assert!(provisional(&rules(Some((7, 0))), &members[..1], Vec::new()).is_some());
    }
}
