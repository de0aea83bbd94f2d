//! Certificates for other registries: bundles and cancellations as the EnergyTag API specification 2.0 has them, in
//! JSON lines, with a proof beside each line.
//!
//! | file | a line |
//! |---|---|
//! | `bundles.jsonl` | a bundle: consecutive certificates of one device and interval with one holder |
//! | `receipts.jsonl` | beside each bundle: the producer's receipt of the interval, as it stands |
//! | `cancellations.jsonl` | a retired bundle: by whom, and for whom |
//! | `retirements.jsonl` | beside each cancellation: the instruction, proved |

mod bundle;
mod registry;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use indicatif::ProgressBar;
use protocol::{key::DeviceId, origin::Issue};
use serde::Serialize;

use self::bundle::Issuance;
pub use self::registry::{REGISTRY_BYTES_MAX, Registry, RegistryError};
use super::{Draft, ExportError, Period, Written};
use crate::node::{Head, Ledger};

/// A file of JSON lines being written.
struct Lines {
    draft: Draft,
    file: BufWriter<File>,
    count: u64,
}

impl Lines {
    fn create(directory: &Path, name: &str) -> Result<Lines, ExportError> {
        let (draft, file) = Draft::create(directory, name)?;
        Ok(Lines { draft, file: BufWriter::new(file), count: 0 })
    }

    fn add(&mut self, line: &[u8]) -> Result<(), ExportError> {
        self.count += 1;
        let written = self.file.write_all(line).and_then(|()| self.file.write_all(b"\n"));
        self.draft.write(written.map_err(|error| error.to_string()))
    }

    fn add_json(&mut self, line: &impl Serialize) -> Result<(), ExportError> {
        let json = self.draft.write(serde_json::to_vec(line).map_err(|error| error.to_string()))?;
        self.add(&json)
    }

    fn finish(mut self) -> Result<Written, ExportError> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        self.draft.write(flushed.map_err(|error| error.to_string()))?;
        self.draft.finish(self.count)
    }
}

/// Writes the certificates on record of the intervals in `period` to new files in `directory`, as they are held now.
pub fn export(
    ledger: &Ledger,
    registry: &Registry,
    directory: &Path,
    period: Period,
    progress: &ProgressBar,
) -> Result<Vec<Written>, ExportError> {
    let head = ledger.head();
    check_devices(&head, registry)?;
    let create = |name| Lines::create(directory, name);
    let (mut bundles, mut receipts) = (create("bundles.jsonl")?, create("receipts.jsonl")?);
    let (mut cancellations, mut retirements) = (create("cancellations.jsonl")?, create("retirements.jsonl")?);
    let chain = ledger.chain();
    let intervals: Vec<_> = head.state.recorded().filter(|interval| period.holds(*interval)).collect();
    progress.set_length(intervals.len() as u64);
    for interval in intervals {
        let issues = head.state.record(interval).map(|record| record.issues).unwrap_or_default();
        let proofs = if issues.is_empty() { Default::default() } else { ledger.receipts_in_force(interval)? };
        for issue in &issues {
            let member = head.state.find_member(&issue.producer);
            let (Some(receipt), Some(producer)) = (proofs.get(&issue.producer), member) else {
                return Err(ExportError::NoProducer { interval, producer: issue.producer });
            };
            let producer = producer.registration();
            let issuance = Issuance { chain: &chain, registry, interval, issue, producer };
            let receipt = receipt.to_json();
            for (first, bundle) in issue.numbered() {
                let proved = bundle.retired.map(|retired| ledger.retirement(bundle.holder, retired)).transpose()?;
                bundles.add_json(&issuance.bundle(first, bundle, proved.as_ref().map(|proved| &proved.retirement)))?;
                receipts.add(&receipt)?;
                if let Some(proved) = &proved {
                    cancellations.add_json(&issuance.cancellation(proved))?;
                    retirements.add(&proved.to_json())?;
                }
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    [bundles, receipts, cancellations, retirements].into_iter().map(Lines::finish).collect()
}

/// Checks that whatever is said of a device is said of one that there is.
fn check_devices(head: &Head, registry: &Registry) -> Result<(), RegistryError> {
    let issues = |interval| head.state.record(interval).map(|record| record.issues).unwrap_or_default();
    let measuring = head.state.members().filter_map(|(_, member)| member.device());
    let unknown = |known: &BTreeSet<DeviceId>| registry.devices.keys().find(|device| !known.contains(*device)).copied();
    let mut known: BTreeSet<DeviceId> = measuring.collect();
    if unknown(&known).is_some() {
        known.extend(head.state.recorded().flat_map(issues).map(|issue: Issue| issue.device));
    }
    unknown(&known).map_or(Ok(()), |device| Err(RegistryError::NoSuchDevice(device.to_string())))
}
