//! What the genesis fixes: read once, shared by all parts of the service.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    envelope::ChainId,
    genesis::Genesis,
    interval::Interval,
    key::{DeviceId, PublicKey, SecretKey},
    member::MemberId,
    topic::Topics,
};

use crate::{
    clearing::{Network, TermsError, UnknownMechanism, mechanism},
    grid::{BusIndex, Grid, GridError},
};

/// The community as its market knows it.
#[derive(Debug)]
pub(crate) struct Community {
    pub(crate) genesis: Genesis,
    pub(crate) chain: ChainId,
    pub(crate) topics: Topics,
    pub(crate) grid: Grid,
    /// The key that signs settlements.
    pub(crate) key: SecretKey,
    /// The interval before the first.
    pub(crate) before_first: Interval,
    buses: BTreeMap<MemberId, BusIndex>,
    devices: BTreeMap<MemberId, DeviceId>,
    renewable: BTreeSet<MemberId>,
    member_keys: BTreeSet<PublicKey>,
    keys_by_device: BTreeMap<DeviceId, (MemberId, PublicKey)>,
}

/// Why a genesis and a key do not make a market.
#[derive(Debug, thiserror::Error)]
pub enum CommunityError {
    /// The key is another market's.
    #[error("expected the secret key of {expected}, the genesis' market, found that of {found}")]
    WrongKey {
        /// The market of the genesis.
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

impl Community {
    pub(crate) fn new(genesis: Genesis, key: SecretKey) -> Result<Community, CommunityError> {
        if key.public() != genesis.market {
            return Err(CommunityError::WrongKey { expected: Box::new(genesis.market), found: Box::new(key.public()) });
        }
        mechanism(&genesis.rules.mechanism)?;
        let first = genesis.first_interval;
        let before_first = first.offset(-1).ok_or(CommunityError::FirstInterval(first))?;
        let grid = Grid::from_genesis(&genesis)?;
        Network::new(&grid, &genesis.rules.parameters.clone().unwrap_or_default(), first, &[])?;
        let mut buses = BTreeMap::new();
        for member in &genesis.members {
            buses.insert(member.member, grid.bus(member.bus.as_deref())?);
        }
        let chain = genesis.chain();
        let members = &genesis.members;
        Ok(Community {
            chain,
            topics: Topics::new(&chain),
            grid,
            key,
            before_first,
            buses,
            devices: members.iter().map(|member| (member.member, member.device)).collect(),
            renewable: members
                .iter()
                .filter(|member| member.technology.is_some())
                .map(|member| member.member)
                .collect(),
            member_keys: members.iter().map(|member| member.key).collect(),
            keys_by_device: members.iter().map(|member| (member.device, (member.member, member.key))).collect(),
            genesis,
        })
    }

    /// Where a member is connected to the grid.
    pub(crate) fn bus(&self, member: &MemberId) -> Option<BusIndex> {
        self.buses.get(member).copied()
    }

    /// Whether what a member feeds in is renewable.
    pub(crate) fn is_renewable(&self, member: &MemberId) -> bool {
        self.renewable.contains(member)
    }

    /// The device that measures for a member.
    pub(crate) fn device(&self, member: &MemberId) -> Option<DeviceId> {
        self.devices.get(member).copied()
    }

    /// Whether some member signs orders with `key`.
    pub(crate) fn is_member_key(&self, key: &PublicKey) -> bool {
        self.member_keys.contains(key)
    }

    /// Whose device this is, and the key that signs this member's orders.
    pub(crate) fn member(&self, device: &DeviceId) -> Option<(MemberId, PublicKey)> {
        self.keys_by_device.get(device).copied()
    }
}
