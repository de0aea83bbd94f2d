//! What a node tells of its ledger: the answers of the API, from the head and the store.

use protocol::{
    api::{BlockSummary, Health, MemberStatus, Settled, Status},
    block::{Block, Transaction},
    cbor,
    certificate::{CommitCertificate, Validator},
    interval::Interval,
    member::MemberId,
    money::Amount,
    receipt::Receipt,
    settlement::{Entry, Settlement, SignedSettlement},
};

use super::{Ledger, LedgerError};
use crate::chain;

/// A committed block, opened.
struct Opened {
    block: Block,
    certificate: CommitCertificate,
    settlements: Vec<SignedSettlement>,
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
        }
    }

    /// All members, in ascending order of pseudonym.
    pub fn members(&self) -> Vec<MemberStatus> {
        let head = self.head();
        head.state.members().map(|(id, member)| member.status(*id, head.state.next())).collect()
    }

    /// At most `limit` settled intervals from `from` on.
    pub fn settlements(&self, from: Interval, limit: usize) -> Result<Vec<Settled>, LedgerError> {
        let mut settled = Vec::new();
        let mut interval = Some(from);
        while let Some(next) = interval.filter(|_| settled.len() < limit) {
            let Some(height) = self.store.height_of(next)? else { break };
            let opened = self.opened(height)?;
            settled.extend(opened.settlements.iter().filter(|found| found.interval == next).map(|found| {
                let Settlement { interval, price, lines, trades, supplier, operator, readings: _, minted: _ } =
                    found.payload();
                Settled {
                    interval: *interval,
                    height,
                    settlement: found.hash(),
                    price: *price,
                    lines: lines.clone(),
                    trades: trades.clone(),
                    supplier: *supplier,
                    operator: *operator,
                }
            }));
            interval = next.next();
        }
        Ok(settled)
    }

    /// The settlement of an interval.
    pub fn settlement(&self, interval: Interval) -> Result<Option<Settlement>, LedgerError> {
        let Some(height) = self.store.height_of(interval)? else { return Ok(None) };
        let settlements = self.opened(height)?.settlements;
        Ok(settlements.into_iter().find(|found| found.interval == interval).map(|found| found.payload().clone()))
    }

    /// The receipts of an interval, in ascending order of member; none if it is not settled.
    pub fn receipts(&self, interval: Interval) -> Result<Vec<Receipt>, LedgerError> {
        let Some(height) = self.store.height_of(interval)? else { return Ok(Vec::new()) };
        let Opened { block, certificate, settlements } = self.opened(height)?;
        let mut receipts = chain::receipts(&block.header, &certificate, &settlements);
        receipts.retain(|receipt| receipt.entry.interval == interval);
        Ok(receipts)
    }

    /// A member's entries of at most `limit` settled intervals from `from` on: none where it was not read.
    pub fn statement(&self, member: MemberId, from: Interval, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let settled = self.settlements(from, limit)?;
        let entry = |settled: &Settled| {
            let line = settled.lines.iter().find(|line| line.member == member)?;
            Some(Entry { interval: settled.interval, price: settled.price, line: *line })
        };
        Ok(settled.iter().filter_map(entry).collect())
    }

    /// The block of a height; none if there is no such block yet.
    pub fn block(&self, height: u64) -> Result<Option<BlockSummary>, LedgerError> {
        if height == 0 || height > self.head().tip.height {
            return Ok(None);
        }
        let Opened { block, certificate, settlements } = self.opened(height)?;
        Ok(Some(BlockSummary {
            block: block.header.hash(),
            header: block.header,
            certificate,
            transactions: block.transactions.iter().map(Transaction::id).collect(),
            intervals: settlements.iter().map(|settlement| settlement.interval).collect(),
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

    fn opened(&self, height: u64) -> Result<Opened, LedgerError> {
        let stored = self.store.block(height)?.ok_or_else(|| crate::store::StoreError::Damaged {
            key: format!("a block of height {height}"),
            reason: "it is missing".into(),
        })?;
        let block: Block = cbor::decode(&stored.body).map_err(|error| LedgerError::Block { height, error })?;
        let settlements =
            chain::settlements(&self.chain(), &block).map_err(|error| crate::store::StoreError::Damaged {
                key: format!("a settlement in the block of height {height}"),
                reason: error.to_string(),
            })?;
        Ok(Opened { block, certificate: stored.certificate, settlements })
    }
}
