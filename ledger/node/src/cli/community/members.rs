//! The households to begin with: a CSV whose rows lead to the requests that their agents made.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use protocol::{
    enrolment::EnrolmentRequest,
    genesis::{GenesisMember, Technology},
    limits::{MEMBERS_MAX, REGISTER_WH_MAX},
    member::{MemberId, check_name},
};
use serde::Deserialize;
use settings::bounded;

use super::super::plausible;

/// Most bytes of a request: one has about 700.
const REQUEST_BYTES_MAX: u64 = 16 * 1_024;

/// A row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    request: PathBuf,
    import_wh: u64,
    export_wh: u64,
    rated_power_w: u64,
    bus: Option<String>,
    technology: Option<Technology>,
}

/// Members in ascending order of pseudonym, and their names.
pub(super) type Members = (Vec<GenesisMember>, BTreeMap<MemberId, String>);

/// Reads the file and the requests that it names. `salt` makes random bytes, new ones for each pseudonym.
/// With `implausible`, also what looks like a slip is taken.
pub(super) fn read(
    path: &Path,
    implausible: bool,
    mut salt: impl FnMut() -> Result<[u8; 16], String>,
) -> Result<Members, String> {
    let at = |line: u64, error: String| format!("{}, line {line}: {error}", path.display());
    let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
    let mut reader = reader.map_err(|error| format!("{}: {error}", path.display()))?;
    let headers = reader.headers().map_err(|error| format!("{}: {error}", path.display()))?.clone();
    let directory = path.parent().unwrap_or(Path::new(""));
    let (mut members, mut names, mut known) = (Vec::new(), BTreeMap::new(), Known::default());
    for record in reader.records() {
        let record = record.map_err(|error| format!("{}: {error}", path.display()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record.deserialize(Some(&headers)).map_err(|error| at(line, reason(&error)))?;
        row.check().and_then(|()| known.name(&row.name)).map_err(|error| at(line, error))?;
        if !implausible {
            plausible::check(row.rated_power_w, row.import_wh, row.export_wh)
                .map_err(|error| at(line, format!("{}: {error}", row.name)))?;
        }
        let request = request(&directory.join(&row.request)).map_err(|error| at(line, error))?;
        known.keys(&row.name, &request).map_err(|error| at(line, error))?;
        if members.len() == MEMBERS_MAX {
            return Err(at(line, format!("expected at most {MEMBERS_MAX} members, found more")));
        }
        let member = MemberId::pseudonym(&salt()?, &row.name);
        let Row { name, import_wh, export_wh, rated_power_w, bus, technology, request: _ } = row;
        let (key, device) = (request.key(), request.device());
        members.push(GenesisMember { member, key, device, rated_power_w, bus, import_wh, export_wh, technology });
        names.insert(member, name);
    }
    members.sort_unstable_by_key(|member| member.member);
    Ok((members, names))
}

impl Row {
    fn check(&self) -> Result<(), String> {
        check_name(&self.name).map_err(|error| error.to_string())?;
        self.bus.as_deref().map_or(Ok(()), check_name).map_err(|error| format!("bus: {error}"))?;
        if self.rated_power_w == 0 {
            return Err(format!("{}: expected a rated power of at least 1 W, found 0", self.name));
        }
        match [("import_wh", self.import_wh), ("export_wh", self.export_wh)]
            .into_iter()
            .find(|it| it.1 > REGISTER_WH_MAX)
        {
            Some((column, found)) => {
                Err(format!("{}: {column}: expected at most {REGISTER_WH_MAX} Wh, found {found}", self.name))
            }
            None => Ok(()),
        }
    }
}

/// Whom the rows before name, so that no household is there twice.
#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    keys: BTreeMap<String, String>,
}

impl Known {
    fn name(&mut self, name: &str) -> Result<(), String> {
        let new = self.names.insert(name.to_owned());
        if new { Ok(()) } else { Err(format!("expected each name once, found `{name}` twice: tell them apart")) }
    }

    fn keys(&mut self, name: &str, request: &EnrolmentRequest) -> Result<(), String> {
        for (what, key) in [("member key", request.key()), ("device key", request.device())] {
            if let Some(other) = self.keys.insert(key.to_string(), name.to_owned()) {
                return Err(format!(
                    "expected each household once, found the {what} of `{name}` at `{other}`, too: {key}; \
                     take one of the rows out, or ask for the right request"
                ));
            }
        }
        Ok(())
    }
}

fn request(path: &Path) -> Result<EnrolmentRequest, String> {
    let named = |error: String| format!("{}: {error}", path.display());
    let text = bounded::read_text(path, Some("a request"), REQUEST_BYTES_MAX).map_err(named)?;
    EnrolmentRequest::read(&text).map_err(|error| named(error.to_string()))
}

/// What is wrong with a row, without its place, which is said already.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().map(|field| format!("column {}: ", field + 1)).unwrap_or_default();
            format!("{column}{}", err.kind().to_string().replace('\n', " "))
        }
        _ => error.to_string(),
    }
}
