//! Taking a member's name out of the directory of names: what is left of it on the ledger is a pseudonym that leads
//! nowhere.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use protocol::member::MemberId;

use super::{Failure, bad_input, failure, print};
use crate::{alarms::Directory, cards::Office, replace::replace};

#[derive(Args)]
pub(super) struct Erase {
    /// The member: its name, or its pseudonym of 32 hex digits
    member: String,
    /// The directory of names, `member,name` as CSV: what `directory` in the market's configuration names
    #[arg(long, value_name = "FILE")]
    names: PathBuf,
    /// The state directory of the market, which must be stopped: the pseudonym takes the place of the name in its
    /// alarms, in those that are over, and in what is not told of them yet
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The office that issued the member's cards: what leads from their places in the list to the member is deleted,
    /// and they count no more
    #[arg(long, value_name = "DIR")]
    cards: Option<PathBuf>,
}

impl Erase {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", self.names.display()));
        let mut reader = csv::Reader::from_path(&self.names).map_err(|error| named(&error))?;
        let rows: Vec<(MemberId, String)> =
            reader.deserialize().collect::<Result<_, _>>().map_err(|error| named(&error))?;
        let pseudonym: Option<MemberId> = self.member.parse().ok();
        let (gone, left): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(member, name)| Some(*member) == pseudonym || *name == self.member);
        let [(member, name)] = gone.as_slice() else {
            let reason = match gone.len() {
                0 => format!("there is no member `{}`", self.member),
                many => format!("{many} members are named `{}`: give the pseudonym of one", self.member),
            };
            return Err(named(&reason));
        };
        // First, since by the name alone neither can be done again.
        let alarms = match &self.state {
            Some(state) => {
                let erased = Directory::of(state).forget(name, &member.to_string()).map_err(bad_input)?;
                format!("\n{erased} alarms and notices that had the name have the pseudonym.")
            }
            None => String::new(),
        };
        let cards = match &self.cards {
            Some(office) => {
                let erased = Office::change_register(office, |register| register.erase(*member)).map_err(bad_input)?;
                format!(
                    "\nOf {erased} cards nothing says any more whose they were; they are revoked with the next status list."
                )
            }
            None => String::new(),
        };
        write(&self.names, &left).map_err(|error| failure(format!("{}: {error}", self.names.display())))?;
        let elsewhere = if self.state.is_some() { "" } else { ", the market's alarms (with --state they are done)" };
        print(&format!(
            "{member} has no name any more in {}. Its settlements and receipts stand.\n\
             Delete the name from your backups, your bills{elsewhere} and the market's log.{alarms}{cards}",
            self.names.display()
        ))
    }
}

/// Writes the directory anew, readable only by its owner.
fn write(path: &Path, rows: &[(MemberId, String)]) -> io::Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(["member", "name"])?;
    for (member, name) in rows {
        text.write_record([&member.to_string(), name])?;
    }
    let text = text.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    replace(path, &text, 0o600)
}
