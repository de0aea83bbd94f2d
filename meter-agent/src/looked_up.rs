//! Who looked this household up at ledger nodes, as `meter-agent accesses` found and proved it last: kept for the page,
//! since only that command asks.

use std::{collections::BTreeMap, io, path::Path};

use access_log::Access;
use serde::{Deserialize, Serialize};
use settings::bounded;

use crate::state_file;

/// In the state directory.
const FILE: &str = "looked-up.json";
/// Most look-ups that are kept of a node: the latest.
pub(crate) const KEPT_MAX: usize = 200;
/// Far more than those of a hundred nodes.
const BYTES_MAX: u64 = 8 * 1_024 * 1_024;

/// By the nodes' addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LookedUp {
    pub(crate) nodes: BTreeMap<String, AtNode>,
}

/// What one node's log has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtNode {
    /// When it was asked last, seconds after 1970.
    pub(crate) asked_s: i64,
    /// What was wrong with its answer then; the rest is from before.
    pub(crate) fault: Option<String>,
    /// The look-ups of this household or of everybody, the latest last.
    pub(crate) accesses: Vec<Access>,
}

impl LookedUp {
    /// What was found last; nothing, if nobody ever asked. An error has one line.
    pub(crate) fn read(state: &Path) -> Result<LookedUp, String> {
        let path = state.join(FILE);
        if !path.exists() {
            return Ok(LookedUp::default());
        }
        let json = bounded::read(&path, None, BYTES_MAX);
        let read = json.and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string()));
        read.map_err(|error| format!("{}: {error}; ask again with `meter-agent accesses`", path.display()))
    }

    /// Keeps it for the page.
    pub(crate) fn keep(&self, state: &Path) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        state_file::replace(&state.join(FILE), true, |_| Ok(json))
    }

    /// A node was asked, and this is what its log has.
    pub(crate) fn found(&mut self, url: &str, asked_s: i64, mut accesses: Vec<Access>) {
        accesses.drain(..accesses.len().saturating_sub(KEPT_MAX));
        self.nodes.insert(url.to_owned(), AtNode { asked_s, fault: None, accesses });
    }

    /// A node was asked, and its answer is not believed, or there was none.
    pub(crate) fn refused(&mut self, url: &str, asked_s: i64, fault: &str) {
        let node = self.nodes.entry(url.to_owned()).or_default();
        (node.asked_s, node.fault) = (asked_s, Some(fault.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use access_log::{Call, Hour};

    use super::*;

    fn access(hour: i64) -> Access {
        let (who, role) = ("00c0ffee".into(), "read".into());
        Access { hour: Hour::of(hour * 3_600), who, role, call: Call::Receipts, member: None }
    }

    #[test]
    fn the_latest_are_kept_and_what_was_found_stays_beside_a_refusal() {
        let state = tempfile::tempdir().unwrap();
        let mut looked_up = LookedUp::read(state.path()).unwrap();
        assert_eq!(looked_up, LookedUp::default(), "nobody ever asked");
        let last = KEPT_MAX as i64 + 9;
        looked_up.found("https://one", 7, (0..=last).map(access).collect());
        looked_up.refused("https://one", 8, "some were taken back");
        looked_up.refused("https://two", 8, "silence");
        looked_up.keep(state.path()).unwrap();
        let read = LookedUp::read(state.path()).unwrap();
        assert_eq!(read, looked_up);
        let AtNode { asked_s, fault, accesses } = &read.nodes["https://one"];
        assert_eq!((*asked_s, fault.as_deref(), accesses.len()), (8, Some("some were taken back"), KEPT_MAX));
        assert_eq!(accesses.last(), Some(&access(last)));
        looked_up.found("https://one", 9, vec![]);
        assert_eq!(looked_up.nodes["https://one"].fault, None, "it answers again");
        fs::write(state.path().join(FILE), "{").unwrap();
        let error = LookedUp::read(state.path()).unwrap_err();
        assert!(error.contains(FILE) && error.contains("ask again") && !error.contains('\n'), "{error}");
    }
}
