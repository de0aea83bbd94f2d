//! One suite for every store: what is written is there, across reopening too.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;

use ledger::store::{Commit, MemoryStore, SledStore, Store, StoreError, StoredBlock, StoredCandidate};
use protocol::hash::Hash;
use support::Community;

/// Several chunks, the last one short.
fn body(seed: u8) -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8 ^ seed).collect()
}

fn commit(community: &Community, store: &dyn Store, height: u64) -> Result<(), StoreError> {
    let body = body(height as u8);
    let certificate = community.certificate(height, Hash::of(&body));
    let interval = community.genesis.first_interval.offset(height as i64).unwrap();
    let entries = BTreeMap::from([
        (b"same".to_vec(), height.to_be_bytes().to_vec()),
        (height.to_be_bytes().to_vec(), b"own".to_vec()),
    ]);
    store.commit(&Commit { block: &StoredBlock { body, certificate }, entries, intervals: vec![interval] })
}

fn candidate(community: &Community, height: u64, round: u32, body: &[u8]) -> StoredCandidate {
    StoredCandidate {
        block: Hash::of(body),
        height,
        round,
        proposer: community.validators[0].public(),
        valid_round: None,
        valid: round == 0,
    }
}

fn suite(mut store: Box<dyn Store>, reopen: &dyn Fn(Box<dyn Store>) -> Box<dyn Store>) {
    let community = Community::new(1, 4);
    assert_eq!(store.height().unwrap(), 0);
    assert_eq!(store.block(0).unwrap(), None);
    assert_eq!(store.block(1).unwrap(), None);
    for height in 1..=3 {
        for (height, round) in [(height, 0), (height, 1), (height + 1, 0)] {
            let body = body(100 + round as u8);
            let candidate = candidate(&community, height, round, &body);
            store.put_candidate(&candidate, &body).unwrap();
            store.put_candidate(&candidate, &body).unwrap();
            assert_eq!(store.candidate_body(height, &candidate.block).unwrap(), Some(body));
        }
        store = reopen(store);
        let rounds: Vec<u32> = store.candidates(height).unwrap().iter().map(|found| found.round).collect();
        assert_eq!(rounds, [0, 1]);

        commit(&community, &*store, height).unwrap();
        store = reopen(store);
        assert_eq!(store.height().unwrap(), height);
        assert_eq!(store.candidates(height).unwrap(), []);
        assert_eq!(store.candidate_body(height, &Hash::of(&body(100))).unwrap(), None);
        assert_eq!(store.candidates(height + 1).unwrap().len(), 1, "the next height's candidates stay");
    }
    for height in 1..=3u64 {
        let block = store.block(height).unwrap().unwrap();
        assert_eq!(block.body, body(height as u8));
        assert_eq!(block.certificate.height, height);
        let interval = community.genesis.first_interval.offset(height as i64).unwrap();
        assert_eq!(store.height_of(interval).unwrap(), Some(height));
    }
    assert_eq!(store.height_of(community.genesis.first_interval).unwrap(), None);
    let entries = store.entries().unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[&b"same".to_vec()], 3u64.to_be_bytes());

    for wrong in [3, 5] {
        assert!(matches!(commit(&community, &*store, wrong), Err(StoreError::Damaged { .. })), "{wrong}");
    }
    assert_eq!(store.height().unwrap(), 3);
}

#[test]
fn memory() {
    suite(Box::new(MemoryStore::default()), &|store| store);
}

#[test]
fn sled() {
    let directory = tempfile::tempdir().unwrap();
    // sled may close its files from a thread of its own, a little after the last handle is dropped.
    let open = || loop {
        match SledStore::open(directory.path(), &Hash::ZERO) {
            Err(StoreError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(5)),
            opened => break Box::new(opened.unwrap()),
        }
    };
    suite(open(), &|store| {
        drop(store);
        open()
    });
}

#[test]
fn a_directory_of_another_chain_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(directory.path(), &Hash::ZERO).unwrap());
    let other = SledStore::open(directory.path(), &Hash::of(b"another"));
    assert!(matches!(other, Err(StoreError::OtherGenesis { .. })));
}

#[test]
fn a_store_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _open = SledStore::open(directory.path(), &Hash::ZERO).unwrap();
    assert!(matches!(SledStore::open(directory.path(), &Hash::ZERO), Err(StoreError::InUse(_))));
}
