//! `meter-agent enrolment`: the request to be enrolled, as text, file and QR code.

use std::{
    fs,
    io::{self, ErrorKind, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use protocol::{enrolment::EnrolmentRequest, key::SecretKey};

use super::{ConfigFile, Failure, print, qr};
use crate::{config::Config, key::read_key};

/// The request, beside the configuration.
const FILE: &str = "enrolment.json";

#[derive(Debug, Args)]
pub(super) struct Enrolment {
    #[command(flatten)]
    config: ConfigFile,
    /// What your operator is to know you as, instead of what the request says so far.
    #[arg(long, value_name = "NAME")]
    request_name: Option<String>,
}

pub(super) fn enrolment(args: Enrolment) -> Result<ExitCode, Failure> {
    let path = &args.config.config;
    let config = Config::load(path)?;
    let (member, device) = (read_key(&config.member_key())?, read_key(&config.device_key())?);
    let name = match args.request_name {
        Some(name) => Some(name),
        None => before(&file(path))?,
    };
    let request = EnrolmentRequest::sign(&member, &device, name)?;
    print(format_args!("{}{}", written(&request, path)?, shown(&request)?))?;
    Ok(ExitCode::SUCCESS)
}

/// The request of a household that has just made its keys.
pub(super) fn first(member: &SecretKey, device: &SecretKey, name: Option<&str>) -> Result<EnrolmentRequest, Failure> {
    Ok(EnrolmentRequest::sign(member, device, name.map(str::to_owned))?)
}

/// Writes the request beside this configuration, and says where.
pub(super) fn written(request: &EnrolmentRequest, config: &Path) -> Result<String, Failure> {
    let path = file(config);
    let mut json = serde_json::to_string_pretty(request)?;
    json.push('\n');
    fs::write(&path, json).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("Hand {} to your operator, or the text below; nothing in it is secret:\n", path.display()))
}

/// The request for people, phones and paper.
pub(super) fn shown(request: &EnrolmentRequest) -> Result<String, Failure> {
    let code = request.to_code();
    let name = request.name().map_or("not given: your operator has to know whose request it is".into(), str::to_owned);
    let image = if io::stdout().is_terminal() { qr::code(&code)? } else { String::new() };
    Ok(format!("device  {}\nmember  {}\nname    {name}\n\n{code}\n\n{image}", request.device(), request.key()))
}

pub(super) fn file(config: &Path) -> PathBuf {
    config.with_file_name(FILE)
}

/// The name in the request as it was written before.
fn before(path: &Path) -> Result<Option<String>, Failure> {
    let named =
        |error: String| format!("{}: {error}; delete it, and give the name with --request-name", path.display());
    match fs::read_to_string(path) {
        Ok(json) => {
            let request = EnrolmentRequest::read(&json).map_err(|error| named(error.to_string()))?;
            Ok(request.name().map(str::to_owned))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(error.to_string()).into()),
    }
}
