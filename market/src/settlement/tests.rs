//! What settlements must hold, case by case; `tests/clearing_properties.rs` tries it on random ones.

use protocol::{
    energy::Energy,
    genesis::{GridLine, GridPlan, Technology},
    limits::ENERGY_WH_MAX,
    member::{AccountId, MemberId},
    money::{Amount, Price},
    order::PriceLimits,
    parameters::{Fees, LineFee, Parameters, Share},
    reading::Flow,
    settlement::Minted,
};

use super::*;
use crate::{clearing::TermsError, inputs::MeteredMember, metering::Metered};

fn wh(wh: u64) -> Energy {
    Energy::from_wh(wh)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn rules() -> Rules {
    Rules::new(price("0.30"), price("0.08"), "uniform")
}

fn flow(import: u64, export: u64) -> Flow {
    Flow { import: wh(import), export: wh(export) }
}

fn member(id: u8, measured: Flow) -> MeteredMember {
    MeteredMember {
        quota: None,
        member: MemberId::from_bytes([id; 16]),
        bus: Grid::ROOT,
        limits: PriceLimits::default(),
        metered: Metered { measured: Some(measured), late: Flow::default() },
        technology: None,
    }
}

fn settled_by(members: &[MeteredMember], rules: &Rules) -> Result<Settlement, SettleError> {
    settle(IntervalInput {
        interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        rules,
        grid: &Grid::single_bus(),
        tie_seed: &Hash::ZERO,
        readings: vec![Hash::of(b"reading")],
        inputs: &Inputs::of_metered(members),
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
    let limits = |buy: Option<&str>, sell: Option<&str>, buy_cap: Option<u64>, sell_cap: Option<u64>| PriceLimits {
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
    let late = Metered { measured: None, late: flow(700, 300) };
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
    let other = settled(&[member(1, flow(2, 0))]);
    assert_ne!(tie_seed_after(one.content_hash()), tie_seed_after(other.content_hash()));
}

#[test]
fn curves_add_up_orders_of_one_price() {
    let dear = |id, flow| MeteredMember {
        limits: PriceLimits { buy: Some(price("0.40")), sell: Some(price("0.25")), ..PriceLimits::default() },
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
    let step = |text, energy| PriceStep { price: price(text), energy: wh(energy) };
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
    let renewable = |member: MeteredMember| MeteredMember { technology: Some(Technology::Wind), ..member };
    let late = Metered { measured: Some(flow(0, 300)), late: flow(0, 500) };
    let settlement = settled(&[
        member(1, flow(1_000, 0)),
        renewable(member(2, flow(100, 600))),
        renewable(MeteredMember { metered: late, ..member(3, flow(0, 0)) }),
        renewable(member(4, flow(200, 0))),
        member(5, flow(0, 400)),
    ]);
    let minted =
        |number, energy| Minted { member: MemberId::from_bytes([number; 16]), energy, technology: Technology::Wind };
    assert_eq!(settlement.minted, [minted(2, wh(500)), minted(3, wh(300))]);
}

/// Two buses below the transformer, and what a mechanism needs to know there.
fn on_two_buses(parameters: Parameters, mechanism: &str, members: &[MeteredMember]) -> Result<Settlement, SettleError> {
    let line = GridLine { line: "lane".into(), from: "square".into(), to: "mill".into(), rated_va: 4_000 };
    let plan =
        GridPlan { transformer: "trafo".into(), transformer_va: 100_000, root: "square".into(), lines: vec![line] };
    let grid = Grid::from_plan(&plan).unwrap();
    let bus = |member: &MeteredMember| {
        let name = if member.member.as_bytes()[0] < 10 { "square" } else { "mill" };
        MeteredMember { bus: grid.bus(Some(name)).unwrap(), ..member.clone() }
    };
    let members: Vec<MeteredMember> = members.iter().map(bus).collect();
    settle(IntervalInput {
        interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        rules: &Rules { mechanism: mechanism.into(), parameters: Some(parameters), ..rules() },
        grid: &grid,
        tie_seed: &Hash::ZERO,
        readings: vec![],
        inputs: &Inputs::of_metered(&members),
    })
}

#[test]
fn what_the_grid_earns_is_booked_to_its_operator() {
    let fee = LineFee { line: "lane".into(), fee: price("0.02") };
    let fees = Fees { lines: vec![fee], ..Fees::default() };
    let parameters = Parameters { fees: Some(fees), derate_ppm: Some(500_000), ..Parameters::default() };
    // 4 kVA × a quarter of an hour × ½ = 500 Wh.
    let settlement = on_two_buses(parameters, "feeder", &[member(1, flow(800, 0)), member(11, flow(0, 900))]).unwrap();
    let [buyer, seller] = settlement.lines[..] else { panic!("two lines") };
    assert_eq!((buyer.bought, buyer.imported, seller.sold, seller.exported), (wh(500), wh(300), wh(500), wh(400)));
    assert_eq!((buyer.paid, seller.earned), (amount_of("0.15"), amount_of("0.04")), "each at the own bus's price");
    assert_eq!((settlement.operator, settlement.price), (amount_of("0.11"), None));
    assert_eq!(settlement.trades[0].price, price("0.30"), "a trade shows what the buyer pays");
}

#[test]
fn what_a_cap_keeps_out_of_the_market_uses_the_line_too() {
    let derated = || Parameters { derate_ppm: Some(500_000), ..Parameters::default() };
    let capped = |sell_cap| PriceLimits { sell_cap: Some(wh(sell_cap)), ..PriceLimits::default() };
    // The first has 200 Wh that it does not offer: of the line's 500 Wh, 300 are left for the second.
    let members = [
        member(1, flow(800, 0)),
        MeteredMember { limits: capped(0), ..member(11, flow(0, 200)) },
        member(12, flow(0, 900)),
    ];
    let settlement = on_two_buses(derated(), "feeder", &members).unwrap();
    assert_eq!(settlement.lines.iter().map(|line| line.sold.wh()).collect::<Vec<_>>(), [0, 0, 300]);
    // A deficit that does not take part makes room instead.
    let members = [
        member(1, flow(800, 0)),
        MeteredMember {
            limits: PriceLimits { buy_cap: Some(wh(0)), ..PriceLimits::default() },
            ..member(11, flow(200, 0))
        },
        member(12, flow(0, 900)),
    ];
    let settlement = on_two_buses(derated(), "feeder", &members).unwrap();
    assert_eq!(settlement.lines.iter().map(|line| line.sold.wh()).collect::<Vec<_>>(), [0, 0, 700]);
}

#[test]
fn keys_of_the_rules_are_found_by_member() {
    let members = [member(1, flow(500, 0)), member(2, flow(500, 0)), member(3, flow(0, 400))];
    let bought = |mechanism: &str, parameters: Parameters| {
        let settlement = on_two_buses(parameters, mechanism, &members).unwrap();
        assert_eq!(settlement.price, Some(price("0.19")), "the midpoint of retail and feed-in price");
        [settlement.lines[0].bought.wh(), settlement.lines[1].bought.wh()]
    };
    let id = |id| MemberId::from_bytes([id; 16]);
    let shares = vec![Share { member: id(1), ppm: 250_000 }, Share { member: id(2), ppm: 500_000 }];
    assert_eq!(bought("static_key", Parameters { shares: Some(shares), ..Parameters::default() }), [100, 200]);
    assert_eq!(bought("static_key", Parameters::default()), [200, 200]);
    assert_eq!(bought("priority_key", Parameters { priority: Some(vec![id(2)]), ..Parameters::default() }), [0, 400]);
    let dear = Parameters { community_price: Some(price("0.25")), ..Parameters::default() };
    assert_eq!(on_two_buses(dear, "dynamic_key", &members).unwrap().price, Some(price("0.25")));
}

#[test]
fn a_fee_for_a_line_that_is_not_there_is_refused() {
    let fee = LineFee { line: "line".into(), fee: price("0.02") };
    let fees = Some(Fees { lines: vec![fee], ..Fees::default() });
    let refused = on_two_buses(Parameters { fees, ..Parameters::default() }, "feeder", &[]);
    assert_eq!(refused, Err(SettleError::Terms(TermsError::UnknownLine { line: "line".into() })));
}
