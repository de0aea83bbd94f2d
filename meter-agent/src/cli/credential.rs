//! `meter-agent credential`: a card of this household, kept and shown by the household alone. It needs no network, and
//! nothing of the agent but the program.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use member_card::{Binding, CARD_BYTES_MAX, Card, HolderKey, Name};
use protocol::interval::utc_text;
use settings::owner_only;

use super::{Failure, print};
use crate::{
    key::{KeyError, create_key},
    start::read_genesis,
    wall_clock,
};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Have a card and a key for each who wants to see one: by the key, or by the operator's signature, two of them could find out
that they have seen the same card.

Examples:
  meter-agent credential new-key town.key > town.jwk            send town.jwk to your operator, and get town.sdjwt
  meter-agent credential show town.sdjwt --genesis genesis.json
  meter-agent credential present town.sdjwt --key town.key --aud https://town.example.org --nonce 5f2c… \\
      --disclose technology,rated_power_w"
)]
pub(super) enum Credential {
    /// Make a key for a new card, and print its public half for your operator.
    NewKey {
        /// The file to write; it is never overwritten.
        key: PathBuf,
    },
    /// Show what a card says, and whether it is as it was issued.
    Show {
        /// The card.
        card: PathBuf,
        /// The community's genesis file, to see that the card is of your community.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
    /// Show some of a card to somebody who asked, and to nobody else. It is printed, to be handed over within five
    /// minutes.
    Present(Present),
}

#[derive(Debug, Args)]
pub(super) struct Present {
    /// The card.
    card: PathBuf,
    /// The key that was made for this card.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who asked, as they call themselves.
    #[arg(long, value_name = "NAME")]
    aud: String,
    /// What they asked to have in it, this once.
    #[arg(long, value_name = "NONCE")]
    nonce: String,
    /// What to show of it, such as technology,rated_power_w [default: no more than that you are a member].
    #[arg(long, value_name = "CLAIMS", value_delimiter = ',')]
    disclose: Vec<Name>,
}

pub(super) fn credential(command: &Credential) -> Result<ExitCode, Failure> {
    match command {
        Credential::NewKey { key } => {
            let made = create_key(key)?.public();
            print(format_args!("{}\n", HolderKey::Ed25519(made).jwk()))?;
        }
        Credential::Show { card, genesis } => show(card, genesis.as_deref())?,
        Credential::Present(asked) => present(asked)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(path: &Path, genesis: Option<&Path>) -> Result<(), Failure> {
    let card = read(path)?;
    let signed = match card.is_signed() {
        Some(true) => "it has signed this card",
        Some(false) => {
            return Err(named(path, "expected the signature of its issuer, found another; ask for the card again"));
        }
        // Certificates are for the verifier, who knows which of them it trusts.
        None => "which certificates in the card name; they are not looked at here",
    };
    if let Some(genesis) = genesis {
        let (expected, found) = (read_genesis(genesis)?.chain(), card.chain());
        if expected != found {
            return Err(named(path, &format!("expected a card of the community {expected}, found one of {found}")));
        }
    }
    let place = card.place();
    print(format_args!(
        "issuer     {}, {signed}\n\
         community  {}\n\
         issued     {}, valid until {}\n\
         place      {} in the list at {}\n\
         Everybody to whom you show it sees this. Of the rest, they see what you disclose:\n",
        card.issuer().escape_debug(),
        card.chain(),
        utc_text(card.issued()),
        utc_text(card.expires()),
        place.idx,
        place.uri.escape_debug(),
    ))?;
    for claim in card.claims() {
        let mark = if claim.name.leads_to_readings() { "   (leads to all that the ledger says of you)" } else { "" };
        print(format_args!("  {claim}{mark}\n"))?;
    }
    Ok(())
}

fn present(asked: &Present) -> Result<(), Failure> {
    let card = read(&asked.card)?;
    let key = owner_only::read_key(&asked.key).map_err(KeyError::from)?;
    let to = Binding { audience: &asked.aud, nonce: &asked.nonce, now: wall_clock::now_s() };
    let presentation =
        card.present(&key, &asked.disclose, to).map_err(|error| named(&asked.card, &error.to_string()))?;
    for name in asked.disclose.iter().filter(|name| name.leads_to_readings()) {
        eprintln!(
            "meter-agent: warning: `{name}` leads to your pseudonym: whoever is shown it can look up on the ledger what you \
             consume, now and later. Without handing this over, nothing is shown."
        );
    }
    print(format_args!("{presentation}\n"))
}

fn read(path: &Path) -> Result<Card, Failure> {
    let mut text = String::new();
    let most = CARD_BYTES_MAX as u64 + 2;
    let opened = File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    opened.map_err(|error| named(path, &error.to_string()))?;
    Card::read(text.trim_end()).map_err(|error| named(path, &error.to_string()))
}

fn named(path: &Path, error: &str) -> Failure {
    format!("{}: {error}", path.display()).into()
}
