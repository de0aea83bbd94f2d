//! Asks ledger nodes whether witnesses have seen the blocks of this household's receipts, and decides nothing.

use std::time::Duration;

use ledger_client::{Client, ClientError, api::Node};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    recover::PATIENCE,
    witnessed::{Answer, WitnessesConfig},
};

/// What the nodes answered about a height.
pub(crate) struct Answered {
    pub(crate) height: u64,
    pub(crate) answers: Vec<Answer>,
}

/// The nodes of a configuration, none of which was asked yet.
pub(crate) fn nodes(config: &WitnessesConfig) -> Result<Vec<Node>, ClientError> {
    let client = |url: &String| Client::new(url, config.ca.as_deref(), config.token.as_deref());
    config.nodes.iter().map(|url| Ok(Node::new(client(url)?, PATIENCE))).collect()
}

/// Asks until told to stop, or until nobody listens.
pub(crate) async fn ask(
    nodes: Vec<Node>,
    every: Duration,
    mut wanted: watch::Receiver<Vec<u64>>,
    answered: mpsc::Sender<Answered>,
    stop: impl Future<Output = ()>,
) {
    let asking = async {
        loop {
            // An error means that the agent has ended.
            if wanted.wait_for(|wanted| !wanted.is_empty()).await.is_err() {
                return;
            }
            let next = Instant::now() + every;
            // Of a block that was committed just now, no witness can know.
            tokio::time::sleep_until(next).await;
            let heights = wanted.borrow_and_update().clone();
            for height in heights {
                let mut answers = Vec::with_capacity(nodes.len());
                for node in &nodes {
                    let proof = node.log_proof(height).await;
                    answers.push(proof.map(Box::new).map_err(|error| format!("{}: {error}", node.url())));
                }
                if answered.send(Answered { height, answers }).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = stop => {}
    }
}
