//! `ledger init`: keys and a configuration for a new node.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{consensus, node};
use clap::Args;
use protocol::key::{PublicKey, SecretKey};
use settings::owner_only;

use super::{Failure, bad_input, card::Card, failed, print};

/// The commented configuration that `config/` ships, with its keys in the node's own directory.
const CONFIG: &str = include_str!("../../../../config/validator-0.toml");
/// What the founder of the community needs to know, in the node's directory.
const PUBLIC: &str = "public.toml";

#[derive(Args)]
#[command(
    after_help = "For a community that is being founded, say what it is to be called and where the others reach it:
  ledger init north --name north --host 192.0.2.11 --api 192.0.2.11:26000
It writes north/public.toml, in which nothing is secret: send it to whoever runs `ledger community init`. From there come the
genesis and validator.toml, with all that the others have said. Keep north/ itself to yourself.

Without --name it writes a commented validator.toml, to be filled in."
)]
pub(super) struct Init {
    /// The directory to make; it must not exist, or be empty
    directory: PathBuf,
    /// The node's name in a new community: letters, digits, - and _
    #[arg(long, requires = "host")]
    name: Option<String>,
    /// Where the other nodes reach it: an address of this machine, or a name that leads there
    #[arg(long, requires = "name")]
    host: Option<String>,
    /// The port for blocks and votes there
    #[arg(long, value_name = "PORT", default_value_t = 27_000, requires = "name", value_parser = usage::whole::<u16>(1..=65_535))]
    port: u16,
    /// The port for transactions there
    #[arg(long, value_name = "PORT", default_value_t = 28_000, requires = "name", value_parser = usage::whole::<u16>(1..=65_535))]
    gossip_port: u16,
    /// Where the market asks this node: on 127.0.0.1 if it runs on this machine, or an address of this machine that the
    /// market reaches; then the API has a certificate, which you send along as NAME.pem
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:26000", requires = "name", value_parser = socket)]
    api: SocketAddr,
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("expected an address and a port such as 127.0.0.1:26000, found `{}`", super::card::cut(text))
    })
}

impl Init {
    pub(super) fn make(self) -> Result<(), Failure> {
        let directory = &self.directory;
        // The key is only known later; all else of a card is checked before anything is made.
        let card = |key: PublicKey| {
            let (name, host) = (self.name.clone()?, self.host.clone()?);
            let certificate = (!self.api.ip().is_loopback()).then(|| format!("{name}.pem").into());
            let (port, gossip_port, api) = (self.port, self.gossip_port, self.api);
            Some(Card { name, key, host, port, gossip_port, api, certificate })
        };
        let unknown = SecretKey::from_seed(&[0; 32]).public();
        card(unknown).map_or(Ok(()), |card| card.check()).map_err(bad_input)?;
        let taken = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if taken {
            return Err(bad_input(format!(
                "{}: expected a new or empty directory, found files in it",
                directory.display()
            )));
        }
        owner_only::create_directory(directory)
            .map_err(|error| bad_input(format!("{}: {error}", directory.display())))?;
        let key_path = directory.join("validator.key");
        let key = new_key(&key_path)?.public();
        // From the beginning: a key without its record may have signed anything.
        consensus::new_record(&node::signed_path(&key_path), key, 0).map_err(failed)?;
        new_key(&directory.join("network.key"))?;
        match card(key) {
            Some(card) => {
                let path = directory.join(PUBLIC);
                fs::write(&path, card.to_string()).map_err(failed)?;
                let and = card
                    .certificate
                    .map_or(String::new(), |path| format!(", with its API's certificate as {}", path.display()));
                print(format_args!(
                    "validator key  {key}\n\
                     Send {} to whoever founds the community{and}; nothing in it is secret.\n\
                     Put the genesis.json and validator.toml that you get into {}, and compare the chain's name with the others:\n  \
                     ledger community show {}",
                    path.display(),
                    directory.display(),
                    directory.join("genesis.json").display()
                ))
            }
            None => {
                let config = directory.join("validator.toml");
                fs::write(&config, config_text()).map_err(failed)?;
                print(format_args!(
                    "validator key  {key}\n\
                     Give this key to the others for the genesis file, put the genesis they agree on into\n\
                     {}, set `listen`, `peers`, `gossip_listen`, `gossip_peers` and `api` in {config}, then:\n  \
                     ledger serve --config {config}",
                    directory.join("genesis.json").display(),
                    config = config.display()
                ))
            }
        }
    }
}

/// The commented configuration of a node whose files are all beside it.
pub(super) fn config_text() -> String {
    CONFIG.replace("../run/genesis.json", "genesis.json").replace("../run/validator-0", ".")
}

/// Makes a secret key that only its owner can read.
fn new_key(path: &Path) -> Result<SecretKey, Failure> {
    let (key, text) = owner_only::new_key().map_err(failed)?;
    owner_only::write_new(path, text.as_bytes()).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    Ok(key)
}
