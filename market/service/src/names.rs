//! The directory of names: what the console calls the members. It is the operator's file, and nobody else's: the ledger
//! knows nothing but pseudonyms.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use protocol::{limits::GENESIS_BYTES_MAX, member::MemberId};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Names by member.
pub(crate) type Names = BTreeMap<MemberId, String>;

/// Why a file is no directory of names.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// It cannot be read.
    #[error("`directory`: cannot read {}: {error}", path.display())]
    Unreadable {
        /// The CSV file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A line is none.
    #[error("{}, line {line}: expected {expected}, found `{found}`", path.display())]
    Line {
        /// The CSV file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
}

/// Reads a directory of names, `member,name`.
pub(crate) fn read(path: &Path) -> Result<Names, NamesError> {
    let unreadable = |error| NamesError::Unreadable { path: path.into(), error };
    let bytes = fs::read(path).map_err(unreadable)?;
    if bytes.len() > GENESIS_BYTES_MAX {
        let error = format!("expected at most {GENESIS_BYTES_MAX} bytes, found {}", bytes.len());
        return Err(unreadable(io::Error::other(error)));
    }
    let mut names = Names::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_slice());
    for (index, record) in reader.records().enumerate() {
        let invalid = |expected, found: &str| NamesError::Line {
            path: path.into(),
            line: index + 1,
            expected,
            found: found.chars().take(80).collect(),
        };
        let record = record.map_err(|error| invalid("CSV in UTF-8", &error.to_string()))?;
        let fields: Vec<&str> = record.iter().collect();
        match (index, fields.as_slice()) {
            (0, ["member", "name"]) => {}
            (0, _) => return Err(invalid("the columns member,name", &fields.join(","))),
            (_, [member, name]) => {
                let member = member.parse().map_err(|_| invalid("a member of 32 lowercase hex digits", member))?;
                names.insert(member, (*name).to_owned());
            }
            (_, _) => return Err(invalid("a member and a name", &fields.join(","))),
        }
    }
    Ok(names)
}

/// Reads the file again whenever it has changed, and hands on what it says. What is no directory of names changes
/// nothing, and is said once.
pub(crate) async fn follow(path: PathBuf, take: impl Fn(Names)) {
    let mut seen = stamp(&path);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = stamp(&path);
        if now == seen {
            continue;
        }
        seen = now;
        match read(&path) {
            Ok(names) => take(names),
            Err(error) => tracing::warn!(%error, "the names on the console stay as they were"),
        }
    }
}

/// What changes with a file's content.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_file_that_changed_is_read_again_and_one_that_is_none_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("members.csv");
        let write = |text: &str| {
            // At once, as an editor saves it.
            let half = path.with_extension("new");
            fs::write(&half, text).unwrap();
            fs::rename(half, &path).unwrap();
        };
        let ada = MemberId::from_bytes([1; 16]);
        write("member,name\n");
        let (sender, taken) = mpsc::channel();
        let following = tokio::spawn(follow(path.clone(), move |names| sender.send(names).unwrap()));
        let looked = || tokio::time::sleep(LOOK_EVERY * 2);
        looked().await;
        write(&format!("member,name\n{ada},Ada\n"));
        looked().await;
        write(&format!("member,name\nAda,{ada}\n"));
        looked().await;
        fs::remove_file(&path).unwrap();
        looked().await;
        write(&format!("member,name\n{ada},\"Ada, Rossi\"\n"));
        looked().await;
        following.abort();
        let names: Vec<Names> = taken.try_iter().collect();
        assert_eq!(names, ["Ada", "Ada, Rossi"].map(|name| Names::from([(ada, name.to_owned())])));
    }
}
