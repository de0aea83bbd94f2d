//! Which alarms are to be on, from what the console shows, and the list as others read it. Pure.

use protocol::{
    interval::{parse_utc, utc_text},
    pack::RulePack,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    health::TroubleKind,
    provisional::ProvisionalInterval,
    recent::REFUSALS_MAX,
    view::{Disk, NoticesView, Status, UndeliveredView},
};
use crate::alarms::{Alarm, AlarmName, Alarms, list::Judgement, name_in_alarms};

/// Less room than this is too little, bytes. A community of a hundred keeps some megabytes of waiting readings.
const DISK_FREE_BYTES_MIN: u64 = 512 * 1_024 * 1_024;

/// Most households that are named as unread; of more, it is said how many they are.
const UNREAD_NAMED_MAX: usize = 5;

/// A clock that is farther from the market's is wrong, or the market's is, s.
const CLOCK_OFF_S_MAX: u64 = 5;

/// What the status does not show.
#[derive(Debug)]
pub(crate) struct Lately {
    /// Names of which too many messages were refused.
    pub(crate) refused: Vec<&'static str>,
    /// Since when validators are known to have contradicted themselves, if that was lately.
    pub(crate) contradicted: Option<i64>,
    /// By how many seconds clocks of validators are ahead.
    pub(crate) clocks: Vec<i64>,
    /// The rule pack that the rules follow.
    pub(crate) pack: Option<RulePack>,
    /// Names of the households that were not read for the last settled interval, in an order that stays.
    pub(crate) unread: Vec<String>,
}

/// What is the matter by this status, and by what happened lately, at `now`, seconds after the epoch.
pub(crate) fn judge(status: &Status, lately: &Lately, now: i64) -> Vec<Judgement> {
    let mut found: Vec<Judgement> = Vec::new();
    for trouble in &status.health.troubles {
        found.push(Judgement {
            name: name(trouble.trouble),
            since: parse_utc(&trouble.since).unwrap_or(now),
            cause: trouble.what.clone(),
            action: trouble.action.clone(),
        });
    }
    found.extend(unread(&lately.unread, now));
    if let Some(last) = status.provisional.last.as_ref().filter(|_| status.provisional.alarm) {
        found.extend(unbalanced(last, now));
    }
    found.extend(status.disk.and_then(|disk| disk_low(disk, now)));
    found.extend(lately.contradicted.map(equivocation));
    found.extend(refusals(&lately.refused, now));
    found.extend(clock(&lately.clocks, now));
    found.extend(lately.pack.as_ref().and_then(|pack| pack_ends(pack, now)));
    found.extend(status.notices.iter().filter_map(|channel| undelivered(channel, now)));
    found
}

fn name(kind: TroubleKind) -> AlarmName {
    match kind {
        TroubleKind::LedgerSilent => AlarmName::LedgerSilent,
        TroubleKind::NoQuorum => AlarmName::NoQuorum,
        TroubleKind::Unfit => AlarmName::Unfit,
        TroubleKind::SettlementRefused => AlarmName::SettlementRefused,
        TroubleKind::NoBlock => AlarmName::NoBlock,
        TroubleKind::BrokerLost => AlarmName::BrokerLost,
        TroubleKind::NotSettled => AlarmName::NotSettled,
        TroubleKind::NoReadings => AlarmName::NoReadings,
        TroubleKind::ValidatorsSilent => AlarmName::ValidatorsSilent,
        TroubleKind::Unbalanced => AlarmName::Unbalanced,
    }
}

fn unread(names: &[String], now: i64) -> Option<Judgement> {
    let were = match names.len() {
        0 => return None,
        1 => "1 meter was".to_owned(),
        many => format!("{many} meters were"),
    };
    Some(Judgement {
        name: AlarmName::MetersUnread,
        since: now,
        // Without the interval: while the same meters are unread, the cause is the same.
        cause: format!("{were} not read for the last settled interval: {}.", some_of(names)),
        action: "Ask those households to look at their agent: `meter-agent status`. What it kept is settled later."
            .into(),
    })
}

/// As many of the names as are read at a glance.
fn some_of(names: &[String]) -> String {
    let named: Vec<String> = names.iter().take(UNREAD_NAMED_MAX).map(|name| name_in_alarms(name)).collect();
    match names.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn unbalanced(last: &ProvisionalInterval, now: i64) -> Option<Judgement> {
    let (expected, found, tolerance) = (last.expected_wh?, last.found_wh?, last.tolerance_wh?);
    if expected.abs_diff(found) <= tolerance {
        return None;
    }
    Some(Judgement {
        name: AlarmName::IntervalUnbalanced,
        since: now,
        cause: format!(
            "The members' meters add up to {found} Wh in {}, the transformer's says {expected} Wh; they may be {tolerance} Wh \
             apart.",
            last.start
        ),
        action: "Wait for late readings; then compare the meters of that interval, and correct it.".into(),
    })
}

fn disk_low(Disk { free_bytes, .. }: Disk, now: i64) -> Option<Judgement> {
    (free_bytes < DISK_FREE_BYTES_MIN).then(|| Judgement {
        name: AlarmName::DiskLow,
        since: now,
        cause: format!("Less than {} MiB are free where the market keeps its state.", DISK_FREE_BYTES_MIN >> 20),
        action: "Make room: on a full disk the market ends, and starts again when there is some.".into(),
    })
}

fn equivocation(since: i64) -> Judgement {
    Judgement {
        name: AlarmName::Equivocation,
        since,
        cause: "A validator has signed two messages that contradict one another: a key that runs twice, or worse.".into(),
        action: "Check the files under `evidence/` of the validators' states with `ledger evidence`, ask that validator's owner, \
                 and take it out of the validators."
            .into(),
    }
}

fn refusals(refused: &[&str], now: i64) -> Option<Judgement> {
    if refused.is_empty() {
        return None;
    }
    Some(Judgement {
        name: AlarmName::Refusals,
        since: now,
        cause: format!("More than {REFUSALS_MAX} messages were refused within ten minutes as {}.", refused.join(", ")),
        action: "docs/protocol.md says what each name means; the log of the agent that sends them says which.".into(),
    })
}

fn clock(ahead: &[i64], now: i64) -> Option<Judgement> {
    let off = ahead.iter().filter(|ahead| ahead.unsigned_abs() > CLOCK_OFF_S_MAX).count();
    if off == 0 {
        return None;
    }
    let (validators, whose) = match ahead.len() {
        1 => ("the validator".to_owned(), "one of them is"),
        many if 2 * off > many => (format!("{off} of {many} validators"), "the market's is probably"),
        many => (format!("{off} of {many} validators"), "theirs is probably"),
    };
    Some(Judgement {
        name: AlarmName::Clock,
        since: now,
        cause: format!(
            "The market's clock and that of {validators} are more than {CLOCK_OFF_S_MAX} s apart; {whose} wrong."
        ),
        action: "Let these machines follow a time server.".into(),
    })
}

fn pack_ends(pack: &RulePack, now: i64) -> Option<Judgement> {
    if !pack.is_about_to_end(now) {
        return None;
    }
    let RulePack { id, last, .. } = pack;
    // Without the days that are left: while it is the same pack, the cause is the same.
    let (ends, then) = match pack.days_left(now) {
        ..0 => ("has ended with", "The rules go on without it, and no bill has a network discount."),
        0.. => ("ends with", "After that the rules go on without it, and no bill has a network discount."),
    };
    Some(Judgement {
        name: AlarmName::RulePackEnds,
        since: now,
        cause: format!("The rule pack {id} {ends} {last}. {then}"),
        action: "Look for the law that holds after it, and follow its rule pack: `ledger draft set-rules --pack`."
            .into(),
    })
}

fn undelivered(channel: &NoticesView, now: i64) -> Option<Judgement> {
    let NoticesView { channel, undelivered, .. } = channel;
    let UndeliveredView { since, reason, first } = undelivered.as_ref()?;
    Some(Judgement {
        name: channel.alarm(),
        since: parse_utc(since).unwrap_or(now),
        cause: format!("Notices by {channel} are not delivered: {reason}. The first that waits: {first}."),
        action: format!(
            "Correct [notices.{channel}] in the market's configuration, or its receiver; `market alarms try` sends a test. It \
             is tried again by itself, at the latest after ten minutes."
        ),
    })
}

/// The list of alarms.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AlarmsView {
    /// What is on, the gravest first.
    pub(crate) on: Vec<Alarm>,
    /// What is over, the latest first.
    pub(crate) history: Vec<Alarm>,
    /// Under which name who asks may acknowledge alarms; none where they may not.
    #[schema(example = "ada")]
    pub(crate) you: Option<String>,
}

impl AlarmsView {
    pub(crate) fn new(alarms: &Alarms, you: Option<&str>) -> AlarmsView {
        let (on, history) = (alarms.on().to_vec(), alarms.history().cloned().collect());
        AlarmsView { on, history, you: you.map(str::to_owned) }
    }
}

/// The list as CSV: what is on first.
pub(crate) fn csv(alarms: &Alarms) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "name",
        "severity",
        "since",
        "cleared",
        "cause",
        "action",
        "acknowledged_by",
        "acknowledged",
    ])?;
    for alarm in alarms.on().iter().chain(alarms.history()) {
        let acknowledged = alarm.acknowledged.as_ref();
        table.write_record([
            alarm.name.name(),
            alarm.severity.name(),
            &utc_text(alarm.since),
            &alarm.cleared.map_or_else(String::new, utc_text),
            &alarm.cause,
            &alarm.action,
            acknowledged.map_or("", |acknowledged| &acknowledged.by),
            &acknowledged.map_or_else(String::new, |acknowledged| utc_text(acknowledged.at)),
        ])?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(found_wh: i64) -> ProvisionalInterval {
        ProvisionalInterval {
            start: "2026-06-01T12:00:00Z".into(),
            unread: 0,
            expected_wh: Some(1_000),
            found_wh: Some(found_wh),
            tolerance_wh: Some(20),
        }
    }

    #[test]
    fn an_interval_that_does_not_close_says_what_of_it_does_not() {
        for (found_wh, is_one) in
            [(1_000, false), (1_020, false), (980, false), (1_021, true), (979, true), (-1_000, true)]
        {
            assert_eq!(unbalanced(&last(found_wh), 7).is_some(), is_one, "{found_wh}");
        }
        let none = ProvisionalInterval { expected_wh: None, ..last(0) };
        assert_eq!(unbalanced(&none, 7), None);
    }

    #[test]
    fn households_that_were_not_read_are_named_and_of_many_a_handful() {
        let cause = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            unread(&names, 7).map(|judgement| judgement.cause)
        };
        assert_eq!(cause(&[]), None);
        assert_eq!(cause(&["Ada"]).unwrap(), "1 meter was not read for the last settled interval: Ada.");
        assert_eq!(
            cause(&["Ada", "B\nea", "Cem", "Dora", "Eva", "Fay", "Gil"]).unwrap(),
            "7 meters were not read for the last settled interval: Ada, Bea, Cem, Dora, Eva and 2 more."
        );
        let long = "e".repeat(10_000);
        assert!(cause(&[&long]).unwrap().len() < 200, "no name takes the room of all that is said");
    }

    #[test]
    fn whose_clock_is_wrong_is_what_most_say() {
        let cause = |ahead: &[i64]| clock(ahead, 7).map(|judgement| judgement.cause);
        assert_eq!(cause(&[]), None);
        assert_eq!(cause(&[5, -5, 0]), None);
        assert!(cause(&[6]).unwrap().ends_with("that of the validator are more than 5 s apart; one of them is wrong."));
        assert!(
            cause(&[-6, 0, 0, 1]).unwrap().contains("1 of 4 validators are more than 5 s apart; theirs is probably")
        );
        assert!(cause(&[60, 60, 60, 0]).unwrap().ends_with("the market's is probably wrong."));
    }

    #[test]
    fn a_rule_pack_is_said_to_end_thirty_days_before_and_its_cause_stays_the_same() {
        let interval = |text: &str| text.parse().unwrap();
        let pack = RulePack {
            id: "at-eeg-local-2026".into(),
            hash: protocol::hash::Hash::ZERO,
            currency: "EUR".into(),
            first: interval("2025-12-31T23:00:00Z/PT15M"),
            last: interval("2026-12-31T22:45:00Z/PT15M"),
            mechanisms: vec!["dynamic_key".into()],
            network: None,
        };
        let at = |moment: &str| pack_ends(&pack, parse_utc(moment).unwrap());
        assert_eq!(at("2026-12-01T23:00:00Z"), None);
        let soon = at("2026-12-01T23:00:01Z").unwrap();
        assert_eq!(soon.name, AlarmName::RulePackEnds);
        assert!(soon.cause.contains("at-eeg-local-2026 ends with 2026-12-31T22:45:00Z/PT15M"), "{}", soon.cause);
        assert_eq!(at("2026-12-31T22:59:59Z").unwrap().cause, soon.cause);
        assert!(at("2027-02-01T00:00:00Z").unwrap().cause.contains("has ended with"));
    }

    #[test]
    fn a_disk_is_low_below_half_a_gibibyte() {
        let free = |free_bytes| disk_low(Disk { free_bytes, total_bytes: u64::MAX }, 7);
        assert_eq!(free(DISK_FREE_BYTES_MIN), None);
        assert_eq!(free(DISK_FREE_BYTES_MIN - 1).unwrap().name, AlarmName::DiskLow);
    }

    #[test]
    fn the_table_has_a_line_for_each_alarm_whatever_its_cause_says() {
        let mut alarms = Alarms::default();
        let judgement = |name| Judgement { name, since: 0, cause: "\"a\",\nb".into(), action: "c".into() };
        alarms.judged(vec![judgement(AlarmName::NoBlock)], 0);
        alarms.judged(vec![judgement(AlarmName::Unfit)], 100);
        alarms.judged(vec![judgement(AlarmName::Unfit)], 200);
        let text = String::from_utf8(csv(&alarms).unwrap()).unwrap();
        let mut lines = csv::Reader::from_reader(text.as_bytes());
        let lines: Vec<Vec<String>> =
            lines.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(lines[0][..5], ["unfit", "critical", "1970-01-01T00:00:00Z", "", "\"a\",\nb"]);
        assert_eq!(lines[1][..4], ["no_block", "critical", "1970-01-01T00:00:00Z", "1970-01-01T00:01:40Z"]);
        assert_eq!(lines.len(), 2);
    }
}
