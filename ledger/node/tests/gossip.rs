//! Transactions on their way between nodes, over real TCP on loopback, with real ledgers in memory.
//!
//! No test asserts a time: the one timeout makes a hung test fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod stranger;
mod support;

use std::{sync::Arc, time::Duration};

use ledger::state::Changes;
use ledger_node::{
    node::{
        Gossip, Ledger,
        gossip::{GossipError, PeerLimits, Settings},
    },
    store::{Commit, MemoryStore, SledStore, Store},
};
use libp2p::{Multiaddr, multiaddr::Protocol};
use protocol::{
    api::{Submitted, TakenBack},
    block::{Block, Transaction},
    cbor,
    decision::Action,
    envelope::{Sealed, Signed},
    hash::Hash,
    limits::TRANSACTION_BYTES_MAX,
    order::Order,
    withdrawal::Withdrawal,
};
use stranger::Stranger;
use support::{Community, ledger_of};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot, task::JoinHandle};

/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);
const MEMBERS: usize = 8;

/// A node without consensus: what it is handed waits for ever.
struct Node {
    ledger: Arc<Ledger>,
    address: Multiaddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Node {
    async fn start(community: &Community, number: u8, peers: &[&Node]) -> Node {
        Node::start_with(community, number, peers, PeerLimits::default()).await
    }

    async fn start_with(community: &Community, number: u8, peers: &[&Node], limits: PeerLimits) -> Node {
        Node::open(community, number, peers, limits, Arc::new(MemoryStore::default())).await
    }

    async fn open(
        community: &Community,
        number: u8,
        peers: &[&Node],
        limits: PeerLimits,
        store: Arc<dyn Store>,
    ) -> Node {
        let (ledger, submitted) = Ledger::open(community.genesis.clone(), store, None).unwrap();
        let ledger = Arc::new(ledger);
        let settings = Settings {
            network_seed: [number; 32],
            listen: "/ip4/127.0.0.1/tcp/0".into(),
            peers: peers.iter().map(|peer| peer.address.to_string()).collect(),
            limits,
        };
        let gossip = Gossip::open(settings, ledger.clone(), submitted).await.unwrap();
        let address = gossip.address().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(gossip.run(async {
            let _ = stopped.await;
        }));
        Node { ledger, address, stop, done }
    }

    async fn stop(self) {
        self.stop.send(()).expect("the node is still running");
        patiently("the node to stop", self.done).await.unwrap();
    }

    /// Hands a transaction to this node.
    fn hand(&self, transaction: &Transaction) -> Hash {
        let submitted = self.ledger.submit(transaction.clone()).unwrap();
        assert_eq!(submitted, Submitted::Pending { transaction: transaction.id() });
        transaction.id()
    }

    async fn hears_of(&self, transaction: &Hash) {
        wait_until("a transaction to arrive", || self.ledger.is_waiting(transaction)).await;
    }

    /// The value of a counter, 0 while there is none.
    fn counted(&self, name: &str) -> u64 {
        let text = self.ledger.metrics_text().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("voisin_ledger_gossip_{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }

    async fn has_peers(&self, count: u64) {
        wait_until("nodes to connect", || self.counted("peers") == count).await;
    }

    fn judged(&self, verdict: &str, reason: &str) -> u64 {
        self.counted(&format!("messages_total{{verdict=\"{verdict}\",reason=\"{reason}\"}}"))
    }
}

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    patiently(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

fn order(community: &Community, member: usize, sequence: u64) -> Transaction {
    let valid_from = community.genesis.first_interval.offset(4).unwrap();
    community.order(member, Order { sequence, valid_from, buy: None, sell: None, buy_cap: None, sell_cap: None })
}

/// What can be read, and was signed by nobody: an order with a bit of its signature flipped.
fn forged(community: &Community, number: u64) -> Vec<u8> {
    let Transaction::PlaceOrder(sealed) = order(community, 0, 1 + number) else { unreachable!("an order") };
    let mut bytes = sealed.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    cbor::encode(&Transaction::PlaceOrder(Sealed::from(bytes)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_handed_to_one_node_reaches_those_that_are_not_its_peers() {
    log();
    let community = Community::new(MEMBERS, 1);
    // Handed in before anyone is there to hear of it.
    let last = Node::start(&community, 3, &[]).await;
    let early = last.hand(&order(&community, 0, 1));
    let middle = Node::start(&community, 2, &[&last]).await;
    let first = Node::start(&community, 1, &[&middle]).await;
    middle.hears_of(&early).await;
    middle.has_peers(2).await;
    first.has_peers(1).await;
    last.has_peers(1).await;
    for member in 1..MEMBERS {
        let (from, to) = if member % 2 == 0 { (&first, &last) } else { (&last, &first) };
        let transaction = from.hand(&order(&community, member, 1));
        to.hears_of(&transaction).await;
        middle.hears_of(&transaction).await;
    }
    assert_eq!(middle.judged("accepted", "pending"), MEMBERS as u64);
    for node in [first, middle, last] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_honest_node_sends_is_not_passed_on_and_cuts_its_sender_off() {
    log();
    let community = Community::new(MEMBERS, 1);
    let far = Node::start(&community, 2, &[]).await;
    let near = Node::start(&community, 1, &[&far]).await;
    far.has_peers(1).await;
    let mut stranger = Stranger::connect(community.genesis.chain(), &near.address, TRANSACTION_BYTES_MAX * 2).await;
    near.has_peers(2).await;
    let kinds: [&dyn Fn(u64) -> Vec<u8>; 2] =
        [&|number| forged(&community, number), &|number| format!("no transaction {number}").into_bytes()];
    let rejected = |node: &Node| node.judged("rejected", "malformed") + node.judged("rejected", "bad_signature");
    patiently("the stranger to be cut off", async {
        for number in 0.. {
            if !stranger.send(kinds[number as usize % 2](number)).await {
                break;
            }
            // One after another, to see how many it takes.
            while rejected(&near) <= number && stranger.is_connected().await {}
        }
    })
    .await;
    assert_eq!(rejected(&near), 5, "the fifth is one too many");
    wait_until("the cut to be counted", || near.counted("peers_cut_off_total") == 1).await;
    assert_eq!((near.judged("rejected", "malformed"), near.judged("rejected", "bad_signature")), (2, 3));
    // It is not let in again, and the others have heard of nothing.
    patiently("the door to stay shut", stranger.is_refused(&near.address)).await;
    let good = near.hand(&order(&community, 1, 1));
    far.hears_of(&good).await;
    assert_eq!(far.counted("peers"), 1);
    assert_eq!(far.judged("accepted", "pending"), 1);
    assert_eq!(rejected(&far), 0);
    near.stop().await;
    far.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_a_block_ahead_is_not_cut_off() {
    log();
    let community = Community::new(MEMBERS, 1);
    let near = Node::start(&community, 1, &[]).await;
    let mut neighbour = Stranger::connect(community.genesis.chain(), &near.address, TRANSACTION_BYTES_MAX).await;
    // Decisions that are next only where many others were committed before.
    for sequence in 102..122 {
        let action = Action::SetValidators { validators: community.genesis.validators.clone() };
        assert!(neighbour.send(cbor::encode(&community.decide(sequence, action))).await);
    }
    let all = || near.judged("ignored", "decision_not_next") == 20;
    patiently("all to be looked at", async { while !all() && neighbour.is_connected().await {} }).await;
    let good = order(&community, 1, 1);
    assert!(neighbour.send(cbor::encode(&good)).await);
    patiently("the good one", async { while !near.ledger.is_waiting(&good.id()) && neighbour.is_connected().await {} })
        .await;
    assert!(near.ledger.is_waiting(&good.id()));
    assert_eq!(near.counted("peers_cut_off_total"), 0);
    near.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_that_are_handed_to_different_nodes_come_together_at_all_of_them() {
    log();
    let community = Community::new(MEMBERS, 4);
    let far = Node::start(&community, 3, &[]).await;
    let middle = Node::start(&community, 2, &[&far]).await;
    let near = Node::start(&community, 1, &[&middle]).await;
    near.has_peers(1).await;
    middle.has_peers(2).await;
    far.has_peers(1).await;
    let action = Action::RevokeDevice { member: community.members[3].id };
    let by = |number: usize| community.decide_by(1, action.clone(), &community.validators[number..=number]);
    let approvals = |node: &Node| node.ledger.drafts().first().map_or(0, |draft| draft.signed);
    let id = by(0).id();
    for (count, node) in (1..).zip([&near, &far]) {
        let submitted = node.ledger.submit(by(count as usize)).unwrap();
        assert_eq!(submitted, Submitted::Open { transaction: id, signed: count, total: 4 });
        for other in [&near, &middle, &far] {
            wait_until("an approval to arrive", || approvals(other) == count).await;
        }
    }
    // The third is enough, wherever it comes.
    assert_eq!(middle.ledger.submit(by(3)).unwrap(), Submitted::Pending { transaction: id });
    near.hears_of(&id).await;
    far.hears_of(&id).await;
    for node in [near, middle, far] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_too_few_validators_approve_is_kept_only_if_it_could_be_carried_out() {
    let community = Community::new(MEMBERS, 4);
    let (ledger, _submitted) = Ledger::open(community.genesis.clone(), Arc::new(MemoryStore::default()), None).unwrap();
    let named = |answer: Submitted| match answer {
        Submitted::Refused { refusal, .. } => refusal,
        Submitted::Open { signed, .. } => format!("open with {signed}"),
        other => panic!("{other:?}"),
    };
    let [one, two] = [0, 1].map(|number| &community.validators[number..=number]);
    let revoke = |number: usize| Action::RevokeDevice { member: community.members[number].id };
    let submit = |transaction| named(ledger.submit(transaction).unwrap());
    let nobody = Action::RevokeDevice { member: protocol::member::MemberId::from_bytes([1; 16]) };
    assert_eq!(submit(community.decide_by(1, nobody.clone(), one)), "unknown_member");
    assert_eq!(submit(community.decide_by(1, revoke(0), &[])), "not_approved");
    let stranger = [protocol::key::SecretKey::from_seed(&[99; 32])];
    assert_eq!(submit(community.decide_by(1, revoke(0), &stranger)), "not_approved");
    let Transaction::Decide { decision, .. } = community.decide_by(1, revoke(0), one) else { unreachable!() };
    let Transaction::Decide { approvals, .. } = community.decide_by(1, revoke(1), two) else { unreachable!() };
    assert_eq!(
        submit(Transaction::Decide { decision, approvals }),
        "not_approved",
        "the signature of another decision"
    );
    assert_eq!(submit(community.decide_by(66, revoke(0), one)), "decision_not_next");
    assert!(ledger.drafts().is_empty());

    // What comes later may depend on what comes first: only its number is looked at.
    assert_eq!(submit(community.decide_by(65, nobody, one)), "open with 1");
    for number in 2..17 {
        assert_eq!(submit(community.decide_by(number, revoke(0), one)), "open with 1");
    }
    assert_eq!(submit(community.decide_by(17, revoke(0), one)), "too_many_drafts");
    assert_eq!(submit(community.decide_by(17, revoke(0), two)), "open with 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_counts_no_more_and_who_has_not_approved_withdraws_nothing() {
    let community = Community::new(MEMBERS, 4);
    let chain = community.genesis.chain();
    let (ledger, _submitted) = Ledger::open(community.genesis.clone(), Arc::new(MemoryStore::default()), None).unwrap();
    let submit = |transaction| match ledger.submit(transaction).unwrap() {
        Submitted::Refused { refusal, .. } => refusal,
        Submitted::Open { signed, .. } => format!("open with {signed}"),
        Submitted::Pending { .. } => "pending".into(),
        other => panic!("{other:?}"),
    };
    let keys = &community.validators;
    let revoke = |number: usize| Action::RevokeDevice { member: community.members[number].id };
    let by = |sequence, number: usize| community.decide_by(sequence, revoke(number), &keys[number..=number]);
    let withdrawal = |of: &Transaction, sequence, key: &protocol::key::SecretKey| {
        Signed::sign(Withdrawal { sequence, decision: of.id() }, &chain, key)
    };
    let withdraw = |message: &[u8]| match ledger.withdraw(message) {
        TakenBack::Withdrawn { signed, total, .. } => format!("{signed} of {total}"),
        TakenBack::Refused { refusal, .. } => refusal,
    };
    let draft = by(1, 0);
    assert_eq!(withdraw(withdrawal(&draft, 1, &keys[0]).bytes()), "nothing_to_withdraw", "there is no draft");
    assert_eq!(submit(draft.clone()), "open with 1");
    assert_eq!(withdraw(withdrawal(&draft, 1, &keys[1]).bytes()), "nothing_to_withdraw", "another's");
    assert_eq!(withdraw(withdrawal(&draft, 66, &keys[0]).bytes()), "decision_not_next");
    assert_eq!(withdraw(withdrawal(&draft, 0, &keys[0]).bytes()), "nothing_to_withdraw");
    let stranger = protocol::key::SecretKey::from_seed(&[99; 32]);
    assert_eq!(withdraw(withdrawal(&draft, 1, &stranger).bytes()), "unknown_signer");
    let mut forged = withdrawal(&draft, 1, &keys[0]).bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(withdraw(&forged), "bad_signature");
    assert_eq!(withdraw(b"none"), "malformed");
    assert_eq!(ledger.drafts().len(), 1, "all of this changes nothing");

    for _ in 0..2 {
        assert_eq!(withdraw(withdrawal(&draft, 1, &keys[0]).bytes()), "0 of 4", "twice is harmless");
        assert!(ledger.drafts().is_empty());
        assert_eq!(submit(draft.clone()), "approval_withdrawn");
    }
    // Enough others decide it all the same; with the withdrawn one they would have been enough before.
    let of = |numbers: &[usize]| {
        let approving: Vec<_> = numbers.iter().map(|number| keys[*number].clone()).collect();
        community.decide_by(1, revoke(0), &approving)
    };
    assert_eq!(submit(of(&[0, 1, 2])), "open with 2");
    assert_eq!(submit(of(&[0, 1])), "approval_withdrawn");
    assert_eq!(submit(of(&[3])), "pending");
    assert_eq!(withdraw(withdrawal(&draft, 1, &keys[1]).bytes()), "nothing_to_withdraw", "it is on its way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_household_that_a_draft_takes_in_is_drafted_no_second_time() {
    let community = Community::new(MEMBERS, 4);
    let (ledger, _submitted) = Ledger::open(community.genesis.clone(), Arc::new(MemoryStore::default()), None).unwrap();
    let member = |pseudonym: u8, key: u8, device: u8| {
        let [key, device] = [key, device].map(|seed| protocol::key::SecretKey::from_seed(&[seed; 32]).public());
        let member = protocol::member::MemberId::from_bytes([pseudonym; 16]);
        let bus = community.genesis.members[0].bus.clone();
        Action::RegisterMember(Box::new(protocol::genesis::GenesisMember {
            member,
            key,
            device,
            rated_power_w: 9_000,
            bus,
            import_wh: 0,
            export_wh: 0,
            technology: None,
        }))
    };
    let submit = |sequence, action, by: usize| match ledger
        .submit(community.decide_by(sequence, action, &community.validators[by..=by]))
        .unwrap()
    {
        Submitted::Refused { refusal, detail, .. } => (refusal, detail),
        Submitted::Open { signed, .. } => (format!("open with {signed}"), String::new()),
        other => panic!("{other:?}"),
    };
    assert_eq!(submit(1, member(1, 70, 71), 0).0, "open with 1");
    for action in [member(2, 70, 71), member(3, 70, 99), member(4, 98, 71)] {
        let (refusal, detail) = submit(2, action, 1);
        assert_eq!(refusal, "repeats_draft");
        assert!(detail.contains("draft 1"), "{detail}");
    }
    assert_eq!(submit(1, member(1, 70, 71), 1).0, "open with 2", "another approval is no repetition");
    assert_eq!(submit(1, member(5, 70, 71), 1).0, "open with 1", "of two with one number one is decided");
    assert_eq!(submit(2, member(6, 72, 73), 1).0, "open with 1", "another household");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_long_is_not_read_and_the_node_goes_on() {
    log();
    let community = Community::new(MEMBERS, 1);
    let far = Node::start(&community, 2, &[]).await;
    let near = Node::start(&community, 1, &[&far]).await;
    far.has_peers(1).await;
    let mut stranger = Stranger::connect(community.genesis.chain(), &near.address, TRANSACTION_BYTES_MAX * 2).await;
    // As long as it may be: it is read, and is no transaction.
    assert!(stranger.send(vec![b'x'; TRANSACTION_BYTES_MAX]).await);
    let read = || near.judged("rejected", "malformed") == 1;
    patiently("the long message", async { while !read() && stranger.is_connected().await {} }).await;
    assert!(read());
    for length in [TRANSACTION_BYTES_MAX + 10_000, TRANSACTION_BYTES_MAX * 2 - 10_000] {
        stranger.send(vec![b'x'; length]).await;
        patiently("the line to be busy with it", stranger.flush()).await;
    }
    let good = near.hand(&order(&community, 1, 1));
    far.hears_of(&good).await;
    let judged = |node: &Node| node.judged("rejected", "malformed") + node.judged("rejected", "too_large");
    assert_eq!((judged(&near), judged(&far)), (1, 0), "neither was read");
    near.stop().await;
    far.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_too_much_is_not_listened_to() {
    log();
    let community = Community::new(MEMBERS, 1);
    let limits = PeerLimits { units_per_second_max: 1, units_burst_max: 10, ..PeerLimits::default() };
    let near = Node::start_with(&community, 1, &[], limits).await;
    let mut stranger = Stranger::connect(community.genesis.chain(), &near.address, TRANSACTION_BYTES_MAX).await;
    // None of them costs anything but time.
    let mut sent = 0;
    patiently("the allowance to be used up", async {
        while near.judged("ignored", "rate_limited") == 0 {
            let action = Action::SetValidators { validators: community.genesis.validators.clone() };
            assert!(stranger.send(cbor::encode(&community.decide(2 + sent, action))).await);
            sent += 1;
        }
    })
    .await;
    assert!(sent > 10, "the burst was allowed");
    near.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_shake_hands_is_counted() {
    log();
    let community = Community::new(MEMBERS, 1);
    let near = Node::start(&community, 1, &[]).await;
    let parts: Vec<Protocol<'_>> = near.address.iter().collect();
    let [Protocol::Ip4(ip), Protocol::Tcp(port)] = parts[..] else { panic!("an address of TCP over IPv4") };
    let mut connection = TcpStream::connect((ip, port)).await.unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    wait_until("the handshake to fail", || near.counted("refusals_total{refusal=\"handshake_failed\"}") == 1).await;
    near.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_more_can_wait_nothing_is_taken_in_nor_passed_on() {
    log();
    let community = Community::new(MEMBERS, 1);
    let near = Node::start(&community, 1, &[]).await;
    let full = (1..).find_map(|sequence| match near.ledger.submit(order(&community, 0, sequence)).unwrap() {
        Submitted::Pending { .. } => None,
        other => Some((sequence, other)),
    });
    let (taken, Submitted::Refused { refusal, .. }) = full.unwrap() else { panic!("an order is refused") };
    assert_eq!(refusal, "pool_full");
    assert!(taken > 1_000, "there was room for {taken}");
    let mut stranger = Stranger::connect(community.genesis.chain(), &near.address, TRANSACTION_BYTES_MAX).await;
    let late = order(&community, 1, 1);
    assert!(stranger.send(cbor::encode(&late)).await);
    let told = || near.judged("ignored", "pool_full") == 1;
    patiently("the late order", async { while !told() && stranger.is_connected().await {} }).await;
    assert!(told() && !near.ledger.is_waiting(&late.id()));
    near.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_damaged_store_cannot_answer_is_not_passed_on_and_nobody_is_blamed() {
    log();
    let mut community = Community::new(MEMBERS, 1);
    let (history, _) = ledger_of(&mut community, 2, || ());
    let directory = tempfile::tempdir().unwrap();
    let chain = community.genesis.chain();
    let store = SledStore::open(directory.path(), &chain).unwrap();
    let blocks = [1, 2].map(|height| history.block(height).unwrap().unwrap());
    let last = Commit { changes: changes_of(&history), ..Commit::only(&blocks[1]) };
    for commit in [Commit { intervals: vec![community.genesis.first_interval], ..Commit::only(&blocks[0]) }, last] {
        store.commit(&commit).unwrap();
    }
    drop(store);
    // The first block's body lies under `b` and its height.
    let raw = sled::open(directory.path()).unwrap();
    for entry in raw.scan_prefix([&b"b"[..], &1u64.to_be_bytes()].concat()) {
        let (key, mut value) = entry.unwrap();
        *value.last_mut().unwrap() ^= 1;
        raw.insert(key, value).unwrap();
    }
    drop(raw);
    let store = Arc::new(SledStore::open(directory.path(), &chain).unwrap());
    assert!(store.block(1).unwrap_err().to_string().contains("a block of height 1"));

    let near = Node::open(&community, 1, &[], PeerLimits::default(), store).await;
    let mut stranger = Stranger::connect(chain, &near.address, TRANSACTION_BYTES_MAX).await;
    let settled = cbor::decode::<Block>(&blocks[0].body).unwrap().transactions.remove(0);
    assert!(stranger.send(cbor::encode(&settled)).await);
    let told = || near.judged("ignored", "not_checked") == 1;
    patiently("the settlement", async { while !told() && stranger.is_connected().await {} }).await;
    // The node goes on with what needs no history.
    let good = order(&community, 1, 1);
    assert!(stranger.send(cbor::encode(&good)).await);
    patiently("the order", async { while !near.ledger.is_waiting(&good.id()) && stranger.is_connected().await {} })
        .await;
    assert!(told() && near.ledger.is_waiting(&good.id()));
    assert_eq!(near.counted("peers_cut_off_total"), 0);
    near.stop().await;
}

/// All that the state of a history holds.
fn changes_of(history: &MemoryStore) -> Changes {
    history.entries().unwrap().into_iter().map(|(key, value)| (key, Some(value))).collect()
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused() {
    let community = Community::new(MEMBERS, 1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let open = async |listen: &str, peer: &str| {
        let store = Arc::new(MemoryStore::default());
        let (ledger, submitted) = Ledger::open(community.genesis.clone(), store, None).unwrap();
        let peers = vec![peer.to_owned()];
        let settings = Settings { network_seed: [1; 32], listen: listen.into(), peers, limits: PeerLimits::default() };
        Gossip::open(settings, Arc::new(ledger), submitted).await.err()
    };
    let good = "/ip4/127.0.0.1/tcp/0";
    assert!(open(good, good).await.is_none());
    assert!(matches!(open("127.0.0.1:28000", good).await, Some(GossipError::BadAddress { .. })));
    assert!(matches!(open("/dns4/localhost/tcp/28000", good).await, Some(GossipError::BadAddress { .. })));
    assert!(matches!(open(good, "localhost:28000").await, Some(GossipError::BadAddress { .. })));
    assert!(matches!(open(&taken, good).await, Some(GossipError::Listen { .. })));
    let other = Node::start(&community, 1, &[]).await;
    assert!(matches!(open(&other.address.to_string(), good).await, Some(GossipError::Listen { .. })));
    other.stop().await;
}
