//! `ledger rules`: what a rule pack says, and whom it excludes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use ledger_client::api::Node;
use market_files::{
    cau::{Cau, Coefficients},
    pack::{
        Checked, Pack,
        limits::{Candidate, Finding},
        sites::{Site, sites},
    },
};
use protocol::{
    genesis::{Genesis, GenesisMember, Rules},
    interval::Interval,
    member::MemberId,
    pack::WARNING_DAYS,
    parameters::Share,
};

use super::{Asked, Failure, bad_input, failed, names, now_s, packs, print};
use crate::node::read_genesis;

#[derive(Subcommand)]
pub(super) enum RulesCommand {
    /// Say what a rule pack fixes, where it has that from, and its hash to compare with the others
    Show(Show),
    /// Check a community against a rule pack, and name each member or plant that a limit excludes
    Check(Check),
    /// Write the shares of the rules as the Spanish file of coefficients, CAU_YYYY.txt
    Cau(WriteCau),
}

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger rules show config/rules/at-eeg-local.toml")]
pub(super) struct Show {
    /// The pack, such as config/rules/at-eeg-local.toml
    pack: PathBuf,
}

#[derive(Args)]
#[command(
    after_help = "The file of sites is CSV with the column member, by pseudonym, and as many of the others as the pack
looks at: latitude,longitude,production_w,transformer,substation,municipality,grid_operator,balancing_area,building,
voltage_level,metering_points. Nothing of it goes to the ledger.

EXAMPLES:
  ledger rules check config/rules/at-eeg-local.toml --genesis genesis.json --sites sites.csv
  ledger rules check config/rules/fr-acc.toml --sites sites.csv        the node on this machine is asked

Exit codes: 0 in order; 1 somebody is excluded, something is not known, or the rules are not the pack's; 2 bad input."
)]
pub(super) struct Check {
    /// The pack, one
    #[arg(required = true)]
    packs: Vec<PathBuf>,
    /// The community as it begins; without it, the node is asked as it is now
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Where members are, CSV
    #[arg(long, value_name = "FILE")]
    sites: Option<PathBuf>,
    /// Who is who, `member,name` as CSV
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    #[command(flatten)]
    node: Asked,
}

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger rules cau ES0031000000000001JN0FA000 --year 2027 --sites sites.csv --out .

The shares are those of static_key, the same in every hour. --sites has the CUPS of each member with a share in the column
metering_points, one. A file that is there already is not overwritten.")]
pub(super) struct WriteCau {
    /// The code of the shared plant: 22 characters of a CUPS, an A and three digits
    cau: String,
    /// The year
    #[arg(long, value_name = "YEAR", value_parser = usage::whole::<u64>(2019..=9998))]
    year: u64,
    /// The community as it begins; without it, the node is asked as it is now
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Where members are, CSV
    #[arg(long, value_name = "FILE")]
    sites: PathBuf,
    /// The directory to write it to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    node: Asked,
}

impl RulesCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            RulesCommand::Show(show) => print(shown(&Pack::read(&show.pack).map_err(bad_input)?)),
            RulesCommand::Check(check) => check.run(),
            RulesCommand::Cau(cau) => cau.write(),
        }
    }
}

impl WriteCau {
    fn write(&self) -> Result<(), Failure> {
        let rules = Community::of_either(self.genesis.as_deref(), &self.node)?.rules;
        let shares = rules.parameters.and_then(|parameters| parameters.shares);
        let shares = shares.ok_or_else(|| bad_input("expected rules with shares, found none"))?;
        let sites = sites(&self.sites).map_err(bad_input)?;
        let coefficient = |Share { member, ppm }: Share| {
            let points = sites.get(&member).map_or(&[][..], |site| &site.metering_points);
            match points {
                [cups] => Ok((cups.clone(), Coefficients::Constant(ppm))),
                points => Err(bad_input(format!(
                    "{}: expected one metering point of {member}, found {}",
                    self.sites.display(),
                    points.len()
                ))),
            }
        };
        let coefficients = shares.into_iter().map(coefficient).collect::<Result<_, _>>()?;
        let year = i16::try_from(self.year).map_err(bad_input)?;
        let file = Cau { cau: self.cau.clone(), year, coefficients };
        file.check(|_| true).map_err(bad_input)?;
        let path = self.out.join(file.name());
        let written = File::create_new(&path).and_then(|mut to| to.write_all(file.text().as_bytes()));
        written.map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
        print(path.display())
    }
}

/// A community as a pack looks at it.
struct Community {
    /// None where a node was asked, which does not say.
    currency: Option<String>,
    interval: Interval,
    rules: Rules,
    /// Who, what the connection carries in W, and whether something is produced behind the meter.
    members: Vec<(MemberId, u64, bool)>,
}

impl Community {
    fn of_either(genesis: Option<&Path>, node: &Asked) -> Result<Community, Failure> {
        match genesis {
            Some(genesis) => Ok(Community::of(read_genesis(genesis).map_err(bad_input)?)),
            None => Community::ask(node),
        }
    }

    fn of(genesis: Genesis) -> Community {
        let Genesis { currency, first_interval: interval, rules, members, .. } = genesis;
        let of = |of: GenesisMember| (of.member, of.rated_power_w, of.technology.is_some());
        Community { currency: Some(currency), interval, rules, members: members.into_iter().map(of).collect() }
    }

    fn ask(node: &Asked) -> Result<Community, Failure> {
        let in_force = node.ask(Node::rules)?;
        let members = node.ask(Node::members)?;
        // Who has left is no member any more.
        let present = members.into_iter().filter(|member| member.device.is_some());
        let members = present.map(|of| (of.member, of.rated_power_w, of.technology.is_some())).collect();
        Ok(Community { currency: None, interval: in_force.interval, rules: in_force.rules, members })
    }

    /// What of the rules is not the pack's.
    fn unfit(&self, pack: &Pack) -> Vec<String> {
        let stated = pack.in_rules(None);
        let currency = self.currency.as_ref().unwrap_or(&pack.currency);
        let fit = stated.check_fit(currency, self.interval, &self.rules.mechanism);
        let other = match &self.rules.pack {
            Some(followed) if followed.hash == pack.hash => None,
            Some(followed) => Some(format!(
                "expected the pack that the rules follow, {} of hash {}, found {}",
                followed.id, followed.hash, pack.hash
            )),
            None => Some("expected rules that follow the pack, found none: `ledger draft set-rules --pack`".to_owned()),
        };
        fit.err().map(|unfit| unfit.to_string()).into_iter().chain(other).collect()
    }
}

impl Check {
    fn run(&self) -> Result<(), Failure> {
        let pack = packs::one(&self.packs)?;
        let community = Community::of_either(self.genesis.as_deref(), &self.node)?;
        let mut sites: BTreeMap<MemberId, Site> =
            self.sites.as_deref().map(sites).transpose().map_err(bad_input)?.unwrap_or_default();
        let names = self.names.as_deref().map(names::read).transpose()?.unwrap_or_default();
        let transformer = community.rules.transformer.map(|meter| meter.member);
        let members = community.members.iter().filter(|(member, ..)| Some(*member) != transformer);
        let candidates = members.map(|(member, connection_w, is_plant)| {
            let site = sites.remove(member).unwrap_or_default();
            let is_plant = *is_plant || site.production_w.is_some_and(|production_w| production_w > 0);
            Candidate { member: *member, connection_w: *connection_w, is_plant, site }
        });
        let candidates: Vec<Candidate> = candidates.collect();
        if let Some(stranger) = sites.keys().find(|member| Some(**member) != transformer) {
            return Err(bad_input(format!("--sites: expected members of the community, found {stranger}")));
        }
        let unfit = community.unfit(&pack);
        let findings = pack.limits.findings(&candidates);
        print(format_args!("pack         {} ({})\nhash         {}", pack.id, pack.title, pack.hash))?;
        print(format_args!("members      {}", candidates.len()))?;
        if let Some(warning) = ending(&pack, now_s()?) {
            print(format_args!("warning      {warning}"))?;
        }
        unfit.iter().try_for_each(|said| print(format_args!("rules        {said}")))?;
        for finding in &findings {
            let whom = finding.member().map(|member| match names.get(&member) {
                Some(name) => format!("{name} ({member})"),
                None => member.to_string(),
            });
            print(format_args!("{:<12} {}: {finding}", kind(finding), whom.as_deref().unwrap_or("all plants")))?;
        }
        let unknown = findings.iter().filter(|finding| finding.is_unknown()).count();
        match (unfit.len(), findings.len() - unknown, unknown) {
            (0, 0, 0) => print("in order"),
            (rules, excluded, unknown) => Err(failed(format!(
                "not in order: {rules} of the rules, {excluded} beyond a limit, {unknown} not known"
            ))),
        }
    }
}

fn kind(finding: &Finding) -> &'static str {
    match finding {
        finding if finding.is_unknown() => "not known",
        finding if finding.member().is_some() => "excluded",
        _ => "limit",
    }
}

/// What there is to say of a pack that ends soon, or has.
fn ending(pack: &Pack, now_s: i64) -> Option<String> {
    let stated = pack.in_rules(None);
    let last = pack.valid[1];
    match stated.days_left(now_s) {
        left if left < 0 => Some(format!("the pack has ended, on {last}: look for the law that holds now")),
        left if stated.is_about_to_end(now_s) => {
            Some(format!("the pack ends on {last}, in {left} days: look for the law that comes after it"))
        }
        _ => None,
    }
}

fn shown(pack: &Pack) -> String {
    let listed = |list: Vec<String>| if list.is_empty() { "none".into() } else { list.join("\n             ") };
    let discounts = pack.network_discounts_ppm.iter().map(|(name, ppm)| format!("{name}, {ppm} ppm of its price"));
    let sources = pack.sources.iter().map(|source| {
        let how = match source.how {
            Checked::Read => "read",
            Checked::Secondary => "by others",
        };
        format!("{}, {how}: {}", source.checked.0, source.text)
    });
    format!(
        "pack         {} ({})\n\
         hash         {}\n\
         valid        {} to {} in {}, {} to {}; a warning comes {WARNING_DAYS} days before\n\
         for          {}, intervals of {} minutes\n\
         mechanisms   {}\n\
         network      {}\n\
         limits       {}\n\
         sources      {}\n\
         unchecked    {}",
        pack.id,
        pack.title,
        pack.hash,
        pack.valid[0],
        pack.valid[1],
        pack.zone.name(),
        pack.first,
        pack.last,
        pack.currency,
        pack.first.length().minutes(),
        pack.mechanisms.join(", "),
        listed(discounts.collect()),
        listed(pack.limits.said()),
        listed(sources.collect()),
        listed(pack.unchecked.clone()),
    )
}
