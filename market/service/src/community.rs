//! The community as its market knows it: what the genesis fixes, and who takes part under which rules, which the ledger
//! says and says anew.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use foldhash::{HashMap, HashMapExt};
use protocol::{
    api::{MemberStatus, RulesInForce},
    envelope::ChainId,
    genesis::{Genesis, GenesisMember, GridPlan, Rules, Technology},
    interval::Interval,
    key::{DeviceId, KnownKey, PublicKey, SecretKey},
    member::MemberId,
    topic::Topics,
};

use market::{
    clearing::{Network, TermsError, UnknownMechanism, mechanism},
    grid::{BusIndex, Grid, GridError},
};

/// The community.
#[derive(Debug)]
pub(crate) struct Community {
    pub(crate) genesis: Genesis,
    pub(crate) chain: ChainId,
    pub(crate) topics: Topics,
    /// The key that signs settlements.
    pub(crate) key: SecretKey,
    /// The interval before the first.
    pub(crate) before_first: Interval,
    roll: RwLock<Arc<Roll>>,
}

/// Who takes part in the next interval, and under which rules.
#[derive(Debug)]
pub(crate) struct Roll {
    pub(crate) rules: Rules,
    pub(crate) grid: Grid,
    members: BTreeMap<MemberId, Enrolled>,
    by_device: HashMap<DeviceId, (MemberId, KnownKey)>,
    keys: HashMap<PublicKey, KnownKey>,
    /// Devices by their names in topics, which are slow to read.
    by_name: HashMap<String, DeviceId>,
}

/// A member as registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enrolled {
    pub(crate) key: PublicKey,
    /// None where it was revoked.
    pub(crate) device: Option<DeviceId>,
    pub(crate) bus: BusIndex,
    /// What it feeds in is made from; none where no certificates are minted for it.
    pub(crate) technology: Option<Technology>,
}

/// Why a genesis and a key do not make a market, or the ledger's members and rules none.
#[derive(Debug, thiserror::Error)]
pub enum CommunityError {
    /// The key is another market's.
    #[error("expected the secret key of {expected}, which the ledger says signs settlements, found that of {found}")]
    WrongKey {
        /// The market of the ledger.
        expected: Box<PublicKey>,
        /// Whose key it is.
        found: Box<PublicKey>,
    },
    /// The grid is not a tree, or a member is not on it.
    #[error("grid: {0}")]
    Grid(#[from] GridError),
    /// The mechanism does not exist.
    #[error("rules: {0}")]
    Mechanism(#[from] UnknownMechanism),
    /// The mechanism's parameters do not fit the grid.
    #[error("rules: {0}")]
    Terms(#[from] TermsError),
    /// The first interval has none before it.
    #[error("expected a first interval after 1970, found {0}")]
    FirstInterval(Interval),
}

impl Roll {
    /// The roll of these members; keys that were known `before` are not worked out again.
    fn new<'a>(
        interval: Interval,
        rules: &Rules,
        plan: Option<&GridPlan>,
        members: impl Iterator<Item = (MemberId, PublicKey, Option<DeviceId>, Option<&'a str>, Option<Technology>)>,
        before: Option<&Roll>,
    ) -> Result<Roll, CommunityError> {
        mechanism(&rules.mechanism)?;
        let grid = Grid::of(plan)?;
        Network::new(&grid, &rules.parameters.clone().unwrap_or_default(), interval, &[])?;
        let mut roll = Roll {
            rules: rules.clone(),
            grid,
            members: BTreeMap::new(),
            by_device: HashMap::new(),
            keys: HashMap::new(),
            by_name: HashMap::new(),
        };
        let known = |key: &PublicKey, find: fn(&Roll, &[u8; 32]) -> Option<KnownKey>| {
            before.and_then(|roll| find(roll, key.as_bytes())).unwrap_or_else(|| KnownKey::from(key))
        };
        for (member, key, device, bus, technology) in members {
            let bus = roll.grid.bus(bus)?;
            roll.members.insert(member, Enrolled { key, device, bus, technology });
            roll.keys.insert(key, known(&key, Roll::known_key));
            if let Some(device) = device {
                roll.by_device.insert(device, (member, known(&device, Roll::known_device)));
                roll.by_name.insert(device.multibase(), device);
            }
        }
        Ok(roll)
    }

    /// A member as registered.
    pub(crate) fn member(&self, member: &MemberId) -> Option<&Enrolled> {
        self.members.get(member)
    }

    /// The key with these bytes, if some member's device signs with it.
    pub(crate) fn known_device(&self, key: &[u8; 32]) -> Option<KnownKey> {
        self.by_device.get(key).map(|(_, known)| *known)
    }

    /// The key with these bytes, if some member signs orders with it.
    pub(crate) fn known_key(&self, key: &[u8; 32]) -> Option<KnownKey> {
        self.keys.get(key).copied()
    }

    /// The device of some member with this multibase name.
    pub(crate) fn named_device(&self, name: &str) -> Option<DeviceId> {
        self.by_name.get(name).copied()
    }
}

impl Community {
    pub(crate) fn new(genesis: Genesis, key: SecretKey) -> Result<Community, CommunityError> {
        let first = genesis.first_interval;
        let before_first = first.offset(-1).ok_or(CommunityError::FirstInterval(first))?;
        let members = genesis.members.iter().map(|GenesisMember { member, key, device, bus, technology, .. }| {
            (*member, *key, Some(*device), bus.as_deref(), *technology)
        });
        let roll = Roll::new(first, &genesis.rules, genesis.grid.as_ref(), members, None)?;
        let chain = genesis.chain();
        Ok(Community {
            chain,
            topics: Topics::new(&chain),
            key,
            before_first,
            roll: RwLock::new(Arc::new(roll)),
            genesis,
        })
    }

    /// Checks that the market's key is the one that signs settlements.
    pub(crate) fn check_key(&self, signs: PublicKey) -> Result<(), CommunityError> {
        let own = self.key.public();
        if signs == own {
            return Ok(());
        }
        Err(CommunityError::WrongKey { expected: Box::new(signs), found: Box::new(own) })
    }

    /// Takes over what the ledger says of the next interval.
    pub(crate) fn update(&self, members: &[MemberStatus], rules: &RulesInForce) -> Result<(), CommunityError> {
        self.check_key(rules.market)?;
        let members = members.iter().map(|MemberStatus { member, key, device, bus, technology, .. }| {
            (*member, *key, *device, bus.as_deref(), *technology)
        });
        let roll = Roll::new(rules.interval, &rules.rules, rules.grid.as_ref(), members, Some(&self.roll()))?;
        *self.roll.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roll);
        Ok(())
    }

    /// Who takes part in the next interval.
    pub(crate) fn roll(&self) -> Arc<Roll> {
        self.roll.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The device that measures for a member.
    pub(crate) fn device(&self, member: &MemberId) -> Option<DeviceId> {
        self.roll().members.get(member)?.device
    }

    /// Whose device this is, and the key that signs this member's orders.
    pub(crate) fn member(&self, device: &DeviceId) -> Option<(MemberId, PublicKey)> {
        let roll = self.roll();
        let (member, _) = roll.by_device.get(device)?;
        Some((*member, roll.members.get(member)?.key))
    }
}
