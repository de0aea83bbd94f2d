//! Standing orders: checked here, kept by the ledger, to which [the desk](super::desk) hands them. Pure.

use protocol::{
    answer::{Outcome, Refusal},
    envelope::EnvelopeError,
    hash::Hash,
    key::DeviceId,
    order::SignedOrder,
};

use super::{
    community::Community,
    intake::{Refused, Then, refuse_envelope},
    snapshot::Snapshot,
};

/// What the ledger made of an order.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) device: DeviceId,
    pub(crate) message: Hash,
    pub(crate) outcome: Outcome,
}

/// Checks a message on the order topic of `device`, opened for this community and its members, as far as the market can
/// tell.
pub(crate) fn check(
    community: &Community,
    snapshot: &Snapshot,
    device: &DeviceId,
    opened: &Result<SignedOrder, EnvelopeError>,
) -> Result<SignedOrder, Refused> {
    let refused = |refusal, detail: String| Refused { refusal, detail, then: Then::Nothing };
    let order = opened.as_ref().map_err(refuse_envelope)?;
    let Some((member, key)) = community.member(device) else {
        return Err(refused(Refusal::UnknownDevice, format!("{device} is registered for nothing here")));
    };
    if order.signer() != key {
        let detail =
            format!("expected an order signed by {key}, whose device's topic this is, found {}", order.signer());
        return Err(refused(Refusal::BadSignature, detail));
    }
    let open = snapshot.next;
    let Some(ahead) = order.valid_from.since(open) else {
        let expected = open.length().minutes();
        let detail = format!("expected an interval of {expected} minutes, found {}", order.valid_from);
        return Err(refused(Refusal::Malformed, detail));
    };
    // One that the ledger knows already is sent again because its answer was lost: the ledger tells.
    let is_new = snapshot.order_sequences.get(&member).is_none_or(|last| order.sequence > *last);
    if is_new && ahead < 1 {
        let detail = format!("expected an order valid from an interval after {open}, found {}", order.valid_from);
        return Err(refused(Refusal::OrderTooLate, detail));
    }
    Ok(order.clone())
}
