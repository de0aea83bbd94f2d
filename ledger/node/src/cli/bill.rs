//! `ledger bill`.

use std::{path::PathBuf, sync::Arc};

use crate::{
    audit,
    bill::{self, BillError, Billed, Language, Names, decimal, in_currency},
    node,
};
use calendar::{MonthError, Zone};
use clap::Args;

use super::{Failure, bad_input, failed, names, paying::PayingArgs, print};

const HELP: &str = "\
DIR gets bills.csv with a line a member, and for each member, under its pseudonym, MEMBER.csv with a line an interval and \
MEMBER.html to be printed.

Everything is added up in 10^-9 of the currency, as the ledger has booked it, and rounded once, at the end: to the nearest \
cent, half a cent away from zero. The remainder is shown. Transfers stand apart. A corrected interval is billed once, as \
corrected last: after later corrections, run it again with another DIR.

Where the rules follow a rule pack with a network discount, network.csv and each page say what the network cost less for what was \
bought from neighbours: the grid operator owes that, and no bill has it.

A month that is not settled to its end is refused. A bill believes what is stored: audit first.

With --biller, --accounts and --due it writes files for the bank as well: payouts as pain.001, debits as pain.008, and \
payments.csv with both. Handed in twice, or made again, they carry the same identifiers, by which a bank can know them. \
Each member gets an invoice by EN 16931 for what it got, and a self-billed one for what it gave. The pages then have the number \
of the bill, the day on which it is due, and who bills whom.

EXAMPLES:
  ledger bill validator-0 --month 2026-06 --genesis genesis.json --out june --language fr
  ledger bill validator-0 --month 2026-06 --genesis genesis.json --out june \\
      --biller biller.toml --accounts accounts.csv --due 2026-07-15
  ledger receipt validator-0 --member PSEUDONYM --interval 2026-06-04T12:00:00Z";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct Bill {
    /// The state directory of a stopped node, such as validator-0
    directory: PathBuf,
    /// The month, such as 2026-06, by the clock in the time zone
    #[arg(long, value_name = "MONTH")]
    month: String,
    /// The time zone, such as Europe/Zurich; by default the community's, as the genesis has it, or else UTC
    #[arg(long, value_name = "NAME")]
    time_zone: Option<String>,
    /// The genesis to trust
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// Who is who, `member,name` as CSV; by default members.csv in DIRECTORY, or in the market's directory beside it;
    /// without one, bills have pseudonyms
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Where to write the bills; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What the pages are written in; by default what the biller's file says, or else English. CSV is the same in each
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    #[command(flatten)]
    paying: PayingArgs,
}

impl Bill {
    pub(super) fn write(&self) -> Result<(), Failure> {
        let named = |option: &str, error: MonthError| bad_input(format!("{option}: {error}"));
        let month = self.month.parse().map_err(|error| named("--month", error))?;
        let zone = |name: &str| name.parse::<Zone>().map_err(|error| named("--time-zone", error.into()));
        let asked = self.time_zone.as_deref().map(zone).transpose()?;
        let file = self.names.clone().or_else(|| names::beside(&self.directory));
        let names: Names = file.as_deref().map(names::read).transpose()?.unwrap_or_default();
        let opened = audit::open(&self.directory).map_err(bad_input)?;
        opened.check_chain(&self.genesis).map_err(bad_input)?;
        let audit::Opened { genesis, store, copy: _copy } = opened;
        let zone = asked.map_or_else(|| zone(genesis.time_zone.as_deref().unwrap_or("UTC")), Ok)?;
        let paying = self.paying.read(&zone)?;
        let by_biller = || paying.as_ref().and_then(|paying| paying.biller.language);
        let language = self.language.or_else(by_biller).unwrap_or_default();
        let billed = Billed { month, zone, language };
        let store = Arc::new(store);
        let (ledger, _) = node::Ledger::open(genesis, store.clone(), None).map_err(failed)?;
        let (head, genesis) = (ledger.head(), ledger.genesis());
        let bills = bill::write(genesis, &*store, &head.state, &billed, &names, paying.as_ref(), &self.out);
        let bills = bills.map_err(|error| match error {
            BillError::Unbalanced(_) | BillError::Store(_) => failed(error),
            _ => bad_input(error),
        })?;
        let currency = &genesis.currency;
        let exact: i128 = bills.members.values().map(|bill| bill.sums.net_nano()).sum();
        let remainders: i128 = bills.members.values().map(|bill| bill.remainder_nano()).sum();
        let cents: i128 = bills.members.values().map(|bill| bill.cents()).sum();
        print(format_args!(
            "bills       {} of {month} in {}\n\
             members     {} {currency}: {} in bills, {} in remainders\n\
             supplier    {} {currency}\n\
             operator    {} {currency}\n\
             sum         {} {currency}",
            bills.members.len(),
            self.out.display(),
            decimal(exact),
            in_currency(cents),
            decimal(remainders),
            decimal(bills.supplier_nano),
            decimal(bills.operator_nano),
            decimal(bills.balance_nano()),
        ))
    }
}
