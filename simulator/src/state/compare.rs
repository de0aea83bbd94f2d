//! Whether a directory that is there already is the neighbourhood that the options describe.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use protocol::{
    genesis::{Genesis, GenesisMember},
    member::MemberId,
};

use crate::dataset::Dataset;

use super::{
    GENESIS, MARKET, NAMES, Setup, StateError, agent,
    files::{self, Readers},
    meter,
};

/// Reads genesis and names of an existing directory.
pub(super) fn read(root: &Path) -> Result<(Genesis, BTreeMap<MemberId, String>), StateError> {
    let path = root.join(GENESIS);
    let json = fs::read(&path).map_err(|error| StateError::unreadable(&path, error))?;
    let genesis = Genesis::from_json(&json).map_err(|error| StateError::Genesis { path, error })?;
    let path = root.join(MARKET).join(NAMES);
    let text = fs::read(&path).map_err(|error| StateError::unreadable(&path, error))?;
    let names = read_names(&text, &genesis).map_err(|found| StateError::Names { path, found })?;
    Ok((genesis, names))
}

fn read_names(text: &[u8], genesis: &Genesis) -> Result<BTreeMap<MemberId, String>, String> {
    let of_genesis: BTreeSet<MemberId> = genesis.members.iter().map(|member| member.member).collect();
    let mut names = BTreeMap::new();
    for row in csv::Reader::from_reader(text).into_deserialize::<(String, String)>() {
        let (member, name) = row.map_err(|error| error.to_string())?;
        let member = member.parse::<MemberId>().map_err(|error| error.to_string())?;
        // Whoever was registered later is named here, too, and has no meter in the data.
        if of_genesis.contains(&member) {
            names.insert(member, name);
        }
    }
    match of_genesis.iter().find(|member| !names.contains_key(*member)) {
        None => Ok(names),
        Some(member) => Err(format!("no name for {member}")),
    }
}

/// Refuses options that would have made another genesis, or other meters.
pub(super) fn check(
    root: &Path,
    genesis: &Genesis,
    names: &BTreeMap<MemberId, String>,
    setup: &Setup,
) -> Result<(), StateError> {
    check_options(root, genesis, names, setup)?;
    check_participants(root, genesis, names, &setup.dataset)?;
    if genesis.rules.parameters != setup.terms.parameters(names) {
        let what = "the parameters of the mechanism (--price, --keys, --fees, --derate)".to_owned();
        return Err(differs(root, "in genesis.json", what, "other ones".to_owned()));
    }
    if genesis.grid != setup.dataset.grid {
        return Err(differs(root, "the lines and ratings", "of the grid".to_owned(), "other ones".to_owned()));
    }
    check_recordings(root, &setup.dataset)
}

fn differs(root: &Path, what: &str, expected: String, found: String) -> StateError {
    StateError::Differs { path: root.to_owned(), what: what.to_owned(), expected, found }
}

fn check_options(
    root: &Path,
    genesis: &Genesis,
    names: &BTreeMap<MemberId, String>,
    setup: &Setup,
) -> Result<(), StateError> {
    let (dataset, rules) = (&setup.dataset, &genesis.rules);
    for (what, expected, found) in [
        ("--validators", genesis.validators.len().to_string(), setup.validators.to_string()),
        ("--mechanism", rules.mechanism.clone(), setup.mechanism.clone()),
        ("--retail", rules.retail_price.to_string(), setup.retail.to_string()),
        ("--feed-in", rules.feed_in_price.to_string(), setup.feed_in.to_string()),
        ("a first interval (--profile, --from) of", genesis.first_interval.to_string(), setup.from.to_string()),
        ("this many participants:", names.len().to_string(), dataset.participants.len().to_string()),
        ("a grid:", grid_text(genesis.grid.is_some()), grid_text(dataset.grid.is_some())),
    ] {
        if expected != found {
            return Err(differs(root, what, expected, found));
        }
    }
    Ok(())
}

fn check_participants(
    root: &Path,
    genesis: &Genesis,
    names: &BTreeMap<MemberId, String>,
    dataset: &Dataset,
) -> Result<(), StateError> {
    let members = genesis.members.iter();
    let by_name: BTreeMap<&str, &GenesisMember> =
        members.filter_map(|member| Some((names.get(&member.member)?.as_str(), member))).collect();
    for participant in &dataset.participants {
        let Some(member) = by_name.get(participant.id.as_str()) else {
            let known = by_name.keys().next().copied().unwrap_or_default();
            return Err(differs(root, "participants such as", known.to_owned(), participant.id.clone()));
        };
        if member.bus != participant.bus {
            let text = |bus: &Option<String>| bus.clone().unwrap_or_else(|| "none".to_owned());
            let what = format!("{} at bus", participant.id);
            return Err(differs(root, &what, text(&member.bus), text(&participant.bus)));
        }
        let rated_power_w = participant.rated_power_w(meter::interval_seconds(dataset));
        if member.rated_power_w != rated_power_w {
            let what = format!("{} with a rated power in W of", participant.id);
            return Err(differs(root, &what, member.rated_power_w.to_string(), rated_power_w.to_string()));
        }
    }
    Ok(())
}

/// Checks what each meter plays, and writes it where it is missing.
fn check_recordings(root: &Path, dataset: &Dataset) -> Result<(), StateError> {
    for participant in &dataset.participants {
        let path = agent(root, &participant.id).join(meter::FILE);
        let given = meter::text(dataset, participant);
        match fs::read(&path) {
            Ok(installed) if installed == given.as_bytes() => {}
            Ok(_) => {
                let what = format!("the energy of {}", participant.id);
                let found = format!("other values in the profile {}", dataset.profile);
                return Err(differs(root, &what, format!("in {}", path.display()), found));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                files::write(&path, given.as_bytes(), Readers::Everyone)?;
            }
            Err(error) => return Err(StateError::unreadable(&path, error)),
        }
    }
    Ok(())
}

fn grid_text(there: bool) -> String {
    if there { "known" } else { "none" }.to_owned()
}
