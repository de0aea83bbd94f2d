//! The issuer's register: which card has which place in the status list, until it has expired or the member is erased.
//! Only the operator has it, and it is all that leads from a place to a member.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    interval::{parse_utc, utc_text},
    key::{DeviceId, PublicKey},
    member::MemberId,
};

use crate::status::{Status, StatusList};

/// Fewest places of a list, so that one card hides among others.
const PLACES_MIN: u64 = 1_024;
const HEADING: &str = "place,member,device,key,issued,expires";

/// What the issuer remembers of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Whose it is.
    pub member: MemberId,
    /// The device that it names.
    pub device: DeviceId,
    /// The member's key when it was issued. It is not in the card.
    pub key: PublicKey,
    /// When.
    pub issued: i64,
    /// Until when it is valid.
    pub expires: i64,
}

/// How a member stands on the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its key.
    pub key: PublicKey,
    /// The device that measures; none where the ledger takes no more readings of it.
    pub device: Option<DeviceId>,
    /// Whether a decision revoked it. Where there is no device and no decision said so, the device contradicted itself.
    pub is_revoked: bool,
}

/// Why a text is no register.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: expected {expected}, found `{found}`; put the register back from a backup, not together from memory"
)]
pub struct RegisterError {
    line: usize,
    expected: &'static str,
    found: String,
}

/// Which card has which place. A place stays taken when what is known of its card is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register(BTreeMap<u64, Option<Issued>>);

impl Register {
    /// Reads a register.
    pub fn read(text: &str) -> Result<Register, RegisterError> {
        let mut lines = text.lines().zip(1..);
        let wrong = |line, expected, found: &str| RegisterError {
            line,
            expected,
            found: found.chars().take(80).collect::<String>().escape_debug().to_string(),
        };
        match lines.next() {
            Some((HEADING, _)) => {}
            found => return Err(wrong(1, HEADING, found.map_or("", |(found, _)| found))),
        }
        let mut register = Register::default();
        for (text, line) in lines {
            let (place, issued) =
                row(text).ok_or_else(|| wrong(line, "a place, and its card where it is known", text))?;
            if register.0.insert(place, issued).is_some() {
                return Err(wrong(line, "each place once", text));
            }
        }
        Ok(register)
    }

    /// The register as it is kept.
    pub fn text(&self) -> String {
        let row = |(place, issued): (&u64, &Option<Issued>)| match issued {
            Some(Issued { member, device, key, issued, expires }) => {
                format!("{place},{member},{device},{key},{},{}\n", utc_text(*issued), utc_text(*expires))
            }
            None => format!("{place},,,,,\n"),
        };
        format!("{HEADING}\n{}", self.0.iter().map(row).collect::<String>())
    }

    /// Gives a card a place that no card ever had; which one is up to `random`.
    pub fn add(&mut self, issued: Issued, random: u64) -> u64 {
        let places = places(self.0.len() + 1);
        let free = places - self.0.keys().filter(|place| **place < places).count() as u64;
        let mut place = random % free;
        for taken in self.0.keys() {
            if *taken > place {
                break;
            }
            place += 1;
        }
        self.0.insert(place, Some(issued));
        place
    }

    /// Forgets which cards are this member's: they count no more, and nothing says whose they were. How many.
    pub fn erase(&mut self, member: MemberId) -> usize {
        self.forget(|_, issued| issued.member == member)
    }

    /// Forgets the card of this place, which counts no more: its key was lost, or stolen. Whether there was one.
    pub fn withdraw(&mut self, place: u64) -> bool {
        self.forget(|at, _| at == place) > 0
    }

    /// Forgets whose the cards are that have expired. How many.
    pub fn forget_expired(&mut self, now: i64) -> usize {
        self.forget(|_, issued| issued.expires <= now)
    }

    fn forget(&mut self, is_it: impl Fn(u64, &Issued) -> bool) -> usize {
        let mut forgotten = 0;
        for (place, issued) in &mut self.0 {
            if issued.take_if(|issued| is_it(*place, issued)).is_some() {
                forgotten += 1;
            }
        }
        forgotten
    }

    /// The members of whom cards are known.
    pub fn members(&self) -> BTreeSet<MemberId> {
        self.0.values().flatten().map(|issued| issued.member).collect()
    }

    /// The list: how every card stands, as the ledger has its member and as the directory still names it.
    pub fn list(&self, ledger: &BTreeMap<MemberId, Standing>, is_named: impl Fn(MemberId) -> bool) -> StatusList {
        let mut list = StatusList::new(places(self.0.len()));
        for (place, issued) in &self.0 {
            let status = issued.as_ref().filter(|issued| is_named(issued.member)).map_or(Status::Invalid, |issued| {
                ledger.get(&issued.member).map_or(Status::Invalid, |standing| issued.status(standing))
            });
            list.set(*place, status);
        }
        list
    }
}

/// How many places a list has of which so many are taken: half of them are free, or more.
fn places(taken: usize) -> u64 {
    (taken as u64 * 2).next_power_of_two().max(PLACES_MIN)
}

impl Issued {
    fn status(&self, now: &Standing) -> Status {
        match now.device {
            // Whoever has the member's key may have its card's key.
            _ if now.key != self.key => Status::Invalid,
            Some(device) if device == self.device => Status::Valid,
            Some(_) => Status::Invalid,
            None if now.is_revoked => Status::Invalid,
            None => Status::Suspended,
        }
    }
}

fn row(text: &str) -> Option<(u64, Option<Issued>)> {
    let fields: Vec<&str> = text.split(',').collect();
    let [place, rest @ ..] = fields.as_slice() else { return None };
    let place = place.parse().ok()?;
    match rest {
        ["", "", "", "", ""] => Some((place, None)),
        [member, device, key, issued, expires] => Some((
            place,
            Some(Issued {
                member: member.parse().ok()?,
                device: device.parse().ok()?,
                key: key.parse().ok()?,
                issued: parse_utc(issued).ok()?,
                expires: parse_utc(expires).ok()?,
            }),
        )),
        _ => None,
    }
}
