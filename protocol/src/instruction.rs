//! Instructions: what a member tells the ledger to do with its account, its keys and its certificates.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    envelope::{Payload, Signed},
    interval::Interval,
    key::{DeviceId, PublicKey},
    limits::MESSAGE_BYTES_MAX,
    member::{AccountId, MemberId, Movement},
    money::Amount,
};

/// One instruction of a member, signed with the member's key. Its name is the member and the sequence number: handing
/// it in twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Instruction {
    /// Whose it is.
    #[n(0)]
    pub member: MemberId,
    /// 1 for the member's first instruction, then one more each time, without gaps.
    #[n(1)]
    pub sequence: u64,
    /// What to do.
    #[n(2)]
    pub action: MemberAction,
}

/// What a member can do by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MemberAction {
    /// Give money of the own account to another one.
    #[n(0)]
    Transfer {
        /// To whom.
        #[n(0)]
        to: AccountId,
        /// How much, more than nothing.
        #[n(1)]
        amount: Amount,
        /// What for; may be empty.
        #[n(2)]
        reference: String,
    },
    /// Sign orders and instructions with another key from now on.
    #[n(1)]
    RotateKey {
        /// The new key.
        #[n(0)]
        key: PublicKey,
    },
    /// Sign readings with another key, from the interval after the open one on. The meter stays: registers and hash
    /// chain go on.
    #[n(2)]
    RotateDevice {
        /// The new device key.
        #[n(0)]
        device: DeviceId,
    },
    /// Take no more readings of the device, from the interval after the open one on: its key was stolen or lost.
    #[n(3)]
    RevokeDevice,
    /// Give certificates to another member.
    #[n(4)]
    TransferCertificates {
        /// Which ones.
        #[n(0)]
        certificates: Portion,
        /// To whom.
        #[n(1)]
        to: MemberId,
    },
    /// Use certificates up: claim their energy, once and for all.
    #[n(5)]
    RetireCertificates {
        /// Which ones.
        #[n(0)]
        certificates: Portion,
        /// What they are claimed for, such as `own consumption`; may be empty.
        #[n(1)]
        purpose: String,
        /// Who may say that it used this energy, such as a tenant or a firm; without one, the holder.
        #[n(2)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beneficiary: Option<String>,
    },
}

/// Granular certificates (EnergyTag): the Wh of one device in one interval, counted from 0. Every Wh has one
/// name, and this is a range of such names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Portion {
    /// When the energy was fed in.
    #[n(0)]
    pub interval: Interval,
    /// The device that measured it.
    #[n(1)]
    pub device: DeviceId,
    /// Number of the first Wh.
    #[n(2)]
    pub first: u64,
    /// How many, Wh; at least one.
    #[n(3)]
    pub energy: Energy,
}

impl Instruction {
    /// The money that it moves. Whoever adds an action says here whether it moves any, and so statements show it.
    pub fn movement(&self) -> Option<Movement<'_>> {
        match &self.action {
            MemberAction::Transfer { to, amount, reference } => {
                Some(Movement { from: AccountId::Member(self.member), to: *to, amount: *amount, reference })
            }
            MemberAction::RotateKey { .. }
            | MemberAction::RotateDevice { .. }
            | MemberAction::RevokeDevice
            | MemberAction::TransferCertificates { .. }
            | MemberAction::RetireCertificates { .. } => None,
        }
    }
}

impl Payload for Instruction {
    const DOMAIN: &'static str = "voisin/instruction/v1";
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;
}

/// An instruction as it travels.
pub type SignedInstruction = Signed<Instruction>;
