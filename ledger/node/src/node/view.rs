//! What a node tells of its ledger: the answers of the API, from the head and the store.

use std::{collections::BTreeMap, time::SystemTime};

use ledger::{
    chain,
    state::{Member, State, Version},
};
use protocol::{
    api::{
        BlockSummary, Correctable, Event, Health, MemberStatus, Posting, RulesInForce, Settled, StandingOrder, Status,
    },
    block::{Block, Transaction},
    cbor,
    commit::{CommitCertificate, Validator},
    decision::Action,
    instruction::{Instruction, Portion},
    interval::Interval,
    island::ProvedStandby,
    member::{AccountId, MemberId, Movement},
    money::Amount,
    order::PriceLimits,
    origin::Certificates,
    reading::{ChainHead, Registers},
    receipt::{Receipt, ValidatorStep},
    registration::ProvedRegistration,
    settlement::{Entry, Settlement},
    situation::Situation,
};

use super::{Ledger, LedgerError};
use crate::{
    situation::{island_quorum, situation},
    store::{StoreError, damaged},
};

/// A committed block, opened.
pub(super) struct Opened {
    pub(super) block: Block,
    pub(super) certificate: CommitCertificate,
    pub(super) settled: Vec<chain::Settled>,
}

impl Ledger {
    /// What the node says of itself.
    pub fn status(&self) -> Status {
        let head = self.head();
        Status {
            chain: head.state.chain(),
            validator: self.validator(),
            validators: head.state.validators().len() as u64,
            height: head.tip.height,
            block: head.tip.block,
            state_root: head.state_root.hash,
            height_age_ms: head.committed_at.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
            settled: head.state.settled(),
            next: head.state.next(),
            tie_seed: head.state.tie_seed(),
            settlements: head.state.settlements(),
            // Anything but zero is a bug, and one past the type's range not a smaller one.
            balances_sum: Amount::from_nano(i64::try_from(head.state.balances_sum()).unwrap_or(i64::MAX)),
            clock_s: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok().map(|now| now.as_secs() as i64),
            equivocations: self.metrics.consensus.equivocations.get(),
            log_key: self.checkpoints.log_key(),
            witnesses: self.checkpoints.witnesses(),
            island_quorum: island_quorum(&head.state),
            reach: Some(self.reach(head.state.validators())),
        }
    }

    /// At most `limit` members after one, in ascending order of pseudonym.
    pub fn members(&self, after: Option<MemberId>, limit: usize) -> Vec<MemberStatus> {
        let head = self.head();
        let members = head.state.members_after(after).take(limit);
        members.map(|(id, member)| member_status(*id, member, &head.state)).collect()
    }

    /// How a member is registered after the last block, with the proof; none of who is no member, and before the first
    /// block.
    pub fn registration(&self, member: MemberId) -> Result<Option<ProvedRegistration>, LedgerError> {
        let head = self.head();
        let Some((registration, proof)) = head.state.prove_registration(member) else { return Ok(None) };
        let height = head.tip.height;
        if height == 0 {
            return Ok(None);
        }
        let Opened { block, certificate, .. } = self.opened(height)?;
        let (registration, steps) = (registration.clone(), self.steps_before(height)?);
        Ok(Some(ProvedRegistration { member, registration, proof, header: block.header, certificate, steps }))
    }

    /// What is known of a member for an island after the last block, with the proof; none where nothing is, and before
    /// the first block.
    pub fn standby(&self, member: MemberId) -> Result<Option<ProvedStandby>, LedgerError> {
        let head = self.head();
        let Some((standby, proof)) = head.state.prove_standby(member) else { return Ok(None) };
        let height = head.tip.height;
        if height == 0 {
            return Ok(None);
        }
        let Opened { block, certificate, .. } = self.opened(height)?;
        let (standby, steps) = (standby.clone(), self.steps_before(height)?);
        Ok(Some(ProvedStandby { member, standby, proof, header: block.header, certificate, steps }))
    }

    /// The community's situation after the last block, for authorities.
    pub fn situation(&self) -> Result<Situation, LedgerError> {
        let settled = self.head().state.settled();
        let last = settled.map_or(Ok(None), |settled| self.correctable(settled))?;
        let checkpoint = self.checkpoint()?.map(|signed| signed.to_string());
        let head = self.head();
        Ok(situation(self.genesis(), &head.state, last.as_ref(), checkpoint))
    }

    /// The rules of the next interval.
    pub fn rules(&self) -> RulesInForce {
        rules_in_force(&self.head().state)
    }

    /// At most `limit` settled intervals from `from` on, each as it was first settled.
    pub fn settlements(&self, from: Interval, limit: usize) -> Result<Vec<Settled>, LedgerError> {
        Ok(self.shown(self.first_settled(from, limit)?))
    }

    /// At most `limit` settled intervals from `from` on, each as it stands: as it was corrected last.
    pub fn settlements_in_force(&self, from: Interval, limit: usize) -> Result<Vec<Settled>, LedgerError> {
        Ok(self.shown(self.in_force(from, limit)?))
    }

    fn shown(&self, settled: Vec<(u64, chain::Settled)>) -> Vec<Settled> {
        let head = self.head();
        let shown = |(height, found): (u64, chain::Settled)| {
            let settlement = found.transaction;
            let Settlement { interval, price, lines, trades, supplier, operator, tariffs, provisional, .. } =
                found.settlement;
            let corrections = head.state.record(interval).map_or(0, |record| record.corrections);
            Settled {
                interval,
                height,
                settlement,
                price,
                lines,
                trades,
                supplier,
                operator,
                provisional,
                corrections,
                tariffs,
            }
        };
        settled.into_iter().map(shown).collect()
    }

    /// At most `limit` settlements from `from` on, each as it was first booked, and the heights of their blocks.
    fn first_settled(&self, from: Interval, limit: usize) -> Result<Vec<(u64, chain::Settled)>, LedgerError> {
        let mut settled = Vec::new();
        let mut interval = Some(from);
        while let Some(next) = interval.filter(|_| settled.len() < limit) {
            let Some(height) = self.store.height_of(next)? else { break };
            let first = |found: &chain::Settled| found.correction == 0 && found.settlement.interval == next;
            settled.extend(self.opened(height)?.settled.into_iter().filter(first).map(|found| (height, found)));
            interval = next.next();
        }
        Ok(settled)
    }

    /// The settlement of an interval, as it was first settled.
    pub fn settlement(&self, interval: Interval) -> Result<Option<Settlement>, LedgerError> {
        let Some(height) = self.store.height_of(interval)? else { return Ok(None) };
        let mut settled = self.opened(height)?.settled.into_iter().filter(|settled| settled.correction == 0);
        Ok(settled.find(|found| found.settlement.interval == interval).map(|found| found.settlement))
    }

    /// At most `limit` settlements from `from` on, each as it was booked last, and the heights of their blocks.
    fn in_force(&self, from: Interval, limit: usize) -> Result<Vec<(u64, chain::Settled)>, LedgerError> {
        let mut settled = Vec::new();
        let mut interval = Some(from);
        // A block may correct a day, and is opened once for all of it.
        let mut last: Option<(u64, Vec<chain::Settled>)> = None;
        while let Some(next) = interval.filter(|_| settled.len() < limit) {
            let Some(first) = self.store.height_of(next)? else { break };
            let height = self.store.corrections(next)?.last().copied().unwrap_or(first);
            let booked = match last.take() {
                Some((opened, booked)) if opened == height => booked,
                _ => self.opened(height)?.settled,
            };
            let in_force = booked.iter().rfind(|found| found.settlement.interval == next);
            settled.extend(in_force.map(|found| (height, found.clone())));
            last = Some((height, booked));
            interval = next.next();
        }
        Ok(settled)
    }

    /// What a correction of an interval begins with; none if it is not settled, or its readings were pruned.
    pub fn correctable(&self, interval: Interval) -> Result<Option<Correctable>, LedgerError> {
        let Some(inputs) = self.store.inputs(interval)?.filter(|inputs| !inputs.is_empty()) else { return Ok(None) };
        let head = self.head();
        let Some(record) = head.state.record(interval) else { return Ok(None) };
        let (Version { rules, plan, .. }, _) = head.state.rules_at(interval);
        let heights = self.store.corrections(interval)?;
        let settlement = match heights.last() {
            None => self.settlement(interval)?,
            Some(height) => {
                let corrects = |found: &chain::Settled| found.correction > 0 && found.settlement.interval == interval;
                self.opened(*height)?.settled.into_iter().rfind(corrects).map(|found| found.settlement)
            }
        };
        let corrections = u32::try_from(heights.len()).unwrap_or(u32::MAX);
        let late = self.late(interval, &inputs)?;
        Ok(settlement.map(|settlement| Correctable {
            settlement,
            inputs,
            corrections,
            tie_seed: record.tie_seed,
            rules: rules.clone(),
            grid: plan.clone(),
            late,
        }))
    }

    /// The receipts of an interval as it was first settled, in ascending order of member; none if it is not settled.
    pub fn receipts(&self, interval: Interval) -> Result<Vec<Receipt>, LedgerError> {
        let height = self.store.height_of(interval)?;
        self.receipts_at(height, |entry| entry.interval == interval && entry.correction == 0)
    }

    /// The receipts of an interval as it stands, by member.
    pub fn receipts_in_force(&self, interval: Interval) -> Result<BTreeMap<MemberId, Receipt>, LedgerError> {
        // Each takes the place of the one before.
        let all = self.receipts(interval)?.into_iter().chain(self.correction_receipts(interval)?);
        Ok(all.map(|receipt| (receipt.entry.line.member, receipt)).collect())
    }

    /// The receipts of an interval's corrections, in their order, then in ascending order of member.
    pub fn correction_receipts(&self, interval: Interval) -> Result<Vec<Receipt>, LedgerError> {
        let heights = self.store.corrections(interval)?;
        self.receipts_at(heights, |entry| entry.interval == interval && entry.correction > 0)
    }

    fn receipts_at(
        &self,
        heights: impl IntoIterator<Item = u64>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Receipt>, LedgerError> {
        let mut heights: Vec<u64> = heights.into_iter().collect();
        heights.dedup();
        let mut receipts = Vec::new();
        for height in heights {
            let Opened { block, certificate, settled } = self.opened(height)?;
            let steps = self.steps_before(height)?;
            let of_block = chain::receipts(&block.header, &certificate, &settled, &steps);
            receipts.extend(of_block.into_iter().filter(|receipt| wanted(&receipt.entry)));
        }
        Ok(receipts)
    }

    /// How the genesis' validators became those of a height.
    pub(super) fn steps_before(&self, height: u64) -> Result<Vec<ValidatorStep>, LedgerError> {
        let changed = self.store.validator_changes()?.into_iter().take_while(|changed| *changed < height);
        changed.map(|changed| self.step(changed)).collect()
    }

    pub(super) fn step(&self, height: u64) -> Result<ValidatorStep, LedgerError> {
        let Opened { block, certificate, .. } = self.opened(height)?;
        // The last decision of a block about the validators is the one that holds after it.
        let decided = block.transactions.iter().rev().find_map(|transaction| match transaction {
            Transaction::Decide { decision, .. } => match decision.open().ok()?.action {
                Action::SetValidators { validators } => Some(validators),
                _ => None,
            },
            _ => None,
        });
        let validators = decided.ok_or_else(|| {
            let reason = "expected a decision about the validators in it";
            damaged(&*self.store, format!("the block of height {height}"), reason)
        })?;
        Ok(ValidatorStep { header: block.header, certificate, validators })
    }

    /// What was booked to a member's account: the settled intervals among `limit` from `from` on, and whatever else
    /// happened while one of them was open. In the order of the blocks.
    pub fn statement(&self, member: MemberId, from: Interval, limit: usize) -> Result<Vec<Posting>, LedgerError> {
        let mut postings = Vec::new();
        for (height, chain::Settled { settlement, .. }) in self.first_settled(from, limit)? {
            let Some(entry) = settlement.entries(0).find(|entry| entry.line.member == member) else { continue };
            postings.extend(posting(height, &entry, false, Event::Settled(entry.clone())));
        }
        let account = AccountId::Member(member);
        let before = from.offset(i64::try_from(limit).unwrap_or(i64::MAX)).unwrap_or(from);
        for height in self.store.events(account, from, before)? {
            postings.extend(self.events_of(account, height)?);
        }
        postings.sort_by_key(|posting| posting.height);
        Ok(postings)
    }

    /// What happened on an account in a block beside plain settlements.
    fn events_of(&self, account: AccountId, height: u64) -> Result<Vec<Posting>, LedgerError> {
        let Opened { block, settled, .. } = self.opened(height)?;
        let mut postings = Vec::new();
        let mut show = |movement: Option<Movement<'_>>| {
            let Some(Movement { from, to, amount, reference }) = movement else { return };
            let reference = reference.to_owned();
            if from == account {
                let amount = amount.checked_neg().unwrap_or(Amount::ZERO);
                postings.push(Posting { height, amount, event: Event::Transfer { with: to, reference } });
            } else if to == account {
                postings.push(Posting { height, amount, event: Event::Transfer { with: from, reference } });
            }
        };
        for transaction in &block.transactions {
            match transaction {
                Transaction::Instruct(sealed) => {
                    let Ok(instruction) = sealed.open::<Instruction>(&self.chain(), |_| true) else { continue };
                    show(instruction.movement());
                }
                Transaction::Decide { decision, .. } => {
                    let Ok(decision) = decision.open() else { continue };
                    show(decision.action.movement());
                }
                Transaction::Settle { .. }
                | Transaction::PlaceOrder(_)
                | Transaction::CommitReading(_)
                | Transaction::ReportConflict { .. }
                | Transaction::ReportStatus(_) => {}
            }
        }
        for chain::Settled { settlement, reversed, correction, .. } in settled {
            let Some(reversed) = reversed else { continue };
            let own = |entry: &Entry| AccountId::Member(entry.line.member) == account;
            let before = reversed.entries(correction - 1).find(own);
            let after = settlement.entries(correction).find(own);
            postings.extend(before.and_then(|entry| posting(height, &entry, true, Event::Reversed(entry.clone()))));
            postings.extend(after.and_then(|entry| posting(height, &entry, false, Event::Corrected(entry.clone()))));
        }
        Ok(postings)
    }

    /// The certificates of at most `limit` intervals from `from` on that a member holds or has retired; all, without
    /// one.
    pub fn certificates(&self, holder: Option<MemberId>, from: Interval, limit: usize) -> Vec<Certificates> {
        let head = self.head();
        let recorded = head.state.recorded().skip_while(|interval| *interval < from).take(limit);
        let mut found = Vec::new();
        for interval in recorded {
            for issue in head.state.record(interval).map(|record| record.issues).unwrap_or_default() {
                for (first, bundle) in issue.numbered() {
                    let portion = Portion { interval, device: issue.device, first, energy: bundle.energy };
                    if holder.is_none_or(|holder| holder == bundle.holder) {
                        found.push(Certificates {
                            portion,
                            producer: issue.producer,
                            technology: issue.technology,
                            holder: bundle.holder,
                            retired: bundle.retired,
                        });
                    }
                }
            }
        }
        found
    }

    /// The block of a height; none if there is no such block yet.
    pub fn block(&self, height: u64) -> Result<Option<BlockSummary>, LedgerError> {
        if height == 0 || height > self.head().tip.height {
            return Ok(None);
        }
        let Opened { block, certificate, settled } = self.opened(height)?;
        Ok(Some(BlockSummary {
            block: block.header.hash(),
            header: block.header,
            certificate,
            transactions: block.transactions.iter().map(Transaction::id).collect(),
            intervals: settled.iter().map(|settled| settled.settlement.interval).collect(),
        }))
    }

    /// The validators of the next height.
    pub fn validators(&self) -> Vec<Validator> {
        self.head().state.validators().to_vec()
    }

    /// Whether a block was committed within the last `height_age_ms_max` milliseconds.
    pub fn health(&self, height_age_ms_max: u64) -> Health {
        let head = self.head();
        let age = head.committed_at.unwrap_or(self.opened_at).elapsed();
        let height_age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Health { healthy: height_age_ms < height_age_ms_max, height: head.tip.height, height_age_ms, height_age_ms_max }
    }

    pub(super) fn opened(&self, height: u64) -> Result<Opened, LedgerError> {
        let stored = self.store.block(height)?.ok_or(StoreError::Missing { height })?;
        let block: Block = cbor::decode(&stored.body)
            .map_err(|error| damaged(&*self.store, format!("the block of height {height}"), error))?;
        let settled = chain::settlements(&self.chain(), &block)
            .map_err(|error| damaged(&*self.store, format!("a settlement in the block of height {height}"), error))?;
        Ok(Opened { block, certificate: stored.certificate, settled })
    }
}

/// What an entry moved, or moved back. Its net fits an amount, because it was booked.
fn posting(height: u64, entry: &Entry, reverse: bool, event: Event) -> Option<Posting> {
    let net = entry.line.net()?;
    let amount = if reverse { net.checked_neg()? } else { net };
    Some(Posting { height, amount, event })
}

/// A member, while `open` is the next interval to settle.
fn member_status(id: MemberId, member: &Member, state: &State) -> MemberStatus {
    let open = state.next();
    let quotas = state.standby(id).map(|standby| standby.quotas.clone()).unwrap_or_default();
    let ChainHead { sequence, hash, interval, registers: Registers { import_wh, export_wh } } = *member.head();
    let account = member.account();
    MemberStatus {
        member: id,
        balance: account.balance(),
        debits: account.debits(),
        credits: account.credits(),
        key: member.key(),
        device: member.device(),
        rated_power_w: member.rated_power_w(),
        bus: member.bus().map(str::to_owned),
        technology: member.technology(),
        sequence,
        reading: hash,
        read: interval,
        import_wh,
        export_wh,
        committed: member.committed().cloned(),
        order: member.standing(open).map(|order| {
            let PriceLimits { buy, sell, buy_cap, sell_cap } = order.limits();
            StandingOrder { buy, sell, buy_cap, sell_cap }
        }),
        order_sequence: member.order_sequence(),
        instruction_sequence: member.instruction_sequence(),
        quotas,
    }
}

/// The rules of the next interval to settle.
fn rules_in_force(state: &State) -> RulesInForce {
    let (Version { from, rules, plan }, _) = state.rules_at(state.next());
    RulesInForce {
        interval: state.next(),
        from: *from,
        rules: rules.clone(),
        grid: plan.clone(),
        market: state.market(),
        decision_sequence: state.decision_sequence(),
    }
}
