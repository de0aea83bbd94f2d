//! The intake alone, with neither broker nor ledger, to measure it: messages go the way that they go in a market,
//! through the same code, from where the broker's client hands them over to where they are on disk and can be answered.

use std::{collections::BTreeMap, path::Path};

use protocol::{answer::Refusal, envelope::Sealed, genesis::Genesis, key::SecretKey};

use super::{
    book::Book,
    community::{Community, CommunityError},
    group::{Decided, Group, Sieve},
    intake::{Intake, Refused},
    message::Body,
    pipeline::{Pipeline, Stage},
    store::{Store, StoreError},
};

/// Why there is no rehearsal.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The genesis or the key is not for a market.
    #[error(transparent)]
    Community(#[from] CommunityError),
    /// The state directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An intake that settles nothing.
#[derive(Debug)]
pub struct Rehearsal {
    community: Community,
    book: Book,
    intake: Intake,
    pipeline: Pipeline,
}

/// What became of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// Readings that were taken and are on disk.
    pub accepted: usize,
    /// How many messages were refused, by name.
    pub refused: BTreeMap<Refusal, usize>,
}

impl Rehearsal {
    /// The intake of the community of `genesis`, whose market has the secret `key`, before the first reading; it keeps
    /// its state in the directory `state`.
    pub fn new(genesis: Genesis, key: SecretKey, state: &Path) -> Result<Rehearsal, RehearsalError> {
        let community = Community::new(genesis, key)?;
        let book = Book::new(&community.genesis, community.before_first);
        let pipeline = Pipeline::new(community.chain, Store::open(state, &community.chain)?);
        let intake = Intake { first: community.genesis.first_interval, ended_by_s: i64::MAX };
        Ok(Rehearsal { community, book, intake, pipeline })
    }

    /// Takes in messages that wait all at once: topic and content, a part of what was read from the connection, as the
    /// broker's client hands them over. Orders among them are left alone.
    pub async fn take_in(&mut self, messages: Vec<(String, &[u8])>) -> Result<Rehearsed, StoreError> {
        let mut rehearsed = Rehearsed { accepted: 0, refused: BTreeMap::new() };
        let mut messages = messages.into_iter();
        loop {
            let room = self.pipeline.room(messages.len());
            if room > 0 && messages.len() > 0 {
                let mut group = Group::with_room(room.min(messages.len()));
                let roll = self.community.roll();
                let sieve = Sieve { topics: &self.community.topics, roll: &roll, book: &self.book };
                for (topic, bytes) in messages.by_ref().take(room) {
                    group.add(&sieve, &topic, Body::Whole(Sealed::from(bytes)));
                }
                self.pipeline.verify(group, roll);
            } else if self.pipeline.len() == 0 {
                return Ok(rehearsed);
            } else {
                match self.pipeline.next().await? {
                    Stage::Opened(groups) => {
                        let mut decided = Decided::default();
                        for opened in groups {
                            opened.decide(&mut self.book, &self.intake, |_, _| Ok(()), |_, _| Ok(()), &mut decided);
                        }
                        self.pipeline.store(decided)?;
                    }
                    Stage::Stored(decided) => {
                        rehearsed.accepted += decided.readings.len();
                        let refused = decided.verdicts.into_iter().filter_map(|verdict| verdict.decision.err());
                        for Refused { refusal, .. } in refused {
                            *rehearsed.refused.entry(refusal).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
}
