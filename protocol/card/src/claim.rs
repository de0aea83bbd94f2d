//! What a card can say of a member, each claim in a disclosure of its own.

use std::{fmt, str::FromStr};

use protocol::{hash::Hash, key::DeviceId, member::MemberId, technology::Technology, text::ParseError};
use serde_json::Value;

use crate::jose;

/// Most bytes of a text that is claimed.
const TEXT_BYTES_MAX: usize = 128;

/// A claim's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The pseudonym under which the ledger knows the member. Whoever has it finds all that the ledger says of it.
    Member,
    /// The device that measures. It leads to the member as well.
    Device,
    /// What the member is called.
    Name,
    /// The grid operator's number of the connection.
    GridConnection,
    /// The number on the meter.
    Meter,
    /// Rated power of the grid connection, W.
    RatedPowerW,
    /// What the member's production is made from.
    Technology,
    /// The bus of the grid that it is connected to.
    Bus,
}

impl Name {
    /// Every claim, in the order of the docs.
    pub const ALL: [Name; 8] = [
        Name::Member,
        Name::Device,
        Name::Name,
        Name::GridConnection,
        Name::Meter,
        Name::RatedPowerW,
        Name::Technology,
        Name::Bus,
    ];

    /// The name in a card.
    pub const fn text(self) -> &'static str {
        match self {
            Name::Member => "member",
            Name::Device => "device",
            Name::Name => "name",
            Name::GridConnection => "grid_connection",
            Name::Meter => "meter",
            Name::RatedPowerW => "rated_power_w",
            Name::Technology => "technology",
            Name::Bus => "bus",
        }
    }

    /// Whether whoever is told it can look up on the ledger what the household consumes.
    pub const fn leads_to_readings(self) -> bool {
        matches!(self, Name::Member | Name::Device)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Name, ParseError> {
        Name::ALL.into_iter().find(|name| name.text() == text).ok_or_else(|| {
            let expected = "member, device, name, grid_connection, meter, rated_power_w, technology or bus";
            ParseError::new(expected, text)
        })
    }
}

/// Why a claim is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: expected 1 to {TEXT_BYTES_MAX} bytes without control characters, found `{found}`")]
pub struct ClaimError {
    /// Which.
    name: Name,
    /// What was found, shortened.
    found: String,
}

/// What a card says of its member. Only what is there is in the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The pseudonym.
    pub member: MemberId,
    /// The device that measures.
    pub device: DeviceId,
    /// What the member is called.
    pub name: Option<String>,
    /// The grid operator's number of the connection.
    pub grid_connection: Option<String>,
    /// The number on the meter.
    pub meter: Option<String>,
    /// Rated power of the grid connection, W.
    pub rated_power_w: u64,
    /// What its production is made from.
    pub technology: Option<Technology>,
    /// The bus that it is connected to.
    pub bus: Option<String>,
}

impl Claims {
    /// The claims that there are, in the order of [`Name::ALL`].
    pub(crate) fn all(&self) -> Result<Vec<Claim>, ClaimError> {
        let text = |name: Name, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control) {
                return Err(ClaimError {
                    name,
                    found: text.chars().take(40).collect::<String>().escape_debug().to_string(),
                });
            }
            Ok(Some(Claim { name, value: Value::from(text.as_str()) }))
        };
        let claims = [
            Some(Claim { name: Name::Member, value: Value::from(self.member.to_string()) }),
            Some(Claim { name: Name::Device, value: Value::from(self.device.to_string()) }),
            text(Name::Name, &self.name)?,
            text(Name::GridConnection, &self.grid_connection)?,
            text(Name::Meter, &self.meter)?,
            Some(Claim { name: Name::RatedPowerW, value: Value::from(self.rated_power_w) }),
            self.technology.map(|it| Claim { name: Name::Technology, value: Value::from(it.name()) }),
            text(Name::Bus, &self.bus)?,
        ];
        Ok(claims.into_iter().flatten().collect())
    }
}

/// One claim: a text or a whole number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub name: Name,
    /// That it is this.
    pub value: Value,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned);
        write!(f, "{}  {}", self.name, value.escape_debug())
    }
}

/// A claim with its salt, as it travels: base64url of the JSON `[salt, name, value]` (RFC 9901 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disclosure {
    pub(crate) text: String,
    pub(crate) claim: Claim,
}

impl Disclosure {
    pub(crate) fn new(salt: &[u8; 16], claim: Claim) -> Disclosure {
        let parts = (jose::encode(salt), claim.name.text(), &claim.value);
        Disclosure { text: jose::encode(jose::json(&parts)), claim }
    }

    /// Reads one; none where it is not one of a card's claims.
    pub(crate) fn read(text: &str) -> Option<Disclosure> {
        let (_, name, value): (String, String, Value) = serde_json::from_slice(&jose::decode(text)?).ok()?;
        let is_plain = value.is_string() || value.is_u64();
        let claim = Claim { name: name.parse().ok()?, value };
        is_plain.then(|| Disclosure { text: text.to_owned(), claim })
    }

    /// What stands for it in the card.
    pub(crate) fn digest(&self) -> String {
        digest(self.text.as_bytes())
    }
}

/// Base64url of the SHA-256 of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    jose::encode(Hash::of(bytes).as_bytes())
}
