//! After each block: the log is extended, a validator cosigns it, and what the validators have cosigned is served.

use std::sync::Arc;

use protocol::{
    cbor,
    checkpoint::{Cosigned, SignedCheckpoint},
    log::LogProof,
    merkle::MerkleRoot,
};

use super::{Published, Served, gathered::Gathering, metrics::OTHER_HISTORY};
use crate::{
    node::{Ledger, LedgerError, gossip::Verdict, now_s},
    store::StoreError,
};

/// Sizes that are cosigned at once. Of more, as after a long absence, the last ones.
pub(super) const COSIGNED_AT_ONCE_MAX: usize = 16;
/// Bytes of a cosignature on its way: as many as its numbers may need.
const COSIGNED_BYTES_MAX: usize = 320;

/// Keeps the log beside the chain until the node ends.
pub(in crate::node) async fn run(ledger: Arc<Ledger>) {
    let mut committed = ledger.committed();
    loop {
        committed.mark_unchanged();
        let kept = ledger.clone();
        match tokio::task::spawn_blocking(move || kept.keep_log()).await {
            Ok(Ok(true)) => {}
            // A ledger of before there was a log: between two parts of it the node can be stopped.
            Ok(Ok(false)) => continue,
            Ok(Err(error)) => {
                ledger.metrics.checkpoints.failed("log");
                tracing::error!(%error, "the log of headers cannot be extended; the chain goes on without it");
            }
            Err(error) => tracing::error!(%error, "the log of headers was not extended"),
        }
        // An error means that the ledger itself is gone, with the node.
        if committed.changed().await.is_err() {
            return;
        }
    }
}

impl Ledger {
    /// Extends the log, and cosigns what is new once all blocks are in it; says whether they are.
    fn keep_log(&self) -> Result<bool, LedgerError> {
        let first = self.checkpoints.gathered().last_reached();
        let size = self.extend_log()?;
        if size < self.store.height()? {
            return Ok(false);
        }
        if first.is_none() {
            self.take_up_checkpoint(size)?;
        }
        let first = first.unwrap_or_default().max(size.saturating_sub(COSIGNED_AT_ONCE_MAX as u64));
        for size in first + 1..=size {
            let root = self.log(size).root()?;
            for cosigned in self.checkpoints.gathered().reach(&root) {
                self.tell_of_another_history(&cosigned);
            }
            self.cosign(&root);
        }
        self.metrics.checkpoints.log_size.set(i64::try_from(size).unwrap_or(i64::MAX));
        self.publish()?;
        Ok(true)
    }

    fn cosign(&self, root: &MerkleRoot) {
        let Some(validator) = self.checkpoints.keys.get().and_then(|keys| keys.validator.as_ref()) else { return };
        let cosigned = Cosigned::sign(&self.chain(), root, validator, now_s().unsigned_abs());
        if self.take_cosigned(&cosigned) == Gathering::New {
            self.checkpoints.tell(cbor::encode(&cosigned));
        }
    }

    /// Tells the other nodes of what this one cosigned last again, for one that has come.
    pub(in crate::node) fn tell_cosigned_again(&self) {
        let own = self.validator().and_then(|validator| self.checkpoints.gathered().last_of(&validator));
        if let Some(cosigned) = own {
            self.checkpoints.tell(cbor::encode(&cosigned));
        }
    }

    fn take_cosigned(&self, cosigned: &Cosigned) -> Gathering {
        let head = self.head();
        let taken = self.checkpoints.gathered().take(&self.chain(), head.state.validators(), head.tip.height, cosigned);
        if taken == Gathering::OtherHistory {
            self.tell_of_another_history(cosigned);
        }
        taken
    }

    /// Takes in a cosignature that another node sent.
    pub(in crate::node) fn take_in_cosigned(&self, message: &[u8]) -> Verdict {
        let cosigned = match cbor::decode::<Cosigned>(message) {
            Ok(cosigned) if message.len() <= COSIGNED_BYTES_MAX => cosigned,
            _ => return Verdict::Rejected("malformed".into()),
        };
        match self.take_cosigned(&cosigned) {
            Gathering::New => {
                if let Err(error) = self.publish() {
                    tracing::error!(%error, "what validators have cosigned cannot be served");
                }
                Verdict::Accepted
            }
            Gathering::Known => Verdict::Ignored("waiting".into()),
            // A node that is some blocks ahead or behind, and one that has not heard of a new validator, are honest.
            Gathering::OutOfReach => Verdict::Ignored("out_of_reach".into()),
            Gathering::NoValidator => Verdict::Ignored("no_validator".into()),
            Gathering::OtherHistory => Verdict::Ignored("other_history".into()),
            Gathering::BadSignature => Verdict::Rejected("bad_signature".into()),
        }
    }

    fn tell_of_another_history(&self, cosigned: &Cosigned) {
        self.metrics.checkpoints.failed(OTHER_HISTORY);
        let Cosigned { size, root, cosigner, .. } = cosigned;
        tracing::error!(
            validator = %cosigner.validator, size, %root,
            "a validator has cosigned another history of the ledger than this node's; ask its operator, and compare /v1/blocks"
        );
    }

    /// Serves the largest checkpoint that enough validators have cosigned, if it is new.
    fn publish(&self) -> Result<(), StoreError> {
        let Some(keys) = self.checkpoints.keys.get() else { return Ok(()) };
        let head = self.head();
        let enough = self.checkpoints.gathered().enough(&self.chain(), head.state.validators());
        let Some((checkpoint, lines)) = enough else { return Ok(()) };
        let size = checkpoint.root.leaves;
        let served = |served: &Served| served.latest.as_ref().map_or(0, Published::size);
        if served(&self.checkpoints.served()) >= size {
            return Ok(());
        }
        let steps = self.steps_before(head.tip.height + 1).map_err(|error| match error {
            LedgerError::Store(error) => error,
            LedgerError::State(error) => crate::store::damaged(&*self.store, "the validators", error),
        })?;
        let (secret, key) = &keys.log;
        let mut signed = SignedCheckpoint::sign(checkpoint, secret, key);
        let mut cosigners = Vec::with_capacity(lines.len());
        for (cosigner, line) in lines {
            cosigners.push(cosigner);
            signed.add(line);
        }
        let published = Published { checkpoint: signed, steps, cosigners, witnesses: 0 };
        let mut now = self.checkpoints.served();
        if served(&now) < size {
            now.serve(published);
            drop(now);
            self.metrics.checkpoints.cosigned_size.set(i64::try_from(size).unwrap_or(i64::MAX));
            self.checkpoints.cosigned.send_replace(size);
        }
        Ok(())
    }

    /// Serves again what witnesses had seen before the node was stopped, if it is of this log.
    fn take_up_checkpoint(&self, size: u64) -> Result<(), StoreError> {
        let Some(keys) = self.checkpoints.keys.get() else { return Ok(()) };
        let Ok(text) = std::fs::read_to_string(&keys.file) else { return Ok(()) };
        let Ok(LogProof { extra, checkpoint, .. }) = text.parse() else {
            tracing::warn!(file = %keys.file.display(), "expected a checkpoint, found another text; it is written anew");
            return Ok(());
        };
        let root = checkpoint.checkpoint().root;
        if root.leaves > size || self.log(root.leaves).root()? != root {
            tracing::error!(
                file = %keys.file.display(),
                "the checkpoint that was shown to witnesses is not of this ledger; keep it, and compare with other nodes"
            );
            return Ok(());
        }
        let witnesses = checkpoint.note().signatures().len().saturating_sub(1 + extra.cosigners.len());
        let published = Published { checkpoint, steps: extra.steps, cosigners: extra.cosigners, witnesses };
        self.checkpoints.served().serve(published);
        self.checkpoints.cosigned.send_replace(root.leaves);
        Ok(())
    }
}
