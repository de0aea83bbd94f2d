//! From the sections of a template to the values that are read: each has what its device's way knows, and nothing that
//! another way knows.

use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    super::modbus::Table,
    blanks::{BlankError, Filled},
    documents::Place,
    points::{EnergyUnit, Points, Power, PowerUnit, Read, Register, TimeFormat, UnitOf},
    words::{Encoding, Words},
};

/// The sections of a template that say what is read.
pub(super) struct Sections {
    pub(super) import: WrittenRegister,
    pub(super) export: WrittenRegister,
    pub(super) power: Option<WrittenPower>,
    pub(super) serial: Option<WrittenField>,
    pub(super) time: Option<WrittenTime>,
}

/// `[import]` or `[export]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRegister {
    #[serde(default)]
    unit: Option<EnergyUnit>,
    #[serde(default)]
    unit_json: Option<String>,
    read: Vec<WrittenField>,
}

/// `[power]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPower {
    unit: PowerUnit,
    read: Vec<WrittenField>,
}

/// `[time]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTime {
    json: String,
    #[serde(rename = "as")]
    format: TimeFormat,
}

/// A value. One struct of options, and not one of variants: so it can be named what is wrong with it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenField {
    input: Option<u16>,
    holding: Option<u16>,
    #[serde(rename = "as")]
    encoding: Option<Encoding>,
    words: Option<WordOrder>,
    absent: Option<u64>,
    json: Option<String>,
    path: Option<String>,
    topic: Option<String>,
    text: bool,
    scale: Option<Decimal>,
    optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WordOrder {
    HighFirst,
    LowFirst,
}

/// What names a document that a device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DocumentName {
    /// An HTTP path.
    Path,
    /// An MQTT topic.
    Topic,
}

/// Why a section makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SectionError {
    /// A value that is nowhere, in two places, or of another way to reach a device.
    #[error("[{section}]: {message}")]
    Field {
        /// Which section.
        section: String,
        /// What was expected, what was found.
        message: String,
    },
    /// Something to fill in.
    #[error(transparent)]
    Blank(#[from] BlankError),
}

fn wrong(section: &str, message: impl Into<String>) -> SectionError {
    SectionError::Field { section: section.into(), message: message.into() }
}

impl Sections {
    /// Of a device that is read by Modbus.
    pub(super) fn of_words(self) -> Result<Points<Words>, SectionError> {
        if self.time.is_some() {
            return Err(wrong("time", "no time is read by Modbus; leave it out"));
        }
        self.points(words)
    }

    /// Of a device that says JSON, in a document that each value names, or that is that of all.
    pub(super) fn of_places(
        mut self,
        name: DocumentName,
        of_all: Option<&str>,
        filled: &Filled,
    ) -> Result<Points<Place>, SectionError> {
        let time = self.time.take();
        let place = |section: &str, field| place(section, field, name, of_all, filled);
        let mut points = self.points(place)?;
        if let Some(WrittenTime { json, format }) = time {
            let path = filled.fill(&json)?.parse().map_err(|message: String| wrong("time", message))?;
            let registers = [&points.import, &points.export];
            let reads = registers.into_iter().flat_map(|register| &register.reads);
            let mut documents: Vec<String> = reads.map(|read| read.field.document.clone()).collect();
            documents.sort();
            documents.dedup();
            let at = |document| (Place { document, path: Clone::clone(&path), text: false }, format);
            points.times = documents.into_iter().map(at).collect();
        }
        Ok(points)
    }

    fn points<F>(
        self,
        field: impl Fn(&str, WrittenField) -> Result<F, SectionError>,
    ) -> Result<Points<F>, SectionError> {
        let Sections { import, export, power, serial, time: _ } = self;
        let power = power.map(|WrittenPower { unit, read }| {
            Ok::<_, SectionError>(Power { unit, reads: reads("power", read, &field)? })
        });
        let serial = serial.map(|written| {
            if written.scale.is_some() || written.optional {
                return Err(wrong("serial", "`scale` and `optional` are of values that are added; leave them out"));
            }
            field("serial", written)
        });
        Ok(Points {
            import: register("import", import, &field)?,
            export: register("export", export, &field)?,
            power: power.transpose()?,
            serial: serial.transpose()?,
            times: Vec::new(),
        })
    }
}

fn register<F>(
    section: &str,
    register: WrittenRegister,
    field: &impl Fn(&str, WrittenField) -> Result<F, SectionError>,
) -> Result<Register<F>, SectionError> {
    let WrittenRegister { unit, unit_json, read } = register;
    let unit = match (unit, unit_json) {
        (Some(unit), None) => UnitOf::Fixed(unit),
        (None, Some(json)) => {
            let first = read.first();
            let document = |own: fn(&WrittenField) -> &Option<String>| first.and_then(|first| own(first).clone());
            let (path, topic) = (document(|field| &field.path), document(|field| &field.topic));
            UnitOf::Said(field(section, WrittenField { json: Some(json), path, topic, ..WrittenField::default() })?)
        }
        _ => {
            return Err(wrong(
                section,
                "expected either `unit` (Wh, kWh or MWh) or `unit_json`, where the device says it",
            ));
        }
    };
    Ok(Register { unit, reads: reads(section, read, field)? })
}

fn reads<F>(
    section: &str,
    read: Vec<WrittenField>,
    field: &impl Fn(&str, WrittenField) -> Result<F, SectionError>,
) -> Result<Vec<Read<F>>, SectionError> {
    if read.is_empty() {
        return Err(wrong(section, "expected at least one value in `read`, found none"));
    }
    let read = read.into_iter().map(|mut written| {
        let (scale, optional) = (written.scale.take().unwrap_or(Decimal::ONE), written.optional);
        Ok(Read { field: field(section, written)?, scale, optional })
    });
    read.collect()
}

fn words(section: &str, written: WrittenField) -> Result<Words, SectionError> {
    if written.json.is_some() || written.path.is_some() || written.topic.is_some() || written.text {
        return Err(wrong(
            section,
            "`json`, `path`, `topic` and `text` are not of Modbus; expected `input` or `holding`",
        ));
    }
    let (table, address) = match (written.input, written.holding) {
        (Some(address), None) => (Table::Input, address),
        (None, Some(address)) => (Table::Holding, address),
        _ => return Err(wrong(section, "expected either `input` or `holding` with a register's address from 0 on")),
    };
    let encoding = written.encoding.ok_or_else(|| wrong(section, "expected `as`, such as \"u32\" or \"f32\""))?;
    if address.checked_add(encoding.words() - 1).is_none() {
        return Err(wrong(section, format!("expected an address that leaves room for its words, found {address}")));
    }
    let low_first = written.words == Some(WordOrder::LowFirst);
    Ok(Words { table, address, encoding, low_first, absent: written.absent })
}

fn place(
    section: &str,
    written: WrittenField,
    name: DocumentName,
    of_all: Option<&str>,
    filled: &Filled,
) -> Result<Place, SectionError> {
    let WrittenField { input, holding, encoding, words, absent, json, path, topic, text, scale: _, optional: _ } =
        written;
    if input.is_some() || holding.is_some() || encoding.is_some() || words.is_some() || absent.is_some() {
        let message = "`input`, `holding`, `as`, `words` and `absent` are of Modbus; expected `json`";
        return Err(wrong(section, message));
    }
    let (own, strange, key) = match name {
        DocumentName::Path => (path, topic, "path"),
        DocumentName::Topic => (topic, path, "topic"),
    };
    if strange.is_some() {
        return Err(wrong(section, format!("expected `{key}`, found the other of `path` and `topic`")));
    }
    let own = own.map(|document| filled.fill(&document)).transpose()?;
    let document = own.or(of_all.map(str::to_owned));
    let document = document.ok_or_else(|| wrong(section, format!("expected a `{key}`, here or for all values")))?;
    let json = json.ok_or_else(|| wrong(section, "expected `json`, a path such as /total/import"))?;
    let path = filled.fill(&json)?.parse().map_err(|message: String| wrong(section, message))?;
    Ok(Place { document, path, text })
}
