//! What the ledger knows of a household that has lost some of its state: where its chain of readings stands, and its
//! receipts, each checked against the genesis.
//!
//! Where the chain stands is the word of the nodes that are asked, which must all say the same. It is believed only
//! when the last signature is not known here, and only after two more intervals were settled: whatever the device had
//! sent, and the market had taken in, is in the first or the second of them.

use std::time::Duration;

use ledger::proof::Verifier;
use ledger_client::api::{ApiError, Node};
use protocol::{
    api::{MemberStatus, Settled, Status},
    envelope::ChainId,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    limits::ANSWER_BYTES_MAX,
    member::MemberId,
    reading::{ChainHead, Reading, Registers},
    receipt::Receipt,
};

use crate::{
    check::{ReceiptFault, check_correction},
    signed::Signed,
    store::{Store, StoreError},
};

/// How long a node may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often nodes are asked while they have not settled enough, or do not agree.
const PAUSE: Duration = Duration::from_secs(1);
/// How often nodes that disagree are asked: one may be a block behind.
const TRIES: u32 = 60;
/// Settlements that must follow before the ledger is believed to have all that was sent.
const SETTLED_AFTER: i64 = 2;
/// Settled intervals asked for at once.
const PAGE: usize = 100;

/// Why something could not be recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    /// A node does not answer as a node does.
    #[error("expected a ledger node at {url}: {error}")]
    Node { url: String, error: String },
    /// It keeps another ledger.
    #[error("expected a node of the chain {expected}, which the genesis starts, found one of {found} at {url}")]
    OtherChain { url: String, expected: ChainId, found: ChainId },
    /// Nodes that say different things about the device.
    #[error(
        "{one} and {other} do not agree where this device's chain stands; ask your operator which of them is right"
    )]
    Disagreement { one: String, other: String },
    /// The device is not the member's.
    #[error(
        "the ledger takes no readings from this device, it has {found} for member {member}: this key was replaced or revoked; \
         ask your operator"
    )]
    OtherDevice { member: MemberId, found: String },
    /// The ledger has another reading under a number that was signed here.
    #[error(
        "the ledger has another reading under the number {sequence} than this state: ask your operator to register a new \
         device key"
    )]
    OtherReading { sequence: u64 },
    /// Readings that were signed are neither here nor on the ledger.
    #[error(
        "readings {from} to {to} were signed, and are neither here nor on the ledger, so this key's chain cannot be continued: \
         ask your operator to register a new device key (`meter-agent init` in another directory makes one)"
    )]
    Gap { from: u64, to: u64 },
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose things are asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) chain: ChainId,
    pub(crate) verifier: &'a Verifier,
    pub(crate) member: MemberId,
    pub(crate) device: DeviceId,
}

/// What came of fetching receipts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Kept.
    pub(crate) kept: u64,
    /// Already here.
    pub(crate) known: u64,
    /// What did not verify, the first few.
    pub(crate) faults: Vec<String>,
    /// How many did not verify.
    pub(crate) refused: u64,
}

/// Asks where the chain of the device stands, once everything that it sent must be settled. `hint` is what is known
/// here.
pub(crate) async fn where_it_stands(
    nodes: &[Node],
    wanted: &Wanted<'_>,
    hint: Signed,
    mut tell: impl FnMut(String),
) -> Result<Signed, RecoverError> {
    let mut begun = None::<Interval>;
    for node in nodes {
        begun = begun.max(Some(status(node, wanted).await?.next));
    }
    let until = begun.and_then(|begun| begun.offset(SETTLED_AFTER));
    let mut told = false;
    for node in nodes {
        while Some(status(node, wanted).await?.next) < until {
            if !std::mem::replace(&mut told, true) {
                tell(format!(
                    "waiting until {SETTLED_AFTER} more intervals are settled, with all that this device may have sent"
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    let standing = agreed(nodes, wanted).await?;
    joined(&standing, wanted, hint)
}

/// What the ledger says of the member, by nodes that keep it and agree.
pub(crate) async fn standing(nodes: &[Node], wanted: &Wanted<'_>) -> Result<MemberStatus, RecoverError> {
    for node in nodes {
        status(node, wanted).await?;
    }
    agreed(nodes, wanted).await
}

/// Where the chain stands that a new device key goes on with; none while the ledger takes no readings of it. From then
/// on it takes none of the old key, so that nothing has to be waited for.
pub(crate) async fn handed_over(nodes: &[Node], wanted: &Wanted<'_>) -> Result<Option<Signed>, RecoverError> {
    let standing = standing(nodes, wanted).await?;
    if standing.device != Some(wanted.device) {
        return Ok(None);
    }
    joined(&standing, wanted, Signed::nothing(wanted.device)).map(Some)
}

/// What the ledger says of the member, in which all nodes agree.
async fn agreed(nodes: &[Node], wanted: &Wanted<'_>) -> Result<MemberStatus, RecoverError> {
    let mut tries = 0;
    loop {
        let mut found = Vec::new();
        for node in nodes {
            found.push((node.url(), member(node, wanted).await?));
        }
        let chain = |status: &MemberStatus| {
            (status.device, status.sequence, status.reading, status.read, status.import_wh, status.export_wh)
        };
        let different = found.windows(2).find(|pair| chain(&pair[0].1) != chain(&pair[1].1));
        let Some(pair) = different else {
            let none = || RecoverError::Node { url: "none".into(), error: "no node was named".into() };
            return found.pop().map(|(_, status)| status).ok_or_else(none);
        };
        tries += 1;
        if tries == TRIES {
            let (one, other) = (pair[0].0.to_owned(), pair[1].0.to_owned());
            return Err(RecoverError::Disagreement { one, other });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was signed, by what the ledger has settled and what is known here: the later of the two, if the one leads to
/// the other.
fn joined(standing: &MemberStatus, wanted: &Wanted<'_>, hint: Signed) -> Result<Signed, RecoverError> {
    let Wanted { chain, member, device, .. } = *wanted;
    if standing.device != Some(device) {
        let found = standing.device.map_or("none".into(), |device| device.to_string());
        return Err(RecoverError::OtherDevice { member, found });
    }
    let settled = standing.sequence;
    let order = hint.order.max(standing.order_sequence);
    if hint.sequence() < settled {
        let registers = Registers { import_wh: standing.import_wh, export_wh: standing.export_wh };
        let head = ChainHead { sequence: settled, hash: standing.reading, interval: standing.read, registers };
        return Ok(Signed { device, chain: Some(chain), head: Some(head), unsettled: Vec::new(), order });
    }
    // What is settled is not sent again; the rest must follow it link by link, up to the last.
    let mut unsettled = hint.unsettled.clone();
    unsettled.retain(|(sequence, _)| *sequence > settled);
    let (mut last, mut before) = (settled, standing.reading);
    for (sequence, record) in &unsettled {
        let reading = record.message.open::<Reading>(&chain, |signer| *signer == device);
        let reading = reading.ok().filter(|reading| reading.sequence == last + 1 && reading.sequence == *sequence);
        let Some(reading) = reading else { break };
        if reading.previous != before {
            return Err(RecoverError::OtherReading { sequence: last });
        }
        (last, before) = (*sequence, reading.hash());
    }
    if last < hint.sequence() {
        return Err(RecoverError::Gap { from: last + 1, to: hint.sequence() });
    }
    if hint.head.map_or(Hash::ZERO, |head| head.hash) != before {
        return Err(RecoverError::OtherReading { sequence: last });
    }
    Ok(Signed { chain: Some(chain), unsettled, order, ..hint })
}

/// Fetches the member's receipts of the intervals from `from` to before `before` that are not here, checks each, and
/// keeps those that hold.
pub(crate) async fn fetch_receipts(
    node: &Node,
    wanted: &Wanted<'_>,
    store: &Store,
    from: Interval,
    before: Option<Interval>,
    mut tell: impl FnMut(String),
) -> Result<Fetched, RecoverError> {
    let mut fetched = Fetched::default();
    let mut next = from;
    loop {
        let page = ask(node, || node.settlements(next, PAGE)).await?;
        let Some(last) = page.last().map(|settled| settled.interval) else { return Ok(fetched) };
        tell(format!("receipts up to {last}: {} fetched", fetched.kept));
        for settled in page {
            if before.is_some_and(|before| settled.interval >= before) {
                return Ok(fetched);
            }
            if settled.lines.iter().any(|line| line.member == wanted.member) {
                fetch_one(node, wanted, store, &settled, &mut fetched).await?;
            }
        }
        let Some(after) = last.next() else { return Ok(fetched) };
        next = after;
    }
}

async fn fetch_one(
    node: &Node,
    wanted: &Wanted<'_>,
    store: &Store,
    settled: &Settled,
    fetched: &mut Fetched,
) -> Result<(), RecoverError> {
    let interval = settled.interval;
    let known = store.receipt(interval)?.and_then(|json| Receipt::from_json(&json).ok());
    if known.is_some_and(|known| known.entry.correction >= settled.corrections) {
        fetched.known += 1;
        return Ok(());
    }
    let receipts = match settled.corrections {
        0 => ask(node, || node.receipts(interval)).await?,
        _ => ask(node, || node.corrections(interval)).await?,
    };
    let own = receipts.into_iter().filter(|receipt| receipt.entry.line.member == wanted.member);
    let latest = own.max_by_key(|receipt| receipt.entry.correction);
    let checked = latest.ok_or("it is missing".to_string()).and_then(|receipt| {
        let json = receipt.to_json();
        check(&json, wanted, interval).map(|()| json).map_err(|fault| fault.to_string())
    });
    match checked {
        Ok(json) => {
            store.restore_receipt(interval, &json)?;
            fetched.kept += 1;
        }
        Err(fault) => {
            fetched.refused += 1;
            if fetched.faults.len() < 5 {
                fetched.faults.push(format!("{} of {interval}: {fault}", node.url()));
            }
        }
    }
    Ok(())
}

/// A receipt is kept as one that came by itself would be: read from its bytes, proved, this member's, its amounts
/// right.
fn check(json: &[u8], wanted: &Wanted<'_>, interval: Interval) -> Result<(), ReceiptFault> {
    if json.len() > ANSWER_BYTES_MAX {
        return Err(ReceiptFault::TooLarge { max: ANSWER_BYTES_MAX, found: json.len() });
    }
    let receipt = Receipt::from_json(json)?;
    wanted.verifier.verify(&receipt)?;
    if receipt.entry.interval != interval {
        return Err(ReceiptFault::OtherLength { expected: interval, found: receipt.entry.interval });
    }
    check_correction(&receipt.entry, wanted.member)
}

async fn status(node: &Node, wanted: &Wanted<'_>) -> Result<Status, RecoverError> {
    let status = ask(node, || node.status()).await?;
    if status.chain == wanted.chain {
        return Ok(status);
    }
    Err(RecoverError::OtherChain { url: node.url().into(), expected: wanted.chain, found: status.chain })
}

async fn member(node: &Node, wanted: &Wanted<'_>) -> Result<MemberStatus, RecoverError> {
    // The page after the name before this member's.
    let number = u128::from_be_bytes(*wanted.member.as_bytes());
    let after = number.checked_sub(1).map(|before| MemberId::from_bytes(before.to_be_bytes()));
    let page = ask(node, || node.members_after(after, 1)).await?;
    page.into_iter().find(|status| status.member == wanted.member).ok_or_else(|| RecoverError::Node {
        url: node.url().into(),
        error: format!("it knows no member {}; ask your operator", wanted.member),
    })
}

/// Asks until the node has time for it.
async fn ask<T>(node: &Node, question: impl AsyncFn() -> Result<T, ApiError>) -> Result<T, RecoverError> {
    let failed = |error: String| Err(RecoverError::Node { url: node.url().into(), error });
    loop {
        match question().await {
            Ok(answer) => return Ok(answer),
            Err(ApiError::Refused { path, status, .. }) => match status.as_u16() {
                // It answers so many a second, to everyone together.
                429 => tokio::time::sleep(PAUSE).await,
                401 | 403 => {
                    return failed(format!("it answers {status}: it wants a token of the role `read`, see --token"));
                }
                _ => return failed(format!("it answers {path} with {status}")),
            },
            Err(error) => return failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
