//! `meter-agent devices`: the meters that the agent knows.

use std::{fmt::Write, process::ExitCode};

use super::{Failure, print};
use crate::source::device::builtin;

/// Width of the columns with names and ways.
const NAME_WIDTH: usize = 22;
const WAY_WIDTH: usize = 8;

pub(crate) fn devices(name: Option<&str>) -> Result<ExitCode, Failure> {
    let text = match name {
        Some(name) => builtin::text(name)
            .ok_or_else(|| format!("expected one of the names that `meter-agent devices` lists, found `{name}`"))?
            .to_owned(),
        None => list()?,
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<String, Failure> {
    let mut text = String::from(
        "Devices with a template: write kind = \"device\" and template = \"NAME\" in [source] of agent.toml.\n\n",
    );
    for template in builtin::all() {
        let template = template?;
        writeln!(text, "{:NAME_WIDTH$}{:WAY_WIDTH$}{}", template.name(), template.way(), template.title())?;
    }
    text += "\n`meter-agent devices NAME` prints a template, and `meter-agent devices blueprint` one that explains how to\n\
             write your own. Meters that need none: \"obis\", \"sml\", \"linky\" and\n\
             \"sunspec\", explained in agent.toml and by `meter-agent check`.\n";
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_a_line_that_fits() {
        let text = list().unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        assert!(text.contains("\neastron-sdm630        Modbus  Eastron SDM630"), "{text}");
        assert!(devices(Some("crystal-ball")).unwrap_err().to_string().contains("found `crystal-ball`"));
    }
}
