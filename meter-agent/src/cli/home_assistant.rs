//! `meter-agent remove-from-home-assistant`.

use std::{path::Path, process::ExitCode};

use super::{Failure, print};
use crate::{config::Config, home_assistant, key::read_key};

pub(crate) async fn remove(path: &Path) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    let device = read_key(&config.device_key())?.public();
    let Some(section) = &config.home_assistant else {
        let expected = "expected [home_assistant] with the broker that it was added at, found none";
        return Err(format!("{}: {expected}", path.display()).into());
    };
    home_assistant::remove(section, &device).await?;
    print(format_args!("Removed from Home Assistant at {}.\n", section.broker))?;
    Ok(ExitCode::SUCCESS)
}
