//! A state that another device key of the same meter goes on with: receipts, sums and orders stay, and what the old key
//! has signed goes.

use protocol::{cbor, envelope::ChainId};

use super::{HEAD, OWNER, Owner, READING, Store, StoreError};
use crate::signed::Signed;

impl Store {
    /// Makes the state that of the device of `signed`, which goes on from there. Done again, it does the same; stopped
    /// in between, it is nobody's that could sign with it.
    pub(crate) fn hand_over(&self, signed: Signed, chain: ChainId) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        // No reading of the old key is taken any more, and its numbers are the new one's.
        for key in self.db.scan_prefix([READING]).keys() {
            let key = key.map_err(|error| self.damaged(error))?;
            if key.len() == 9 {
                batch.remove(key);
            }
        }
        batch.remove(HEAD);
        batch.insert(OWNER, cbor::encode(&Owner { device: signed.device, chain }));
        self.commit(batch)?;
        self.join(signed, chain)
    }
}
