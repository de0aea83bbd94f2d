//! Real validators of a community: nodes in this process, each over its own store and its own HTTP API.

#[path = "../../../ledger/node/tests/support/nodes.rs"]
#[allow(dead_code, reason = "the validators are started one by one here")]
mod nodes;

use std::{path::Path, time::Duration};

use ledger_node::{
    node::{Config, Running, STORE_DIRECTORY, start},
    store::{SledStore, Store, StoreError},
};
use nodes::NodeFiles;
use protocol::{genesis::Genesis, key::SecretKey};
pub(crate) use testkit::community::write_secret;
use testkit::ports::{self, free_port};

/// No block is made while nobody waits for one.
const HEARTBEAT_MS: u64 = 3_600_000;
/// What a proposer that is away costs.
const PROPOSE_MS: u64 = 1_000;

/// Who validates what.
pub(crate) struct Community {
    pub(crate) genesis: Genesis,
    pub(crate) validators: Vec<SecretKey>,
}

/// Validators that know where the others listen, whether or not those run.
pub(crate) struct Validators {
    pub(crate) community: Community,
    ports: Vec<u16>,
}

impl Validators {
    pub(crate) fn new(community: Community) -> Validators {
        let ports = community.validators.iter().map(|_| free_port()).collect();
        Validators { community, ports }
    }

    pub(crate) async fn start(&self, number: u8, directory: &Path) -> Running {
        let address = |port: &u16| format!("/ip4/127.0.0.1/tcp/{port}");
        let listen = self.ports[usize::from(number)];
        let files = NodeFiles {
            number,
            validator: Some(number.into()),
            listen: &address(&listen),
            peers: &self.ports.iter().filter(|port| **port != listen).map(address).collect::<Vec<_>>(),
            gossip_listen: "/ip4/127.0.0.1/tcp/0",
            gossip_peers: &[],
            api: "127.0.0.1:0",
            heartbeat_ms: HEARTBEAT_MS,
            propose_ms: PROPOSE_MS,
        };
        start(Config::load(&files.write(directory, &self.community)).unwrap()).await.unwrap()
    }

    /// The bytes of every block, as the store of a validator that was stopped has them.
    pub(crate) fn blocks(&self, number: u8, directory: &Path) -> Vec<Vec<u8>> {
        let path = directory.join(format!("node-{number}/state")).join(STORE_DIRECTORY);
        let store = loop {
            match SledStore::open(&path, &self.community.genesis.chain()) {
                // An answer of its API that was under way when it stopped still reads.
                Err(StoreError::InUse(_)) => std::thread::sleep(Duration::from_millis(50)),
                store => break store.unwrap(),
            }
        };
        (1..=store.height().unwrap()).map(|height| store.block(height).unwrap().unwrap().body).collect()
    }
}
