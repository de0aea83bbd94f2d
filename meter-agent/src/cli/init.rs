//! `meter-agent init`: keys, a configuration, and the request to be enrolled.

mod answers;
mod filled;

use std::{
    fs,
    io::{ErrorKind, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use protocol::member::check_name;
use settings::owner_only;

use self::{
    answers::Answers,
    filled::{filled, seed_of, seeded},
};
use super::{Failure, enrolment, print};
use crate::{
    config::Config,
    key::{KeyError, create_key, file_of},
    signed::{self, new_record},
};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where to make them.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    answers: Answers,
}

pub(super) fn init(args: Init) -> Result<ExitCode, Failure> {
    let path = args.dir.join("agent.toml");
    let request_file = enrolment::file(&path);
    // All or nothing: half an installation that cannot be made again helps nobody. So it is looked for before anyone
    // is asked anything, and again when it is known where the keys will be.
    refuse_existing([&path, &request_file])?;
    let answers = args.answers.or_ask()?;
    answers.check()?;
    let text = filled(&answers);
    let config = Config::parse(&text, &path)?;
    config.source.check()?;
    answers.request_name().map(check_name).transpose().map_err(|error| format!("--request-name: {error}"))?;
    let (device_path, member_path) = (file_of(config.device_key())?, file_of(config.member_key())?);
    refuse_existing([&path, &device_path, &member_path])?;
    owner_only::create_directory(&config.state)
        .map_err(|error| format!("expected to make the directory {}: {error}", config.state.display()))?;
    let device = create_key(&device_path)?;
    let text = if answers.is_made_up() { seeded(&text, seed_of(&device.public())) } else { text };
    // From the beginning: a key without its record may have signed anything.
    new_record(&config.state, device.public())
        .map_err(|error| format!("{}: {error}", config.state.join(signed::FILE).display()))?;
    let member = create_key(&member_path)?;
    let written = fs::OpenOptions::new().write(true).create_new(true).open(&path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyError::Exists(path.clone()).to_string(),
        _ => format!("{}: {error}", path.display()),
    })?;
    let request = enrolment::first(&member, &device, answers.request_name())?;
    let written = enrolment::written(&request, &path)?;
    print(format_args!(
        "Made {0}, {1} and {2}.\n\n\
         {written}{3}\
         Keep a copy of the two key files where only you can read it (`meter-agent keys export`). Then put the genesis\n\
         file that you get beside agent.toml, set {4} in it, and try\n\
         meter-agent check --config {0}\n",
        path.display(),
        device_path.display(),
        member_path.display(),
        enrolment::shown(&request)?,
        if answers.has_meter() { "your prices" } else { "the broker, the meter and your prices" },
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn refuse_existing<const N: usize>(paths: [&PathBuf; N]) -> Result<(), KeyError> {
    paths.into_iter().find(|path| path.exists()).map_or(Ok(()), |path| Err(KeyError::Exists(path.clone())))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use protocol::enrolment::EnrolmentRequest;

    use super::*;

    fn made(dir: &Path, options: &[&str]) -> Result<ExitCode, Failure> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            init: Init,
        }
        let dir = dir.to_str().unwrap();
        let line = ["init", "--dir", dir].into_iter().chain(options.iter().copied());
        init(<Line as clap::Parser>::try_parse_from(line).map_err(|error| error.to_string())?.init)
    }

    #[test]
    fn what_init_makes_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path(), &[]).unwrap();
        let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
        let before = ["agent.toml", "state/device.key", "state/member.key"].map(read);
        assert_ne!(before[1], before[2]);
        for missing in [None, Some("agent.toml"), Some("state/device.key"), Some("enrolment.json")] {
            if let Some(name) = missing {
                fs::remove_file(dir.path().join(name)).unwrap();
            }
            assert!(made(dir.path(), &[]).unwrap_err().to_string().contains("is not overwritten"));
            assert_eq!(read("state/member.key"), before[2]);
        }
        assert!(!dir.path().join("agent.toml").exists(), "nothing is made in part");
    }

    #[test]
    fn the_request_has_the_keys_and_no_name_but_the_one_for_the_operator() {
        let dir = tempfile::tempdir().unwrap();
        let options = ["--name", "Casa Rossi", "--request-name", "no. 7", "--broker", "mqtt://192.168.1.2"];
        made(dir.path(), &options).unwrap();
        let json = fs::read_to_string(dir.path().join("enrolment.json")).unwrap();
        assert!(!json.contains("Rossi"), "{json}");
        let request = EnrolmentRequest::read(&json).unwrap();
        assert_eq!(request.name(), Some("no. 7"));
        let key = |name: &str| owner_only::read_key(&dir.path().join("state").join(name)).unwrap().public();
        assert_eq!((request.device(), request.key()), (key("device.key"), key("member.key")));
        assert_eq!(Config::load(&dir.path().join("agent.toml")).unwrap().name.as_deref(), Some("Casa Rossi"));
    }

    #[test]
    fn a_cable_may_be_plugged_in_later() {
        for template in ["obis", "sunspec", "eastron-sdm630"] {
            let dir = tempfile::tempdir().unwrap();
            made(dir.path(), &["--template", template, "--address", "serial:///dev/nothing"]).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        made(dir.path(), &["--template", "synthetic"]).unwrap();
    }

    #[test]
    fn made_up_neighbours_differ_and_each_stays_as_it_is() {
        let seeds = [1, 2].map(|_| {
            let dir = tempfile::tempdir().unwrap();
            made(dir.path(), &["--template", "synthetic"]).unwrap();
            let text = fs::read_to_string(dir.path().join("agent.toml")).unwrap();
            Config::parse(&text, &dir.path().join("agent.toml")).unwrap();
            let device = owner_only::read_key(&dir.path().join("state/device.key")).unwrap().public();
            let seed = text.lines().find_map(|line| line.strip_prefix("seed = ")).unwrap();
            let (seed, explanation) = seed.split_once(" # ").unwrap();
            assert!(explanation.contains("another life"), "{explanation}");
            assert_eq!(seed.trim(), seed_of(&device).to_string());
            seed.trim().to_owned()
        });
        assert_ne!(seeds[0], seeds[1]);
    }

    #[test]
    fn of_what_cannot_be_right_nothing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        for (options, expected) in [
            (&["--broker", "http://there"][..], "expected a broker such as mqtt://"),
            (&["--template", "crystal-ball", "--address", "tcp://here"], "found `crystal-ball`"),
            (&["--template", "eastron-sdm630", "--address", "http://here"], "http://here"),
            (&["--template", "tasmota-sml", "--address", "mqtt://here"], "expected `with.device`"),
            (&["--template", "eastron-sdm630"], "--address"),
            (&["--template", "synthetic", "--address", "tcp://here"], "--address: expected none for `synthetic`"),
            (&["--template", "sunspec", "--address", "ftp://here"], "ftp://here"),
            (&["--template", "obis", "--address", "ftp://here"], "ftp://here"),
            (&["--request-name", "a/b"], "--request-name: expected a name"),
        ] {
            let error = made(dir.path(), options).unwrap_err().to_string();
            assert!(error.contains(expected), "{options:?}: {error}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{options:?}");
        }
    }
}
