//! Readings that came late: which of them a settlement took in, and of which intervals they are. A reading says only
//! where the registers stand, so what it measures follows from the one before it, which an earlier settlement took in.

use std::collections::BTreeMap;

use market::metering;
use protocol::{
    api::Late,
    block::{Block, Transaction},
    correction::MemberInput,
    envelope::Sealed,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    member::MemberId,
    reading::{ChainHead, Reading, SignedReading},
    settlement::Settlement,
};

use super::{Ledger, LedgerError};

impl Ledger {
    /// What came late and was settled with an interval. Nothing of a device whose reading before was pruned, or stood
    /// in the decision that registered it.
    pub(super) fn late(&self, interval: Interval, inputs: &[MemberInput]) -> Result<Vec<Late>, LedgerError> {
        let Some(Settling { settlement, readings }) = self.settling(interval)? else { return Ok(Vec::new()) };
        let unread = settlement.provisional.map(|provisional| provisional.unread).unwrap_or_default();
        let members: BTreeMap<DeviceId, MemberId> =
            inputs.iter().filter_map(|input| Some((input.device?, input.member))).collect();
        let mut late = Vec::new();
        let mut found = |head: &ChainHead, member: MemberId, run: &[SignedReading]| {
            for metering::Late { from, to, flow } in metering::late(head, run, interval).unwrap_or_default() {
                late.push(Late { member, from, to, import: flow.import, export: flow.export });
            }
        };
        // By the hash of the reading before.
        let mut wanted: BTreeMap<Hash, (MemberId, &[SignedReading])> = BTreeMap::new();
        for run in readings.chunk_by(|a, b| a.signer() == b.signer()) {
            let Some(member) = members.get(&run[0].signer()) else { continue };
            // One reading, and the interval was measured: it came in time.
            if run.len() == 1 && !unread.contains(member) {
                continue;
            }
            match self.first_head(&run[0]) {
                Some(head) => found(&head, *member, run),
                None => {
                    wanted.insert(run[0].previous, (*member, run));
                }
            }
        }
        wanted.retain(|_, (_, run)| run[0].sequence > 1);
        let mut earlier = interval.offset(-1);
        while let Some(before) = earlier.filter(|_| !wanted.is_empty()) {
            let Some(Settling { settlement, readings }) = self.settling(before)? else { break };
            let pruned = readings.len() < settlement.readings.len();
            if pruned {
                break;
            }
            for reading in &readings {
                if let Some((member, run)) = wanted.remove(&reading.hash()) {
                    found(&ChainHead::after(reading), member, run);
                }
            }
            earlier = before.offset(-1);
        }
        late.sort_by_key(|late| (late.member, late.from));
        Ok(late)
    }

    /// Where the chain of a genesis' device begins, if this is its first reading.
    fn first_head(&self, reading: &SignedReading) -> Option<ChainHead> {
        let genesis = self.genesis();
        let member = genesis.members.iter().find(|member| member.device == reading.signer());
        let member = member.filter(|_| reading.sequence == 1)?;
        let interval = genesis.first_interval.offset(-1)?;
        Some(ChainHead { sequence: 0, hash: Hash::ZERO, interval, registers: member.registers() })
    }

    /// An interval as it was first settled; none if it is not.
    fn settling(&self, interval: Interval) -> Result<Option<Settling>, LedgerError> {
        let Some(height) = self.store.height_of(interval)? else { return Ok(None) };
        Ok(settling(&self.opened(height)?.block, interval))
    }
}

/// A settlement and the readings that it took in, by device and sequence number; without any where they were pruned.
struct Settling {
    settlement: Settlement,
    readings: Vec<SignedReading>,
}

fn settling(block: &Block, interval: Interval) -> Option<Settling> {
    let chain = block.header.chain;
    block.transactions.iter().find_map(|transaction| {
        let Transaction::Settle { settlement, readings } = transaction else { return None };
        // Signatures were verified before the block was committed.
        let settlement = settlement.open::<Settlement>(&chain, |_| true).ok()?.payload().clone();
        let open = |sealed: &Sealed| sealed.open::<Reading>(&chain, |_| true).ok();
        let readings = readings.iter().filter_map(open).collect();
        (settlement.interval == interval).then_some(Settling { settlement, readings })
    })
}
