//! `ledger init`: keys and a configuration for a new node.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ledger_node::{consensus, node};
use protocol::key::SecretKey;
use settings::owner_only;

use super::{Failure, bad_input, failed, print};

/// The commented configuration that `config/` ships, with its keys in the node's own directory.
const CONFIG: &str = include_str!("../../../../config/validator-0.toml");

pub(super) fn init(directory: &Path) -> Result<(), Failure> {
    let taken = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        return Err(bad_input(format!(
            "{}: expected a new or empty directory, found files in it",
            directory.display()
        )));
    }
    owner_only::create_directory(directory).map_err(|error| bad_input(format!("{}: {error}", directory.display())))?;
    let key_path = directory.join("validator.key");
    let key = new_key(&key_path)?;
    // From the beginning: a key without its record may have signed anything.
    consensus::new_record(&node::signed_path(&key_path), key.public(), 0).map_err(failed)?;
    new_key(&directory.join("network.key"))?;
    let config = directory.join("validator.toml");
    let text = CONFIG.replace("../run/genesis.json", "genesis.json").replace("../run/validator-0", ".");
    fs::write(&config, text).map_err(failed)?;
    print(format_args!(
        "validator key  {}\n\
         Give this key to the others for the genesis file, put the genesis they agree on into\n\
         {}, set `listen`, `peers`, `gossip_listen`, `gossip_peers` and `api` in {config}, then:\n  \
         ledger serve --config {config}",
        key.public(),
        directory.join("genesis.json").display(),
        config = config.display()
    ))
}

/// Makes a secret key that only its owner can read.
fn new_key(path: &Path) -> Result<SecretKey, Failure> {
    let (key, text) = owner_only::new_key().map_err(failed)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(key)
}
