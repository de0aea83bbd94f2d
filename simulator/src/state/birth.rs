//! How a neighbourhood starts: keys for everyone, a meter for every participant, and the genesis that names them.

use std::{collections::BTreeMap, path::Path};

use protocol::{
    commit::Validator,
    genesis::{Genesis, GenesisMember, Rules},
    member::MemberId,
};

use super::{
    AGENT_STATE, AGENTS, GENESIS, MARKET, NAMES, Setup, StateError, agent,
    files::{self, Readers},
    meter, validator, validator_key,
};

/// Name of the community in its genesis.
const COMMUNITY: &str = "neighbourhood";
/// Currency of all prices (ISO 4217).
const CURRENCY: &str = "EUR";

/// Makes everything that is made once.
pub(super) fn make(root: &Path, setup: &Setup) -> Result<(Genesis, BTreeMap<MemberId, String>), StateError> {
    let market = root.join(MARKET);
    files::create_directory(&market)?;
    files::create_directory(&root.join(AGENTS))?;
    let mut names = BTreeMap::new();
    let mut members = Vec::new();
    for participant in &setup.dataset.participants {
        let directory = agent(root, &participant.id);
        files::create_directory(&directory)?;
        let registers = participant.registers_after(setup.dataset.before(setup.from));
        let member = MemberId::pseudonym(&files::random()?, &participant.id);
        let device = files::new_key(&directory.join("device.key"))?.public();
        let state = directory.join(AGENT_STATE);
        // A birth that was stopped made other keys.
        files::remove_directory(&state)?;
        files::create_directory(&state)?;
        meter_agent::new_record(&state, device).map_err(|error| StateError::unwritable(&state, error))?;
        members.push(GenesisMember {
            member,
            key: files::new_key(&directory.join("member.key"))?.public(),
            device,
            rated_power_w: participant.rated_power_w(meter::interval_seconds(&setup.dataset)),
            bus: participant.bus.clone(),
            import_wh: registers.import_wh,
            export_wh: registers.export_wh,
            technology: participant.technology(),
        });
        names.insert(member, participant.id.clone());
        let readings = meter::text(&setup.dataset, participant);
        files::write(&directory.join(meter::FILE), readings.as_bytes(), Readers::Everyone)?;
    }
    members.sort_unstable_by_key(|member| member.member);
    let mut validators = Vec::new();
    for index in 0..setup.validators {
        let directory = validator(root, index);
        files::create_directory(&directory)?;
        files::new_key(&directory.join("network.key"))?;
        let path = validator_key(root, index);
        let key = files::new_key(&path)?.public();
        let record = ledger_node::node::signed_path(&path);
        ledger_node::consensus::new_record(&record, key, 0).map_err(|error| StateError::unwritable(&record, error))?;
        validators.push(Validator { key, power: 1 });
    }
    let genesis = Genesis {
        community: COMMUNITY.to_owned(),
        currency: CURRENCY.to_owned(),
        first_interval: setup.from,
        rules: Rules {
            retail_price: setup.retail,
            feed_in_price: setup.feed_in,
            mechanism: setup.mechanism.clone(),
            parameters: setup.terms.parameters(&names),
            transformer: None,
            pack: None,
        },
        market: files::new_key(&market.join("market.key"))?.public(),
        validators,
        members,
        grid: setup.dataset.grid.clone(),
        time_zone: None,
    };
    genesis.check().map_err(StateError::Impossible)?;
    files::write(&market.join(NAMES), market_files::names_text(&names).as_bytes(), Readers::Owner)?;
    // Last: its being there says that all the rest is.
    files::write(&root.join(GENESIS), genesis.to_json().as_bytes(), Readers::Everyone)?;
    Ok((genesis, names))
}
