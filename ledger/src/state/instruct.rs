//! Instructions: what a member does by itself.

use protocol::{
    envelope::Sealed,
    instruction::{Instruction, MemberAction},
    limits::TEXT_BYTES_MAX,
    member::{AccountId, MemberId},
    money::Amount,
};

use super::{Change, Refusal, State, entries::Key};

impl State {
    /// Carries out the next instruction of a member.
    pub(super) fn instruct(&mut self, sealed: &Sealed) -> Result<MemberId, Refusal> {
        let is_known = |key: &_| self.directory.member_of_key(key).is_some();
        let instruction = sealed.open::<Instruction>(&self.chain, is_known)?;
        let id = instruction.member;
        if self.member(id)?.key() != instruction.signer() {
            return Err(Refusal::UnknownSigner(instruction.signer()));
        }
        let hash = instruction.hash();
        let (last, last_hash) = self.member(id)?.last_instruction();
        if instruction.sequence == last && hash == last_hash {
            return Err(Refusal::Exists);
        }
        let expected = last.checked_add(1).ok_or(Refusal::NumbersExhausted { last })?;
        if instruction.sequence != expected {
            return Err(Refusal::InstructionNotNext { expected, found: instruction.sequence });
        }
        match &instruction.action {
            MemberAction::Transfer { to, amount, reference } => {
                let from = AccountId::Member(id);
                self.check_transfer(from, *to, *amount, reference)?;
                let balance = self.member(id)?.balance();
                if *amount > balance {
                    return Err(Refusal::ExceedsBalance { balance, found: *amount });
                }
                self.transfer(from, *to, *amount)?;
            }
            MemberAction::RotateKey { key } => {
                self.check_key_free(key)?;
                self.change_member(id, |member| member.set_key(*key));
            }
            MemberAction::RotateDevice { device } => {
                self.check_device_free(device)?;
                self.schedule(Change::Device(id, Some(*device)))?;
            }
            MemberAction::RevokeDevice => self.revoke_device(id)?,
            MemberAction::TransferCertificates { certificates, to } => {
                self.transfer_certificates(id, certificates, *to)?;
            }
            MemberAction::RetireCertificates { certificates, purpose, beneficiary } => {
                check_text(purpose)?;
                beneficiary.as_deref().map_or(Ok(()), check_beneficiary)?;
                self.retire_certificates(id, certificates, hash)?;
            }
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.instructed(hash);
        }
        self.leaves.touch(Key::Account(id));
        Ok(id)
    }

    pub(super) fn check_transfer(
        &self,
        from: AccountId,
        to: AccountId,
        amount: Amount,
        reference: &str,
    ) -> Result<(), Refusal> {
        check_text(reference)?;
        if amount <= Amount::ZERO {
            return Err(Refusal::AmountNotPositive(amount));
        }
        if from == to {
            return Err(Refusal::SameAccount);
        }
        self.account(from)?;
        self.account(to)?;
        Ok(())
    }

    pub(super) fn transfer(&mut self, from: AccountId, to: AccountId, amount: Amount) -> Result<(), Refusal> {
        let loss = amount.checked_neg().ok_or(Refusal::AmountOverflow)?;
        self.post(vec![(from, loss), (to, amount)])
    }

    pub(super) fn revoke_device(&mut self, id: MemberId) -> Result<(), Refusal> {
        if self.member(id)?.device().is_none() && self.schedule.changes().all(|change| change.member() != Some(id)) {
            return Err(Refusal::NoDevice(id));
        }
        self.schedule(Change::Device(id, None))
    }
}

/// Checks who certificates are retired for. Nobody is said by leaving it out, so that it is said in one way.
fn check_beneficiary(name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() { Err(Refusal::BadText { found_bytes: name.len() }) } else { check_text(name) }
}

/// Checks a text of people for people: short, and nothing that a terminal or a page would act on.
pub(super) fn check_text(text: &str) -> Result<(), Refusal> {
    if text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Refusal::BadText { found_bytes: text.len() })
    }
}
