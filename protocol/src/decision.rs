//! Decisions: what the validators change together, each signed by more than two thirds of the voting power.
//!
//! Whoever could register members, move the rules or rewrite metered values alone could rob the community without one
//! wrong clearing. So nobody can: not the market, not a single validator.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Encoded},
    commit::{CommitError, CommitSignature, Power, Validator, check_signers, power_of},
    correction::Correction,
    envelope::ChainId,
    genesis::{GenesisMember, GridPlan, Rules, Technology},
    hash::Hash,
    interval::Interval,
    key::{DeviceId, PublicKey, SecretKey},
    limits::{CORRECTIONS_MAX, VALIDATORS_MAX},
    member::{AccountId, MemberId, Movement},
    money::Amount,
    reading::Registers,
};

/// One decision. Its name is its sequence number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Decision {
    /// 1 for the ledger's first decision, then one more each time, without gaps.
    #[n(0)]
    pub sequence: u64,
    /// What is decided.
    #[n(1)]
    pub action: Action,
}

/// A decision on its way from validator to validator, with the approvals that it has so far: as JSON, so that everyone
/// reads what they sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// What is to be decided.
    pub decision: Decision,
    /// Who approves, in ascending order of key.
    #[serde(default)]
    pub approvals: Vec<CommitSignature>,
}

impl Draft {
    /// Adds a validator's approval, or puts it in the place of the one that it gave before.
    pub fn approve(&mut self, chain: &ChainId, key: &SecretKey) {
        self.approvals.retain(|approval| approval.validator != key.public());
        self.approvals.push(self.decision.approve(chain, key));
        self.approvals.sort_by_key(|approval| approval.validator);
    }
}

/// What can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Take in a member with its device; its first reading may be of the interval after the open one.
    #[n(0)]
    RegisterMember(#[n(0)] Box<GenesisMember>),
    /// Give a member another meter, from the interval after the open one on: the signed re-baseline. A new hash
    /// chain begins.
    #[n(1)]
    ReplaceMeter {
        /// Whose.
        #[n(0)]
        member: MemberId,
        /// The new device.
        #[n(1)]
        device: DeviceId,
        /// Its registers at the start.
        #[n(2)]
        registers: Registers,
        /// Rated power of the grid connection, W.
        #[n(3)]
        rated_power_w: u64,
        /// What is produced behind it.
        #[n(4)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        technology: Option<Technology>,
    },
    /// Take no more readings of a member's device, from the interval after the open one on.
    #[n(2)]
    RevokeDevice {
        /// Whose.
        #[n(0)]
        member: MemberId,
    },
    /// Give a member another key: the old one was lost or stolen.
    #[n(3)]
    ReplaceKey {
        /// Whose.
        #[n(0)]
        member: MemberId,
        /// The new key.
        #[n(1)]
        key: PublicKey,
    },
    /// Set tariffs and mechanism, and perhaps the grid.
    #[n(4)]
    SetRules {
        /// First interval under the new rules: after the open one.
        #[n(0)]
        from: Interval,
        /// The rules.
        #[n(1)]
        rules: Rules,
        /// The grid; without it, the old one stays.
        #[n(2)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grid: Option<Box<GridPlan>>,
    },
    /// Let another key sign settlements, from the interval after the open one on.
    #[n(5)]
    SetMarket {
        /// The market's new key.
        #[n(0)]
        key: PublicKey,
    },
    /// Set who validates, from the next height on: added, removed and re-weighted at once.
    #[n(6)]
    SetValidators {
        /// All of them, in ascending order of key.
        #[n(0)]
        #[cbor(decode_with = "cbor::list::<_, _, VALIDATORS_MAX>")]
        validators: Vec<Validator>,
    },
    /// Move money between any two accounts, such as a payout that the bank has made.
    #[n(7)]
    Transfer {
        /// Whose account gives.
        #[n(0)]
        from: AccountId,
        /// Whose account gets.
        #[n(1)]
        to: AccountId,
        /// How much, more than nothing.
        #[n(2)]
        amount: Amount,
        /// What for; may be empty.
        #[n(3)]
        reference: String,
    },
    /// Settle an interval again with validated values: the settlement in force is reversed, another one booked.
    #[n(8)]
    Correct(#[n(0)] Box<Correction>),
    /// Settle several intervals again at once, in ascending order: all of them, or none. So energy that moves from one
    /// interval into another is never booked twice, nor in neither.
    #[n(9)]
    TrueUp(
        #[n(0)]
        #[cbor(decode_with = "cbor::sparse_list::<_, _, CORRECTIONS_MAX>")]
        Vec<Correction>,
    ),
    /// Begin the island that the rules plan: the grid above is gone, or will be. Quotas are made before an interval
    /// begins, so there is one between the open interval and the first.
    #[n(10)]
    DeclareIsland {
        /// First interval on the island: the second after the open one, or later.
        #[n(0)]
        from: Interval,
        /// First interval that is on the grid again; without it, until an end is decided.
        #[n(1)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Interval>,
    },
    /// End the island, however it began.
    #[n(11)]
    EndIsland {
        /// First interval that is on the grid again: after the open one.
        #[n(0)]
        from: Interval,
    },
}

impl Action {
    /// The corrections that it books, in their order.
    pub fn corrections(&self) -> &[Correction] {
        match self {
            Action::Correct(correction) => std::slice::from_ref(correction),
            Action::TrueUp(corrections) => corrections,
            Action::RegisterMember(_)
            | Action::ReplaceMeter { .. }
            | Action::RevokeDevice { .. }
            | Action::ReplaceKey { .. }
            | Action::SetRules { .. }
            | Action::SetMarket { .. }
            | Action::SetValidators { .. }
            | Action::Transfer { .. }
            | Action::DeclareIsland { .. }
            | Action::EndIsland { .. } => &[],
        }
    }

    /// The money that it moves beside what its corrections book. Whoever adds an action says here whether it moves any,
    /// and so statements show it.
    pub fn movement(&self) -> Option<Movement<'_>> {
        match self {
            Action::Transfer { from, to, amount, reference } => {
                Some(Movement { from: *from, to: *to, amount: *amount, reference })
            }
            Action::RegisterMember(_)
            | Action::ReplaceMeter { .. }
            | Action::RevokeDevice { .. }
            | Action::ReplaceKey { .. }
            | Action::SetRules { .. }
            | Action::SetMarket { .. }
            | Action::SetValidators { .. }
            | Action::Correct(_)
            | Action::TrueUp(_)
            | Action::DeclareIsland { .. }
            | Action::EndIsland { .. } => None,
        }
    }
}

/// What names the approvals of a decision, and its id.
const DOMAIN: &str = "voisin/decision/v1";

/// The id of the decision of this encoding: the hash of `["voisin/decision/v1", decision]`.
pub(crate) fn id(decision: &[u8]) -> Hash {
    let domain = cbor::encode(&DOMAIN);
    Hash::of_parts(&[&[ARRAY_OF_TWO], &domain, decision])
}

/// The first byte of a pair.
const ARRAY_OF_TWO: u8 = 0x82;

impl Decision {
    /// One validator's approval.
    pub fn approve(&self, chain: &ChainId, key: &SecretKey) -> CommitSignature {
        let message = Encoded::of(self).approval_bytes(chain);
        CommitSignature { validator: key.public(), signature: key.sign(&message) }
    }
}

impl Encoded<Decision> {
    /// The decision's id.
    pub fn id(&self) -> Hash {
        id(self.bytes())
    }

    /// The bytes that a validator signs: deterministic CBOR of `["voisin/decision/v1", chain, decision]`.
    pub fn approval_bytes(&self, chain: &ChainId) -> Vec<u8> {
        cbor::encode(&(DOMAIN, chain, self))
    }

    /// Checks that validators with more than two thirds of the power approve: before anything in the decision is
    /// decoded.
    pub fn check_approvals(
        &self,
        chain: &ChainId,
        approvals: &[CommitSignature],
        validators: &[Validator],
    ) -> Result<(), CommitError> {
        check_signers(approvals, validators)?;
        self.check_signatures(chain, approvals)
    }

    /// The power of those who approve so far, however little it is: of validators, in ascending order, each once, every
    /// signature verified.
    pub fn approved(
        &self,
        chain: &ChainId,
        approvals: &[CommitSignature],
        validators: &[Validator],
    ) -> Result<Power, CommitError> {
        let power = power_of(approvals, validators)?;
        self.check_signatures(chain, approvals)?;
        Ok(power)
    }

    fn check_signatures(&self, chain: &ChainId, approvals: &[CommitSignature]) -> Result<(), CommitError> {
        let message = self.approval_bytes(chain);
        match approvals.iter().find(|approval| !approval.validator.verifies(&message, &approval.signature)) {
            Some(approval) => Err(CommitError::BadSignature(approval.validator)),
            None => Ok(()),
        }
    }
}
