//! What happened lately: messages refused within ten minutes, contradictions of validators within an hour. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use protocol::answer::Refusal;

use super::{ValidatorView, moment::Moment};

/// How far back refusals count.
const REFUSALS_WITHIN: Duration = Duration::from_secs(600);
/// More than so many of one name within that time are worth a look.
pub(crate) const REFUSALS_MAX: u64 = 10;
/// How often they are looked at.
const SAMPLED_EVERY: Duration = Duration::from_secs(10);
/// How long a contradiction is worth a look.
const CONTRADICTIONS_WITHIN: Duration = Duration::from_secs(3_600);

/// Numbers of refused messages, by name.
pub(crate) type Refusals = [u64; Refusal::ALL.len()];

/// What happened lately.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// How many had been refused at some moments, the oldest first.
    refusals: VecDeque<(Moment, Refusals)>,
    /// How many contradictions each node has seen.
    contradictions: BTreeMap<String, u64>,
    last_contradiction: Option<Moment>,
}

impl Recent {
    /// How many messages have been refused until now.
    pub(crate) fn sample(&mut self, refused: &Refusals, now: Moment) {
        if self.refusals.back().is_none_or(|(last, _)| now.since(*last) >= SAMPLED_EVERY) {
            self.refusals.push_back((now, *refused));
        }
        // The last one before the time that counts is what is counted from.
        while self.refusals.get(1).is_some_and(|(second, _)| now.since(*second) >= REFUSALS_WITHIN) {
            self.refusals.pop_front();
        }
    }

    /// What nodes say of contradictions. What one had seen before it was asked for the first time counts as new.
    pub(crate) fn validators(&mut self, views: &[ValidatorView], now: Moment) {
        for ValidatorView { url, equivocations, silence, .. } in views {
            if silence.is_some() {
                continue;
            }
            let before = self.contradictions.insert(url.clone(), *equivocations).unwrap_or_default();
            if *equivocations > before {
                self.last_contradiction = Some(now);
            }
        }
    }

    /// The names of which too many messages were refused. A message that comes again is none of them: agents send what
    /// waits again whenever they find the market, and everything waits after an outage.
    pub(crate) fn refused(&self, refused: &Refusals) -> Vec<&'static str> {
        let Some((_, before)) = self.refusals.front() else { return Vec::new() };
        let grown = refused.iter().zip(before).zip(Refusal::ALL);
        let grown = grown.filter(|((now, before), refusal)| {
            *refusal != Refusal::Duplicate && now.saturating_sub(**before) > REFUSALS_MAX
        });
        grown.map(|(_, refusal)| refusal.name()).collect()
    }

    /// Since when validators are known to have contradicted themselves, if that was lately.
    pub(crate) fn contradicted(&self, now: Moment) -> Option<Moment> {
        self.last_contradiction.filter(|last| now.since(*last) < CONTRADICTIONS_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_one_name_count_for_ten_minutes() {
        let (mut recent, start) = (Recent::default(), Moment::now());
        let mut refused = [0; Refusal::ALL.len()];
        recent.sample(&refused, start);
        refused[1] = REFUSALS_MAX;
        refused[2] = REFUSALS_MAX;
        assert_eq!(recent.refused(&refused), [""; 0]);
        refused[1] += 1;
        let name = Refusal::ALL[1].name();
        for second in 1..700 {
            recent.sample(&refused, start.after_s(second));
            let expected: &[&str] = if second < 610 { &[name] } else { &[] };
            assert_eq!(recent.refused(&refused), expected, "{second}");
        }
    }

    #[test]
    fn what_agents_send_again_after_an_outage_is_no_matter() {
        let (mut recent, start) = (Recent::default(), Moment::now());
        recent.sample(&[0; Refusal::ALL.len()], start);
        let refused = Refusal::ALL.map(|refusal| if refusal == Refusal::Duplicate { 1_000 } else { 0 });
        assert_eq!(recent.refused(&refused), [""; 0]);
    }

    #[test]
    fn a_contradiction_counts_for_an_hour_and_again_with_the_next() {
        let (mut recent, start) = (Recent::default(), Moment::now());
        let view = |equivocations, silence| ValidatorView {
            url: "http://127.0.0.1:26000".into(),
            key: None,
            height: None,
            height_age_ms: None,
            block: None,
            silence,
            clock_off_s: None,
            equivocations,
        };
        recent.validators(&[view(0, None)], start);
        assert_eq!(recent.contradicted(start), None);
        recent.validators(&[view(2, None)], start.after_s(10));
        recent.validators(&[view(0, Some("away".into()))], start.after_s(20));
        recent.validators(&[view(2, None)], start.after_s(30));
        assert_eq!(recent.contradicted(start.after_s(3_609)), Some(start.after_s(10)));
        assert_eq!(recent.contradicted(start.after_s(3_610)), None);
        recent.validators(&[view(3, None)], start.after_s(4_000));
        assert_eq!(recent.contradicted(start.after_s(4_000)), Some(start.after_s(4_000)));
        // Its node was started again, and counts anew.
        recent.validators(&[view(0, None)], start.after_s(9_000));
        assert_eq!(recent.contradicted(start.after_s(9_000)), None);
        recent.validators(&[view(1, None)], start.after_s(9_001));
        assert!(recent.contradicted(start.after_s(9_001)).is_some());
    }
}
