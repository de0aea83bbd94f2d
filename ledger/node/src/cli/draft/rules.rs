//! `ledger draft set-rules`: the rules in force, with what is to change.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use ledger_client::api::Node;
use market_files::island::island_plan;
use protocol::{
    decision::Action,
    genesis::{GridPlan, Rules},
    island::IslandPlan,
    member::MemberId,
    money::Price,
    parameters::Parameters,
};

use super::{Failure, Opening};
use crate::cli::{bad_input, decide::read_json, interval, moment, names, packs::PackArgs};

#[derive(Args)]
pub(super) struct SetRules {
    /// Start of the first interval under them, UTC, such as 2027-01-01T00:00:00Z: after the open one
    #[arg(long, value_name = "START", value_parser = moment)]
    from: String,
    /// What the supplier takes for a kWh
    #[arg(long, value_name = "PRICE", conflicts_with = "rules")]
    retail_price: Option<Price>,
    /// What the supplier gives for a kWh
    #[arg(long, value_name = "PRICE", conflicts_with = "rules")]
    feed_in_price: Option<Price>,
    /// The clearing mechanism; docs/mechanisms.md says which there are
    #[arg(long, value_name = "NAME", conflicts_with = "rules")]
    mechanism: Option<String>,
    /// A JSON file with all rules, parameters and the transformer's meter included, as GET /v1/rules shows them
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// A JSON file with the grid; without it, the one in force stays
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// A plan for an island, such as config/island.toml; `none` takes the present one out. Without it, that stays
    #[arg(long, value_name = "FILE", conflicts_with = "rules")]
    island: Option<PathBuf>,
    /// The operator's file of names, `member,name`: then the plan may name members by them
    #[arg(long, value_name = "FILE", requires = "island")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    pack: PackArgs,
    #[command(flatten)]
    opening: Opening,
}

impl SetRules {
    pub(super) fn open(self) -> Result<(), Failure> {
        let SetRules { from, retail_price, feed_in_price, mechanism, rules, grid, island, directory, pack, opening } =
            self;
        let names = directory.as_deref().map(names::read).transpose()?.unwrap_or_default();
        let island = island.map(|file| planned(&file, &names)).transpose()?;
        opening.open(|in_force, node| {
            let from = interval(&from, in_force.interval.length())?;
            let grid: Option<Box<GridPlan>> = grid.as_deref().map(read_json).transpose()?;
            let old = &in_force.rules;
            let mut rules = match &rules {
                Some(file) => read_json(file)?,
                None => Rules {
                    retail_price: retail_price.unwrap_or(old.retail_price),
                    feed_in_price: feed_in_price.unwrap_or(old.feed_in_price),
                    mechanism: mechanism.clone().unwrap_or_else(|| old.mechanism.clone()),
                    // Those of another mechanism would mean nothing to it.
                    parameters: old.parameters.clone().and_then(|said| {
                        let stays = mechanism.as_ref().is_none_or(|it| *it == old.mechanism);
                        let Parameters { participation, island, .. } = said.clone();
                        let rest = Parameters { participation, island, ..Parameters::default() };
                        if stays { Some(said) } else { (rest != Parameters::default()).then_some(rest) }
                    }),
                    transformer: old.transformer,
                    pack: old.pack.clone(),
                },
            };
            if let Some(plan) = island {
                let said = Parameters { island: plan, ..rules.parameters.take().unwrap_or_default() };
                rules.parameters = (said != Parameters::default()).then_some(said);
            }
            pack.put(&mut rules, || {
                let members = node.ask(Node::members)?;
                Ok(members.into_iter().filter(|of| of.device.is_some()).map(|of| of.member).collect())
            })?;
            // What every node would refuse, before anyone is asked to approve it; of the currency only they know.
            if let Some(pack) = &rules.pack {
                pack.check_fit(&pack.currency, from, &rules.mechanism).map_err(bad_input)?;
            }
            if grid.is_none() && rules == *old {
                return Err(bad_input("expected rules that differ from those in force, found the same"));
            }
            Ok(Action::SetRules { from, rules, grid })
        })
    }
}

/// The plan of a file, or none where `none` is said. Members are named as in the directory, or by their pseudonyms.
fn planned(file: &Path, names: &BTreeMap<MemberId, String>) -> Result<Option<Box<IslandPlan>>, Failure> {
    if file == Path::new("none") {
        return Ok(None);
    }
    let by_name = |text: &str| {
        let named = names.iter().find(|(_, name)| *name == text).map(|(member, _)| *member);
        named.or_else(|| text.parse().ok())
    };
    island_plan(file, by_name).map(|plan| Some(Box::new(plan))).map_err(bad_input)
}
