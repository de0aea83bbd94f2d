//! Forwarding receipts: each member's, to its device, when an interval is settled, and again when an agent seems to
//! have missed it.
//!
//! An interval may be corrected long after. So the forwarder follows the chain block by block, and forwards the
//! receipts of corrections, too.
//!
//! How far the forwarding got is on disk, so that a restart goes on from there; the last settled interval is always
//! forwarded again after a restart. An agent that misses a receipt all the same (the broker forgot it) sends its
//! reading again: the intake finds it settled, and asks here for the receipt.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use protocol::{api::SETTLEMENTS_PER_PAGE_MAX, interval::Interval, key::DeviceId, member::MemberId, receipt::Receipt};
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use super::{
    community::Community,
    console::Board,
    ledger_client::{LedgerClient, LedgerError},
    publisher::{Outgoing, Publisher},
    store::{Store, StoreError},
};

/// Most receipts that wait to be forwarded again. Beyond, a request is dropped: its agent asks again.
const AGAIN_MAX: usize = 1_024;
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How often the ledger is asked for new blocks.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// Most blocks that are looked at in one go: settled intervals go first.
const FOLLOWED_AT_ONCE_MAX: usize = 256;

/// A device that asks for the receipt of a settled reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Again {
    pub(crate) device: DeviceId,
    pub(crate) member: MemberId,
    /// The reading's interval.
    pub(crate) interval: Interval,
}

/// How the market tells the forwarder what to do.
#[derive(Debug)]
pub(crate) struct Orders {
    /// The last settled interval.
    pub(crate) settled: watch::Sender<Option<Interval>>,
    pub(crate) again: mpsc::Sender<Again>,
    /// The last interval whose receipts were forwarded.
    pub(crate) forwarded: watch::Receiver<Option<Interval>>,
}

/// Forwards receipts as long as the market runs.
#[derive(Debug)]
pub(crate) struct Forwarder {
    community: Arc<Community>,
    ledger: LedgerClient,
    publisher: Publisher,
    store: Store,
    board: Board,
    settled: watch::Receiver<Option<Interval>>,
    again: mpsc::Receiver<Again>,
    forwarded: watch::Sender<Option<Interval>>,
}

impl Forwarder {
    pub(crate) fn new(
        community: Arc<Community>,
        ledger: LedgerClient,
        publisher: Publisher,
        store: Store,
        board: Board,
    ) -> (Forwarder, Orders) {
        let (settled_sender, settled) = watch::channel(None);
        let (again_sender, again) = mpsc::channel(AGAIN_MAX);
        let (forwarded, forwarded_receiver) = watch::channel(None);
        let forwarder = Forwarder { community, ledger, publisher, store, board, settled, again, forwarded };
        (forwarder, Orders { settled: settled_sender, again: again_sender, forwarded: forwarded_receiver })
    }

    /// Runs until the market stops, or its state cannot be written.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let mut mark = self.store.forwarded(self.community.before_first.length())?.and_then(Interval::next);
        let mut followed = self.store.followed()?;
        let mut ticks = tokio::time::interval(FOLLOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = *self.settled.borrow_and_update();
            if let Some(last) = last {
                let from = *mark.get_or_insert(last);
                let mut next = Some(if self.forwarded.borrow().is_none() { from.min(last) } else { from });
                while let Some(interval) = next.filter(|interval| *interval <= last) {
                    self.forward(interval).await?;
                    next = interval.next();
                }
                mark = next;
            }
            tokio::select! {
                changed = self.settled.changed() => if changed.is_err() { return Ok(()) },
                Some(again) = self.again.recv() => self.forward_again(again).await,
                _ = ticks.tick() => self.follow(&mut followed).await?,
            }
        }
    }

    /// Forwards what blocks after `followed` correct. A market that never followed begins with the next block.
    async fn follow(&self, followed: &mut Option<u64>) -> Result<(), StoreError> {
        let tip = match self.ledger.height().await {
            Ok(tip) => tip,
            Err(error) => {
                tracing::debug!(%error, "asking for new blocks");
                return Ok(());
            }
        };
        let mut done = followed.unwrap_or(tip);
        for height in (done + 1..=tip).take(FOLLOWED_AT_ONCE_MAX) {
            if let Err(error) = self.forward_corrections(height).await {
                tracing::debug!(%error, height, "looking for corrections");
                break;
            }
            done = height;
        }
        if *followed != Some(done) {
            self.store.mark_followed(done)?;
            *followed = Some(done);
        }
        Ok(())
    }

    async fn forward_corrections(&self, height: u64) -> Result<(), LedgerError> {
        for interval in self.ledger.intervals_in(height).await? {
            let receipts = self.ledger.corrections(interval).await?;
            let mut count = 0;
            for receipt in receipts.iter().filter(|receipt| receipt.header.height == height) {
                self.publish(receipt).await;
                count += 1;
            }
            if count > 0 {
                tracing::info!(%interval, height, receipts = count, "an interval was corrected");
                self.board.receipts_forwarded(count);
                self.show_corrected(interval, &receipts).await?;
            }
        }
        Ok(())
    }

    /// Shows what an interval came to in the place of what it was. `receipts` are those of its corrections.
    async fn show_corrected(&self, interval: Interval, receipts: &[Receipt]) -> Result<(), LedgerError> {
        let Some(counted) = self.board.corrections(interval) else { return Ok(()) };
        let lines = |receipts: &[Receipt]| {
            let shown = receipts.iter().filter(|receipt| receipt.entry.correction == counted);
            shown.map(|receipt| receipt.entry.line).collect::<Vec<_>>()
        };
        let before = if counted == 0 { lines(&self.ledger.receipts(interval).await?) } else { lines(receipts) };
        for stands in self.ledger.settlements_in_force(interval, 1, None).await? {
            self.board.corrected(&stands, &before);
        }
        Ok(())
    }

    async fn forward(&self, interval: Interval) -> Result<(), StoreError> {
        let receipts = loop {
            match self.ledger.receipts(interval).await {
                Ok(receipts) => break receipts,
                Err(error) => tracing::warn!(%interval, %error, "no receipts yet; trying again"),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        };
        for receipt in &receipts {
            self.publish(receipt).await;
        }
        self.store.mark_forwarded(interval).await?;
        self.forwarded.send_replace(Some(interval));
        self.board.receipts_forwarded(receipts.len());
        Ok(())
    }

    async fn publish(&self, receipt: &Receipt) {
        let member = receipt.entry.line.member;
        match self.community.device(&member) {
            Some(device) => self.publish_to(&device, receipt).await,
            None => tracing::error!(%member, "a receipt of somebody who is no member"),
        }
    }

    async fn publish_to(&self, device: &DeviceId, receipt: &Receipt) {
        let topic = self.community.topics.receipt(device);
        self.publisher.receipt(Outgoing { topic, payload: receipt.to_json(), retain: false }).await;
    }

    /// Forwards what was asked for again: all that waits, one question to the ledger for each interval.
    async fn forward_again(&mut self, first: Again) {
        let mut wanted: BTreeMap<Interval, BTreeSet<(MemberId, DeviceId)>> = BTreeMap::new();
        let mut again = Some(first);
        while let Some(Again { device, member, interval }) = again {
            wanted.entry(interval).or_default().insert((member, device));
            again = self.again.try_recv().ok();
        }
        for (interval, devices) in wanted {
            for (settled, devices) in self.settled_in(interval, devices).await {
                let Ok(mut receipts) = self.ledger.receipts(settled).await else { continue };
                receipts.extend(self.ledger.corrections(settled).await.unwrap_or_default());
                let mut count = 0;
                for (member, device) in devices {
                    for receipt in receipts.iter().filter(|receipt| receipt.entry.line.member == member) {
                        self.publish_to(&device, receipt).await;
                        count += 1;
                    }
                }
                self.board.receipts_forwarded(count);
            }
        }
    }

    /// With which interval the members' readings of `interval` were settled: with their own, or, where they came
    /// late, with the first one after it that has a line of the member.
    async fn settled_in(
        &self,
        interval: Interval,
        mut devices: BTreeSet<(MemberId, DeviceId)>,
    ) -> BTreeMap<Interval, BTreeSet<(MemberId, DeviceId)>> {
        let mut found: BTreeMap<Interval, BTreeSet<_>> = BTreeMap::new();
        let mut from = Some(interval);
        while let Some(start) = from.take().filter(|_| !devices.is_empty()) {
            let page = match self.ledger.settlements(start, SETTLEMENTS_PER_PAGE_MAX).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::debug!(%error, "looking for a settlement");
                    break;
                }
            };
            for settled in &page {
                let here = |(member, _): &(MemberId, DeviceId)| settled.lines.iter().any(|line| line.member == *member);
                let settled_here = devices.extract_if(.., here).collect::<BTreeSet<_>>();
                if !settled_here.is_empty() {
                    found.entry(settled.interval).or_default().extend(settled_here);
                }
            }
            from = page.last().and_then(|last| last.interval.next());
        }
        found
    }
}
