//! The database, brought together with the record of the last signature: whatever happened to the one, the other knows.

use std::collections::BTreeMap;

use protocol::{cbor, envelope::ChainId, key::DeviceId, reading::ChainHead};

use super::{HEAD, ORDER, OWNER, Owner, READING, Store, StoreError, key};
use crate::{
    record::{OrderRecord, ReadingRecord},
    signed::{self, Doubt, Found, Signed},
};

/// Says that the database was made, or taken over, by a build that keeps the last signature apart from it.
pub(super) const APART: &[u8] = b"apart";

/// What is known of the last signature, and what is not.
#[derive(Debug)]
pub(crate) enum Known {
    /// All that was signed, and whether the database lacked some of it.
    All {
        /// What was signed.
        signed: Signed,
        /// The database was lost, or set back: what it had beside may be missing.
        lacked: bool,
    },
    /// Perhaps not all; with the latest that was found.
    Doubtful(Doubt, Signed),
}

impl Store {
    /// What is known of the last signature of `device`. Changes nothing.
    pub(crate) fn known(&self, device: DeviceId, chain: ChainId) -> Result<Known, StoreError> {
        let other = |device, chain| StoreError::OtherOwner { path: self.path.clone(), device, chain };
        let owner = self.get::<Owner>(OWNER)?;
        if let Some(owner) = owner.as_ref().filter(|owner| owner.device != device || owner.chain != chain) {
            return Err(other(owner.device, owner.chain));
        }
        let found = self.guarded(|| signed::read(&self.path).map_err(|error| self.failed(error)))?;
        let here = self.signed_here(device, chain)?;
        let check = |signed: Signed| match signed {
            Signed { device: found, chain: found_chain, .. }
                if found != device || found_chain.is_some_and(|found| found != chain) =>
            {
                Err(other(found, found_chain.unwrap_or(chain)))
            }
            signed => Ok(signed),
        };
        Ok(match found {
            Found::Known(signed) => {
                let signed = check(signed)?;
                if signed.sequence() == here.sequence() && signed.head != here.head {
                    return Err(StoreError::TwoHistories { path: self.path.clone(), sequence: signed.sequence() });
                }
                let lacked = here.sequence() < signed.sequence();
                Known::All { signed: later(signed, here), lacked }
            }
            // Made by a build that kept all of it in the database.
            Found::Doubtful(Doubt::Missing, _) if owner.is_some() && !self.has(APART)? => {
                let has_readings = self.db.scan_prefix([READING]).keys().flatten().any(|key| key.len() == 9);
                if here.head.is_none() && has_readings {
                    Known::Doubtful(Doubt::Damaged, here)
                } else {
                    Known::All { signed: here, lacked: false }
                }
            }
            Found::Doubtful(doubt, hint) => {
                let hint = hint.map_or(Ok(Signed::nothing(device)), check)?;
                Known::Doubtful(doubt, later(hint, here))
            }
        })
    }

    /// Writes what was signed last to both: the database is made to have it, and the record is written anew.
    pub(crate) fn join(&self, mut signed: Signed, chain: ChainId) -> Result<(), StoreError> {
        signed.chain = Some(chain);
        let mut batch = sled::Batch::default();
        batch.insert(OWNER, cbor::encode(&Owner { device: signed.device, chain }));
        for (sequence, record) in &signed.unsettled {
            if self.reading(*sequence)?.is_none() {
                batch.insert(key(READING, *sequence).as_slice(), cbor::encode(record));
            }
        }
        if let Some(head) = &signed.head {
            batch.insert(HEAD, cbor::encode(head));
        }
        self.commit(batch)?;
        self.write_signed(signed)?;
        // Last: from here on a record that is missing is lost.
        let mut batch = sled::Batch::default();
        batch.insert(APART, &[]);
        self.commit(batch)
    }

    fn signed_here(&self, device: DeviceId, chain: ChainId) -> Result<Signed, StoreError> {
        let (readings, _) = self.scan::<ReadingRecord>(READING)?;
        let (orders, _) = self.scan::<OrderRecord>(ORDER)?;
        let mut signed = Signed::nothing(device);
        signed.chain = Some(chain);
        signed.order = orders.last().map_or(0, |(sequence, _)| *sequence);
        if let Some(head) = self.get::<ChainHead>(HEAD)? {
            let unsettled: Vec<_> = readings.into_iter().filter(|(_, record)| !record.settled).collect();
            signed.append(&unsettled, &head);
        }
        Ok(signed)
    }

    fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.guarded(|| self.db.contains_key(key).map_err(|error| self.damaged(error)))
    }
}

/// All that either knows. The head is the later one: a reading that is known is signed, whether or not it was sent.
fn later(a: Signed, b: Signed) -> Signed {
    let (early, late) = if a.sequence() < b.sequence() { (a, b) } else { (b, a) };
    let order = early.order.max(late.order);
    let mut unsettled: BTreeMap<u64, ReadingRecord> = early.unsettled.into_iter().collect();
    unsettled.extend(late.unsettled);
    Signed { unsettled: unsettled.into_iter().collect(), order, ..late }
}
