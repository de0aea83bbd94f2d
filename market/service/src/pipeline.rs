//! The line on which groups of messages go from the broker to the disk: each group is verified on a core of its own,
//! then what is verified by then is decided about, in the order in which it came, and stored with one `fsync`. So all
//! cores verify while the disk writes, and the more there is to take in, the more messages share one `fsync`.
//!
//! There is a bound to what the line holds. What does not fit waits in the inbox, then in the connection, then at the
//! broker.

use std::{num::NonZero, sync::Arc, thread};

use futures::{FutureExt, StreamExt, stream::FuturesOrdered};
use protocol::{batch::batch_where, envelope::ChainId};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::{
    community::Roll,
    group::{Decided, GROUP_MAX, Group, Opened},
    store::{Store, StoreError},
};

/// Most messages on the line.
pub(crate) const PIPELINE_MAX: usize = 16_384;
/// Groups are not split further than this to give every core one: a batch of 512 signatures takes a seventh longer to
/// verify than a quarter of one of 2,048.
const GROUP_MIN: usize = 1_024;
/// Fewest and most messages of a group for a core that has nothing to do: half a core is better than none, and it waits
/// while they are sifted.
const FIRST_GROUP: (usize, usize) = (256, 1_280);

/// The line.
#[derive(Debug)]
pub(crate) struct Pipeline {
    chain: ChainId,
    store: Store,
    cores: usize,
    verifying: FuturesOrdered<JoinHandle<Opened>>,
    /// At most one task that stores.
    storing: JoinSet<Result<Decided, StoreError>>,
    messages: usize,
    /// The size of batches in which signatures are verified, by what was forged lately.
    batch: usize,
}

/// What has come to the end of a stage.
#[derive(Debug)]
pub(crate) enum Stage {
    /// To be decided about, and handed to [`Pipeline::store`].
    Opened(Vec<Opened>),
    /// On disk: to be answered.
    Stored(Decided),
}

impl Pipeline {
    pub(crate) fn new(chain: ChainId, store: Store) -> Pipeline {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Pipeline {
            chain,
            store,
            cores,
            verifying: FuturesOrdered::new(),
            storing: JoinSet::new(),
            messages: 0,
            batch: usize::MAX,
        }
    }

    /// How many of `waiting` messages the next group takes: none while every core has a group, and another one is ready
    /// for each.
    pub(crate) fn room(&self, waiting: usize) -> usize {
        if self.verifying.len() >= 2 * self.cores {
            return 0;
        }
        let share = waiting.div_ceil(self.cores);
        let room = if self.verifying.len() < self.cores {
            share.clamp(FIRST_GROUP.0, FIRST_GROUP.1)
        } else if waiting < 2 * GROUP_MIN {
            // What one group left would be too little for another.
            waiting.max(GROUP_MIN)
        } else {
            share.clamp(GROUP_MIN, GROUP_MAX)
        };
        room.min(PIPELINE_MAX.saturating_sub(self.messages))
    }

    /// How many messages are on the line.
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    /// Puts a group on the line.
    pub(crate) fn verify(&mut self, group: Group, roll: Arc<Roll>) {
        let (chain, batch) = (self.chain, self.batch);
        self.messages += group.len();
        self.verifying.push_back(tokio::task::spawn_blocking(move || group.open(&chain, &roll, batch)));
    }

    /// Stores what was decided. Nothing else is, until [`next`](Self::next) has given it back.
    pub(crate) fn store(&mut self, decided: Decided) -> Result<(), StoreError> {
        let is_nothing = decided.readings.is_empty() && decided.conflicts.is_empty();
        self.store.keep(&decided.readings, &decided.conflicts)?;
        let store = self.store.clone();
        self.storing.spawn(async move {
            if !is_nothing {
                store.flush().await?;
            }
            Ok(decided)
        });
        Ok(())
    }

    /// Gives up what is on the line, and returns when nothing uses the store any longer.
    pub(crate) async fn shut_down(&mut self) {
        self.storing.shutdown().await;
    }

    /// What happens next on the line; never anything while it is empty. May be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Result<Stage, StoreError> {
        tokio::select! {
            biased;
            Some(stored) = self.storing.join_next() => {
                let decided = stored.map_err(|error| StoreError::crashed(&error))??;
                self.messages -= decided.verdicts.len();
                Ok(Stage::Stored(decided))
            }
            Some(opened) = self.verifying.next(), if self.storing.is_empty() => {
                let all = |opened: Result<Opened, JoinError>| opened.map_err(|error| StoreError::crashed(&error));
                let mut groups = vec![all(opened)?];
                while let Some(Some(opened)) = self.verifying.next().now_or_never() {
                    groups.push(all(opened)?);
                }
                let forged = groups.iter().map(Opened::forged).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
                self.batch = batch_where(forged.0, forged.1);
                Ok(Stage::Opened(groups))
            }
            else => std::future::pending().await,
        }
    }
}
