//! `ledger draft register-member`: from a household's request to the decision that takes it in.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use protocol::{
    decision::Action,
    enrolment::EnrolmentRequest,
    genesis::GenesisMember,
    member::{MemberId, check_name},
};

use super::{Failure, Meter, Opening};
use crate::cli::{bad_input, failed, names};

#[derive(Args)]
#[command(after_help = "Both keys of the household have to have signed the request. Whose it is, the request does not
prove: take it from somebody you know. Its pseudonym is drawn, and written to stderr: note which
household it is, or let --name and --directory do so. The other validators go on with
`ledger approve`. What was decided reaches the household by itself, with a proof.")]
pub(super) struct RegisterMember {
    /// The request, enrolment.json or the text of its QR code in a file; - for standard input
    request: PathBuf,
    #[command(flatten)]
    meter: Meter,
    /// The bus of the grid that it is at, where there is a grid
    #[arg(long, value_name = "NAME")]
    bus: Option<String>,
    /// Its pseudonym, 32 hex digits; without it, a random one
    #[arg(long, value_name = "MEMBER")]
    member: Option<MemberId>,
    /// What to call it on the console, in --directory: the ledger never knows
    #[arg(long, value_name = "NAME", requires = "directory")]
    name: Option<String>,
    /// The market's CSV file of names, to which --name is added
    #[arg(long, value_name = "FILE", requires = "name")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    opening: Opening,
}

impl RegisterMember {
    pub(super) fn open(self) -> Result<(), Failure> {
        self.open_with(|opening, register| opening.open(|_, _| Ok(register)))
    }

    fn open_with(self, open: impl FnOnce(Opening, Action) -> Result<(), Failure>) -> Result<(), Failure> {
        let RegisterMember { meter, bus, opening, .. } = self;
        meter.check()?;
        let Meter { import_wh, export_wh, rated_power_w, technology, .. } = meter;
        let named = |error: String| bad_input(format!("{}: {error}", self.request.display()));
        let text = match self.request.to_str() {
            Some("-") => std::io::read_to_string(std::io::stdin()),
            _ => fs::read_to_string(&self.request),
        };
        let text = text.map_err(|error| named(error.to_string()))?;
        let request = EnrolmentRequest::read(&text).map_err(|error| named(error.to_string()))?;
        let member = self.member.map_or_else(random, Ok)?;
        let entry = self.name.as_deref().zip(self.directory.as_deref());
        let entry = entry.map(|(name, directory)| Entry::new(member, name, directory)).transpose()?;
        let (key, device) = (request.key(), request.device());
        let registered = GenesisMember { member, key, device, rated_power_w, bus, import_wh, export_wh, technology };
        open(opening, Action::RegisterMember(Box::new(registered)))?;
        eprintln!("ledger: {} is {member}", self.name.as_deref().or(request.name()).unwrap_or("this household"));
        entry.map_or(Ok(()), Entry::write)
    }
}

#[derive(Args)]
#[command(
    after_help = "Two decisions, both to be approved: its meter at the old place counts no more, and it is taken in at
the new one, with the request that `meter-agent init` made there. It gets a new pseudonym, so that
nobody sees that the two are one household. What the old account holds stays there until it is paid
out (`ledger bill`, then `ledger draft transfer`)."
)]
pub(super) struct MoveMember {
    /// Who moves, its pseudonym
    from: MemberId,
    #[command(flatten)]
    to: RegisterMember,
}

impl MoveMember {
    pub(super) fn open(self) -> Result<(), Failure> {
        let leave = Action::RevokeDevice { member: self.from };
        self.to.open_with(|opening, register| opening.open_both([leave, register]))
    }
}

/// A line of the market's directory.
struct Entry<'a> {
    line: String,
    file: &'a Path,
}

impl Entry<'_> {
    /// Checks what can go wrong before anything is decided.
    fn new<'a>(member: MemberId, name: &str, file: &'a Path) -> Result<Entry<'a>, Failure> {
        check_name(name).map_err(|error| bad_input(format!("--name: {error}")))?;
        let named = |error: String| bad_input(format!("{}: {error}", file.display()));
        let twice = names::read(file)?.into_iter().find(|(_, known)| known == name);
        if let Some((member, _)) = twice {
            return Err(named(format!(
                "expected a name that nobody has, found {name} of {member}: say which one, as in “{name}, 2nd floor”"
            )));
        }
        let text = fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
        let quoted = if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.into() };
        let line_end = if text.ends_with('\n') { "" } else { "\n" };
        Ok(Entry { line: format!("{line_end}{member},{quoted}\n"), file })
    }

    fn write(self) -> Result<(), Failure> {
        let appended =
            OpenOptions::new().append(true).open(self.file).and_then(|mut file| file.write_all(self.line.as_bytes()));
        appended.map_err(|error| {
            failed(format!("{}: {error}; add the line yourself: {}", self.file.display(), self.line.trim()))
        })
    }
}

fn random() -> Result<MemberId, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| failed(format!("no randomness for a pseudonym: {error}")))?;
    Ok(MemberId::from_bytes(bytes))
}
