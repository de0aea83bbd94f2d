//! Shows checkpoints to witnesses, each by itself: one that does not answer, or answers nonsense, holds up nobody.

use std::{fs, path::Path, sync::Arc, time::Duration};

use ledger_client::Client;
use protocol::{
    api::WitnessStatus,
    checkpoint::add_checkpoint,
    hash::Hash,
    note::{NoteKey, NoteSignature},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Published,
    answer::{self, ANSWER_BYTES_MAX, Answer, Fault},
    settings::WitnessConfig,
};
use crate::node::{Ledger, LedgerError, now_s};

/// How long a witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A node that has nothing to show looks again after that long.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// One witness, and what is known of it.
struct Witness {
    /// Its place in the configuration.
    place: usize,
    client: Client,
    key: NoteKey,
    every: Duration,
    /// Blocks that it has seen, as far as is known; where that is wrong, it says so.
    size: u64,
    /// Blocks of the last checkpoint that it was shown.
    shown: u64,
    /// Before then it is shown nothing more.
    next: Instant,
    /// What was wrong with its last answer, to tell of a change.
    fault: Option<&'static str>,
}

/// Shows this node's checkpoints to witnesses until the node ends. All that may be shown one are shown the same, so
/// that their signatures come to stand under one checkpoint; one that has not answered yet is left out.
pub(in crate::node) async fn run(ledger: Arc<Ledger>, witnesses: Vec<(WitnessConfig, Client)>) {
    let mut idle: Vec<Witness> = Vec::new();
    for (place, (WitnessConfig { key, every_s, .. }, client)) in witnesses.into_iter().enumerate() {
        let status = WitnessStatus { witness: key.name().to_owned(), size: 0, fault: None, detail: None };
        ledger.checkpoints.served().witnesses.push(status);
        ledger.metrics.checkpoints.awaits(key.name(), now_s());
        let (every, next) = (Duration::from_secs(every_s), Instant::now());
        idle.push(Witness { place, client, key, every, size: 0, shown: 0, next, fault: None });
    }
    let mut cosigned = ledger.checkpoints.cosigned.subscribe();
    let mut asked = JoinSet::new();
    loop {
        let latest = *cosigned.borrow_and_update();
        let due = idle.iter().filter(|witness| witness.shown < latest).map(|witness| witness.next).min();
        tokio::select! {
            // An error means that the ledger itself is gone, with the node.
            changed = cosigned.changed() => if changed.is_err() { return },
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + NOTHING_DUE)) => {
                let published = ledger.checkpoints.served().latest.clone();
                let now = Instant::now();
                for mut witness in idle.extract_if(.., |witness| witness.next <= now) {
                    witness.next = now + witness.every;
                    let (ledger, published) = (ledger.clone(), published.clone());
                    asked.spawn(async move {
                        if let Some(published) = published {
                            witness.show(&ledger, &published).await;
                        }
                        witness
                    });
                }
            }
            Some(answered) = asked.join_next() => match answered {
                Ok(witness) => idle.push(witness),
                Err(error) => tracing::error!(%error, "a witness could not be asked, and is asked no more"),
            }
        }
    }
}

impl Witness {
    /// Shows it a checkpoint, and says what became of it.
    async fn show(&mut self, ledger: &Arc<Ledger>, published: &Published) {
        self.shown = published.size();
        let outcome = self.ask(ledger, published).await;
        // What it did not take, it is shown again with the next block.
        self.tell(ledger, published, outcome);
    }

    /// Asks it to cosign; its line.
    async fn ask(&mut self, ledger: &Arc<Ledger>, published: &Published) -> Result<(NoteSignature, u64), Fault> {
        let size = published.size();
        let Some(log) = ledger.checkpoints.log_key() else { unreachable!("what is published is signed") };
        let mut told_its_size = false;
        loop {
            if self.size > size {
                return Err(Fault::Ahead { seen: std::mem::take(&mut self.size), here: size });
            }
            let proof = growth(ledger, self.size, size).await?;
            let body = add_checkpoint(self.size, &proof, &published.checkpoint);
            let answer = self.client.post_text("/add-checkpoint", body, PATIENCE, ANSWER_BYTES_MAX).await;
            let (status, body) = answer.map_err(|error| Fault::Unreachable(error.to_string()))?;
            let text = published.checkpoint.note().text();
            match answer::read(status.as_u16(), &body, text, &self.key, &log) {
                Answer::Cosigned(line, time_s) => {
                    self.size = size;
                    return Ok((line, time_s));
                }
                // The same size as was said, and it is not content: its root is another.
                Answer::Size(seen) if seen == size && self.size == size => return Err(Fault::OtherHistory),
                Answer::Size(seen) if !told_its_size => (self.size, told_its_size) = (seen, true),
                Answer::Size(seen) => return Err(Fault::Nonsense(format!("two sizes, {} and {seen}", self.size))),
                Answer::Fault(fault) => return Err(fault),
            }
        }
    }

    /// Says what became of it: in the log where that is news, in metrics and the node's status.
    fn tell(&mut self, ledger: &Ledger, published: &Published, outcome: Result<(NoteSignature, u64), Fault>) {
        let name = self.key.name();
        let (line, fault) = match outcome {
            Ok((line, _)) => (Some(line), None),
            Err(fault) => (None, Some(fault)),
        };
        let fault_name = fault.as_ref().map(Fault::name);
        ledger.metrics.checkpoints.answered(name, fault_name.unwrap_or("cosigned"));
        match &fault {
            Some(Fault::OtherHistory) => tracing::error!(witness = name, "{}", Fault::OtherHistory),
            Some(fault) if self.fault != fault_name => {
                tracing::warn!(
                    witness = name,
                    fault = fault.name(),
                    "a witness has not seen the ledger: {fault}; the chain goes on"
                );
            }
            None if self.fault.is_some() => tracing::info!(witness = name, "a witness sees the ledger again"),
            _ => {}
        }
        self.fault = fault_name;
        let mut served = ledger.checkpoints.served();
        if let Some(status) = served.witnesses.get_mut(self.place) {
            (status.fault, status.detail) =
                (fault_name.map(str::to_owned), fault.as_ref().map(std::string::ToString::to_string));
            if line.is_some() {
                status.size = published.size();
            }
        }
        let Some(line) = line else { return };
        ledger.metrics.checkpoints.seen(name, published.size(), now_s());
        served.add(published, line);
        let seen = served.seen.clone();
        drop(served);
        if let (Some(seen), Some(keys)) = (seen, ledger.checkpoints.keys.get())
            && let Err(error) = keep(ledger, seen, &keys.file)
        {
            tracing::warn!(file = %keys.file.display(), %error, "what witnesses have seen was not kept");
        }
    }
}

impl super::Served {
    /// Adds a witness' line to the checkpoint that it was shown.
    fn add(&mut self, shown: &Published, line: NoteSignature) {
        let of_size = |known: &&Published| known.size() == shown.size();
        let mut published = self.latest.iter().chain(&self.seen).find(of_size).unwrap_or(shown).clone();
        let before = published.checkpoint.note().signatures().len();
        published.checkpoint.add(line);
        published.witnesses += published.checkpoint.note().signatures().len() - before;
        if let Some(latest) = self.latest.as_mut().filter(|latest| latest.size() == shown.size()) {
            *latest = published.clone();
        }
        let rank = |published: &Published| (published.witnesses, published.size());
        if self.seen.as_ref().is_none_or(|seen| rank(&published) >= rank(seen)) {
            self.seen = Some(published);
        }
    }
}

/// The proof that the log grew from one size to another, read beside the event loop.
async fn growth(ledger: &Arc<Ledger>, from: u64, to: u64) -> Result<Vec<Hash>, Fault> {
    let ledger = ledger.clone();
    let proof = tokio::task::spawn_blocking(move || ledger.log(to).prove_growth(from)).await;
    match proof {
        Ok(Ok(proof)) => Ok(proof.unwrap_or_default()),
        Ok(Err(error)) => Err(Fault::Unreachable(error.to_string())),
        Err(error) => Err(Fault::Unreachable(error.to_string())),
    }
}

/// Keeps the checkpoint that witnesses have seen, so that it is served after a restart.
fn keep(ledger: &Ledger, seen: Published, file: &Path) -> Result<(), LedgerError> {
    let size = seen.size();
    let Some(proof) = ledger.proof_by(size, seen)? else { return Ok(()) };
    let draft = file.with_extension("new");
    let written = fs::write(&draft, proof.to_string()).and_then(|()| fs::rename(&draft, file));
    written.map_err(|error| {
        crate::store::StoreError::Io { place: file.display().to_string(), error: error.to_string() }.into()
    })
}
