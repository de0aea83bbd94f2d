//! The desk that hands orders and statuses to the ledger. An agent's message is answered when the ledger has taken it.

use futures::StreamExt;
use protocol::{
    answer::{Outcome, Refusal},
    api::Submitted,
    block::Transaction,
    envelope::{Sealed, Signed},
    key::DeviceId,
    order::SignedOrder,
    refusal::LedgerRefusal,
    status::SignedStatus,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{ledger_client::LedgerClient, orders::Placed, tasks::Tasks};

/// Most orders that wait for the ledger. Beyond, an order is not answered, and its agent sends it again.
const ORDERS_MAX: usize = 256;
/// Most statuses that wait: all agents send theirs in the same moment. Beyond, one is left out until its agent's next.
const STATUSES_MAX: usize = 4_096;
/// Messages of a kind handed to the ledger at the same time.
const AT_ONCE: usize = 8;

/// The desk that hands orders and statuses to the ledger.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) orders: mpsc::Sender<(DeviceId, SignedOrder)>,
    pub(crate) statuses: mpsc::Sender<(DeviceId, SignedStatus)>,
    pub(crate) answers: mpsc::Receiver<Placed>,
}

/// How messages of a kind are handed in.
#[derive(Debug, Clone, Copy)]
struct Kind {
    transaction: fn(Sealed) -> Transaction,
    /// The market's name for a refusal of the ledger; none if nothing of the kind is refused for it.
    refusal: fn(LedgerRefusal) -> Option<Refusal>,
}

const ORDER: Kind = Kind { transaction: Transaction::PlaceOrder, refusal: LedgerRefusal::of_an_order };
const STATUS: Kind = Kind { transaction: Transaction::ReportStatus, refusal: LedgerRefusal::of_a_status };

/// Starts the desk.
pub(crate) fn start(ledger: LedgerClient, tasks: &mut Tasks) -> Desk {
    let (orders, waiting_orders) = mpsc::channel(ORDERS_MAX);
    let (statuses, waiting_statuses) = mpsc::channel(STATUSES_MAX);
    let (answered, answers) = mpsc::channel(ORDERS_MAX);
    tasks.spawn_endless("handing in orders", hand_in_all(ORDER, ledger.clone(), waiting_orders, answered.clone()));
    tasks.spawn_endless("handing in statuses", hand_in_all(STATUS, ledger, waiting_statuses, answered));
    Desk { orders, statuses, answers }
}

async fn hand_in_all<T>(
    kind: Kind,
    ledger: LedgerClient,
    waiting: mpsc::Receiver<(DeviceId, Signed<T>)>,
    answered: mpsc::Sender<Placed>,
) {
    let hand_in = |(device, signed): (DeviceId, Signed<T>)| {
        let (ledger, answered) = (ledger.clone(), answered.clone());
        async move {
            let outcome = hand_in(kind, &ledger, Sealed::from(&signed)).await;
            answered.send(Placed { device, message: signed.hash(), outcome }).await.ok();
        }
    };
    ReceiverStream::new(waiting).for_each_concurrent(AT_ONCE, hand_in).await;
}

/// Hands a message to the ledger until some node has an opinion of it.
async fn hand_in(kind: Kind, ledger: &LedgerClient, message: Sealed) -> Outcome {
    match ledger.hand_in(&(kind.transaction)(message)).await {
        Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. } => Outcome::Accepted,
        Submitted::Refused { refusal: name, detail, .. } => {
            Outcome::Refused { refusal: kind.refusal_named(&name), detail: format!("{name}: {detail}") }
        }
    }
}

impl Kind {
    /// The market's name for a refusal of the ledger. What nothing of the kind is refused for, or a later version
    /// refuses, is nothing of the kind to this one.
    fn refusal_named(self, name: &str) -> Refusal {
        LedgerRefusal::of_answer(name).and_then(self.refusal).unwrap_or(Refusal::Malformed)
    }
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
            assert_eq!(ORDER.refusal_named(name), expected, "{name}");
        }
        for (name, expected) in [
            ("no_island_plan", Refusal::NoIslandPlan),
            ("status_impossible", Refusal::StatusImpossible),
            ("status_not_newer", Refusal::StatusNotNewer),
            ("class_not_decided", Refusal::ClassNotDecided),
            ("exists", Refusal::Duplicate),
            ("order_too_late", Refusal::Malformed),
        ] {
            assert_eq!(STATUS.refusal_named(name), expected, "{name}");
        }
    }
}
