use super::*;

fn judgement(name: AlarmName, cause: &str) -> Judgement {
    Judgement { name, since: 100, cause: cause.into(), action: "Look.".into() }
}

fn silent() -> Vec<Judgement> {
    vec![judgement(AlarmName::ValidatorsSilent, "1 of 4 does not answer.")]
}

#[test]
fn an_alarm_is_raised_once_changes_with_its_cause_and_clears_when_the_cause_stays_away() {
    let mut alarms = Alarms::default();
    let raised = alarms.judged(silent(), 103);
    assert!(matches!(raised.as_slice(), [Change::Raised(alarm)] if alarm.since == 100), "{raised:?}");
    assert_eq!(alarms.judged(silent(), 104), []);
    let changed = alarms.judged(vec![judgement(AlarmName::ValidatorsSilent, "2 of 4 do not answer.")], 105);
    assert!(matches!(changed.as_slice(), [Change::Changed(alarm)] if alarm.cause.starts_with("2 of 4")), "{changed:?}");
    assert_eq!(alarms.judged(Vec::new(), 200), []);
    assert_eq!(alarms.judged(Vec::new(), 200 + CLEAR_AFTER_S - 1), []);
    let cleared = alarms.judged(Vec::new(), 200 + CLEAR_AFTER_S);
    let [Change::Cleared(alarm)] = cleared.as_slice() else { panic!("{cleared:?}") };
    assert_eq!(
        (alarm.since, alarm.cleared),
        (100, Some(200)),
        "it was over when its cause was gone, not a minute later"
    );
    assert_eq!((alarms.on().len(), alarms.history().collect::<Vec<_>>()), (0, vec![alarm]));
}

#[test]
fn what_comes_back_within_a_minute_is_the_same_alarm() {
    let mut alarms = Alarms::default();
    let mut changes = Vec::new();
    for now in 0..3_600 {
        let found = if now % CLEAR_AFTER_S == 0 { silent() } else { Vec::new() };
        changes.extend(alarms.judged(found, now));
    }
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(alarms.on().len(), 1);
}

#[test]
fn the_gravest_is_first_and_the_history_has_an_end() {
    let mut alarms = Alarms::default();
    alarms.judged(vec![judgement(AlarmName::Unbalanced, "u"), judgement(AlarmName::NoQuorum, "q")], 0);
    let on: Vec<AlarmName> = alarms.on().iter().map(|alarm| alarm.name).collect();
    assert_eq!(on, [AlarmName::NoQuorum, AlarmName::Unbalanced]);
    for round in 1..=HISTORY_MAX as i64 + 7 {
        alarms.judged(silent(), 1_000 * round);
        alarms.judged(Vec::new(), 1_000 * round + 1);
        alarms.judged(Vec::new(), 1_000 * round + 1 + CLEAR_AFTER_S);
    }
    assert_eq!(alarms.history().len(), HISTORY_MAX);
    assert_eq!(alarms.history().next().unwrap().cleared, Some(1_000 * (HISTORY_MAX as i64 + 7) + 1));
}

#[test]
fn who_acknowledged_first_stays_and_the_next_alarm_is_nobodys() {
    let mut alarms = Alarms::default();
    let by = |by: &str| Acknowledged { by: by.into(), at: 110 };
    assert_eq!(alarms.acknowledge(AlarmName::ValidatorsSilent, by("ada")), None, "nothing is on");
    alarms.judged(silent(), 100);
    assert!(alarms.acknowledge(AlarmName::ValidatorsSilent, by("ada")).is_some());
    assert_eq!(alarms.acknowledge(AlarmName::ValidatorsSilent, by("bob")), None);
    assert_eq!(alarms.on()[0].acknowledged, Some(by("ada")));
    alarms.judged(Vec::new(), 200);
    alarms.judged(Vec::new(), 300);
    assert_eq!(alarms.history().next().unwrap().acknowledged, Some(by("ada")));
    alarms.judged(silent(), 400);
    assert_eq!(alarms.on()[0].acknowledged, None);
}

#[test]
fn what_others_say_is_cut() {
    let mut alarms = Alarms::default();
    alarms.judged(vec![judgement(AlarmName::BrokerLost, &"é".repeat(10_000))], 0);
    assert_eq!(alarms.on()[0].cause.chars().count(), TEXT_CHARACTERS_MAX);
}

#[test]
fn a_name_is_the_same_in_json_and_on_the_command_line() {
    for name in AlarmName::ALL {
        assert_eq!(serde_json::to_string(name).unwrap(), format!("\"{name}\""));
        assert_eq!(name.to_string().parse(), Ok(*name));
    }
    let error = "Validators_silent".parse::<AlarmName>().unwrap_err().to_string();
    assert!(error.contains("expected an alarm's name such as validators_silent"), "{error}");
}

#[test]
fn the_list_is_the_same_after_it_was_written_and_read() {
    let mut alarms = Alarms::default();
    alarms.judged(silent(), 100);
    alarms.acknowledge(AlarmName::ValidatorsSilent, Acknowledged { by: "ada".into(), at: 110 });
    alarms.judged(Vec::new(), 200);
    alarms.judged(vec![judgement(AlarmName::NoBlock, "b")], 260);
    let json = serde_json::to_string(&alarms).unwrap();
    assert!(json.contains(r#""since":"1970-01-01T00:01:40Z""#), "{json}");
    assert_eq!(serde_json::from_str::<Alarms>(&json).unwrap(), alarms);
}

#[test]
fn every_alarm_is_explained_to_the_operator() {
    let page = include_str!("../../../../../docs/operator.md");
    let (_, page) = page.split_once("\n## Be told\n").unwrap();
    for name in AlarmName::ALL {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
