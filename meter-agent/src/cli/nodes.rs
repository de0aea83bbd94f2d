//! The ledger nodes that a command asks.

use std::path::PathBuf;

use clap::Args;
use ledger_client::{Client, ClientError, api::Node};

use crate::recover::PATIENCE;

#[derive(Debug, Args)]
pub(super) struct Nodes {
    /// A ledger node to ask, such as https://node.example:26000; several are believed only if they agree.
    #[arg(long, value_name = "URL")]
    node: Vec<String>,
    /// PEM file with the certificates that the nodes' own must lead to; an https address needs one.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with a token from your operator, of the role `read`; of `submit` where something is handed in.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
}

impl Nodes {
    /// Them, none of which was asked yet.
    pub(super) fn open(&self) -> Result<Vec<Node>, ClientError> {
        let client = |url: &String| Client::new(url, self.ca.as_deref(), self.token.as_deref());
        self.node.iter().map(|url| Ok(Node::new(client(url)?, PATIENCE))).collect()
    }

    /// Their clients, by address, for what only this household asks.
    pub(super) fn clients(&self) -> Result<Vec<Client>, ClientError> {
        self.node.iter().map(|url| Client::new(url, self.ca.as_deref(), self.token.as_deref())).collect()
    }
}
