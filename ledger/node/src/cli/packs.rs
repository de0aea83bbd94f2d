//! What the command line says of a rule pack: which one, what the network costs, who takes part with what.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use market_files::{
    cau::{Cau, Coefficients},
    pack::{
        Pack,
        sites::{Site, sites},
    },
    participants::{Agreed, Participants, agreed, participants},
};
use protocol::{
    genesis::{Rules, TransformerMeter},
    member::MemberId,
    money::Price,
    parameters::Parameters,
};
use settings::bounded;

use super::{Failure, bad_input};

/// Reads the one pack that there may be.
pub(super) fn one(packs: &[PathBuf]) -> Result<Pack, Failure> {
    match packs {
        [pack] => Pack::read(pack).map_err(bad_input),
        several => Err(bad_input(format!(
            "expected one rule pack, as a community follows one at a time, found {}",
            several.iter().map(|pack| pack.display().to_string()).collect::<Vec<_>>().join(" and ")
        ))),
    }
}

#[derive(Args)]
pub(super) struct PackArgs {
    /// Follow this rule pack from then on, such as config/rules/at-eeg-local.toml
    #[arg(long = "pack", value_name = "FILE", conflicts_with_all = ["rules", "no_pack"])]
    packs: Vec<PathBuf>,
    /// Follow no rule pack any more
    #[arg(long, conflicts_with = "rules")]
    no_pack: bool,
    /// What the network costs for a kWh, of which the pack takes a part for energy from neighbours
    #[arg(long, value_name = "PRICE", requires = "packs")]
    network_price: Option<Price>,
    /// Which of the pack's network discounts, where it has several
    #[arg(long, value_name = "NAME", requires = "network_price")]
    discount: Option<String>,
    /// Who takes part with what, CSV: member,weight,participation, of which the last two may be missing
    #[arg(long, value_name = "FILE", requires = "packs")]
    participants: Option<PathBuf>,
    /// Spanish coefficients, a file named CAU_YYYY.txt, constant ones
    #[arg(long, value_name = "FILE", requires = "sites", conflicts_with = "participants")]
    cau: Option<PathBuf>,
    /// Where members are, CSV: member and metering_points
    #[arg(long, value_name = "FILE", requires = "cau")]
    sites: Option<PathBuf>,
}

impl PackArgs {
    /// Puts into `rules` what the command line says of a pack; `everyone` asks for all members.
    pub(super) fn put(
        &self,
        rules: &mut Rules,
        everyone: impl FnOnce() -> Result<Vec<MemberId>, Failure>,
    ) -> Result<(), Failure> {
        if self.no_pack {
            rules.pack = None;
            return Ok(());
        }
        if self.packs.is_empty() {
            return Ok(());
        }
        let pack = one(&self.packs)?;
        let members = everyone()?;
        let known = |text: &str| text.parse().ok().filter(|member| members.contains(member));
        let stated = match (&self.participants, &self.cau, &self.sites) {
            (Some(file), ..) => participants(file, known).map_err(bad_input)?,
            (None, Some(file), Some(sites_file)) => constant(file, &sites(sites_file).map_err(bad_input)?)?,
            _ => Participants::default(),
        };
        if let Some((stranger, _)) = stated.weights.iter().flatten().find(|(member, _)| !members.contains(member)) {
            return Err(bad_input(format!("--sites: expected members of the community, found {stranger}")));
        }
        let discount = pack.discount(self.discount.as_deref(), self.network_price).map_err(bad_input)?;
        follow(rules, &pack, stated, members).map_err(bad_input)?;
        rules.pack = Some(Box::new(pack.in_rules(discount)));
        Ok(())
    }
}

/// Lets rules share as a pack has it: by its first mechanism, where theirs is none that it allows. Shares and
/// participation that the rules have already stay, unless others are stated.
pub(super) fn follow(
    rules: &mut Rules,
    pack: &Pack,
    stated: Participants,
    members: Vec<MemberId>,
) -> Result<(), String> {
    let mut parameters = rules.parameters.take().unwrap_or_default();
    let first = pack.mechanisms.first().filter(|_| !pack.mechanisms.contains(&rules.mechanism));
    if let Some(first) = first {
        rules.mechanism = first.clone();
        let Parameters { participation, island, .. } = parameters;
        parameters = Parameters { participation, island, ..Parameters::default() };
    }
    let (stay, parts_stay) = (stated.weights.is_none(), stated.participation.is_none() && pack.participation);
    let transformer = rules.transformer.map(|TransformerMeter { member, .. }| member);
    let consumers = members.into_iter().filter(|member| Some(*member) != transformer);
    let agreed = agreed(pack, &rules.mechanism, stated, consumers).map_err(|error| error.to_string())?;
    let Agreed { shares, participation } = agreed;
    parameters.shares = if stay { parameters.shares.take().or(shares) } else { shares };
    parameters.participation = if parts_stay { parameters.participation.take() } else { participation };
    rules.parameters = (parameters != Parameters::default()).then_some(parameters);
    Ok(())
}

/// The weights of a Spanish file, by whose supply points they are.
fn constant(path: &Path, sites: &BTreeMap<MemberId, Site>) -> Result<Participants, Failure> {
    let named = |error: String| bad_input(format!("{}: {error}", path.display()));
    let points: BTreeMap<&str, MemberId> = sites
        .iter()
        .flat_map(|(member, site)| site.metering_points.iter().map(|point| (point.as_str(), *member)))
        .collect();
    let text = bounded::read_text(path, None, market_files::cau::BYTES_MAX as u64).map_err(named)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = Cau::read(&name, &text, |point| points.contains_key(point)).map_err(|error| named(error.to_string()))?;
    let mut weights: Vec<(MemberId, u64)> = Vec::new();
    for (point, coefficients) in &file.coefficients {
        let Coefficients::Constant(ppm) = coefficients else {
            return Err(named(format!(
                "expected a constant coefficient of `{point}`, found one for each hour: rules hold constant ones"
            )));
        };
        let member = points[point.as_str()];
        match weights.iter_mut().find(|(known, _)| *known == member) {
            Some((_, weight)) => *weight += u64::from(*ppm),
            None => weights.push((member, (*ppm).into())),
        }
    }
    Ok(Participants { weights: Some(weights), participation: None })
}
