//! What settlements must hold, case by case; `tests/clearing_properties.rs` tries it on random ones.

use protocol::reading::Flow;

use super::*;

fn wh(wh: u64) -> Energy {
    Energy::from_wh(wh)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn rules() -> Rules {
    Rules { retail_price: price("0.30"), feed_in_price: price("0.08"), mechanism: "uniform".into() }
}

fn flow(import: u64, export: u64) -> Flow {
    Flow { import: wh(import), export: wh(export) }
}

fn member(id: u8, measured: Flow) -> MeteredMember {
    MeteredMember {
        member: MemberId::from_bytes([id; 16]),
        bus: Grid::ROOT,
        limits: Limits::default(),
        metered: Metered { measured, late: Flow::default() },
        renewable: false,
    }
}

fn settled_by(members: &[MeteredMember], rules: &Rules) -> Result<Settlement, SettleError> {
    settle(IntervalInput {
        interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        rules,
        grid: &Grid::single_bus(),
        tie_seed: &Hash::ZERO,
        members,
        readings: vec![Hash::of(b"reading")],
        inputs: Hash::of(b"inputs"),
    })
}

fn settled(members: &[MeteredMember]) -> Settlement {
    settled_by(members, &rules()).unwrap()
}

fn amount_of(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn nobody_read_settles_to_nothing() {
    let settlement = settled(&[]);
    assert_eq!((settlement.price, settlement.lines.len(), settlement.trades.len()), (None, 0, 0));
    assert_eq!((settlement.supplier, settlement.operator), (Amount::ZERO, Amount::ZERO));
    assert_eq!(settlement.readings, [Hash::of(b"reading")]);
}

#[test]
fn price_takers_trade_what_both_have_and_the_supplier_does_the_rest() {
    let settlement = settled(&[member(2, flow(1_000, 200)), member(1, flow(0, 500))]);
    // 800 Wh wanted, 500 Wh offered: the buyers' limit is the only clearing price.
    assert_eq!(settlement.price, Some(price("0.30")));
    let [seller, buyer] = settlement.lines[..] else { panic!("two lines") };
    assert_eq!(seller.member, MemberId::from_bytes([1; 16]), "lines are in order of member");
    assert_eq!((seller.sold, seller.exported, seller.earned), (wh(500), wh(0), amount_of("0.15")));
    assert_eq!((buyer.bought, buyer.imported, buyer.paid), (wh(500), wh(300), amount_of("0.15")));
    assert_eq!((buyer.supply_cost, settlement.supplier), (amount_of("0.09"), amount_of("0.09")));
    let trade = settlement.trades[0];
    assert_eq!((trade.seller, trade.buyer, trade.energy), (seller.member, buyer.member, wh(500)));
}

#[test]
fn limits_and_caps_decide_who_trades_how_much() {
    let limits = |buy: Option<&str>, sell: Option<&str>, buy_cap: Option<u64>, sell_cap: Option<u64>| Limits {
        buy: buy.map(price),
        sell: sell.map(price),
        buy_cap: buy_cap.map(wh),
        sell_cap: sell_cap.map(wh),
    };
    // Limits of the buyer of 1,000 Wh and of the seller of 600 Wh; what is traded, at which price.
    let cases = [
        (limits(None, None, None, None), limits(None, None, None, None), 600, Some("0.30")),
        (limits(Some("0.20"), None, None, None), limits(None, Some("0.10"), None, None), 600, Some("0.20")),
        (limits(Some("0.20"), None, None, None), limits(None, Some("0.21"), None, None), 0, None),
        (limits(None, None, Some(100), None), limits(None, None, None, None), 100, Some("0.08")),
        (limits(None, None, None, None), limits(None, None, None, Some(250)), 250, Some("0.30")),
        (limits(None, None, Some(0), None), limits(None, None, None, None), 0, None),
        (limits(Some("0.20"), None, Some(600), None), limits(None, Some("0.10"), None, None), 600, Some("0.15")),
    ];
    for (buyer, seller, traded, at) in cases {
        let members = [
            MeteredMember { limits: buyer, ..member(1, flow(1_000, 0)) },
            MeteredMember { limits: seller, ..member(2, flow(0, 600)) },
        ];
        let settlement = settled(&members);
        assert_eq!(settlement.price, at.map(price), "{buyer:?} {seller:?}");
        let [buying, selling] = settlement.lines[..] else { panic!("two lines") };
        assert_eq!((buying.bought, buying.imported), (wh(traded), wh(1_000 - traded)));
        assert_eq!((selling.sold, selling.exported), (wh(traded), wh(600 - traded)));
    }
}

#[test]
fn late_energy_is_the_suppliers_and_never_traded() {
    let late = Metered { measured: flow(0, 0), late: flow(700, 300) };
    let settlement = settled(&[MeteredMember { metered: late, ..member(1, flow(0, 0)) }, member(2, flow(0, 500))]);
    let line = settlement.lines[0];
    assert_eq!((line.bought, line.sold, line.imported, line.exported), (wh(0), wh(0), wh(700), wh(300)));
    assert_eq!((line.supply_cost, line.supply_revenue), (amount_of("0.21"), amount_of("0.024")));
    assert_eq!(settlement.lines[1].exported, wh(500));
    assert_eq!(settlement.price, None);
}

#[test]
fn what_cannot_be_settled_is_refused_by_name() {
    let unknown = Rules { mechanism: "barter".into(), ..rules() };
    assert!(matches!(settled_by(&[], &unknown), Err(SettleError::UnknownMechanism(error)) if error.found == "barter"));

    let twice = [member(1, flow(1, 0)), member(2, flow(1, 0)), member(1, flow(0, 1))];
    let member_id = MemberId::from_bytes([1; 16]);
    assert_eq!(settled_by(&twice, &rules()), Err(SettleError::DuplicateMember { member: member_id }));

    let too_much = member(1, flow(ENERGY_WH_MAX + 1, 0));
    let expected = SettleError::EnergyOutOfRange { member: member_id, found_wh: ENERGY_WH_MAX + 1 };
    assert_eq!(settled_by(&[too_much], &rules()), Err(expected));

    // Each line fits an amount, the supplier's sum of ten does not.
    let dear = Rules { retail_price: Price::MAX, ..rules() };
    let many: Vec<MeteredMember> = (0..10).map(|id| member(id, flow(ENERGY_WH_MAX, 0))).collect();
    assert!(settled_by(&many[..9], &dear).is_ok());
    let expected = SettleError::AmountOutOfRange { account: AccountId::Supplier, nano: 10_000_000_000_000_000_000 };
    assert_eq!(settled_by(&many, &dear), Err(expected));
}

#[test]
fn the_tie_seed_depends_on_what_was_settled() {
    let one = settled(&[member(1, flow(1, 0))]);
    assert_eq!(tie_seed_after(&one), tie_seed_after(&one.clone()));
    assert_ne!(tie_seed_after(&one), tie_seed_after(&settled(&[member(1, flow(2, 0))])));
}

#[test]
fn curves_add_up_orders_of_one_price() {
    let dear = |id, flow| MeteredMember {
        limits: Limits { buy: Some(price("0.40")), sell: Some(price("0.25")), ..Limits::default() },
        ..member(id, flow)
    };
    let members = [
        member(1, flow(100, 0)),
        member(2, flow(50, 20)),
        dear(3, flow(5, 0)),
        dear(4, flow(0, 7)),
        member(5, flow(0, 9)),
        member(6, flow(3, 3)),
    ];
    let step = |text, energy| Step { price: price(text), energy: wh(energy) };
    let expected =
        Curves { demand: vec![step("0.40", 5), step("0.30", 130)], supply: vec![step("0.08", 9), step("0.25", 7)] };
    assert_eq!(curves(&members, &rules()), expected);
    assert_eq!(
        serde_json::to_string(&curves(&members[..1], &rules())).unwrap(),
        r#"{"demand":[{"price":"0.3","energy":100}],"supply":[]}"#
    );
}

#[test]
fn certificates_are_minted_for_what_renewable_sources_fed_in_and_for_nothing_late() {
    let renewable = |member: MeteredMember| MeteredMember { renewable: true, ..member };
    let late = Metered { measured: flow(0, 300), late: flow(0, 500) };
    let settlement = settled(&[
        member(1, flow(1_000, 0)),
        renewable(member(2, flow(100, 600))),
        renewable(MeteredMember { metered: late, ..member(3, flow(0, 0)) }),
        renewable(member(4, flow(200, 0))),
        member(5, flow(0, 400)),
    ]);
    let minted: Vec<_> = settlement.minted.iter().map(|minted| (minted.member.as_bytes()[0], minted.energy)).collect();
    assert_eq!(minted, [(2, wh(500)), (3, wh(300))]);
}
