//! Certificates that their holder has retired, with the proof that the validators took the claim in: of one claim, and
//! of nothing else that anybody holds.

use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    commit::CommitCertificate,
    envelope::Sealed,
    instruction::{Instruction, MemberAction, Portion, SignedInstruction},
    json,
    key::{PublicKey, Signature},
    member::MemberId,
    merkle::MerkleProof,
    receipt::ValidatorStep,
    text::ParseError,
};

/// An instruction that retires certificates, without what is the same in each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// Who held them, and claims their energy.
    pub member: MemberId,
    /// The number of the instruction among the member's.
    pub sequence: u64,
    /// Which ones.
    pub certificates: Portion,
    /// What they are claimed for; may be empty.
    pub purpose: String,
    /// Who may say that it used this energy; without one, the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beneficiary: Option<String>,
}

/// A retirement, on the ledger. It stays: what is retired once is retired for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProvedRetirement {
    /// What was retired, by whom and for whom.
    pub retirement: Retirement,
    /// The key that signed the instruction.
    pub key: PublicKey,
    /// Its signature.
    pub signature: Signature,
    /// The instruction's way to the header's root of transactions.
    pub proof: MerkleProof,
    /// The header of the block.
    pub header: Header,
    /// The validators' signatures on that header.
    pub certificate: CommitCertificate,
    /// How the validators of the genesis became those of the header: every change before it, in order.
    pub steps: Vec<ValidatorStep>,
}

impl Retirement {
    /// What a signed instruction retires; none if it does something else.
    pub fn of(instruction: &SignedInstruction) -> Option<Retirement> {
        let Instruction { member, sequence, action } = instruction.payload();
        let MemberAction::RetireCertificates { certificates, purpose, beneficiary } = action else { return None };
        Some(Retirement {
            member: *member,
            sequence: *sequence,
            certificates: *certificates,
            purpose: purpose.clone(),
            beneficiary: beneficiary.clone(),
        })
    }
}

impl ProvedRetirement {
    /// The one JSON form: compact, fields in order, no newline.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_canonical(self)
    }

    /// Reads it from its one JSON form, a newline at the end allowed.
    pub fn from_json(json: &[u8]) -> Result<ProvedRetirement, ParseError> {
        json::from_canonical(json, "a proved retirement")
    }

    /// The instruction as it was signed; its hash is the leaf in the tree of transactions.
    pub fn message(&self) -> Sealed {
        let Retirement { member, sequence, certificates, purpose, beneficiary } = self.retirement.clone();
        let action = MemberAction::RetireCertificates { certificates, purpose, beneficiary };
        Sealed::of_parts(&Instruction { member, sequence, action }, &self.key, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cbor, energy::Energy, hash::Hash, key::SecretKey};

    fn instruction(beneficiary: Option<&str>) -> Instruction {
        let device = SecretKey::from_seed(&[2; 32]).public();
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let certificates = Portion { interval, device, first: 3, energy: Energy::from_wh(4) };
        let (purpose, beneficiary) = ("own consumption".to_owned(), beneficiary.map(str::to_owned));
        let action = MemberAction::RetireCertificates { certificates, purpose, beneficiary };
        Instruction { member: MemberId::from_bytes([1; 16]), sequence: 5, action }
    }

    #[test]
    fn the_parts_make_the_very_message_that_was_signed() {
        let (chain, key) = (Hash::of(b"chain"), SecretKey::from_seed(&[1; 32]));
        for beneficiary in [None, Some("Café am Eck")] {
            let signed = SignedInstruction::sign(instruction(beneficiary), &chain, &key);
            let sealed = Sealed::of_parts(signed.payload(), &signed.signer(), &signed.signature());
            assert_eq!(&sealed, signed.sealed());
            assert_eq!(Retirement::of(&signed).unwrap().beneficiary.as_deref(), beneficiary);
        }
    }

    /// So instructions that are on ledgers already keep their hashes.
    #[test]
    fn without_a_beneficiary_an_instruction_has_the_bytes_that_it_had_before_there_was_one() {
        let bytes = |beneficiary| cbor::encode(&instruction(beneficiary));
        let (without, with) = (bytes(None), bytes(Some("B")));
        let purpose = with.len() - 2;
        assert_eq!(without[19..22], [0x82, 0x05, 0x82], "the action, and two fields of it");
        assert_eq!(with[19..22], [0x82, 0x05, 0x83]);
        assert_eq!((&without[22..], &with[purpose..]), (&with[22..purpose], &b"\x61B"[..]));
        assert_eq!(cbor::decode::<Instruction>(&without).unwrap(), instruction(None));
    }
}
