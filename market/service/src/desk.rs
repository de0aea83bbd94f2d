//! The desk that hands orders to the ledger. An agent's order is answered when the ledger has taken it.

use futures::StreamExt;
use protocol::{
    answer::{Outcome, Refusal},
    api::Submitted,
    block::Transaction,
    envelope::Sealed,
    key::DeviceId,
    order::SignedOrder,
    refusal::LedgerRefusal,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{ledger_client::LedgerClient, orders::Placed, tasks::Tasks};

/// Most orders that wait for the ledger. Beyond, an order is not answered, and its agent sends it again.
const WAITING_MAX: usize = 256;
/// Orders handed to the ledger at the same time.
const AT_ONCE: usize = 8;

/// The desk that hands orders to the ledger.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) orders: mpsc::Sender<(DeviceId, SignedOrder)>,
    pub(crate) answers: mpsc::Receiver<Placed>,
}

/// Starts the desk.
pub(crate) fn start(ledger: LedgerClient, tasks: &mut Tasks) -> Desk {
    let (orders, waiting) = mpsc::channel::<(DeviceId, SignedOrder)>(WAITING_MAX);
    let (answered, answers) = mpsc::channel(WAITING_MAX);
    tasks.spawn_endless("handing in orders", async move {
        let place = |(device, order): (DeviceId, SignedOrder)| {
            let (ledger, answered) = (ledger.clone(), answered.clone());
            async move {
                let outcome = place(&ledger, &order).await;
                answered.send(Placed { device, message: order.hash(), outcome }).await.ok();
            }
        };
        ReceiverStream::new(waiting).for_each_concurrent(AT_ONCE, place).await;
    });
    Desk { orders, answers }
}

/// Hands an order to the ledger until some node has an opinion of it.
async fn place(ledger: &LedgerClient, order: &SignedOrder) -> Outcome {
    match ledger.hand_in(&Transaction::PlaceOrder(Sealed::from(order))).await {
        Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. } => Outcome::Accepted,
        Submitted::Refused { refusal: name, detail, .. } => {
            Outcome::Refused { refusal: refusal_named(&name), detail: format!("{name}: {detail}") }
        }
    }
}

/// The market's name for a refusal of the ledger. What no order is refused for, or a later version refuses, is no order
/// to this one.
fn refusal_named(name: &str) -> Refusal {
    LedgerRefusal::of_answer(name).and_then(LedgerRefusal::of_an_order).unwrap_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_told_what_passes_and_what_does_not() {
        for (name, expected) in [
            ("too_many_orders", Refusal::TooManyOrders),
            ("pool_full", Refusal::TooManyOrders),
            ("order_too_late", Refusal::OrderTooLate),
            ("order_sequence_not_higher", Refusal::SequenceConflict),
            ("exists_with_different_reading", Refusal::SequenceConflict),
            ("unknown_member", Refusal::UnknownDevice),
            ("malformed", Refusal::Malformed),
            ("not_invented_yet", Refusal::Malformed),
        ] {
            assert_eq!(refusal_named(name), expected, "{name}");
        }
    }
}
