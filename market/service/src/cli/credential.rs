//! `market credential`: members' cards, issued and listed by the operator; and what a verifier does with one.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use member_card::{Claims, DIGESTS, Expected, HolderKey, Issued, New, Place, Trusted, issue, token, verify};
use protocol::{api::MemberStatus, genesis::Genesis, limits::GENESIS_BYTES_MAX, member::MemberId};
use settings::owner_only;

use super::{Failure, bad_input, failure, now, print};
use crate::{
    Config,
    cards::{self, Nonces, Office},
    names, read_genesis,
};

/// Most bytes of a file that somebody sent.
const SENT_BYTES_MAX: u64 = 1_024 * 1_024;

#[derive(Args)]
#[command(
    after_help = "A household makes a key for its new card (`meter-agent credential new-key`) and sends its public half. What it gets is its own:
which claims it shows to whom, nobody asks you. Publish the status list at least once a day: a list counts for one.

Examples:
  market credential init cards --base https://cards.example.org --config market/market.toml
  market credential issue \"Ada\" --office cards --holder ada.jwk > ada.sdjwt
  market credential status --office cards --to www/voisin/status/1
  market credential withdraw 417 --office cards
  market credential challenge --nonces nonces
  market credential verify shown.sdjwt --issuer did:key:z6Mk… --genesis genesis.json --audience https://town.example.org \\
      --nonce 5f2c… --nonces nonces --status 1"
)]
pub(super) struct Credential {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make an office: a directory with a key that signs cards.
    Init(Init),
    /// Issue a card to a member. It is printed; nothing but its place in the list is kept.
    Issue(Box<Issue>),
    /// Write the status list, as the ledger has the members now.
    Status(Status),
    /// Have a card count no more, for good: its key was lost or stolen.
    Withdraw(Withdraw),
    /// As a verifier: a nonce for one presentation, for ten minutes.
    Challenge(Challenge),
    /// As a verifier: whether a presentation is good, and what it shows.
    Verify(Box<Verify>),
}

#[derive(Args)]
struct OfOffice {
    /// The office's directory
    #[arg(long, value_name = "DIR")]
    office: PathBuf,
}

#[derive(Args)]
struct Init {
    /// The directory to make; it must not exist, or be empty
    directory: PathBuf,
    /// The address under which the status list will be found
    #[arg(long, value_name = "URL")]
    base: String,
    /// The market's configuration, a TOML file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct Issue {
    /// The member, as the directory of names has it
    name: String,
    #[command(flatten)]
    office: OfOffice,
    /// The public key that the household has made for this card, a JWK
    #[arg(long, value_name = "FILE")]
    holder: PathBuf,
    /// The grid operator's number of the connection, to be claimed
    #[arg(long, value_name = "NUMBER")]
    grid_connection: Option<String>,
    /// The number on the meter, to be claimed
    #[arg(long, value_name = "NUMBER")]
    meter: Option<String>,
}

#[derive(Args)]
struct Status {
    #[command(flatten)]
    office: OfOffice,
    /// The file to write, where a web server has the list's address
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Args)]
struct Withdraw {
    /// The card's place in the list, as `meter-agent credential show` says it
    place: u64,
    #[command(flatten)]
    office: OfOffice,
}

#[derive(Args)]
struct Challenge {
    /// The directory of what was given out; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    nonces: PathBuf,
}

#[derive(Args)]
struct Verify {
    /// The presentation; `-` reads standard input
    presentation: PathBuf,
    /// The issuer whose cards count: its did:key; with --certificate, its https address
    #[arg(long, value_name = "ISSUER")]
    issuer: String,
    /// PEM with the issuer's certificate, as you got it from the issuer
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The genesis of the community whose members count
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// How you call yourself, as the household was told
    #[arg(long, value_name = "NAME")]
    audience: String,
    /// What `challenge` gave out for this presentation
    #[arg(long, value_name = "NONCE")]
    nonce: String,
    /// The directory of what was given out
    #[arg(long, value_name = "DIR")]
    nonces: PathBuf,
    /// The issuer's status list, as fetched from the card's address
    #[arg(long, value_name = "FILE")]
    status: PathBuf,
}

impl Credential {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::Init(init) => init.run(),
            Action::Issue(issue) => issue.run(),
            Action::Status(status) => status.run(),
            Action::Withdraw(withdraw) => withdraw.run(),
            Action::Challenge(challenge) => challenge.run(),
            Action::Verify(verify) => verify.run(),
        }
    }
}

impl Init {
    fn run(&self) -> Result<(), Failure> {
        let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", self.directory.display()));
        cards::check_base(&self.base).map_err(|error| bad_input(error.replacen("`base`", "--base", 1)))?;
        Config::load(&self.config).map_err(bad_input)?;
        let market = fs::canonicalize(&self.config).map_err(|error| named(&error))?;
        if fs::read_dir(&self.directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(named(&"expected a new or empty directory, found files in it"));
        }
        owner_only::create_directory(&self.directory).map_err(|error| named(&error))?;
        let (key, text) = owner_only::new_key().map_err(failure)?;
        let write = |name: &str, text: &str| {
            owner_only::write_new(&self.directory.join(name), text.as_bytes()).map_err(|error| named(&error))
        };
        write("issuer.key", &text)?;
        write(cards::FILE, &cards::example(&market, &self.base))?;
        print(&format!(
            "issuer  {}\n\
             Whoever verifies cards has to know it: say it where your community says who it is.",
            key.public()
        ))
    }
}

/// What the ledger, the genesis and the directory say.
struct Community {
    config: Config,
    genesis: Genesis,
    names: names::Names,
}

impl Community {
    fn read(office: &Office) -> Result<Community, Failure> {
        let config = Config::load(&office.market).map_err(bad_input)?;
        let genesis = read_genesis(&config).map_err(bad_input)?;
        let Some(directory) = &config.directory else {
            let market = office.market.display();
            return Err(bad_input(format!("{market}: expected `directory`, the file of names, found none")));
        };
        let names = names::read(directory).map_err(bad_input)?;
        Ok(Community { config, genesis, names })
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, String>>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failure)?;
        runtime.block_on(question).map_err(failure)
    }

    /// The one member of this name.
    fn named(&self, name: &str) -> Result<MemberId, Failure> {
        let found: Vec<MemberId> =
            self.names.iter().filter(|(_, known)| *known == name).map(|(member, _)| *member).collect();
        match found.as_slice() {
            [member] => Ok(*member),
            [] => Err(bad_input(format!("expected a member of the directory, found `{name}`, who is not in it"))),
            many => Err(bad_input(format!("expected one member of this name, found {} named `{name}`", many.len()))),
        }
    }
}

impl Issue {
    fn run(&self) -> Result<(), Failure> {
        let mut office = Office::open(&self.office.office).map_err(bad_input)?;
        let community = Community::read(&office)?;
        let member = community.named(&self.name)?;
        let jwk = sent(&self.holder)?;
        let holder = HolderKey::read(jwk.as_bytes())
            .map_err(|error| bad_input(format!("{}: {error}", self.holder.display())))?;
        let members = community.ask(cards::members(&community.config, &community.genesis))?;
        let found = members.into_iter().find(|found| found.member == member);
        let known = found.ok_or_else(|| {
            bad_input(format!("expected a member on the ledger, found `{}`, whom it does not know", self.name))
        })?;
        let MemberStatus { key, device, rated_power_w, technology, bus, .. } = known;
        let device = device.ok_or_else(|| {
            let name = &self.name;
            bad_input(format!(
                "expected a member whose device the ledger reads, found `{name}`, whose was revoked or suspended"
            ))
        })?;
        let claims = Claims {
            member,
            device,
            name: Some(self.name.clone()),
            grid_connection: self.grid_connection.clone(),
            meter: self.meter.clone(),
            rated_power_w,
            technology,
            bus,
        };
        let now = now();
        let expires = now + member_card::VALID_SECONDS;
        let idx = office.register.add(Issued { member, device, key, issued: now, expires }, random()?);
        let place = Place { idx, uri: office.uri() };
        let mut salts = [[0; 16]; DIGESTS];
        getrandom::fill(salts.as_flattened_mut()).map_err(|error| failure(format!("no randomness: {error}")))?;
        let chain = community.genesis.chain();
        let new = New { claims: &claims, chain, holder, base: &office.base, place, now, salts };
        let card = office.signer.issue(&office.base, |issuer| issue(new, issuer)).map_err(bad_input)?;
        // Before anybody has the card: its place is never given again.
        office.save().map_err(failure)?;
        print(&card)
    }
}

impl Status {
    fn run(&self) -> Result<(), Failure> {
        let mut office = Office::open(&self.office.office).map_err(bad_input)?;
        let community = Community::read(&office)?;
        let ledger = community.ask(cards::ask(&community.config, &community.genesis))?;
        let now = now();
        office.register.forget_expired(now);
        let list = office.register.list(&ledger, |member| community.names.contains_key(&member));
        let token = office.signer.issue(&office.base, |issuer| token(&list, &office.uri(), now, issuer));
        let token = token.map_err(failure)?;
        office.save().map_err(failure)?;
        Office::publish(&self.to, &token).map_err(failure)?;
        print(&format!(
            "{} places, as the ledger has {} members now: {} is to be found at {}, for a day",
            list.places(),
            ledger.len(),
            self.to.display(),
            office.uri()
        ))
    }
}

impl Withdraw {
    fn run(&self) -> Result<(), Failure> {
        let withdrawn = Office::change_register(&self.office.office, |register| register.withdraw(self.place));
        if !withdrawn.map_err(bad_input)? {
            return Err(bad_input(format!("expected the place of a card that counts, found {}", self.place)));
        }
        print(&format!("The card at place {} counts no more, from the next status list on.", self.place))
    }
}

impl Challenge {
    fn run(&self) -> Result<(), Failure> {
        let now = now();
        let nonces = Nonces::open(&self.nonces, now).map_err(failure)?;
        print(&nonces.give(now).map_err(failure)?)
    }
}

impl Verify {
    fn run(&self) -> Result<(), Failure> {
        let issuer = match &self.certificate {
            Some(path) => cards::certificate(path, &self.issuer).map_err(bad_input)?,
            None => Trusted::DidKey(self.issuer.parse().map_err(|error| bad_input(format!("--issuer: {error}")))?),
        };
        let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", self.genesis.display()));
        let genesis = fs::read(&self.genesis).map_err(|error| named(&error))?;
        if genesis.len() > GENESIS_BYTES_MAX {
            return Err(named(&format!("expected at most {GENESIS_BYTES_MAX} bytes, found {}", genesis.len())));
        }
        let community = Genesis::from_json(&genesis).map_err(|error| named(&error))?.chain();
        let presentation = sent(&self.presentation)?;
        let status = sent(&self.status)?;
        let now = now();
        let expected = Expected {
            issuer: &issuer,
            community,
            audience: &self.audience,
            nonce: &self.nonce,
            now,
            status: status.trim(),
            es256: cards::verifies,
        };
        let refused = |refusal: member_card::Refusal| bad_input(format!("{}: {refusal}", refusal.name()));
        let shown = verify(presentation.trim(), &expected).map_err(refused)?;
        // Last, so that nobody uses up a nonce with a presentation that is none.
        Nonces::open(&self.nonces, now)
            .and_then(|nonces| nonces.take(&self.nonce))
            .map_err(failure)?
            .map_err(refused)?;
        let claims: String = shown.claims.iter().map(|claim| format!("\n{claim}")).collect();
        print(&format!("good: a member's card, valid until {}{claims}", protocol::interval::utc_text(shown.expires)))
    }
}

/// Reads what somebody sent, no more of it than can be right.
fn sent(path: &Path) -> Result<String, Failure> {
    let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", path.display()));
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(fs::File::open(path).map_err(|error| named(&error))?)
    };
    let mut text = String::new();
    source.take(SENT_BYTES_MAX).read_to_string(&mut text).map_err(|error| named(&error))?;
    Ok(text)
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| failure(format!("no randomness: {error}")))?;
    Ok(u64::from_le_bytes(bytes))
}
