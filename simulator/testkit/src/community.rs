//! A small community with real keys.

use std::collections::BTreeMap;

use ledger::state::State;
use market::{
    inputs::{Inputs, measuring, member_input, takes_part},
    metering::{Metered, measure},
    settlement::{IntervalInput, settle},
};
use protocol::{
    block::Transaction,
    cbor::Encoded,
    commit::{CommitCertificate, CommitSignature, Validator, VoteKind, vote_bytes},
    correction::MemberInput,
    decision::{Action, Decision},
    envelope::{Sealed, Signed},
    genesis::{Genesis, GenesisMember, Rules, Technology},
    hash::Hash,
    instruction::{Instruction, MemberAction},
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    order::Order,
    reading::{ChainHead, Reading, Registers, SignedReading},
    settlement::Settlement,
};

/// What these inputs lead to.
pub fn settled(
    state: &State,
    interval: Interval,
    tie_seed: &Hash,
    inputs: &[MemberInput],
    readings: Vec<Hash>,
) -> Settlement {
    let (version, grid) = state.rules_at(interval);
    let bus = |input: &MemberInput| {
        let (_, member) = state.members().find(|(found, _)| **found == input.member).unwrap();
        grid.bus(member.bus())
    };
    let inputs = &Inputs::new(inputs.to_vec(), bus).unwrap();
    settle(IntervalInput { interval, rules: &version.rules, grid, tie_seed, readings, inputs }).unwrap()
}

/// Writes what only its owner may read.
pub fn write_secret(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Who holds which key.
#[derive(Clone)]
pub struct Community {
    pub genesis: Genesis,
    pub market: SecretKey,
    pub validators: Vec<SecretKey>,
    pub members: Vec<TestMember>,
}

#[derive(Clone)]
pub struct TestMember {
    pub id: MemberId,
    pub key: SecretKey,
    pub device: SecretKey,
    pub head: ChainHead,
}

fn key(kind: u8, number: usize) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    SecretKey::from_seed(&seed)
}

impl Community {
    pub fn new(members: usize, validators: usize) -> Community {
        let first: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let mut members: Vec<TestMember> = (0..members)
            .map(|number| TestMember {
                id: MemberId::pseudonym(&[9; 16], &format!("m{number}")),
                key: key(1, number),
                device: key(2, number),
                head: ChainHead {
                    sequence: 0,
                    hash: Hash::ZERO,
                    interval: first.offset(-1).unwrap(),
                    registers: Registers::default(),
                },
            })
            .collect();
        members.sort_by_key(|member| member.id);
        let market = key(3, 0);
        let validators: Vec<SecretKey> = (0..validators).map(|number| key(4, number)).collect();
        let genesis = Genesis {
            community: "test".into(),
            currency: "EUR".into(),
            first_interval: first,
            rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
            market: market.public(),
            validators: validators.iter().map(|key| Validator { key: key.public(), power: 1 }).collect(),
            members: members
                .iter()
                .map(|member| GenesisMember {
                    member: member.id,
                    key: member.key.public(),
                    device: member.device.public(),
                    rated_power_w: 100_000,
                    bus: None,
                    import_wh: 0,
                    export_wh: 0,
                    technology: Some(Technology::Solar),
                })
                .collect(),
            grid: None,
            time_zone: None,
        };
        genesis.check().unwrap();
        Community { genesis, market, validators, members }
    }

    pub fn state(&self) -> State {
        State::genesis(&self.genesis).unwrap()
    }

    /// The next reading of a member, after `flow` Wh of import (export, if negative).
    pub fn read(&mut self, member: usize, interval: Interval, flow: i64) -> SignedReading {
        let chain = self.genesis.chain();
        let member = &mut self.members[member];
        let mut registers = member.head.registers;
        match u64::try_from(flow) {
            Ok(import) => registers.import_wh += import,
            Err(_) => registers.export_wh += flow.unsigned_abs(),
        }
        let reading = Reading {
            interval,
            sequence: member.head.sequence + 1,
            previous: member.head.hash,
            registers,
            salt: [5; 16],
        };
        let signed = Signed::sign(reading, &chain, &member.device);
        member.head = ChainHead::after(&signed);
        signed
    }

    /// Another reading that the member's device signed under the same sequence number.
    pub fn contradict(&self, member: usize, reading: &SignedReading) -> SignedReading {
        let other = Reading { salt: [9; 16], ..reading.payload().clone() };
        assert_ne!(&other, reading.payload());
        Signed::sign(other, &self.genesis.chain(), &self.members[member].device)
    }

    /// One reading of every member: sellers and buyers in turn, of different sizes.
    pub fn read_all(&mut self, interval: Interval) -> Vec<SignedReading> {
        let flow = |member: usize| {
            if member.is_multiple_of(3) { -(700 + 13 * member as i64) } else { 400 + 7 * member as i64 }
        };
        let mut readings: Vec<_> =
            (0..self.members.len()).map(|member| self.read(member, interval, flow(member))).collect();
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        readings
    }

    /// What the clearing of the next interval knows of every member, with these readings.
    pub fn inputs(&self, state: &State, readings: &[SignedReading]) -> Vec<MemberInput> {
        let interval = state.next();
        let metered: BTreeMap<MemberId, Metered> = readings
            .chunk_by(|a, b| a.signer() == b.signer())
            .map(|readings| {
                let device = Some(readings[0].signer());
                let (id, member) = state.members().find(|(_, member)| member.device() == device).unwrap();
                let (metered, _) = measure(member.head(), readings, interval, member.rated_power_w()).unwrap();
                (*id, metered)
            })
            .collect();
        state
            .members()
            .filter(|(_, member)| takes_part(member.head().interval, interval))
            .map(|(id, member)| {
                let device = measuring(member.device(), member.head().interval, interval);
                let (technology, limits) = (member.technology(), member.limits(interval));
                let quota = state.quota(*id, interval).map(Box::new);
                MemberInput { quota, ..member_input(*id, device, technology, limits, metered.get(id).copied()) }
            })
            .collect()
    }

    /// What an honest market settles from these readings.
    pub fn settlement(&self, state: &State, readings: &[SignedReading]) -> Settlement {
        let inputs = self.inputs(state, readings);
        let hashes = readings.iter().map(Signed::hash).collect();
        settled(state, state.next(), &state.tie_seed(), &inputs, hashes)
    }

    /// Signs a settlement as the market.
    pub fn transaction(&self, settlement: Settlement, readings: &[SignedReading]) -> Transaction {
        let signed = Signed::sign(settlement, &self.genesis.chain(), &self.market);
        Transaction::Settle { settlement: Sealed::from(&signed), readings: readings.iter().map(Sealed::from).collect() }
    }

    pub fn order(&self, member: usize, order: Order) -> Transaction {
        let signed = Signed::sign(order, &self.genesis.chain(), &self.members[member].key);
        Transaction::PlaceOrder(Sealed::from(&signed))
    }

    /// An instruction of a member.
    pub fn instruct(&self, member: usize, sequence: u64, action: MemberAction) -> Transaction {
        let TestMember { id, key, .. } = &self.members[member];
        let instruction = Instruction { member: *id, sequence, action };
        Transaction::Instruct(Sealed::from(&Signed::sign(instruction, &self.genesis.chain(), key)))
    }

    /// A decision that all validators approve.
    pub fn decide(&self, sequence: u64, action: Action) -> Transaction {
        self.decide_by(sequence, action, &self.validators)
    }

    /// A decision that these validators approve.
    pub fn decide_by(&self, sequence: u64, action: Action, validators: &[SecretKey]) -> Transaction {
        let decision = Decision { sequence, action };
        let chain = self.genesis.chain();
        let mut approvals: Vec<CommitSignature> = validators.iter().map(|key| decision.approve(&chain, key)).collect();
        approvals.sort_by_key(|approval| approval.validator);
        Transaction::Decide { decision: Encoded::of(&decision), approvals }
    }

    /// A certificate that all validators signed.
    pub fn certificate(&self, height: u64, block: Hash) -> CommitCertificate {
        let chain = self.genesis.chain();
        let message = vote_bytes(&chain, VoteKind::Precommit, height, 0, Some(&block));
        let mut signatures: Vec<_> = self
            .validators
            .iter()
            .map(|key| CommitSignature { validator: key.public(), signature: key.sign(&message) })
            .collect();
        signatures.sort_by_key(|signature| signature.validator);
        CommitCertificate { height, round: 0, block, signatures }
    }
}
