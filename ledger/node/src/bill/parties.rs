//! Who bills, and whom: what the operator knows of itself and of its members, and the ledger never learns.

use std::collections::BTreeMap;

use protocol::member::MemberId;
use rust_decimal::Decimal;
use sepa::{AddressError, CreditorId, CreditorIdError, DateError, Iban, IbanError, IsoDate, ValidationError, validate};
use serde::Deserialize;

use super::language::Language;

/// The columns of the file of accounts, in their order.
pub const COLUMNS: [&str; 9] =
    ["member", "name", "iban", "mandate", "signed", "street", "city", "post_code", "country"];

/// Why a file of accounts, or the biller's own, cannot be used. What an account's number is, is not shown.
#[derive(Debug, thiserror::Error)]
pub enum PartyError {
    /// Not the columns.
    #[error("expected the columns {columns}, found `{found}`", columns = COLUMNS.join(","))]
    Columns {
        /// What stands there.
        found: String,
    },
    /// No CSV, or no member in it.
    #[error("expected a line a member, of nine columns: {0}")]
    Csv(String),
    /// A member has two lines.
    #[error("{0}: expected one line, found two")]
    Twice(MemberId),
    /// Not an IBAN.
    #[error("{of}: expected an IBAN, found none: {error}")]
    Iban {
        /// Whose.
        of: String,
        /// What is wrong with it.
        error: IbanError,
    },
    /// An IBAN of a country that SEPA does not reach.
    #[error("{of}: expected an account in SEPA, found one in {country}")]
    NotSepa {
        /// Whose.
        of: String,
        /// Its country.
        country: String,
    },
    /// Not the identifier that a bank gives to who collects direct debits.
    #[error("creditor_id: expected a SEPA creditor identifier such as DE98ZZZ09999999999, found none: {0}")]
    CreditorId(CreditorIdError),
    /// Half a mandate.
    #[error("{0}: expected a mandate with the day on which it was signed, or neither, found one of the two")]
    HalfMandate(MemberId),
    /// Not a day.
    #[error("{member}: expected the day on which the mandate was signed, such as 2026-05-31: {error}")]
    Signed {
        /// Whose.
        member: MemberId,
        /// What is wrong with it.
        error: DateError,
    },
    /// What a payment file cannot have.
    #[error("{of}: {error}")]
    Text {
        /// Whose.
        of: String,
        /// What is wrong.
        error: ValidationError,
    },
    /// No place that there is.
    #[error("{of}: expected street, city, post code and country, found: {error}")]
    Address {
        /// Whose.
        of: String,
        /// What is wrong.
        error: String,
    },
    /// A category of VAT without what it takes, or with what it cannot have.
    #[error("[{table}]: expected {expected} with category {category:?}")]
    Vat {
        /// The table of the biller's file.
        table: &'static str,
        /// Its category.
        category: Category,
        /// What it takes.
        expected: &'static str,
    },
}

/// A category of VAT, by its code of UNTDID 5305. What applies is the operator's to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Category {
    /// At a rate.
    S,
    /// At the rate zero.
    Z,
    /// Exempt, for a reason, such as a small business.
    E,
    /// Not subject to VAT, for a reason.
    O,
}

/// How one direction of energy is taxed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vat {
    /// The category.
    pub category: Category,
    /// Per cent, of category S alone.
    #[serde(default)]
    pub rate: Decimal,
    /// Why there is none, for E and O.
    pub reason: Option<String>,
    /// What else the law wants to read in the invoice.
    pub note: Option<String>,
}

/// Least rate, hundredths of a percent: less, EN 16931 takes for no rate, and refuses a tax on it (BR-CO-17).
const RATE_MIN: i64 = 50;

impl Vat {
    fn check(&self, table: &'static str) -> Result<(), PartyError> {
        let refused = |expected| Err(PartyError::Vat { table, category: self.category, expected });
        let has_rate = !self.rate.is_zero();
        let least = Decimal::new(RATE_MIN, 2);
        let in_range = self.rate >= least && self.rate < Decimal::ONE_HUNDRED && self.rate.scale() <= 2;
        match self.category {
            Category::S if !in_range => refused("a rate from \"0.50\" to \"99.99\""),
            Category::Z | Category::E | Category::O if has_rate => refused("no rate"),
            Category::E | Category::O if self.reason.is_none() => refused("a reason"),
            Category::S | Category::Z if self.reason.is_some() => refused("no reason"),
            _ => Ok(()),
        }
    }
}

/// Where somebody lives or does business.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Town.
    pub city: String,
    /// Its post code.
    pub post_code: String,
    /// Its country's code of two letters.
    pub country: String,
}

impl Address {
    fn check(&self, of: impl Fn() -> String) -> Result<(), PartyError> {
        let error = |error: String| PartyError::Address { of: of(), error };
        let named: [(&str, &String); 3] =
            [("street", &self.street), ("city", &self.city), ("post_code", &self.post_code)];
        if let Some((name, _)) = named.iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(error(format!("{name} is empty")));
        }
        let known = sepa::PostalAddress::new(&self.city, &self.country);
        known.map(|_| ()).map_err(|wrong: AddressError| error(wrong.to_string()))
    }
}

/// The operator's file about itself, as it stands there: [`BillerFile::check`] makes a [`Biller`] of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillerFile {
    name: String,
    iban: String,
    creditor_id: Option<String>,
    #[serde(default)]
    number_prefix: String,
    language: Option<Language>,
    registration: Option<String>,
    vat_id: Option<String>,
    tax_number: Option<String>,
    address: Address,
    supplied: Vat,
    received: Vat,
}

/// Who makes the bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Biller {
    /// The name of the account, and of who supplies and receives.
    pub name: String,
    /// From where payouts are made, and to where debits go.
    pub iban: Iban,
    /// By which banks know who collects; none if nothing is.
    pub creditor_id: Option<CreditorId>,
    /// What numbers of bills begin with.
    pub number_prefix: String,
    /// What its members read.
    pub language: Option<Language>,
    /// In a register of companies.
    pub registration: Option<String>,
    /// For VAT, with the country's letters.
    pub vat_id: Option<String>,
    /// At the tax office.
    pub tax_number: Option<String>,
    /// Where.
    pub address: Address,
    /// How what members get is taxed: bought from neighbours, drawn from the supplier.
    pub supplied: Vat,
    /// How what members give is taxed: sold to neighbours, fed in to the supplier.
    pub received: Vat,
}

/// Longest beginning of a bill's number: with month and number it fits the 35 characters that a bank keeps.
const PREFIX_CHARS_MAX: usize = 16;

impl BillerFile {
    /// Checks what banks and invoices will take.
    pub fn check(self) -> Result<Biller, PartyError> {
        let text = |of: &str, error| PartyError::Text { of: of.into(), error };
        check_name(&self.name).map_err(|error| text("name", error))?;
        if !self.number_prefix.is_empty() {
            validate::check_id("its value", &format!("{}0", self.number_prefix))
                .and_then(|()| validate::check_text("its value", &self.number_prefix, PREFIX_CHARS_MAX))
                .map_err(|error| text("number_prefix", error))?;
        }
        self.address.check(|| "[address]".into())?;
        self.supplied.check("supplied")?;
        self.received.check("received")?;
        let creditor_id = self.creditor_id.map(|of| sepa::validate_creditor_id(&of)).transpose();
        Ok(Biller {
            iban: account(&self.iban, || "iban".into())?,
            creditor_id: creditor_id.map_err(PartyError::CreditorId)?,
            name: self.name,
            number_prefix: self.number_prefix,
            language: self.language,
            registration: self.registration,
            vat_id: self.vat_id,
            tax_number: self.tax_number,
            address: self.address,
            supplied: self.supplied,
            received: self.received,
        })
    }
}

/// What a member has signed, so that money may be collected from its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// Its reference.
    pub reference: String,
    /// When it was signed.
    pub signed: IsoDate,
}

/// A member, to its bank and its tax office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose name the account is in.
    pub name: String,
    /// The account.
    pub iban: Iban,
    /// To collect from it; none from whom nothing is collected.
    pub mandate: Option<Mandate>,
    /// Where.
    pub address: Address,
}

#[derive(Deserialize)]
struct AccountRow {
    member: MemberId,
    name: String,
    iban: String,
    mandate: String,
    signed: String,
    street: String,
    city: String,
    post_code: String,
    country: String,
}

fn no_csv(error: csv::Error) -> PartyError {
    PartyError::Csv(error.to_string().escape_debug().to_string())
}

/// Reads the text of a file of accounts: CSV with [`COLUMNS`]. The first line that is wrong is named.
pub fn accounts(text: &[u8]) -> Result<BTreeMap<MemberId, Account>, PartyError> {
    let mut reader = csv::Reader::from_reader(text);
    let headers = reader.headers().map_err(no_csv)?;
    if headers.iter().ne(COLUMNS) {
        let found: String = headers.iter().collect::<Vec<_>>().join(",").escape_debug().take(80).collect();
        return Err(PartyError::Columns { found });
    }
    let mut accounts = BTreeMap::new();
    for row in reader.deserialize() {
        let row: AccountRow = row.map_err(no_csv)?;
        let member = row.member;
        if accounts.insert(member, checked(row)?).is_some() {
            return Err(PartyError::Twice(member));
        }
    }
    Ok(accounts)
}

fn checked(row: AccountRow) -> Result<Account, PartyError> {
    let AccountRow { member, name, iban, mandate, signed, street, city, post_code, country } = row;
    let text = |error| PartyError::Text { of: member.to_string(), error };
    check_name(&name).map_err(text)?;
    let mandate = match (mandate.is_empty(), signed.is_empty()) {
        (true, true) => None,
        (false, false) => {
            validate::check_id("mandate", &mandate).map_err(text)?;
            let signed = signed.parse().map_err(|error| PartyError::Signed { member, error })?;
            Some(Mandate { reference: mandate, signed })
        }
        _ => return Err(PartyError::HalfMandate(member)),
    };
    let address = Address { street, city, post_code, country };
    address.check(|| member.to_string())?;
    Ok(Account { name, iban: account(&iban, || member.to_string())?, mandate, address })
}

/// Whether a name, written in the characters that banks have, fits their files.
fn check_name(name: &str) -> Result<(), ValidationError> {
    validate::check_name("name", &sepa::transliterate(name, sepa::Transliteration::German))
}

fn account(iban: &str, of: impl Fn() -> String) -> Result<Iban, PartyError> {
    let iban = sepa::validate_iban(iban).map_err(|error| PartyError::Iban { of: of(), error })?;
    if iban.is_sepa() { Ok(iban) } else { Err(PartyError::NotSepa { of: of(), country: iban.country_code().into() }) }
}
