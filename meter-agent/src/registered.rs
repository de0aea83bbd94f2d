//! How this household was registered after the genesis: as its owner says, or as the validators committed. What is
//! heard or read of that is checked each time. Pure.

use std::fmt;

use ledger::proof::{ProofError, Verifier};
use protocol::{
    genesis::Genesis,
    interval::Interval,
    key::{DeviceId, PublicKey},
    limits::ANSWER_BYTES_MAX,
    member::MemberId,
    reading::Registers,
    registration::ProvedRegistration,
    text::ParseError,
};
use serde::Deserialize;

/// What the validators decided of this household after the genesis: took it in, gave it another meter, or another key.
/// Nobody has to be believed for it: it only says what this household claims to be, and where it is wrong its readings
/// are refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The member's pseudonym.
    pub member: MemberId,
    /// The first interval that the device may read: the one after the interval that was open when it was decided.
    pub first_interval: Interval,
    /// Import register at its start, Wh.
    #[serde(default)]
    pub import_wh: u64,
    /// Export register at its start, Wh.
    #[serde(default)]
    pub export_wh: u64,
    /// Rated power of the grid connection, W; without it, that of the genesis, if the member is in it.
    #[serde(default)]
    pub rated_power_w: Option<u64>,
    /// Whether the rules name this meter as the transformer's: it settles nothing of its own.
    #[serde(default)]
    pub transformer: bool,
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Registration { member, first_interval, import_wh, export_wh, .. } = self;
        write!(
            f,
            "member {member} from {first_interval} on, beginning with {import_wh} Wh drawn and {export_wh} Wh fed in"
        )
    }
}

impl Registration {
    /// Whether it says the same as another one, as far as that says something.
    pub(crate) fn agrees_with(&self, other: &Registration) -> bool {
        let of = |it: &Registration| (it.member, it.first_interval, it.registers());
        of(self) == of(other) && other.rated_power_w.is_none_or(|rated| self.rated_power_w == Some(rated))
    }

    /// The registers at the start.
    pub fn registers(&self) -> Registers {
        Registers { import_wh: self.import_wh, export_wh: self.export_wh }
    }
}

/// Why a registration is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationFault {
    /// More bytes than a registration has.
    #[error("expected a registration of at most {ANSWER_BYTES_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// Not a registration at all.
    #[error("not a registration: {0}")]
    Malformed(#[from] ParseError),
    /// It is another household's.
    #[error("expected a registration of device {expected}, found one of {}", .found.as_ref().map_or_else(|| "none".into(), |it| it.to_string()))]
    OtherDevice {
        /// The device here.
        expected: Box<DeviceId>,
        /// The registration's; none where it was revoked.
        found: Option<Box<DeviceId>>,
    },
    /// The device is registered, with another member key.
    #[error("expected a registration with member key {expected}, which is configured here, found {found}")]
    OtherMemberKey {
        /// The key here.
        expected: Box<PublicKey>,
        /// The registration's.
        found: Box<PublicKey>,
    },
    /// The validators did not commit it.
    #[error("it proves nothing: {0}")]
    NotProved(#[from] ProofError),
    /// It begins at no time of this community.
    #[error("expected a first interval from {first} on and as long, found the one after {found}")]
    OtherTime {
        /// The community's first.
        first: Interval,
        /// The interval after which it begins.
        found: Interval,
    },
}

impl RegistrationFault {
    /// Its name, as it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            RegistrationFault::TooLarge(_) => "TooLarge",
            RegistrationFault::Malformed(_) => "Malformed",
            RegistrationFault::OtherDevice { .. } => "OtherDevice",
            RegistrationFault::OtherMemberKey { .. } => "OtherMemberKey",
            RegistrationFault::NotProved(_) => "NotProved",
            RegistrationFault::OtherTime { .. } => "OtherTime",
        }
    }
}

/// Whose registration is looked for, and what is trusted.
#[derive(Debug, Clone)]
pub(crate) struct Household<'a> {
    pub(crate) genesis: &'a Genesis,
    pub(crate) verifier: &'a Verifier,
    pub(crate) device: DeviceId,
    pub(crate) member_key: PublicKey,
}

impl Household<'_> {
    /// What a message says of this household's registration, if it is proved: whose it is comes first, because what is
    /// somebody else's is no lie about this one.
    pub(crate) fn check(&self, json: &[u8]) -> Result<Registration, RegistrationFault> {
        if json.len() > ANSWER_BYTES_MAX {
            return Err(RegistrationFault::TooLarge(json.len()));
        }
        let proved = ProvedRegistration::from_json(json)?;
        let found = &proved.registration;
        if found.device != Some(self.device) {
            let expected = Box::new(self.device);
            return Err(RegistrationFault::OtherDevice { expected, found: found.device.map(Box::new) });
        }
        self.verifier.verify_registration(&proved)?;
        if found.key != self.member_key {
            let expected = Box::new(self.member_key);
            return Err(RegistrationFault::OtherMemberKey { expected, found: Box::new(found.key) });
        }
        let first = self.genesis.first_interval;
        let begins = found.after.next().filter(|begins| begins.since(first).is_some_and(|intervals| intervals >= 0));
        let first_interval = begins.ok_or(RegistrationFault::OtherTime { first, found: found.after })?;
        let member = proved.member;
        Ok(Registration {
            member,
            first_interval,
            import_wh: found.registers.import_wh,
            export_wh: found.registers.export_wh,
            rated_power_w: Some(found.rated_power_w),
            transformer: self.genesis.rules.transformer.is_some_and(|meter| meter.member == member),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use protocol::{
        block::{Header, validators_hash},
        hash::Hash,
        key::SecretKey,
        merkle::MerkleTree,
    };
    use testkit::community::Community;

    use super::*;

    /// Who has been there from the first interval on.
    pub(crate) fn founder(member: MemberId, first_interval: Interval) -> Registration {
        let (import_wh, export_wh, rated_power_w) = (0, 0, None);
        Registration { member, first_interval, import_wh, export_wh, rated_power_w, transformer: false }
    }

    /// How the member of this number is registered, as the validators prove it; or what `change` makes of that before
    /// they do.
    pub(crate) fn proved(
        community: &Community,
        number: usize,
        change: impl FnOnce(&mut protocol::registration::Registration),
    ) -> ProvedRegistration {
        let mut state = community.state();
        state.seal();
        let member = community.members[number].id;
        let mut registration = state.prove_registration(member).unwrap().0.clone();
        change(&mut registration);
        let validators = validators_hash(&community.genesis.validators);
        let mut header = Header {
            chain: community.genesis.chain(),
            height: 7,
            previous: Hash::ZERO,
            validators,
            next_validators: validators,
            transactions: MerkleTree::default().root(),
            entries: MerkleTree::default().root(),
            state: MerkleTree::default().root(),
        };
        let certificate = community.certificate(7, header.hash());
        let proof = protocol::merkle::MerkleProof { index: 0, path: Vec::new() };
        let steps = Vec::new();
        let mut proved = ProvedRegistration { member, registration, proof, header: header.clone(), certificate, steps };
        let tree: MerkleTree = [proved.leaf()].into_iter().collect();
        header.state = tree.root();
        proved.certificate = community.certificate(7, header.hash());
        ProvedRegistration { header, proof: tree.prove(0).unwrap(), ..proved }
    }

    #[test]
    fn only_what_is_proved_of_this_household_is_believed_and_the_rest_is_named() {
        let community = Community::new(2, 4);
        let verifier = Verifier::new(&community.genesis);
        let ours = &community.members[0];
        let household = Household {
            genesis: &community.genesis,
            verifier: &verifier,
            device: ours.device.public(),
            member_key: ours.key.public(),
        };
        let good = proved(&community, 0, |_| {});
        let registered = household.check(&good.to_json()).unwrap();
        let first = community.genesis.first_interval;
        assert_eq!((registered.member, registered.first_interval), (ours.id, first));
        assert_eq!(registered.registers(), community.genesis.members[0].registers());

        let stranger = SecretKey::from_seed(&[99; 32]).public();
        let renamed = proved(&community, 1, |_| {});
        let mut renamed_to_us = renamed.clone();
        renamed_to_us.registration.device = Some(ours.device.public());
        let early = |it: &mut protocol::registration::Registration| it.after = first.offset(-2).unwrap();
        let cases = [
            (renamed.to_json(), "OtherDevice"),
            (proved(&community, 0, |it| it.device = None).to_json(), "OtherDevice"),
            (renamed_to_us.to_json(), "NotProved"),
            (proved(&community, 0, |it| it.key = stranger).to_json(), "OtherMemberKey"),
            (proved(&community, 0, early).to_json(), "OtherTime"),
            (b"{}".to_vec(), "Malformed"),
            ([good.to_json(), b" ".to_vec()].concat(), "Malformed"),
            (vec![b' '; ANSWER_BYTES_MAX + 1], "TooLarge"),
        ];
        for (json, name) in cases {
            assert_eq!(household.check(&json).unwrap_err().name(), name);
        }
    }

    #[test]
    fn every_name_is_explained_to_the_household() {
        let page = include_str!("../../docs/prosumer.md");
        for name in ["TooLarge", "Malformed", "OtherDevice", "OtherMemberKey", "NotProved", "OtherTime"] {
            assert!(page.contains(&format!("`{name}`")), "docs/prosumer.md does not explain `{name}`");
        }
    }
}
