//! `meter-agent init`: keys and a configuration to fill in.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

use settings::owner_only;

use super::{Failure, print};
use crate::{
    config::{Config, EXAMPLE},
    key::{KeyError, create_key},
    signed::{self, new_record},
};

pub(crate) fn init(dir: &Path) -> Result<ExitCode, Failure> {
    let path = dir.join("agent.toml");
    let config = Config::parse(EXAMPLE, &path)?;
    let (device_path, member_path) = (config.device_key_path(), config.member_key_path());
    // All or nothing: half an installation that cannot be made again helps nobody.
    for existing in [&path, &device_path, &member_path] {
        if existing.exists() {
            return Err(KeyError::Exists(existing.clone()).into());
        }
    }
    owner_only::create_directory(&config.state)
        .map_err(|error| format!("expected to make the directory {}: {error}", config.state.display()))?;
    let device = create_key(&device_path)?.public();
    // From the beginning: a key without its record may have signed anything.
    new_record(&config.state, device)
        .map_err(|error| format!("{}: {error}", config.state.join(signed::FILE).display()))?;
    let member = create_key(&member_path)?.public();
    let written = fs::OpenOptions::new().write(true).create_new(true).open(&path);
    written.and_then(|mut file| file.write_all(EXAMPLE.as_bytes())).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyError::Exists(path.clone()).to_string(),
        _ => format!("{}: {error}", path.display()),
    })?;
    print(format_args!(
        "Made {}, {} and {}.\n\n\
         Hand these two lines to your operator; they are public:\n\
         device  {device}\n\
         member  {member}\n\n\
         Keep a copy of the two key files where only you can read it. Then put the genesis file that you get\n\
         beside agent.toml, set the broker, the meter and your prices in it, and try\n\
         meter-agent check --config {}\n",
        path.display(),
        device_path.display(),
        member_path.display(),
        path.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_makes_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path()).unwrap();
        let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
        let before = ["agent.toml", "state/device.key", "state/member.key"].map(read);
        assert_ne!(before[1], before[2]);
        for missing in [None, Some("agent.toml"), Some("state/device.key")] {
            if let Some(name) = missing {
                fs::remove_file(dir.path().join(name)).unwrap();
            }
            assert!(init(dir.path()).unwrap_err().to_string().contains("is not overwritten"));
            assert_eq!(read("state/member.key"), before[2]);
        }
        assert!(!dir.path().join("agent.toml").exists(), "nothing is made in part");
    }
}
