//! Decisions: what the validators change together.

use std::sync::Arc;

use market::grid::Grid;
use protocol::{
    cbor::Encoded,
    commit::{CommitSignature, Validator},
    decision::{Action, Decision},
    envelope::EnvelopeError,
    genesis::{GenesisMember, GridPlan, Rules},
    interval::Interval,
    key::{DeviceId, PublicKey},
    limits::{MEMBERS_MAX, SCHEDULED_MAX, VALIDATORS_MAX},
    member::check_name,
};

use super::{Applied, Change, Member, Refusal, State, Version, entries::Key, rulebook::check_terms};

impl State {
    /// Carries out the next decision, if more than two thirds of the present validators' power approve: before that is
    /// known, nothing in it is decoded.
    pub(super) fn decide(
        &mut self,
        encoded: &Encoded<Decision>,
        approvals: &[CommitSignature],
    ) -> Result<Applied, Refusal> {
        let id = encoded.id();
        // Those who approved it may be validators no more, because of what it decided.
        if id == self.totals.decision {
            return Err(Refusal::Exists);
        }
        encoded.check_approvals(&self.chain, approvals, &self.totals.validators).map_err(Refusal::NotApproved)?;
        let decision =
            encoded.open().map_err(|error| Refusal::Malformed(EnvelopeError::BadContent(error.to_string())))?;
        let applied = self.enact(&decision)?;
        self.totals.decision = id;
        Ok(applied)
    }

    /// Whether a decision could be carried out now, if enough validators approved it.
    pub fn would_decide(&self, decision: &Decision) -> Result<(), Refusal> {
        self.clone().enact(decision).map(drop)
    }

    fn enact(&mut self, decision: &Decision) -> Result<Applied, Refusal> {
        let last = self.totals.decision_sequence;
        let expected = last.checked_add(1).ok_or(Refusal::NumbersExhausted { last })?;
        if decision.sequence != expected {
            return Err(Refusal::DecisionNotNext { expected, found: decision.sequence });
        }
        let applied = match &decision.action {
            Action::RegisterMember(member) => self.register(member).map(|()| Applied::Decided),
            Action::ReplaceMeter { member, device, registers, rated_power_w, technology } => {
                self.member(*member)?;
                self.check_device_free(device)?;
                self.schedule(Change::Meter {
                    member: *member,
                    device: *device,
                    registers: *registers,
                    rated_power_w: *rated_power_w,
                    technology: *technology,
                })
                .map(|()| Applied::Decided)
            }
            Action::RevokeDevice { member } => self.revoke_device(*member).map(|()| Applied::Decided),
            Action::ReplaceKey { member, key } => {
                self.member(*member)?;
                self.check_key_free(key)?;
                self.change_member(*member, |member| member.set_key(*key));
                Ok(Applied::Decided)
            }
            Action::SetRules { from, rules, grid } => {
                self.set_rules(*from, rules, grid.as_deref()).map(|()| Applied::Decided)
            }
            Action::SetMarket { key } => self.schedule(Change::Market(*key)).map(|()| Applied::Decided),
            Action::SetValidators { validators } => self.set_validators(validators).map(|()| Applied::Decided),
            Action::Transfer { from, to, amount, reference } => {
                self.check_transfer(*from, *to, *amount, reference)?;
                self.transfer(*from, *to, *amount).map(|()| Applied::Decided)
            }
            Action::Correct(correction) => self.correct(correction).map(|booked| Applied::Booked(Box::new(booked))),
            Action::DeclareIsland { from, until } => self.declare_island(*from, *until).map(|()| Applied::Decided),
            Action::EndIsland { from } => self.end_island(*from).map(|()| Applied::Decided),
            Action::TrueUp(corrections) => self.true_up(corrections).map(Applied::TruedUp),
        }?;
        self.totals.decision_sequence = decision.sequence;
        self.leaves.touch(Key::Totals);
        Ok(applied)
    }

    fn register(&mut self, registered: &GenesisMember) -> Result<(), Refusal> {
        let id = registered.member;
        if let Some(known) = self.members.get(&id) {
            let fields = [
                ("key", known.key() == registered.key),
                ("device", known.device() == Some(registered.device)),
                ("rated_power_w", known.rated_power_w() == registered.rated_power_w),
                ("bus", known.bus() == registered.bus.as_deref()),
                ("technology", known.technology() == registered.technology),
            ];
            let different = fields.into_iter().find(|(_, same)| !same);
            return Err(different.map_or(Refusal::Exists, |(field, _)| Refusal::ExistsWithDifferent(field)));
        }
        if self.members.len() >= MEMBERS_MAX {
            return Err(Refusal::TooManyMembers);
        }
        if let Some(bus) = &registered.bus {
            check_name(bus).map_err(Refusal::BadName)?;
        }
        self.check_key_free(&registered.key)?;
        self.check_device_free(&registered.device)?;
        for grid in self.rulebook.grids_from(self.totals.next) {
            grid.bus(registered.bus.as_deref()).map_err(Refusal::BadGrid)?;
        }
        let member = Member::register(registered, self.totals.next);
        Arc::make_mut(&mut self.directory).add(id, &member);
        self.members.insert(id, member);
        for key in [Key::Account(id), Key::Head(id), Key::Member(id)] {
            self.leaves.touch(key);
        }
        Ok(())
    }

    fn set_rules(&mut self, from: Interval, rules: &Rules, plan: Option<&GridPlan>) -> Result<(), Refusal> {
        let open = self.totals.next;
        if from.since(open).is_none_or(|intervals| intervals < 1) {
            return Err(Refusal::RulesTooEarly { open, found: from });
        }
        if self.island().is_some() {
            return Err(Refusal::Islanded);
        }
        rules.check().map_err(Refusal::BadRules)?;
        rules.check_pack(&self.currency, from).map_err(Refusal::PackUnfit)?;
        if let Some(meter) = &rules.transformer {
            self.member(meter.member)?;
        }
        if self.rulebook.versions().filter(|version| version.from > open).count() >= SCHEDULED_MAX {
            return Err(Refusal::TooManyScheduled);
        }
        let plan = plan.cloned().or_else(|| self.rules_at(from).0.plan.clone());
        let grid = Grid::of(plan.as_ref()).map_err(Refusal::BadGrid)?;
        for member in self.members.values() {
            grid.bus(member.bus()).map_err(Refusal::BadGrid)?;
        }
        let version = Version { from, rules: rules.clone(), plan };
        check_terms(&version, &grid)?;
        Arc::make_mut(&mut self.rulebook).set(version, grid);
        self.leaves.touch(Key::Rules);
        Ok(())
    }

    fn set_validators(&mut self, validators: &[Validator]) -> Result<(), Refusal> {
        let bad = |reason| Err(Refusal::BadValidators { reason });
        if validators.is_empty() || validators.len() > VALIDATORS_MAX {
            return bad("expected 1 to 100 validators");
        }
        if !validators.is_sorted_by(|a, b| a.key < b.key) {
            return bad("expected validators in strictly ascending order of key");
        }
        if validators.iter().any(|validator| validator.power == 0 || validator.power > 1 << 32) {
            return bad("expected a voting power of 1 to 2^32 each");
        }
        if validators == self.totals.validators {
            return bad("expected other validators than the present ones");
        }
        self.totals.validators = validators.to_vec();
        Ok(())
    }

    pub(super) fn check_key_free(&self, key: &PublicKey) -> Result<(), Refusal> {
        if self.directory.member_of_key(key).is_some() { Err(Refusal::KeyInUse(*key)) } else { Ok(()) }
    }

    pub(super) fn check_device_free(&self, device: &DeviceId) -> Result<(), Refusal> {
        let scheduled = || self.schedule.changes().any(|change| change.device() == Some(*device));
        if self.directory.member_of_device(device).is_some() || scheduled() {
            return Err(Refusal::DeviceInUse(*device));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        genesis::Genesis,
        key::SecretKey,
        member::{AccountId, MemberId},
        money::Amount,
    };

    use super::*;

    #[test]
    fn after_the_last_number_nothing_is_decided_any_more() {
        let key = |seed| SecretKey::from_seed(&[seed; 32]);
        let member = GenesisMember {
            member: MemberId::from_bytes([7; 16]),
            key: key(1).public(),
            device: key(2).public(),
            rated_power_w: 10_000,
            bus: None,
            import_wh: 0,
            export_wh: 0,
            technology: None,
        };
        let genesis = Genesis {
            community: "test".into(),
            currency: "EUR".into(),
            first_interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
            market: key(3).public(),
            validators: vec![Validator { key: key(4).public(), power: 1 }],
            members: vec![member],
            grid: None,
            time_zone: None,
        };
        let mut state = State::genesis(&genesis).unwrap();
        state.totals.decision_sequence = u64::MAX;
        let (from, to) = (AccountId::Supplier, AccountId::Operator);
        let action = Action::Transfer { from, to, amount: Amount::from_nano(1), reference: "test".into() };
        let decision = Decision { sequence: u64::MAX, action };
        let approvals = [decision.approve(&genesis.chain(), &key(4))];
        let refused = state.decide(&Encoded::of(&decision), &approvals);
        assert_eq!(refused.map(drop).unwrap_err().name(), "numbers_exhausted");
    }
}
