//! Large messages of strangers: as large as any may be and swelling when they are decoded, and larger than that.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use libp2p::Multiaddr;
use protocol::{
    block::Transaction,
    cbor,
    envelope::{Sealed, Signed},
    key::SecretKey,
    limits::TRANSACTION_BYTES_MAX,
    order::Order,
};
use tokio::task::JoinHandle;

use super::{stranger::Stranger, support::Community};

/// A settlement of as many bytes as any may have, in which all but the signed message are readings without a byte.
pub(crate) fn swollen(community: &Community, number: u64) -> Vec<u8> {
    let signed = Sealed::from(&Signed::sign(
        Order {
            sequence: 1 + number,
            valid_from: community.genesis.first_interval,
            buy: None,
            sell: None,
            buy_cap: None,
            sell_cap: None,
        },
        &community.genesis.chain(),
        &SecretKey::from_seed(&[200; 32]),
    ));
    let mut bytes = cbor::encode(&Transaction::Settle { settlement: signed, readings: vec![] });
    assert_eq!(bytes.pop(), Some(0x80), "an empty list of readings");
    let readings = TRANSACTION_BYTES_MAX - bytes.len() - 5;
    // The head of a list of so many.
    bytes.push(0x9a);
    bytes.extend(u32::try_from(readings).unwrap().to_be_bytes());
    bytes.resize(TRANSACTION_BYTES_MAX, 0x40);
    bytes
}

/// Peers of a node that stay, each with one message for it: first those whose message is longer than any that a node
/// takes, then those whose message swells. They send one after the other.
pub(crate) struct LargeMessages {
    /// Whose turn it is.
    turn: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    peers: Vec<JoinHandle<()>>,
}

impl LargeMessages {
    /// Connects them, while the node still lets somebody in.
    pub(crate) async fn connect(
        community: &Arc<Community>,
        address: &Multiaddr,
        swell: u64,
        too_long: u64,
    ) -> LargeMessages {
        let (turn, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut peers = Vec::new();
        for number in 1..=too_long + swell {
            let chain = community.genesis.chain();
            let mut peer = Stranger::connect(chain, address, 3 * TRANSACTION_BYTES_MAX).await;
            let (community, turn, stop) = (community.clone(), turn.clone(), stop.clone());
            peers.push(tokio::spawn(async move {
                while turn.load(Relaxed) < number {
                    assert!(peer.is_connected().await, "who has said nothing is cut off");
                }
                let long = number <= too_long;
                peer.send(if long { vec![0x40; 2 * TRANSACTION_BYTES_MAX] } else { swollen(&community, number) }).await;
                peer.flush().await;
                turn.fetch_add(1, Relaxed);
                while !stop.load(Relaxed) && peer.is_connected().await {}
            }));
        }
        LargeMessages { turn, stop, peers }
    }

    /// Has the first one send its message.
    pub(crate) fn begin(&self) {
        self.turn.fetch_add(1, Relaxed);
    }

    /// Waits until all have hung up.
    pub(crate) async fn end(self) {
        self.stop.store(true, Relaxed);
        for peer in self.peers {
            peer.await.unwrap();
        }
    }
}
