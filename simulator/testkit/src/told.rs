//! A ledger as it is told to somebody: its blocks, its receipts, and its log. A clone goes on by itself: what it says
//! from then on is another history, under signatures that are as good.

use ledger::{
    chain::{Tip, build, receipts, settlements},
    state::State,
};
use protocol::{
    block::Header,
    checkpoint::{Checkpoint, Cosigner, SignedCheckpoint, add_checkpoint, cosigner_key, log_key},
    hash::Hash,
    key::SecretKey,
    log::{Log, LogProof, ProofExtra, header_leaf},
    merkle::MerkleRoot,
    receipt::Receipt,
};

use crate::{community::Community, witness::Witness};

/// Told by all validators of a community.
#[derive(Clone)]
pub struct Told {
    pub community: Community,
    pub headers: Vec<Header>,
    /// Whose log it is: the key of a node's connections.
    pub network: SecretKey,
    state: State,
    nodes: Vec<Vec<Hash>>,
}

impl Told {
    /// A ledger before its first block.
    pub fn new(community: Community) -> Told {
        let state = community.state();
        let network = SecretKey::from_seed(&[77; 32]);
        Told { community, headers: Vec::new(), network, state, nodes: Vec::new() }
    }

    /// Settles the next interval, in which a member draws `flow` Wh and the others nothing; the receipts.
    pub fn settle(&mut self, member: usize, flow: i64) -> Vec<Receipt> {
        let interval = self.state.next();
        let members = self.community.members.len();
        let mut readings: Vec<_> =
            (0..members).map(|it| self.community.read(it, interval, if it == member { flow } else { 0 })).collect();
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        let settlement = self.community.settlement(&self.state, &readings);
        let transaction = self.community.transaction(settlement, &readings);
        let chain = self.community.genesis.chain();
        let block = self.headers.last().map_or(chain, Header::hash);
        let tip = Tip { height: self.headers.len() as u64, block };
        let (block, executed, refused) = build(&self.state, tip, [(transaction, Vec::new())]);
        assert_eq!(refused, []);
        let certificate = self.community.certificate(block.header.height, block.header.hash());
        let nodes = self.log(self.headers.len()).append(header_leaf(&block.header)).unwrap();
        self.nodes.push(nodes);
        self.state = executed.state;
        self.headers.push(block.header.clone());
        receipts(&block.header, &certificate, &settlements(&chain, &block).unwrap(), &[])
    }

    /// The log of the first `size` blocks.
    pub fn log(&self, size: usize) -> Log<impl Fn(u8, u64) -> Result<Hash, String> + '_> {
        let node = |level: u8, place: u64| {
            let nodes = self.nodes.get((((place + 1) << level) - 1) as usize);
            nodes.and_then(|nodes| nodes.get(usize::from(level)).copied()).ok_or_else(|| format!("{level}, {place}"))
        };
        Log::new(size as u64, node)
    }

    /// The checkpoint of all blocks, signed by its log and cosigned by the first so many validators.
    pub fn checkpoint(&self, validators: usize) -> SignedCheckpoint {
        let chain = self.community.genesis.chain();
        let root = self.log(self.headers.len()).root().unwrap();
        let (secret, key) = log_key(&chain, &self.network);
        let mut signed = SignedCheckpoint::sign(Checkpoint::of(&chain, root), &secret, &key);
        for validator in &self.community.validators[..validators] {
            let (secret, key) = cosigner_key(&chain, validator);
            signed.add(key.sign(signed.note().text(), &secret, 1_780_000_000));
        }
        signed
    }

    /// Asks a witness, which saw this log at a size before, to cosign: what it answers, and the checkpoint with it.
    pub fn show(&self, witness: &mut Witness, old: u64) -> (u16, SignedCheckpoint) {
        let mut signed = self.checkpoint(self.community.validators.len());
        let proof = self.log(self.headers.len()).prove_growth(old).unwrap().unwrap_or_default();
        let (status, body) = witness.add_checkpoint(&add_checkpoint(old, &proof, &signed));
        if status == 200 {
            signed.add(body.trim_end().parse().unwrap());
        }
        (status, signed)
    }

    /// The proof that a block is in the log, with a checkpoint of it.
    pub fn proof(&self, height: u64, checkpoint: SignedCheckpoint) -> LogProof {
        let chain = self.community.genesis.chain();
        let mut cosigners: Vec<_> = self.community.validators.iter().map(|key| Cosigner::of(&chain, key)).collect();
        cosigners.sort_by_key(|cosigner| cosigner.validator);
        let MerkleRoot { leaves, .. } = checkpoint.checkpoint().root;
        let proof = self.log(leaves as usize).prove(height).unwrap().unwrap();
        LogProof {
            extra: ProofExtra { header: self.headers[height as usize - 1].clone(), steps: Vec::new(), cosigners },
            proof,
            checkpoint,
        }
    }
}
