//! A look-up.

use protocol::{
    interval::{parse_utc, utc_text},
    member::MemberId,
};
use serde::{Deserialize, Serialize};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Receipts of an interval, or of its corrections.
    Receipts,
    /// What an interval was computed from.
    Inputs,
    /// Settled intervals, line by line.
    Settlements,
    /// All that was booked to an account.
    Statement,
    /// Accounts, devices and standing orders.
    Members,
    /// How a member is registered.
    Registration,
    /// Certificates of origin, and who holds them.
    Certificates,
    /// This log.
    Accesses,
    /// What it may draw on an island, and what is stored behind its meter.
    Standby,
}

/// What a call looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Looked {
    /// What was asked for.
    pub call: Call,
    /// Of whom; none where it was of everybody.
    pub member: Option<MemberId>,
}

/// A look-up, as it is logged: a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The hour in which it was, by its beginning, UTC. However often one asks the same in an hour, it is one look-up.
    pub hour: Hour,
    /// Who: the first eight hex digits of the SHA-256 of the token that was shown, which the operator knows; `nobody`
    /// where the node asks for none, so that it was somebody on its own machine.
    pub who: String,
    /// The role of that token.
    pub role: String,
    /// What was asked for.
    pub call: Call,
    /// Of whom; none where it was of everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
}

/// The beginning of an hour, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hour(i64);

impl Hour {
    /// The one in which this moment is, seconds since 1970.
    pub fn of(at: i64) -> Hour {
        Hour(at - at.rem_euclid(3_600))
    }

    /// When it begins, seconds since 1970.
    pub fn start_s(self) -> i64 {
        self.0
    }
}

impl From<Hour> for String {
    fn from(hour: Hour) -> String {
        utc_text(hour.0)
    }
}

impl TryFrom<String> for Hour {
    type Error = String;

    fn try_from(text: String) -> Result<Hour, String> {
        let at = parse_utc(&text).map_err(|error| error.to_string())?;
        if Hour::of(at).0 == at { Ok(Hour(at)) } else { Err(format!("expected a full hour, found {text}")) }
    }
}

impl std::fmt::Display for Hour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&utc_text(self.0))
    }
}

impl Access {
    /// The line: the leaf of the tree, without the end of the line.
    pub(crate) fn line(&self) -> String {
        match serde_json::to_string(self) {
            Ok(line) => line,
            Err(error) => unreachable!("texts have a JSON: {error}"),
        }
    }

    /// Reads a line; none where it is not one that [`line`](Self::line) writes.
    pub(crate) fn read(line: &str) -> Option<Access> {
        let access: Access = serde_json::from_str(line).ok()?;
        (access.line() == line).then_some(access)
    }

    /// Whether this member is concerned: it, or everybody.
    pub fn concerns(&self, member: MemberId) -> bool {
        self.member.is_none_or(|found| found == member)
    }
}
