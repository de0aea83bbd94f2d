//! The operator's file of names, `member,name` as CSV: who is who.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use protocol::{limits::GENESIS_BYTES_MAX, member::MemberId};
use settings::bounded;

use super::{Failure, bad_input};

/// The names of members, beside a market's state.
pub(super) const DIRECTORY_FILE: &str = "members.csv";

/// The file beside a node's state directory, or the one in the market's directory beside it.
pub(super) fn beside(directory: &Path) -> Option<PathBuf> {
    let market = directory.join("..").join("market");
    let places = [directory, &market].map(|directory| directory.join(DIRECTORY_FILE));
    places.into_iter().find(|file| file.is_file())
}

/// Reads a file of names.
pub(super) fn read(file: &Path) -> Result<BTreeMap<MemberId, String>, Failure> {
    let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", file.display()));
    let text = bounded::read(file, None, GENESIS_BYTES_MAX as u64).map_err(|error| named(&error))?;
    let mut names = csv::Reader::from_reader(&text[..]);
    let headers = names.headers().map_err(|error| named(&error))?;
    if headers.iter().ne(["member", "name"]) {
        let found: String = headers.iter().collect::<Vec<_>>().join(",").escape_debug().take(80).collect();
        return Err(named(&format!("expected the columns member,name, found `{found}`")));
    }
    names.deserialize().map(|row| row.map_err(|error| named(&error))).collect()
}
