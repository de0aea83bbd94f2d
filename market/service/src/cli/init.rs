//! `market init`: the market's key, and a token for each validator that asks for one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use protocol::{hash::Hash, key::SecretKey};
use settings::owner_only;

use super::{Failure, bad_input, failure, print};

/// What the founder of the community needs to know, in the market's directory.
const PUBLIC: &str = "public.toml";

#[derive(Args)]
#[command(
    after_help = "It writes DIR/public.toml, in which nothing is secret: send it to whoever runs `ledger community init`. From there come
the genesis, market.toml and the directory of names; put them into DIR. Keep DIR itself to yourself.

Examples:
  market init market                              all validators on this machine
  market init market --node south --node east     two of them elsewhere: a token for each"
)]
pub(super) struct Init {
    /// The directory to make; it must not exist, or be empty
    directory: PathBuf,
    /// A validator on another machine, by its name: it lets in who shows it the token in NAME.token; once for each
    #[arg(long, value_name = "NAME", value_parser = name)]
    node: Vec<String>,
}

fn name(text: &str) -> Result<String, String> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !text.is_empty() && text.bytes().all(usable) {
        return Ok(text.to_owned());
    }
    let found = text.chars().take(80).collect::<String>().escape_debug().to_string();
    Err(format!("expected a validator's name of letters, digits, - and _, found `{found}`"))
}

impl Init {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let directory = &self.directory;
        let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", directory.display()));
        if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(named(&"expected a new or empty directory, found files in it"));
        }
        let mut nodes = self.node.clone();
        nodes.sort_unstable();
        if let Some(twice) = nodes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(bad_input(format!("--node: expected each name once, found `{}` twice", twice[0])));
        }
        owner_only::create_directory(directory).map_err(|error| named(&error))?;
        let key = secret(&directory.join("market.key"))?;
        let mut public = format!("\n[market]\nkey = \"{}\"\n", key.public());
        if !nodes.is_empty() {
            public.push_str("# SHA-256 of the token that the market shows each validator.\n[market.tokens]\n");
        }
        for node in nodes {
            // A token is 256 random bits, as a key is, and its file has the same form.
            let token = secret(&directory.join(format!("{node}.token")))?;
            let text = owner_only::key_text(&token);
            public.push_str(&format!("{node} = \"{}\"\n", Hash::of(text.trim_end().as_bytes())));
        }
        let path = directory.join(PUBLIC);
        fs::write(&path, public).map_err(|error| failure(format!("{}: {error}", path.display())))?;
        print(&format!(
            "market key  {}\n\
             Send {} to whoever founds the community; nothing in it is secret.\n\
             Put what you get from there into {}, then:\n  \
             market serve --config {}",
            key.public(),
            path.display(),
            directory.display(),
            directory.join("market.toml").display()
        ))
    }
}

/// Makes 32 random bytes that only their owner can read.
fn secret(path: &Path) -> Result<SecretKey, Failure> {
    let (key, text) = owner_only::new_key().map_err(failure)?;
    owner_only::write_new(path, text.as_bytes()).map_err(|error| failure(format!("{}: {error}", path.display())))?;
    Ok(key)
}
