use super::*;

fn refused(text: &str) -> String {
    let error = Scenario::parse(text).unwrap_err().to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[test]
fn nothing_said_is_the_built_in_summer_of_price_takers() {
    let scenario = Scenario::parse("").unwrap();
    assert_eq!((scenario.seed, scenario.community.data.as_path()), (1, Path::new(BUILT_IN)));
    assert_eq!(scenario.market.mechanism, "uniform");
    assert_eq!(
        (scenario.tariffs.retail.to_string(), scenario.tariffs.feed_in.to_string()),
        ("0.3".into(), "0.08".into())
    );
    assert!(scenario.strategies.is_empty());
}

#[test]
fn what_was_read_can_be_written_and_read_again() {
    let text = r#"
        question = "What if?"
        seed = 7
        [community.drawn]
        homes = 20
        consumption_kwh = [1000, 2000]
        pv_share = 0.25
        pv_kwp = 5
        [period]
        from = "2016-06-01T00:00:00Z"
        days = 3
        [tariffs]
        retail = "0.32"
        [market]
        mechanism = "feeder"
        fees = { between_buses = "0.01" }
        derate = "0.5"
        [[strategies]]
        share = 0.5
        strategy = "fixed"
        buy = "0.2"
    "#;
    let scenario = Scenario::parse(text).unwrap();
    let drawn = scenario.community.drawn.clone().unwrap();
    assert_eq!((drawn.consumption_kwh, drawn.pv_kwp), (Range { from: 1_000, to: 2_000 }, Range { from: 5, to: 5 }));
    assert_eq!((drawn.pv_share.ppm(), scenario.strategies[0].share.ppm()), (250_000, 500_000));
    assert_eq!(scenario.strategies[0].strategy.bids.name(), "fixed");
    let written = toml::to_string(&scenario).unwrap();
    let again = Scenario::parse(&written).unwrap();
    assert_eq!(toml::to_string(&again).unwrap(), written);
    assert_eq!(again.strategies.len(), 1);
}

#[test]
fn what_cannot_be_is_refused_in_one_line_with_what_was_expected_and_found() {
    for (text, expected) in [
        ("sead = 1\n", "line 1: unknown field `sead`, expected one of `question`, `seed`"),
        ("\n[market]\nmechanizm = 'uniform'\n", "line 3: unknown field `mechanizm`"),
        ("[market]\nmechanism = 'unifrom'\n", "market.mechanism: expected a mechanism (`uniform`"),
        ("[community]\ndrawn = {homes = 0}\n", "community.drawn.homes: expected from 1 to 1000000, found 0"),
        (
            "[community]\ndrawn = {homes = 5, pv_share = 1.5}\n",
            "expected a number from 0 to 1 with at most six decimals",
        ),
        ("[community]\ndrawn = {homes = 5, pv_share = '40 %'}\n", "found `40 %`"),
        (
            "[community]\ndrawn = {homes = 5, pv_kwp = [5, 3]}\n",
            "expected [FROM, TO] with FROM at most TO, found [5, 3]",
        ),
        (
            "[community]\ndrawn = {homes = 5, others = [{homes = 5}, {homes = 0}]}\n",
            "community.drawn.others.1.homes: expected from 1 to 1000000, found 0",
        ),
        (
            "[community]\ndrawn = {homes = 999999, others = [{homes = 2}]}\n",
            "community.drawn.others: expected at most 1000000 homes in all groups, found 1000001",
        ),
        ("[community]\ndrawn = {homes = 5, consumption_kwh = 0}\n", "consumption_kwh: expected from 1 to 1000000"),
        (
            "[community]\nprofile = 'summer'\ndrawn = {homes = 5}\n",
            "expected either a profile and orders, or drawn homes",
        ),
        ("[community]\ndata = 'mine'\ndrawn = {homes = 5}\n", "community.data: expected built-in"),
        ("[period]\ndays = 0\n", "period.days: expected at least 1, found 0"),
        ("[period]\nfrom = 'yesterday'\n", "line 2: expected a UTC time"),
        ("[[tariffs.windows]]\nfrom = '25:00'\nto = '5:00'\n", "expected a time from 00:00 to 24:00, found `25:00`"),
        ("[[tariffs.windows]]\nfrom = '17:00'\nto = '19:00'\nretail = '0.01'\n", "tariffs.feed_in: expected at most"),
        (
            "[[tariffs.windows]]\nfrom = '22:00'\nto = '06:00'\n[[tariffs.windows]]\nfrom = '05:00'\nto = '07:00'\n",
            "tariffs.windows: expected one at a time, found two at 05:00",
        ),
        ("[tariffs]\nfeed_in = '0.4'\n", "tariffs.feed_in: expected at most the retail price 0.3, found 0.4"),
        ("[[strategies]]\nshare = 1\nstrategy = 'greedy'\n", "expected a strategy (`price_taker`, `fixed`"),
        ("[[strategies]]\nshare = 1\nstrategy = 'fixed'\nbid = '0.2'\n", "unknown field `bid`"),
        ("[[strategies]]\nstrategy = 'fixed'\n", "missing field `share`"),
        ("[[strategies]]\nshare = 1\n", "missing field `strategy`"),
        (
            "[[strategies]]\nshare = 0.6\nstrategy = 'zi_c'\n[[strategies]]\nshare = 0.5\nstrategy = 'zi_c'\n",
            "strategies: expected shares of at most 1 in all, found 1.1",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{text}: {error}\nexpected: {expected}");
    }
}

#[test]
fn paths_start_from_where_the_scenario_lies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    fs::write(&path, "[community]\ndata = 'data'\norders = 'built-in'\n").unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!(scenario.community.data, directory.path().join("data"));
    assert_eq!(scenario.community.orders.unwrap(), Path::new(BUILT_IN));
    let error = Scenario::load(&directory.path().join("none.toml")).unwrap_err().to_string();
    assert!(error.contains("none.toml: cannot be read"), "{error}");
}

#[test]
fn the_keys_of_the_documentation_are_those_that_are_read() {
    let page = include_str!("../../../docs/scenarios.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    // It shows both kinds of communities, of which a scenario has one; and keys of participants.
    let (head, rest) = block.split_once("[community] ").unwrap();
    let (recorded, drawn) = rest.split_once("[community.drawn]").unwrap();
    let of_participants = |line: &&str| !line.starts_with("shares") && !line.starts_with("priority");
    let drawn: String = format!("{head}[community.drawn]{drawn}")
        .lines()
        .filter(of_participants)
        .map(|line| line.to_owned() + "\n")
        .collect();
    let scenario = Scenario::parse(&drawn).unwrap();
    assert_eq!((scenario.equipment.len(), scenario.strategies.len()), (4, 1));
    let recorded = Scenario::parse(&format!("[community] {recorded}")).unwrap();
    assert!(recorded.community.orders.is_some());
}
