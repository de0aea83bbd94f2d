//! The files of real nodes: genesis, keys and configuration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ledger_node::{
    consensus::new_record,
    node::{Config, Running, signed_path, start},
};
use protocol::hash::Hash;

use super::{Community, ports::free_port, write_secret};

/// How one node differs from the others.
pub(crate) struct NodeFiles<'a> {
    /// Unique: names the node, its directory and its network key.
    pub(crate) number: u8,
    /// Which validator it is, if it is one.
    pub(crate) validator: Option<usize>,
    pub(crate) listen: &'a str,
    pub(crate) peers: &'a [String],
    pub(crate) gossip_listen: &'a str,
    pub(crate) gossip_peers: &'a [String],
    pub(crate) api: &'a str,
    pub(crate) heartbeat_ms: u64,
    /// What a validator that is away costs, each time its turn comes.
    pub(crate) propose_ms: u64,
}

impl NodeFiles<'_> {
    /// Writes the files below `directory` and returns the configuration's path.
    pub(crate) fn write(&self, directory: &Path, community: &Community) -> PathBuf {
        let NodeFiles { number, validator, listen, peers, gossip_listen, gossip_peers, api, heartbeat_ms, propose_ms } =
            self;
        let directory = directory.join(format!("node-{number}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("genesis.json"), serde_json::to_vec(&community.genesis).unwrap()).unwrap();
        let seed = |file: &str, seed| write_secret(&directory.join(file), &format!("{}\n", Hash::from_bytes(seed)));
        if let Some(validator) = validator {
            let key = &community.validators[*validator];
            seed("validator.key", key.seed());
            let record = signed_path(&directory.join("validator.key"));
            if !record.exists() {
                new_record(&record, key.public(), 0).unwrap();
            }
        }
        let key = validator.map_or("", |_| "key = \"validator.key\"\n");
        seed("network.key", [200 + number; 32]);
        let config = directory.join("validator.toml");
        // The tests read every block of every node at once: no limit of calls may stand in their way.
        let text = format!(
            "genesis = \"genesis.json\"\n{key}network_key = \"network.key\"\nstate = \"state\"\n\
             name = \"node-{number}\"\nlisten = \"{listen}\"\npeers = {peers:?}\napi = \"{api}\"\n\
             gossip_listen = \"{gossip_listen}\"\ngossip_peers = {gossip_peers:?}\n\
             heartbeat_ms = {heartbeat_ms}\n[timeouts]\npropose_ms = {propose_ms}\n[api_limits]\nrequests_per_second_max = 1000000\n\
             requests_burst_max = 1000000\n"
        );
        fs::write(&config, text).unwrap();
        config
    }
}

/// Real nodes in this process, over TCP, that know each other's blocks, and nothing of what waits with the others; the
/// first ones are the validators.
pub(crate) async fn start_all(
    directory: &Path,
    community: &Community,
    count: usize,
    heartbeat_ms: u64,
) -> Vec<Running> {
    let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let address = |port: &u16| format!("/ip4/127.0.0.1/tcp/{port}");
    let mut nodes = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        let files = NodeFiles {
            number: number as u8,
            validator: Some(number).filter(|number| *number < community.validators.len()),
            listen: &address(port),
            peers: &ports.iter().filter(|other| *other != port).map(address).collect::<Vec<_>>(),
            gossip_listen: "/ip4/127.0.0.1/tcp/0",
            gossip_peers: &[],
            api: "127.0.0.1:0",
            heartbeat_ms,
            propose_ms: 2_000,
        };
        nodes.push(start(Config::load(&files.write(directory, community)).unwrap()).await.unwrap());
    }
    nodes
}
