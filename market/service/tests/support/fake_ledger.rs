//! A ledger of one node without consensus: it recomputes every settlement with the same pure functions as a validator,
//! and commits at once, or when it is told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use market::{
    grid::Grid,
    inputs::{Inputs, member_input},
    metering::measure,
    settlement::{IntervalInput, settle, tie_seed_after},
};
use protocol::{
    api::{
        BlockSummary, Change, Decided, MEMBERS_PER_PAGE_MAX, MemberStatus, RulesInForce, Settled, Status, Submitted,
    },
    block::{Header, Transaction},
    cbor,
    commit::CommitCertificate,
    envelope::{Sealed, Signed},
    genesis::Genesis,
    hash::Hash,
    interval::Interval,
    key::{DeviceId, SecretKey},
    limits::TRANSACTION_BYTES_MAX,
    member::MemberId,
    merkle::MerkleTree,
    money::Amount,
    order::{Order, PriceLimits},
    reading::{ChainHead, Reading, SignedReading},
    receipt::Receipt,
    refusal::LedgerRefusal,
    settlement::{Entry, Settlement},
};

/// Whether transactions are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Commit,
    /// They wait in the pool.
    Hold,
    /// None is taken: the node cannot be reached.
    #[allow(dead_code, reason = "not every test kills its market")]
    Away,
    /// None is taken, and none answered.
    #[allow(dead_code, reason = "not every test kills its market")]
    Deaf,
    /// They are committed, and not answered.
    #[allow(dead_code, reason = "not every test kills its market")]
    Mute,
}

#[derive(Clone)]
pub(crate) struct FakeLedger {
    pub(crate) address: SocketAddr,
    chain: Arc<Mutex<Chain>>,
}

struct Chain {
    genesis: Genesis,
    /// Position of each device's member.
    devices: BTreeMap<DeviceId, usize>,
    mode: Mode,
    pool: Vec<Transaction>,
    next: Interval,
    tie_seed: Hash,
    heads: Vec<ChainHead>,
    orders: Vec<u64>,
    committed: Vec<Option<Sealed>>,
    settled: Vec<(Settled, Settlement)>,
    /// Heights of corrections, and what is in force from there on.
    corrected: Vec<(u64, Settlement)>,
    refused: Vec<String>,
    /// Devices that are others than the genesis has.
    devices_now: BTreeMap<MemberId, Option<DeviceId>>,
    /// What was decided.
    decided: Vec<Decided>,
    /// What it refuses every order for.
    refuses_orders: Option<LedgerRefusal>,
    /// Ids of the transactions that were handed in, whatever became of them.
    handed_in: Vec<Hash>,
    /// Hashes of readings that contradict one another.
    reported: Vec<[Hash; 2]>,
}

impl FakeLedger {
    pub(crate) async fn start(genesis: &Genesis) -> FakeLedger {
        let before = genesis.first_interval.offset(-1).unwrap();
        let head = |member: &protocol::genesis::GenesisMember| ChainHead {
            sequence: 0,
            hash: Hash::ZERO,
            interval: before,
            registers: member.registers(),
        };
        let chain = Chain {
            mode: Mode::Commit,
            pool: Vec::new(),
            next: genesis.first_interval,
            tie_seed: genesis.chain(),
            heads: genesis.members.iter().map(head).collect(),
            orders: vec![0; genesis.members.len()],
            committed: vec![None; genesis.members.len()],
            settled: Vec::new(),
            corrected: Vec::new(),
            refused: Vec::new(),
            devices_now: BTreeMap::new(),
            decided: Vec::new(),
            refuses_orders: None,
            handed_in: Vec::new(),
            reported: Vec::new(),
            devices: genesis.members.iter().map(|member| member.device).zip(0..).collect(),
            genesis: genesis.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ledger = FakeLedger { address: listener.local_addr().unwrap(), chain: Arc::new(Mutex::new(chain)) };
        let router = Router::new()
            .route("/v1/transactions", post(submit))
            .route("/v1/status", get(status))
            .route("/v1/members", get(members))
            .route("/v1/rules", get(rules))
            .route("/v1/decisions", get(decisions))
            .route("/v1/settlements", get(settlements))
            .route("/v1/settlements/{start}/receipts", get(receipts))
            .route("/v1/settlements/{start}/corrections", get(corrections))
            .route("/v1/blocks/{height}", get(block))
            .layer(DefaultBodyLimit::max(TRANSACTION_BYTES_MAX))
            .with_state(ledger.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        ledger
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        let mut chain = self.chain.lock().unwrap();
        chain.mode = mode;
        if mode == Mode::Commit {
            for transaction in std::mem::take(&mut chain.pool) {
                if let Err(refusal) = chain.apply(&transaction) {
                    chain.refused.push(refusal);
                }
            }
        }
    }

    pub(crate) fn pooled(&self) -> usize {
        self.chain.lock().unwrap().pool.len()
    }

    /// Refuses every order from now on, or none.
    pub(crate) fn refuse_orders(&self, refusal: Option<LedgerRefusal>) {
        self.chain.lock().unwrap().refuses_orders = refusal;
    }

    /// Settles `interval` with these readings, in order of device, as if the market whose `key` this is had.
    #[allow(dead_code, reason = "not every test begins after the first interval")]
    pub(crate) fn settle(&self, interval: Interval, readings: &[SignedReading], key: &SecretKey) {
        let mut chain = self.chain.lock().unwrap();
        let (settlement, heads) = chain.clear(interval, readings).unwrap();
        let signed = Signed::sign(settlement, &chain.genesis.chain(), key);
        chain.commit(&signed, heads);
    }

    /// Puts a settlement in the place of its interval's last one.
    pub(crate) fn correct(&self, settlement: Settlement) {
        let mut chain = self.chain.lock().unwrap();
        let height = chain.height() + 1;
        chain.corrected.push((height, settlement));
    }

    /// Commits the market to a reading.
    pub(crate) fn commit_to(&self, reading: &SignedReading) {
        let transaction = Transaction::CommitReading(Sealed::from(reading));
        self.chain.lock().unwrap().apply(&transaction).unwrap();
    }

    /// Gives a member another device, or none; by a decision of this kind, or by itself.
    #[allow(dead_code, reason = "not every test changes who measures")]
    pub(crate) fn set_device(&self, member: MemberId, device: Option<DeviceId>, change: Option<Change>) {
        let mut chain = self.chain.lock().unwrap();
        chain.devices_now.insert(member, device);
        let sequence = chain.decided.len() as u64 + 1;
        let open = chain.next;
        let made = |change| Decided {
            sequence,
            id: Hash::ZERO,
            height: 1,
            open,
            approvals: Vec::new(),
            signed: 1,
            total: 1,
            change,
        };
        chain.decided.extend(change.map(made));
    }

    /// Every settlement, in order.
    pub(crate) fn settlements(&self) -> Vec<Settlement> {
        self.chain.lock().unwrap().settled.iter().map(|(_, settlement)| settlement.clone()).collect()
    }

    /// Pairs of contradicting readings, in the order of their coming.
    pub(crate) fn reported(&self) -> Vec<[Hash; 2]> {
        self.chain.lock().unwrap().reported.clone()
    }

    /// Ids of the transactions that were handed in, whatever became of them.
    #[allow(dead_code, reason = "not every test kills its market")]
    pub(crate) fn handed_in(&self) -> Vec<Hash> {
        self.chain.lock().unwrap().handed_in.clone()
    }

    /// Names of the refusals.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.chain.lock().unwrap().refused.clone()
    }
}

impl Chain {
    fn height(&self) -> u64 {
        (self.settled.len() + self.corrected.len()) as u64
    }

    fn header(&self, height: u64, entries: &MerkleTree) -> Header {
        Header {
            chain: self.genesis.chain(),
            height,
            previous: Hash::ZERO,
            validators: Hash::ZERO,
            next_validators: Hash::ZERO,
            transactions: MerkleTree::default().root(),
            entries: entries.root(),
            state: MerkleTree::default().root(),
        }
    }

    /// The receipts of a block, with proofs, but without signatures.
    fn receipts(&self, height: u64, entries: Vec<Entry>) -> Vec<Receipt> {
        let tree = MerkleTree::of_encoded(&entries);
        let header = self.header(height, &tree);
        let receipt = |(index, entry): (usize, Entry)| Receipt {
            entry,
            proof: tree.prove(index).unwrap(),
            header: header.clone(),
            certificate: unsigned(&header),
            steps: Vec::new(),
            neighbours: Vec::new(),
        };
        entries.into_iter().enumerate().map(receipt).collect()
    }

    fn apply(&mut self, transaction: &Transaction) -> Result<(), String> {
        let chain = self.genesis.chain();
        match transaction {
            Transaction::Instruct(_) | Transaction::Decide { .. } | Transaction::ReportStatus(_) => {
                Err("a market hands in nothing of the kind".into())
            }
            Transaction::PlaceOrder(order) => {
                if let Some(refusal) = self.refuses_orders {
                    return Err(refusal.to_string());
                }
                let order = order.open::<Order>(&chain, |_| true).map_err(|error| error.to_string())?;
                let member = self.genesis.members.iter().position(|member| member.key == order.signer());
                let last = &mut self.orders[member.ok_or("unknown_member")?];
                if order.sequence <= *last {
                    return Err("order_sequence_not_higher".into());
                }
                *last = order.sequence;
                Ok(())
            }
            Transaction::CommitReading(reading) => {
                let opened = reading.open::<Reading>(&chain, |_| true).map_err(|error| error.to_string())?;
                let member = self.devices.get(&opened.signer()).ok_or("unknown_signer")?;
                self.committed[*member] = Some(reading.clone());
                Ok(())
            }
            Transaction::ReportConflict { first, second } => {
                let open = |sealed: &Sealed| sealed.open::<Reading>(&chain, |device| self.devices.contains_key(device));
                let one = open(first).map_err(|error| error.to_string())?;
                let head = self.heads[self.devices[&one.signer()]];
                let other = match second.as_ref().map(open) {
                    Some(other) => {
                        other.map(|other| (other.sequence, other.hash())).map_err(|error| error.to_string())?
                    }
                    None => (head.sequence, head.hash),
                };
                if other.0 != one.sequence || other.1 == one.hash() {
                    return Err("no_conflict".into());
                }
                let mut pair = [one.hash(), other.1];
                pair.sort();
                self.reported.push(pair);
                Ok(())
            }
            Transaction::Settle { settlement, readings } => {
                let proposed = settlement
                    .open::<Settlement>(&chain, |key| *key == self.genesis.market)
                    .map_err(|error| error.to_string())?;
                if proposed.interval < self.next {
                    return Err("exists_with_different_settlement".into());
                }
                if proposed.interval > self.next {
                    return Err("interval_not_next".into());
                }
                if self.committed.iter().flatten().any(|committed| !proposed.readings.contains(&committed.hash())) {
                    return Err("committed_reading_left_out".into());
                }
                let readings = Signed::<Reading>::open_all(readings, &chain, protocol::key::PublicKey::from_bytes)
                    .map_err(|(position, error)| format!("reading {position}: {error}"))?;
                let (expected, heads) = self.clear(proposed.interval, &readings)?;
                if expected != *proposed {
                    return Err("clearing_differs".into());
                }
                self.commit(&proposed, heads);
                Ok(())
            }
        }
    }

    /// The settlement of `interval`, and where the chains of those devices end then.
    fn clear(
        &self,
        interval: Interval,
        readings: &[SignedReading],
    ) -> Result<(Settlement, Vec<(usize, ChainHead)>), String> {
        let grid = Grid::single_bus();
        let (mut members, mut heads) = (Vec::new(), Vec::new());
        for readings in readings.chunk_by(|a, b| a.signer() == b.signer()) {
            let device = readings[0].signer();
            let index = *self.devices.get(&device).ok_or("unknown_device")?;
            let member = &self.genesis.members[index];
            let (metered, head) = measure(&self.heads[index], readings, interval, member.rated_power_w)
                .map_err(|error| format!("reading_refused: {error}"))?;
            members.push((member.member, metered));
            heads.push((index, head));
        }
        let metered: BTreeMap<_, _> = members.into_iter().collect();
        let input = |member: &protocol::genesis::GenesisMember| {
            let (id, technology) = (member.member, member.technology);
            member_input(id, Some(member.device), technology, PriceLimits::default(), metered.get(&id).copied())
        };
        let inputs = Inputs::new(self.genesis.members.iter().map(input).collect(), |_| grid.bus(None)).unwrap();
        let expected = settle(IntervalInput {
            interval,
            rules: &self.genesis.rules,
            grid: &grid,
            tie_seed: &self.tie_seed,
            readings: readings.iter().map(Signed::hash).collect(),
            inputs: &inputs,
        })
        .map_err(|error| error.to_string())?;
        Ok((expected, heads))
    }

    fn commit(&mut self, settlement: &Signed<Settlement>, heads: Vec<(usize, ChainHead)>) {
        for (index, head) in heads {
            self.heads[index] = head;
            self.committed[index] = None;
        }
        self.next = settlement.interval.next().unwrap();
        self.tie_seed = tie_seed_after(settlement.content_hash());
        let content = settlement.payload().clone();
        let settled = Settled {
            interval: content.interval,
            height: self.height() + 1,
            settlement: settlement.hash(),
            price: content.price,
            lines: content.lines.clone(),
            trades: content.trades.clone(),
            supplier: content.supplier,
            operator: content.operator,
            provisional: content.provisional.clone(),
            corrections: 0,
            tariffs: content.tariffs,
        };
        self.settled.push((settled, content));
    }
}

async fn submit(State(ledger): State<FakeLedger>, body: Bytes) -> Result<Json<Submitted>, StatusCode> {
    let transaction: Transaction = cbor::decode(&body).unwrap();
    let mode = ledger.chain.lock().unwrap().mode;
    ledger.chain.lock().unwrap().handed_in.push(transaction.id());
    match mode {
        Mode::Away => Err(StatusCode::SERVICE_UNAVAILABLE),
        Mode::Deaf => std::future::pending().await,
        Mode::Mute => {
            take_in(&ledger, transaction);
            std::future::pending().await
        }
        Mode::Commit | Mode::Hold => Ok(Json(take_in(&ledger, transaction))),
    }
}

fn take_in(ledger: &FakeLedger, transaction: Transaction) -> Submitted {
    let id = transaction.id();
    let mut chain = ledger.chain.lock().unwrap();
    if chain.settled.iter().any(|(settled, _)| settled.settlement == id) {
        return Submitted::Exists { transaction: id };
    }
    if chain.mode == Mode::Hold {
        if !chain.pool.iter().any(|pooled| pooled.id() == id) {
            chain.pool.push(transaction);
        }
        return Submitted::Pending { transaction: id };
    }
    match chain.apply(&transaction) {
        Ok(()) => Submitted::Pending { transaction: id },
        Err(refusal) => {
            chain.refused.push(refusal.clone());
            Submitted::Refused { transaction: id, refusal, detail: String::new() }
        }
    }
}

async fn status(State(ledger): State<FakeLedger>) -> Json<Status> {
    let chain = ledger.chain.lock().unwrap();
    Json(Status {
        island_quorum: None,
        chain: chain.genesis.chain(),
        validator: None,
        validators: 1,
        height: chain.height(),
        block: Hash::ZERO,
        state_root: Hash::ZERO,
        height_age_ms: None,
        settled: chain.settled.last().map(|(settled, _)| settled.interval),
        next: chain.next,
        tie_seed: chain.tie_seed,
        settlements: chain.settled.len() as u64,
        balances_sum: Amount::ZERO,
        clock_s: None,
        equivocations: 0,
        log_key: None,
        witnesses: Vec::new(),
        reach: None,
    })
}

async fn members(
    State(ledger): State<FakeLedger>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Vec<MemberStatus>> {
    let after: Option<MemberId> = query.get("after").map(|text| text.parse().unwrap());
    let limit = query.get("limit").map_or(MEMBERS_PER_PAGE_MAX, |text| text.parse().unwrap());
    let chain = ledger.chain.lock().unwrap();
    let members = chain.genesis.members.iter().zip(&chain.heads).zip(&chain.orders).zip(&chain.committed);
    let status = members.map(|(((member, head), order_sequence), committed)| MemberStatus {
        quotas: Vec::new(),
        member: member.member,
        balance: Amount::ZERO,
        debits: Amount::ZERO,
        credits: Amount::ZERO,
        key: member.key,
        device: chain.devices_now.get(&member.member).copied().unwrap_or(Some(member.device)),
        rated_power_w: member.rated_power_w,
        bus: member.bus.clone(),
        technology: member.technology,
        sequence: head.sequence,
        reading: head.hash,
        read: head.interval,
        import_wh: head.registers.import_wh,
        export_wh: head.registers.export_wh,
        committed: committed.clone(),
        order: None,
        order_sequence: *order_sequence,
        instruction_sequence: 0,
    });
    Json(status.filter(|status| Some(status.member) > after).take(limit).collect())
}

async fn rules(State(ledger): State<FakeLedger>) -> Json<RulesInForce> {
    let chain = ledger.chain.lock().unwrap();
    Json(RulesInForce {
        interval: chain.next,
        from: chain.genesis.first_interval,
        rules: chain.genesis.rules.clone(),
        grid: chain.genesis.grid.clone(),
        market: chain.genesis.market,
        decision_sequence: chain.decided.len() as u64,
    })
}

async fn decisions(State(ledger): State<FakeLedger>, Query(query): Query<BTreeMap<String, u64>>) -> Json<Vec<Decided>> {
    let chain = ledger.chain.lock().unwrap();
    Json(chain.decided.iter().filter(|decided| decided.sequence >= query["from"]).cloned().collect())
}

async fn settlements(
    State(ledger): State<FakeLedger>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Vec<Settled>> {
    let number = |key: &str, default: u64| query.get(key).map_or(default, |text| text.parse().unwrap());
    let (limit, wait_ms) = (number("limit", 200) as usize, number("wait_ms", 0));
    let from = protocol::interval::parse_utc(&query["from"]).unwrap();
    let found = || -> Vec<Settled> {
        let chain = ledger.chain.lock().unwrap();
        let settled = chain.settled.iter().map(|(settled, _)| settled);
        settled.filter(|settled| settled.interval.start_s() >= from).take(limit).cloned().collect()
    };
    for _ in 0..wait_ms / 10 {
        if !found().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Json(found())
}

async fn receipts(
    State(ledger): State<FakeLedger>,
    Path(start): Path<String>,
) -> Result<Json<Vec<Receipt>>, StatusCode> {
    let chain = ledger.chain.lock().unwrap();
    let settled = chain.settled.iter().find(|(settled, _)| settled.interval.start_text() == start);
    let (settled, settlement) = settled.ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(chain.receipts(settled.height, settlement.entries(0).collect())))
}

async fn corrections(State(ledger): State<FakeLedger>, Path(start): Path<String>) -> Json<Vec<Receipt>> {
    let chain = ledger.chain.lock().unwrap();
    let of_interval = chain.corrected.iter().filter(|(_, settlement)| settlement.interval.start_text() == start);
    let numbered = (1..).zip(of_interval);
    let receipts = numbered
        .flat_map(|(number, (height, settlement))| chain.receipts(*height, settlement.entries(number).collect()));
    Json(receipts.collect())
}

async fn block(State(ledger): State<FakeLedger>, Path(height): Path<u64>) -> Result<Json<BlockSummary>, StatusCode> {
    let chain = ledger.chain.lock().unwrap();
    let settled = chain.settled.iter().map(|(settled, _)| (settled.height, settled.interval));
    let corrected = chain.corrected.iter().map(|(height, settlement)| (*height, settlement.interval));
    let here = settled.chain(corrected).filter(|(at, _)| *at == height);
    let intervals: Vec<Interval> = here.map(|(_, interval)| interval).collect();
    if intervals.is_empty() {
        return Err(StatusCode::NOT_FOUND);
    }
    let header = chain.header(height, &MerkleTree::default());
    let certificate = unsigned(&header);
    Ok(Json(BlockSummary { block: header.hash(), header, certificate, transactions: Vec::new(), intervals }))
}

fn unsigned(header: &Header) -> CommitCertificate {
    CommitCertificate { height: header.height, round: 0, block: header.hash(), signatures: Vec::new() }
}
