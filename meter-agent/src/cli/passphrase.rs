//! Asking for a passphrase, so that nobody sees it.

use console::Term;
use settings::secret::SecretFile;
use zeroize::Zeroizing;

use super::Failure;

/// A backup is stolen before anyone notices: what can be guessed offline has to be long.
const CHARACTERS_MIN: usize = 10;
/// Where there is no terminal.
const BY_FILE: &str = "name a file with --passphrase-file";

/// A new passphrase: from its file, or asked for twice.
pub(super) fn new(file: Option<&SecretFile>) -> Result<Zeroizing<String>, Failure> {
    let passphrase = match file {
        Some(file) => read(file)?,
        None => {
            let passphrase = ask("Passphrase for the backup", BY_FILE)?;
            if *ask("Once more", BY_FILE)? != *passphrase {
                return Err("expected the same passphrase twice, found two; nothing was written".into());
            }
            passphrase
        }
    };
    if passphrase.chars().count() < CHARACTERS_MIN {
        return Err(format!(
            "expected a passphrase of at least {CHARACTERS_MIN} characters: some words, and write them \
                            down where the backup is not"
        )
        .into());
    }
    Ok(passphrase)
}

/// A passphrase that is known: from its file, or asked for.
pub(super) fn known(file: Option<&SecretFile>) -> Result<Zeroizing<String>, Failure> {
    file.map_or_else(|| ask("Passphrase of the backup", BY_FILE), read)
}

fn read(file: &SecretFile) -> Result<Zeroizing<String>, Failure> {
    let bytes = file.read().map_err(|error| format!("{file}: {error}"))?;
    let line = std::str::from_utf8(&bytes).map_err(|_| format!("{file}: expected one line of text"))?;
    let line = line.strip_suffix('\n').unwrap_or(line);
    if line.is_empty() || line.contains('\n') {
        return Err(format!("{file}: expected one line with the passphrase, found none or several").into());
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// What is entered in the terminal; where there is none, what to do `otherwise`.
pub(super) fn ask(question: &str, otherwise: &str) -> Result<Zeroizing<String>, Failure> {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(format!("{question}: expected a terminal to ask in, found none: {otherwise}").into());
    }
    terminal.write_str(&format!("{question}: "))?;
    Ok(Zeroizing::new(terminal.read_secure_line()?))
}
