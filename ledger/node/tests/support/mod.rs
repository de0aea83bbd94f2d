//! A small community with real keys, its nodes and their ledgers.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this")]

pub(crate) mod history;
pub(crate) mod nodes;

use std::time::Duration;

use ledger::{
    chain::{Executed, Tip, build},
    state::State,
};
use ledger_node::{
    node::commit_of,
    store::{MemoryStore, Store, StoredBlock},
};
use protocol::{block::Block, cbor};
pub(crate) use testkit::{
    applied,
    community::{Community, TestMember, settled, write_secret},
    ports,
};

/// Nothing that is waited for takes long; only something that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for what comes about by itself.
pub(crate) async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match found().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("expected: {what}"))
}

/// The block after `tip`, which settles the next interval, and what it leads to.
pub(crate) fn next_block(community: &mut Community, state: &State, tip: Tip) -> (Block, StoredBlock, Executed) {
    let readings = community.read_all(state.next());
    let transaction = community.transaction(community.settlement(state, &readings), &readings);
    let (block, executed, refused) = build(state, tip, [(transaction, Vec::new())]);
    assert!(refused.is_empty(), "{refused:?}");
    let certificate = community.certificate(block.header.height, block.header.hash());
    (block.clone(), StoredBlock { body: cbor::encode(&block), certificate, pruned: None }, executed)
}

/// A ledger with a settlement in every block, and the state after the last.
pub(crate) fn ledger_of(community: &mut Community, intervals: u64, each: impl FnMut()) -> (MemoryStore, State) {
    let store = MemoryStore::default();
    let state = fill(&store, community, intervals, each);
    (store, state)
}

/// Fills an empty store with a settlement in every block; the state after the last.
pub(crate) fn fill(store: &impl Store, community: &mut Community, intervals: u64, mut each: impl FnMut()) -> State {
    let mut state = community.state();
    let mut tip = Tip { height: 0, block: community.genesis.chain() };
    for height in 1..=intervals {
        let (block, stored, executed) = next_block(community, &state, tip);
        tip = Tip { height, block: stored.certificate.block };
        store.commit(&commit_of(&state, &block, &stored, &executed)).unwrap();
        state = executed.state;
        each();
    }
    state
}
