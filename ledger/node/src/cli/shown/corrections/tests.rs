use market::{
    grid::Grid,
    inputs::Inputs,
    settlement::{IntervalInput, settle},
};
use protocol::{correction::Validated, energy::Energy, genesis::Rules, hash::Hash, interval::Interval, key::SecretKey};

use super::*;

fn known() -> Known {
    Known {
        names: [(member(1), "Ada".to_owned())].into(),
        zone: "Europe/Zurich".parse().unwrap(),
        currency: "CHF".into(),
        rules: rules(),
        validators: Vec::new(),
        called: BTreeMap::new(),
    }
}

fn rules() -> Rules {
    Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform")
}

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

fn interval(number: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap()
}

fn read(import: u64, export: u64) -> Option<Values> {
    let [import, export] = [import, export].map(Energy::from_wh);
    Some(Values { import, export, ..Values::default() })
}

fn settled(interval: Interval, inputs: &[MemberInput]) -> Settlement {
    let grid = Grid::of(None).unwrap();
    let inputs = Inputs::new(inputs.to_vec(), |_| grid.bus(None)).unwrap();
    let (rules, readings) = (rules(), Vec::new());
    let input =
        IntervalInput { interval, rules: &rules, grid: &grid, tie_seed: &Hash::ZERO, readings, inputs: &inputs };
    settle(input).unwrap()
}

/// The correction of an interval in which Ada fed in 500 Wh, another drew 300, and a third was perhaps not read.
fn correction(at: i64, third: Option<Values>, values: &[(u8, Values)]) -> Correction {
    let input = |(number, values)| MemberInput {
        quota: None,
        member: member(number),
        device: Some(SecretKey::from_seed(&[number; 32]).public()),
        technology: None,
        buy: None,
        sell: None,
        buy_cap: None,
        sell_cap: None,
        values,
    };
    let inputs: Vec<MemberInput> = [(1, read(0, 500)), (2, read(300, 0)), (3, third)].map(input).into();
    let values: Vec<Validated> =
        values.iter().map(|(number, values)| Validated { member: member(*number), values: *values }).collect();
    let reversed = settled(interval(at), &inputs);
    let settlement = settled(interval(at), &corrected(&inputs, &values).unwrap());
    Correction { reversed, inputs, values, settlement, number: 2 }
}

#[test]
fn a_correction_is_shown_as_who_changes_and_by_how_much() {
    // From more than is drawn to less: another price, and so everybody's money.
    let one = correction(0, None, &[(2, read(700, 0).unwrap()), (3, read(40, 0).unwrap())]);
    let shown = lines(&known(), std::slice::from_ref(&one), false);
    assert!(
        shown[0].starts_with("correct 2026-06-01 14:00 to 14:15 +02:00 (2026-06-01T12:00:00Z), for the 2nd time: it "),
        "{shown:#?}"
    );
    let row = |name: &str| {
        let found = shown.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {shown:#?}"));
        found.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(1).collect::<Vec<_>>()
    };
    assert_eq!(shown[1], "clearing price 0.08 -> 0.3 CHF per kWh");
    assert_eq!(row("member"), ["drawn, kWh", "fed in, kWh", "balance, CHF"]);
    // Her meter says the same.
    assert_eq!(row("Ada")[..2], ["0.000", "0.500"]);
    assert_eq!(row(&member(2).to_string())[..2], ["0.300 -> 0.700", "0.000"]);
    assert_eq!(row(&member(3).to_string())[..2], ["not read -> 0.040", "not read -> 0.000"]);
    let nano = |text: &str| text.parse::<Amount>().map(super::nano).unwrap_or_else(|_| panic!("{text}"));
    let money = |name: &str| nano(row(name).last().unwrap().trim_start_matches('+'));
    let members = ["Ada", &member(2).to_string(), &member(3).to_string()].map(money);
    assert_eq!(members.iter().sum::<i128>(), money("all members"));
    assert_eq!(money("all members") + money("supplier") + money("grid operator"), 0);
    assert!(members.iter().all(|nano| *nano != 0), "{members:?}");
    assert!(!shown.iter().any(|line| line.contains("NOT BALANCE")), "{shown:#?}");
}

#[test]
fn what_does_not_balance_is_said_to_the_last_unit() {
    let honest = correction(0, read(0, 0), &[(2, read(200, 0).unwrap())]);
    let shown = |change: fn(&mut Settlement)| {
        let mut one = honest.clone();
        change(&mut one.settlement);
        lines(&known(), &[one], false).join("\n")
    };
    let money = shown(|of| of.lines[0].earned = of.lines[0].earned.checked_add(Amount::from_nano(1)).unwrap());
    assert!(money.contains("money DOES NOT BALANCE: together +0.000000001 CHF"), "{money}");
    let energy = "energy DOES NOT BALANCE in 2026-06-01 14:00 to 14:15 +02:00";
    let bought = shown(|of| of.lines[1].bought = Energy::from_wh(of.lines[1].bought.wh() + 1));
    assert!(bought.contains(energy), "{bought}");
    // As much is bought as sold, and a meter is said to have counted something else.
    let drawn = shown(|of| of.lines[1].imported = Energy::from_wh(of.lines[1].imported.wh() + 1));
    assert!(drawn.contains(energy), "{drawn}");
}

#[test]
fn a_long_true_up_is_summed_by_member_and_shown_in_full_on_request() {
    let late = Values { late_import: Energy::from_wh(60), ..read(10, 0).unwrap() };
    let three = [
        correction(0, None, &[(3, read(20, 0).unwrap())]),
        correction(1, None, &[(3, read(40, 0).unwrap())]),
        correction(2, Some(late), &[(3, read(10, 0).unwrap())]),
    ];
    let short = lines(&known(), &three, false);
    assert!(short[0].starts_with("true up 3 intervals, 2026-06-01 14:00"), "{short:#?}");
    assert!(!short.iter().any(|line| line.starts_with("Ada")), "nothing changes for her: {short:#?}");
    let at = short.iter().position(|line| line.starts_with(&member(3).to_string())).unwrap();
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cells(&short[at])[1..3], ["3", "0.010 -> 0.070"]);
    assert_eq!(cells(&short[at + 1]), ["of it late, from earlier intervals", "0.060 -> 0.000", "0.000"]);
    assert_eq!(short.iter().filter(|line| line.starts_with("correct ")).count(), 0);
    let long = lines(&known(), &three, true);
    assert_eq!(long.iter().filter(|line| line.starts_with("correct ")).count(), 3, "{long:#?}");
}
