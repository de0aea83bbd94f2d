//! `meter-agent keys`: a backup of the two keys, under a passphrase.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use protocol::key::SecretKey;
use settings::{
    owner_only::{self, key_text},
    secret::SecretFile,
};
use zeroize::Zeroizing;

use super::{ConfigFile, Failure, passphrase, print};
use crate::{
    age,
    config::{Config, EXAMPLE},
    key::{KeyError, file_of, read_key, write_secret},
    signed,
};

/// What is encrypted: this line, and two that begin like these, each with what stands in the file of its key.
const HEADING: &str = "Voisin keys 1\n";
const DEVICE: &str = "device ";
const MEMBER: &str = "member ";
/// Of a key's file: 64 digits and the end of the line.
const KEY_TEXT_BYTES: usize = 65;
/// Far more than a backup has.
const BYTES_MAX: u64 = 4_096;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Write both keys into one file that a passphrase opens, also with `age -d`. Keep it where the house is not.
    Export {
        #[command(flatten)]
        config: ConfigFile,
        /// The file to make; none is overwritten.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseFile,
    },
    /// Put back both keys from such a file; keys that are there are never overwritten.
    Import {
        #[command(flatten)]
        config: ConfigFile,
        /// The file.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseFile,
    },
}

#[derive(Debug, Args)]
pub(super) struct PassphraseFile {
    /// Read the passphrase from this file, which only its owner may read, or from `credential:NAME`; without it, it is
    /// asked for.
    #[arg(long, value_name = "FILE", value_parser = |text: &str| SecretFile::try_from(text.to_owned()))]
    passphrase_file: Option<SecretFile>,
}

pub(super) fn keys(command: Keys) -> Result<ExitCode, Failure> {
    match command {
        Keys::Export { config, to, passphrase } => export(&Config::load(&config.config)?, &to, &passphrase),
        Keys::Import { config, from, passphrase } => import(&config.config, &from, &passphrase),
    }
}

fn export(config: &Config, to: &Path, from: &PassphraseFile) -> Result<ExitCode, Failure> {
    let (device, member) = (read_key(&config.device_key())?, read_key(&config.member_key())?);
    if to.exists() {
        return Err(format!("{}: it exists already and is not overwritten; name another file", to.display()).into());
    }
    let passphrase = passphrase::new(from.passphrase_file.as_ref())?;
    // With room for all of it, so that nothing is moved, and left behind.
    let mut plain = Zeroizing::new(String::with_capacity(256));
    plain.push_str(HEADING);
    for (name, key) in [(DEVICE, &device), (MEMBER, &member)] {
        plain.push_str(name);
        plain.push_str(&key_text(key));
    }
    write_secret(to, &age::encrypt(plain.as_bytes(), &passphrase)?)?;
    print(format_args!(
        "Wrote both keys to {0}. Whoever has this file and its passphrase signs as you do: keep them apart, and neither\n\
         beside the meter. `age -d {0}` shows that it opens.\n",
        to.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn import(config: &Path, from: &Path, passphrase: &PassphraseFile) -> Result<ExitCode, Failure> {
    let is_new = !config.exists();
    let found = if is_new { Config::parse(EXAMPLE, config)? } else { Config::load(config)? };
    let paths = [file_of(found.device_key())?, file_of(found.member_key())?];
    // Both or none; and nobody is asked for a passphrase in vain.
    if let Some(existing) = paths.iter().find(|path| path.exists()) {
        return Err(KeyError::Exists(existing.clone()).into());
    }
    let named = |error: String| format!("{}: {error}", from.display());
    let mut file = Vec::new();
    let opened = File::open(from).and_then(|opened| opened.take(BYTES_MAX).read_to_end(&mut file));
    opened.map_err(|error| named(error.to_string()))?;
    let passphrase = passphrase::known(passphrase.passphrase_file.as_ref())?;
    let plain = age::decrypt(&file, &passphrase).map_err(|error| named(error.to_string()))?;
    let keys = keys_in(&plain)
        .ok_or_else(|| named("it opens, but holds no keys of a household: is it another file?".into()))?;

    owner_only::create_directory(&found.state)
        .map_err(|error| format!("expected to make the directory {}: {error}", found.state.display()))?;
    write_secret(&paths[0], key_text(&keys[0]).as_bytes())?;
    if let Err(error) = write_secret(&paths[1], key_text(&keys[1]).as_bytes()) {
        // It was made just now. Where it stays, the next try says so.
        let _ = fs::remove_file(&paths[0]);
        return Err(error.into());
    }
    if is_new {
        fs::write(config, EXAMPLE).map_err(|error| format!("{}: {error}", config.display()))?;
    }
    print(format_args!(
        "Wrote {} and {}: device {}.\n{}",
        paths[0].display(),
        paths[1].display(),
        keys[0].public(),
        next(config, is_new, found.state.join(signed::FILE).exists())
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What has to follow an import.
fn next(config: &Path, is_new: bool, has_record: bool) -> String {
    let config = config.display();
    let mut text = String::new();
    if is_new {
        text +=
            &format!("{config} is the example: set the broker and the meter in it, and put the genesis beside it.\n");
    }
    text += &match has_record {
        true => format!("The record of the last signature is here: `meter-agent check --config {config}`, then run.\n"),
        false => format!(
            "What these keys have signed elsewhere nobody knows here, so the agent does not sign yet. Be sure that no other\n\
             agent runs with them, and ask the ledger: meter-agent recover --config {config} --node URL\n"
        ),
    };
    text
}

/// Device and member key; none in anything else.
fn keys_in(plain: &[u8]) -> Option<[SecretKey; 2]> {
    let lines = plain.strip_prefix(HEADING.as_bytes())?.strip_prefix(DEVICE.as_bytes())?;
    let (device, rest) = lines.split_at_checked(KEY_TEXT_BYTES)?;
    Some([owner_only::key_of(device)?, owner_only::key_of(rest.strip_prefix(MEMBER.as_bytes())?)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_and_is_no_backup_gives_no_keys() {
        let (device, member) = ("0f".repeat(32), "1e".repeat(32));
        let good = format!("{HEADING}{DEVICE}{device}\n{MEMBER}{member}\n");
        assert_eq!(keys_in(good.as_bytes()).unwrap().map(|key| key.seed()), [[0x0f; 32], [0x1e; 32]]);
        for plain in
            ["", "a letter", &good[..good.len() - 3], &good.replace("keys 1", "keys 2"), &good.replace('f', "F")]
        {
            assert!(keys_in(plain.as_bytes()).is_none(), "{plain}");
        }
    }
}
