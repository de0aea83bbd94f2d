//! What a node does with each input: the engine's questions to the application and back.

use std::{
    collections::BTreeMap,
    sync::PoisonError,
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, Instant},
};

use arc_malachitebft_app_channel::{
    AppMsg, NetworkMsg, Reply,
    app::{
        consensus::{MisbehaviorEvidence, ProposedValue},
        engine::host::{LocallyProposedValue, Next, SyncedValueOutcome},
        types::{
            core::{HeightParams, LinearTimeouts, Round, Validity},
            streaming::StreamMessage,
            sync::RawDecidedValue,
        },
    },
};
use bytes::Bytes;
use ledger::evidence::Evidence;
use protocol::{
    commit::CommitCertificate,
    hash::Hash,
    key::{SecretKey, ValidatorId},
    limits::BLOCK_BYTES_MAX,
};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{
    Application, Candidate, Doubt, Halt, Metrics, Settings, Work, codec,
    context::{self, Context},
    evidence::evidence,
    inputs::{Input, Patience},
    pace::{Due, Pace, linear},
    part::{Answer, Ask, BodyPart, Part, Start},
    parts::{Assembler, Body, Refusal, split},
    record::SharedRecord,
    signing,
    silence::Silence,
    sync::{SYNC_BLOCKS_MAX, SYNC_BYTES_MAX},
    validators::ValidatorSet,
    words::{Address, Height, Value},
};

/// How the node is to go on, if not as it is.
pub(super) enum Change {
    /// It may vote again.
    Vote,
    /// It may no longer vote.
    KeepSilent(Doubt),
}

/// A validator's questions are answered no more often than this.
const ANSWER_INTERVAL: Duration = Duration::from_millis(500);

/// A node between two inputs.
pub(super) struct Node<A> {
    app: A,
    chain: Hash,
    key: Option<SecretKey>,
    record: Option<SharedRecord>,
    silence: Option<Silence>,
    change: Option<Change>,
    answered: BTreeMap<ValidatorId, Instant>,
    /// The height of the last block from a peer's history.
    synced: Option<u64>,
    timeouts: LinearTimeouts,
    metrics: Metrics,
    network: mpsc::Sender<NetworkMsg<Context>>,
    assembler: Assembler,
    pace: Pace,
    /// The engine, held back from starting the next height.
    waiting: Option<Reply<Next<Context>>>,
    /// What it is held back for.
    pub(super) work: Option<Work>,
    /// Until when the next proposer waits for what made the others start.
    pub(super) patience: Option<Patience>,
}

impl<A: Application> Node<A> {
    pub(super) fn new(
        app: A,
        settings: &Settings,
        network: mpsc::Sender<NetworkMsg<Context>>,
        record: Option<SharedRecord>,
        silence: Option<Silence>,
    ) -> Result<Node<A>, Halt> {
        let (next, members) = app.next_height();
        let mut node = Node {
            app,
            chain: settings.chain,
            key: settings.key.clone(),
            record,
            silence,
            change: None,
            answered: BTreeMap::new(),
            synced: None,
            timeouts: linear(settings.timeouts),
            metrics: settings.metrics.clone(),
            network,
            assembler: Assembler::default(),
            pace: Pace::new(settings.chain, next, ValidatorSet::new(next, &members)?),
            waiting: None,
            work: None,
            patience: None,
        };
        node.end_silence_if_due();
        Ok(node)
    }

    /// The application, once the engine has stopped.
    pub(super) fn into_app(self) -> A {
        self.app
    }

    /// How to go on, if not as before.
    pub(super) fn change(&mut self) -> Option<Change> {
        self.change.take()
    }

    /// Handles one input.
    pub(super) async fn handle(&mut self, input: Input) -> Result<(), Halt> {
        match input {
            Input::Stop => Ok(()),
            Input::Failed(halt) => Err(halt),
            Input::Ask(ask) => self.answer(*ask).await,
            Input::Received(message) => {
                self.pace.hear_message(&message);
                self.start_if_due();
                Ok(())
            }
            Input::Certificate(certificate) => {
                self.pace.remember(certificate);
                self.start_if_due();
                Ok(())
            }
            Input::Work => {
                self.start_next();
                self.announce_start().await
            }
            Input::Impatience => {
                self.start_next();
                Ok(())
            }
            Input::Refused(doubt) => {
                self.change = Some(Change::KeepSilent(doubt));
                Ok(())
            }
            Input::AskOthers => match (&self.key, &self.silence) {
                (Some(key), Some(silence)) => {
                    let ask = Ask::sign(&self.chain, key, silence.word);
                    self.publish(Part::Ask(Box::new(ask))).await
                }
                _ => Ok(()),
            },
        }
    }

    async fn answer(&mut self, ask: AppMsg<Context>) -> Result<(), Halt> {
        match ask {
            AppMsg::ConsensusReady { reply } => {
                self.pace.start();
                send(reply, (Height(self.pace.next()), self.params()));
            }
            AppMsg::StartedRound { height, round, reply_value, .. } => {
                let candidates = self.start_round(height.0, round.as_u32().unwrap_or(0)).await?;
                send(reply_value, candidates.into_iter().map(proposed_value).collect());
            }
            AppMsg::GetValue { height, round, reply, .. } => self.propose(height, round, reply).await?,
            AppMsg::RestreamProposal { height, round, valid_round, address, value_id } => {
                if let (Some(body), Some(round)) = (self.app.body(height.0, &value_id).await?, round.as_u32()) {
                    let (height, valid_round, proposer) = (height.0, valid_round.as_u32(), address.0);
                    let candidate = Candidate { block: value_id, height, round, proposer, valid_round, valid: true };
                    self.stream(&candidate, &body).await?;
                }
            }
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let candidate = self.take_part(part).await?;
                send(reply, candidate.map(proposed_value));
            }
            AppMsg::Decided { certificate, reply, .. } => {
                let certificate = context::certificate(&certificate).ok_or(Halt::EngineStopped)?;
                // Without an answer, the engine does not tell peers that we have the block.
                if self.commit(certificate).await? {
                    send(reply, ());
                }
            }
            AppMsg::Finalized { certificate, evidence, reply, .. } => {
                self.witness(&evidence).await;
                self.finish(certificate.height.0, reply);
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                send(reply, self.take_synced(height, round, proposer, value_bytes).await?);
            }
            AppMsg::GetDecidedValues { range, reply } => {
                send(reply, self.history(range.start().0, range.end().0).await?);
            }
            AppMsg::GetHistoryMinHeight { reply } => send(reply, Height(self.app.history_start())),
            AppMsg::ExtendVote { reply, .. } => send(reply, None),
            AppMsg::VerifyVoteExtensions { extensions, reply, .. } => {
                send(reply, extensions.into_iter().map(|(address, ())| (address, Ok(()))).collect());
            }
        }
        Ok(())
    }

    fn params(&self) -> HeightParams<Context> {
        HeightParams::new(self.pace.validators().clone(), self.timeouts, None)
    }

    async fn start_round(&mut self, height: u64, round: u32) -> Result<Vec<Candidate>, Halt> {
        if round > 0 {
            self.metrics.failed_rounds.inc();
        }
        let mut candidates = self.app.candidates(height, round).await?;
        for body in self.assembler.start(height, round) {
            candidates.extend(self.judge(body).await?);
        }
        Ok(candidates)
    }

    async fn propose(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Context>>,
    ) -> Result<(), Halt> {
        let Some(round_number) = round.as_u32() else { return Ok(()) };
        let (candidate, body) = self.app.propose(height.0, round_number).await?;
        send(reply, LocallyProposedValue::new(height, round, Value(candidate.block)));
        self.stream(&candidate, &body).await
    }

    async fn stream(&mut self, candidate: &Candidate, body: &Bytes) -> Result<(), Halt> {
        let Some(key) = &self.key else { return Ok(()) };
        for part in split(&self.chain, key, candidate, body)? {
            self.publish(Part::Body(Box::new(part))).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, part: Part) -> Result<(), Halt> {
        let message = NetworkMsg::PublishProposalPart(codec::stream_message(part));
        self.network.send(message).await.map_err(|_| Halt::EngineStopped)
    }

    async fn take_part(&mut self, message: StreamMessage<Part>) -> Result<Option<Candidate>, Halt> {
        match message.content.into_data() {
            Some(Part::Body(part)) => return self.take_body_part(*part).await,
            Some(Part::Start(note)) => {
                self.pace.hear_note(&note);
                self.start_if_due();
            }
            Some(Part::Ask(ask)) => self.answer_ask(&ask).await?,
            Some(Part::Answer(answer)) => {
                if let Some(silence) = &mut self.silence {
                    silence.hear(&self.chain, self.pace.validators(), &answer);
                    self.end_silence_if_due();
                }
            }
            None => {}
        }
        Ok(None)
    }

    /// Tells a silent validator where we stand, unless we keep silent ourselves.
    async fn answer_ask(&mut self, ask: &Ask) -> Result<(), Halt> {
        let Some(key) = self.key.as_ref().filter(|_| self.silence.is_none()) else { return Ok(()) };
        let is_early = self.answered.get(&ask.validator).is_some_and(|at| at.elapsed() < ANSWER_INTERVAL);
        if is_early || !self.pace.validators().contains(&ask.validator) || !ask.is_signed(&self.chain) {
            return Ok(());
        }
        self.answered.insert(ask.validator, Instant::now());
        let answer = Answer::sign(&self.chain, key, ask.word, self.pace.next() - 1);
        self.publish(Part::Answer(Box::new(answer))).await
    }

    fn end_silence_if_due(&mut self) {
        let (Some(key), Some(silence)) = (&self.key, &self.silence) else { return };
        if silence.last_vote(&key.public(), self.pace.validators()).is_some_and(|last| last < self.pace.next()) {
            self.change = Some(Change::Vote);
        }
    }

    /// Whether a block holds a vote of ours that our record doesn't know. From a peer's history that means that the
    /// record is old. While we decide blocks with the others, that another node votes with our key: silence would not
    /// stop it.
    fn find_unknown_vote(&self, certificate: &CommitCertificate) -> Option<Doubt> {
        let (key, record) = (self.key.as_ref()?, self.record.as_ref()?);
        let me = key.public();
        let is_signed = certificate.signatures.iter().any(|entry| entry.validator == me);
        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
        let is_asking = self.silence.as_ref().is_some_and(Silence::asks);
        if !is_signed || is_asking || record.knows_precommit(certificate.height, certificate.round) {
            return None;
        }
        let doubt = Doubt::OldRecord { height: certificate.height };
        warn!("{doubt}");
        self.metrics.unknown_votes.inc();
        (self.synced == Some(certificate.height)).then_some(doubt)
    }

    async fn take_body_part(&mut self, part: BodyPart) -> Result<Option<Candidate>, Halt> {
        let (height, chain) = (part.outline.height, self.chain);
        let taken = if self.pace.validators().contains(&part.streamer) {
            self.assembler.insert(part, |part| signing::part_is_signed(&chain, part))
        } else {
            Err(Refusal::UnknownStreamer)
        };
        match taken {
            Ok(body) => {
                self.pace.hear(height);
                self.start_if_due();
                match body {
                    // A body can be complete only after its height is decided.
                    Some(body) if body.outline.height == self.pace.next() => self.judge(body).await,
                    _ => Ok(None),
                }
            }
            Err(refusal) => {
                debug!(height, %refusal, "refused a part of a body");
                self.metrics.refused(refusal);
                Ok(None)
            }
        }
    }

    async fn judge(&mut self, body: Body) -> Result<Option<Candidate>, Halt> {
        let Body { outline, bytes } = body;
        if self.pace.validators().proposer(outline.height, outline.round).address != Address(outline.proposer) {
            self.metrics.refused(Refusal::WrongProposer);
            return Ok(None);
        }
        let (height, round, proposer) = (outline.height, outline.round, outline.proposer);
        let candidate = self.app.receive(height, round, proposer, outline.valid_round, bytes).await?;
        if candidate.as_ref().is_none_or(|candidate| !candidate.valid) {
            warn!(height, round, %proposer, "a proposed block is invalid");
            self.metrics.invalid_bodies.inc();
        }
        Ok(candidate)
    }

    /// Whether the block is committed.
    async fn commit(&mut self, certificate: CommitCertificate) -> Result<bool, Halt> {
        let height = certificate.height;
        if height >= self.pace.next() {
            let doubt = self.find_unknown_vote(&certificate);
            if !self.app.commit(certificate).await? {
                return Ok(false);
            }
            let (next, members) = self.app.next_height();
            if next != height + 1 {
                let found = format!("expected the next height {} after a commit, found {next}", height + 1);
                return Err(Halt::Storage(found));
            }
            self.pace.commit(next, ValidatorSet::new(next, &members)?);
            self.end_silence_if_due();
            if let Some(doubt) = doubt {
                self.change = Some(Change::KeepSilent(doubt));
            }
        }
        Ok(true)
    }

    async fn witness(&mut self, seen: &MisbehaviorEvidence<Context>) {
        for evidence in evidence(self.chain, seen) {
            let Evidence { validator, said, height, round, .. } = &evidence;
            warn!(%validator, said = said.name(), height, round, "a validator signed two messages that contradict one another");
            self.metrics.equivocations.inc();
            self.app.witnessed(evidence).await;
        }
    }

    /// The engine has finished a height: what next?
    fn finish(&mut self, height: u64, reply: Reply<Next<Context>>) {
        if height >= self.pace.next() {
            warn!(height, "the body of a decided block is missing; asking the others for it");
            self.metrics.restarted_heights.inc();
            self.assembler = Assembler::default();
            send(reply, Next::Restart(Height(height), self.params()));
            return;
        }
        self.waiting = Some(reply);
        let mut work = self.app.work();
        // Polled here, a chain that has work all the time says nothing about it to the others, who have it, too.
        let is_ready = work.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) == Poll::Ready(());
        self.work = Some(work);
        if is_ready {
            self.start_next();
        } else {
            self.start_if_due();
        }
    }

    fn start_if_due(&mut self) {
        if self.waiting.is_none() {
            return;
        }
        match self.pace.due() {
            // What they have started it for is on its way to us or being checked. Proposed without it, the block would
            // be empty, and it would have to wait for another one.
            Some(Due::Heard) if self.proposes_next() => {
                let wait = self.timeouts.propose / 2;
                self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            }
            Some(_) => self.start_next(),
            None => {}
        }
    }

    fn proposes_next(&self) -> bool {
        let proposer = self.pace.validators().proposer(self.pace.next(), 0).address;
        self.key.as_ref().is_some_and(|key| Address(key.public()) == proposer)
    }

    fn start_next(&mut self) {
        if let Some(reply) = self.waiting.take() {
            (self.work, self.patience) = (None, None);
            self.pace.start();
            send(reply, Next::Start(Height(self.pace.next()), self.params()));
        }
    }

    /// Tells the others that we have started the next height. Otherwise they would learn of our work when our first
    /// vote times out.
    async fn announce_start(&mut self) -> Result<(), Halt> {
        let Some(key) = self.key.as_ref().filter(|key| self.pace.validators().contains(&key.public())) else {
            return Ok(());
        };
        let height = self.pace.next();
        let signature = key.sign(&signing::start(&self.chain, height));
        self.publish(Part::Start(Box::new(Start { height, validator: key.public(), signature }))).await
    }

    async fn take_synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        body: Bytes,
    ) -> Result<SyncedValueOutcome<Context>, Halt> {
        if body.len() > BLOCK_BYTES_MAX {
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let Some(round) = round.as_u32().filter(|_| height.0 == self.pace.next()) else {
            return Ok(SyncedValueOutcome::LocalTransientError);
        };
        match self.app.receive(height.0, round, proposer.0, None, body).await? {
            Some(candidate) if candidate.valid => {
                self.metrics.synced_blocks.inc();
                self.synced = Some(height.0);
                Ok(SyncedValueOutcome::Verdict(proposed_value(candidate)))
            }
            // Two thirds of the validators have signed the block, and yet it is invalid here: the peer has spoilt what
            // the block's hash does not cover, or we run other rules than they. The engine would take the second for
            // granted and wait for a new version; told that the peer is at fault, it asks the others.
            candidate => {
                let block = candidate.map(|candidate| candidate.block);
                warn!(height = height.0, ?block, "a decided block from a peer's history is invalid here");
                self.metrics.invalid_bodies.inc();
                Ok(SyncedValueOutcome::PeerFault)
            }
        }
    }

    /// Decided blocks for a peer: a contiguous run from the first, within limits of number and size.
    async fn history(&mut self, first: u64, last: u64) -> Result<Vec<RawDecidedValue<Context>>, Halt> {
        let mut blocks = Vec::new();
        let mut room = SYNC_BYTES_MAX;
        for height in (first..=last).take(SYNC_BLOCKS_MAX) {
            let Some((certificate, body)) = self.app.decided(height).await? else { break };
            let Some(left) = room.checked_sub(body.len()) else { break };
            room = left;
            blocks.push(RawDecidedValue::new(body, context::engine_certificate(certificate)));
        }
        Ok(blocks)
    }
}

fn proposed_value(candidate: Candidate) -> ProposedValue<Context> {
    ProposedValue {
        height: Height(candidate.height),
        round: Round::new(candidate.round),
        valid_round: Round::from(candidate.valid_round),
        proposer: Address(candidate.proposer),
        value: Value(candidate.block),
        validity: Validity::from_bool(candidate.valid),
    }
}

/// Answers the engine. If it is gone, the next input says so.
fn send<T>(reply: Reply<T>, answer: T) {
    if reply.send(answer).is_err() {
        debug!("the engine no longer waits for an answer");
    }
}
