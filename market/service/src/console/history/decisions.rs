//! What the validators decided: who approved, when, and what it changed.

use protocol::api::{Change, DECISIONS_PER_PAGE_MAX, Decided};
use serde::Serialize;
use utoipa::ToSchema;

use super::{calendar::Calendar, table::table};

/// Decisions, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DecisionPage {
    /// The decisions.
    pub(crate) decisions: Vec<DecisionView>,
    /// Where the next page ends (`until`); none on the last page.
    pub(crate) older: Option<u64>,
}

/// A decision that was made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DecisionView {
    /// 1 for the ledger's first decision, then one more each time.
    pub(crate) sequence: u64,
    /// Its id, 64 hex digits.
    pub(crate) id: String,
    /// The block that it is in.
    pub(crate) height: u64,
    /// When the interval began that was open then, UTC: a block has no time of its own.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) open: String,
    /// The same on the community's wall, with the offset from UTC.
    #[schema(example = "2026-06-01T14:00:00+02:00")]
    pub(crate) local: String,
    /// Who approved, by `did:key`.
    pub(crate) approved_by: Vec<String>,
    /// Power of those.
    pub(crate) signed: u64,
    /// Power of all validators then.
    pub(crate) total: u64,
    /// What it changed, as `GET /v1/decisions` of a node has it.
    #[schema(value_type = Object)]
    pub(crate) change: Change,
}

/// Which of them are on the page that ends with `until`, of as many as there are: from which on, and how many.
pub(super) fn page(until: Option<u64>, last: u64) -> (u64, usize) {
    let until = until.map_or(last, |until| until.min(last));
    let from = until.saturating_sub(DECISIONS_PER_PAGE_MAX as u64 - 1).max(1);
    (from, usize::try_from((until + 1).saturating_sub(from)).unwrap_or(0))
}

impl DecisionPage {
    /// The decisions from a number on, in their order.
    pub(super) fn new(calendar: &Calendar, from: u64, decided: Vec<Decided>) -> DecisionPage {
        let view = |of: Decided| DecisionView {
            sequence: of.sequence,
            id: of.id.to_string(),
            height: of.height,
            open: of.open.start_text(),
            local: calendar.text(of.open),
            approved_by: of.approvals.iter().map(|approval| approval.validator.to_string()).collect(),
            signed: of.signed,
            total: of.total,
            change: of.change,
        };
        let decisions = decided.into_iter().rev().map(view).collect();
        DecisionPage { decisions, older: from.checked_sub(1).filter(|older| *older > 0) }
    }
}

/// Decisions as CSV, what each changed as JSON.
pub(crate) fn csv(page: &DecisionPage) -> Result<Vec<u8>, csv::Error> {
    let row = |of: &DecisionView| {
        let change = serde_json::to_value(&of.change).unwrap_or_default();
        let kind = change["kind"].as_str().unwrap_or_default().to_owned();
        vec![
            of.sequence.to_string(),
            of.height.to_string(),
            of.open.clone(),
            of.local.clone(),
            kind,
            change.to_string(),
            of.approved_by.join(" "),
            of.signed.to_string(),
            of.total.to_string(),
        ]
    };
    let columns = ["sequence", "height", "open", "local", "kind", "change", "approved_by", "signed", "total"];
    table(&columns, page.decisions.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pages_of_decisions_meet_and_leave_none_out() {
        let mut until = None;
        let mut seen = Vec::new();
        loop {
            let (from, count) = page(until, 257);
            assert!((1..=100).contains(&count));
            seen.extend((from..from + count as u64).rev());
            match from - 1 {
                0 => break,
                older => until = Some(older),
            }
        }
        assert_eq!(seen, (1..=257).rev().collect::<Vec<u64>>());
        assert_eq!(page(None, 0), (1, 0));
        assert_eq!(page(Some(0), 9), (1, 0));
        assert_eq!(page(Some(u64::MAX), 9), (1, 9));
    }
}
