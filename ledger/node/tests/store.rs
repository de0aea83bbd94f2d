//! One suite for every store: what is written is there, across reopening too.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use ledger_node::store::{Commit, MemoryStore, Pruning, SledStore, Store, StoreError, StoredBlock, StoredCandidate};
use protocol::{
    correction::{MemberInput, Values},
    energy::Energy,
    envelope::Sealed,
    genesis::Technology,
    hash::Hash,
    limits::VALIDATORS_MAX,
    member::{AccountId, MemberId},
};
use settings::state_format::FORMAT_FILE;
use support::Community;

/// Several chunks, the last one short.
fn body(seed: u8) -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8 ^ seed).collect()
}

fn commit(community: &Community, store: &dyn Store, height: u64) -> Result<(), StoreError> {
    let body = body(height as u8);
    let certificate = community.certificate(height, Hash::of(&body));
    let interval = community.genesis.first_interval.offset(height as i64).unwrap();
    let changes = BTreeMap::from([
        (b"same".to_vec(), Some(height.to_be_bytes().to_vec())),
        (height.to_be_bytes().to_vec(), Some(b"own".to_vec())),
        ((height - 1).to_be_bytes().to_vec(), (height == 3).then(|| b"again".to_vec())),
        // Now longer, now shorter than what is stored in one piece.
        (b"grid".to_vec(), Some(grid(height))),
        (
            [b"interval/", &height.to_be_bytes()[..]].concat(),
            (!height.is_multiple_of(5)).then(|| body[..60_000].to_vec()),
        ),
    ]);
    let member = community.members[0].id;
    store.commit(&Commit {
        block: &StoredBlock { body, certificate, pruned: None },
        changes,
        intervals: vec![interval],
        corrections: (height == 3).then_some((interval.offset(-1).unwrap(), 1)).into_iter().collect(),
        inputs: vec![(interval, inputs(member, height))],
        events: vec![(AccountId::Supplier, interval), (AccountId::Member(member), interval)],
        instructions: vec![(member, height)],
        decisions: vec![height + 10],
        changes_validators: height == 2,
    })
}

fn grid(height: u64) -> Vec<u8> {
    body(height as u8)[..(height as usize * 61_000) % 200_000].to_vec()
}

fn inputs(member: MemberId, height: u64) -> Vec<MemberInput> {
    let values = Some(Values { import: Energy::from_wh(height), ..Values::default() });
    let input = MemberInput {
        member,
        device: None,
        technology: Some(Technology::Solar),
        buy: None,
        sell: None,
        buy_cap: None,
        sell_cap: None,
        values,
        quota: None,
    };
    vec![input; 2_000]
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
    let expected: BTreeMap<Vec<u8>, Vec<u8>> = [
        (b"same".to_vec(), 3u64.to_be_bytes().to_vec()),
        (2u64.to_be_bytes().to_vec(), b"again".to_vec()),
        (3u64.to_be_bytes().to_vec(), b"own".to_vec()),
        (b"grid".to_vec(), grid(3)),
        ([b"interval/", &1u64.to_be_bytes()[..]].concat(), body(1)[..60_000].to_vec()),
        ([b"interval/", &2u64.to_be_bytes()[..]].concat(), body(2)[..60_000].to_vec()),
        ([b"interval/", &3u64.to_be_bytes()[..]].concat(), body(3)[..60_000].to_vec()),
    ]
    .into();
    assert_eq!(entries, expected, "the entry of height 1 was removed by height 2");

    store = extend_log(store, reopen);
    check_indexes(&community, &*store);
    store = prune(&community, store, reopen);

    for wrong in [3, 5] {
        assert!(matches!(commit(&community, &*store, wrong), Err(StoreError::Damaged { .. })), "{wrong}");
    }
    assert_eq!(store.height().unwrap(), 3);
}

/// The log of headers is kept beside the blocks, and never has more than they.
fn extend_log(store: Box<dyn Store>, reopen: &dyn Fn(Box<dyn Store>) -> Box<dyn Store>) -> Box<dyn Store> {
    let nodes = |height: u8| vec![Hash::from_bytes([height; 32]); 1 + height.trailing_zeros() as usize];
    assert_eq!(store.log_size().unwrap(), 0, "a store from before there was a log is in order");
    assert!(matches!(store.log_nodes(1), Err(StoreError::Missing { height: 1 })));
    store.extend_log(&[nodes(1), nodes(2)]).unwrap();
    assert!(matches!(store.extend_log(&[nodes(3), nodes(4)]), Err(StoreError::Missing { height: 4 })));
    assert_eq!(store.log_size().unwrap(), 2);
    store.extend_log(&[nodes(3)]).unwrap();
    let store = reopen(store);
    assert_eq!(store.log_size().unwrap(), 3);
    for height in 1..=3 {
        assert_eq!(store.log_nodes(height.into()).unwrap(), nodes(height));
    }
    store
}

/// What is found again by its name.
fn check_indexes(community: &Community, store: &dyn Store) {
    let interval = |number| community.genesis.first_interval.offset(number).unwrap();
    let member = community.members[0].id;
    assert_eq!(store.corrections(interval(2)).unwrap(), [3]);
    assert_eq!(store.corrections(interval(3)).unwrap(), [0; 0]);
    assert_eq!(store.height_of_instruction(member, 2).unwrap(), Some(2));
    assert_eq!(store.height_of_instruction(member, 4).unwrap(), None);
    assert_eq!(store.height_of_decision(13).unwrap(), Some(3));
    assert_eq!(store.height_of_decision(3).unwrap(), None);
    assert_eq!(store.validator_changes().unwrap(), [2]);
    for account in [AccountId::Supplier, AccountId::Member(member)] {
        assert_eq!(store.events(account, interval(0), interval(9)).unwrap(), [1, 2, 3]);
        assert_eq!(store.events(account, interval(2), interval(3)).unwrap(), [2]);
    }
    assert_eq!(store.events(AccountId::Operator, interval(0), interval(9)).unwrap(), [0; 0]);
    assert_eq!(store.inputs(interval(2)).unwrap(), Some(inputs(member, 2)));
    assert_eq!(store.inputs(interval(9)).unwrap(), None);
}

/// Prunes two of three blocks, across reopening.
fn prune(
    community: &Community,
    mut store: Box<dyn Store>,
    reopen: &dyn Fn(Box<dyn Store>) -> Box<dyn Store>,
) -> Box<dyn Store> {
    let device = community.members[0].device.public();
    let interval = |height: u64| community.genesis.first_interval.offset(height as i64).unwrap();
    let pruning = |height: u64| Pruning {
        height,
        body: vec![height as u8; 70_000],
        heads: vec![vec![(device, Hash::of(&[height as u8]))]],
        last: vec![(device, Sealed::from(vec![height as u8]))],
        intervals: vec![interval(height)],
    };
    assert_eq!((store.unpruned_from().unwrap(), store.pruned_readings().unwrap()), (1, vec![]));
    for height in 1..=2 {
        assert!(store.prune(&pruning(height + 1)).is_err(), "not the next one");
        store.prune(&pruning(height)).unwrap();
        store = reopen(store);
        let block = store.block(height).unwrap().unwrap();
        assert_eq!((block.body, block.pruned), (pruning(height).body, Some(pruning(height).heads)));
        assert_eq!(store.unpruned_from().unwrap(), height + 1);
        assert_eq!(store.pruned_readings().unwrap(), [Sealed::from(vec![height as u8])], "one of each device");
        assert_eq!(store.inputs(interval(height)).unwrap(), None);
    }
    assert_eq!(store.block(3).unwrap().unwrap().pruned, None);
    assert!(store.inputs(interval(3)).unwrap().is_some());
    store.prune(&pruning(3)).unwrap();
    assert!(matches!(store.prune(&pruning(4)), Err(StoreError::Missing { height: 4 })));
    store
}

#[test]
fn memory() {
    suite(Box::new(MemoryStore::default()), &|store| store);
}

#[test]
fn sled() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Box::new(open_sled(directory.path()));
    suite(open(), &|store| {
        drop(store);
        open()
    });
}

fn open_sled(directory: &Path) -> SledStore {
    opened(directory, &Hash::ZERO).unwrap()
}

/// sled may close its files from a thread of its own, a little after the last handle is dropped.
fn opened(directory: &Path, chain: &Hash) -> Result<SledStore, StoreError> {
    loop {
        match SledStore::open(directory, chain) {
            Err(StoreError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(5)),
            opened => break opened,
        }
    }
}

#[test]
fn the_state_is_what_all_blocks_come_to_wherever_they_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let community = Community::new(1, 4);
    let memory = MemoryStore::default();
    // Long enough for every entry to be written more than once.
    for height in 1..=50 {
        let store = open_sled(directory.path());
        assert_eq!(store.entries().unwrap(), memory.entries().unwrap(), "before block {height}");
        for store in [&store as &dyn Store, &memory] {
            commit(&community, store, height).unwrap();
        }
        assert_eq!(store.entries().unwrap(), memory.entries().unwrap(), "after block {height}");
    }
}

#[test]
fn what_was_acknowledged_is_in_the_one_file_that_is_synced() {
    let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let community = Community::new(1, VALIDATORS_MAX);
    let device = community.members[0].device.public();
    let store = open_sled(directory.path());
    for height in 1..=40 {
        let body = body(height as u8);
        store.put_candidate(&candidate(&community, height, 0, &body), &body).unwrap();
        commit(&community, &store, height).unwrap();
        if height > 20 {
            let heads = vec![(device, Hash::of(&body)); 4_000];
            let (height, intervals) = (height - 20, vec![]);
            store
                .prune(&Pruning { height, body: body[..100_000].to_vec(), heads: vec![heads], last: vec![], intervals })
                .unwrap();
        }
        // sled puts what it finds large into files of their own, which nobody syncs.
        let elsewhere: Vec<_> = fs::read_dir(directory.path().join("blobs")).unwrap().collect();
        assert!(elsewhere.is_empty(), "height {height}: {elsewhere:?}");
    }
    // The files as a machine finds them that loses its power now.
    fs::create_dir(copy.path().join("blobs")).unwrap();
    for name in ["db", "conf"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let found = open_sled(copy.path());
    assert_eq!(found.height().unwrap(), 40);
    assert_eq!(found.entries().unwrap(), store.entries().unwrap());
    for height in 1..=40 {
        assert_eq!(found.block(height).unwrap(), store.block(height).unwrap());
    }
}

#[test]
fn a_directory_of_another_chain_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(directory.path(), &Hash::ZERO).unwrap());
    let other = opened(directory.path(), &Hash::of(b"another"));
    assert!(matches!(other, Err(StoreError::OtherGenesis { .. })));
}

#[test]
fn a_store_of_a_later_format_is_refused_by_name_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(directory.path(), &Hash::ZERO).unwrap());
    let path = directory.path().join(FORMAT_FILE);
    let own = fs::read(&path).unwrap();
    fs::write(&path, "2\n0.9.0\n").unwrap();
    let before = fs::read(directory.path().join("db")).unwrap();
    let error = SledStore::open(directory.path(), &Hash::ZERO).err().unwrap().to_string();
    assert_eq!(
        error,
        format!(
            "{}: expected a state of format 1 at most, found format 2, which version 0.9.0 wrote; start that version or a \
             later one again; or move that directory away: with the same keys, the node fetches the ledger from the others",
            path.display()
        )
    );
    assert!(before == fs::read(directory.path().join("db")).unwrap());
    // As it was before there were numbers.
    fs::remove_file(&path).unwrap();
    drop(SledStore::open(directory.path(), &Hash::ZERO).unwrap());
    assert_eq!(fs::read(&path).unwrap(), own);
}

#[test]
fn a_store_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _open = SledStore::open(directory.path(), &Hash::ZERO).unwrap();
    assert!(matches!(SledStore::open(directory.path(), &Hash::ZERO), Err(StoreError::InUse(_))));
}
