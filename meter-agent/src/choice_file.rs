//! The choice that a household made on its page, in the state directory: a file with the keys of `[order]`. While it is
//! there, it stands in the place of that section.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::{choice::Choice, state_file};

/// The file, in the state directory.
const FILE: &str = "order.toml";
const HEADING: &str =
    "# Set on the household's page, in the place of [order] in agent.toml. Remove it to go by that again.\n";

/// Why the choice is not known.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is not what the page writes.
    #[error("{}: expected the prices that were set on the page, found {message}; remove it to go by agent.toml", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// What stands in the place of `agent.toml`, if anything does.
pub(crate) fn read(state: &Path) -> Result<Option<Choice>, ChoiceError> {
    let path = state.join(FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ChoiceError::Unreadable { path, error }),
        Ok(text) => text,
    };
    let malformed = |error: toml::de::Error| error.message().replace('\n', " ");
    toml::from_str(&text).map(Some).map_err(|error| ChoiceError::Malformed { path, message: malformed(error) })
}

/// Keeps a choice, or that there is none any more. `durable`: whether it must be on the disk when this returns.
pub(crate) fn write(state: &Path, choice: Option<&Choice>, durable: bool) -> io::Result<()> {
    let path = state.join(FILE);
    let Some(choice) = choice else { return state_file::remove(&path, durable) };
    let keys = toml::to_string(choice).map_err(io::Error::other)?;
    state_file::replace(&path, durable, |_| Ok(format!("{HEADING}{keys}").into_bytes()))
}

#[cfg(test)]
mod tests {
    use household::strategy::FixedLimits;
    use protocol::energy::Energy;

    use super::*;

    #[test]
    fn what_was_kept_is_read_again_until_it_is_taken_back_and_what_is_damaged_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let limits = FixedLimits {
            buy: "0.28".parse().ok(),
            sell: "-0.01".parse().ok(),
            sell_cap_wh: Some(Energy::from_wh(1_500)),
            ..FixedLimits::default()
        };
        for choice in [Choice::Fixed(limits), Choice::Fixed(FixedLimits::default()), Choice::PriceTaker] {
            write(dir.path(), Some(&choice), true).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Some(choice));
            assert_eq!(choice.strategy().name(), if choice == Choice::PriceTaker { "price_taker" } else { "fixed" });
        }
        for (text, expected) in [
            ("strategy = \"fixed\"\nbuy = \"cheap\"\n", "found `cheap`"),
            ("strategy = \"fixed\"\nbuyy = \"0.1\"\n", "unknown field `buyy`"),
            ("strategy = \"zi_c\"\n", "unknown variant `zi_c`"),
            ("", "missing field `strategy`"),
        ] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(FILE) && error.contains("remove it"), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        write(dir.path(), None, true).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
    }
}
