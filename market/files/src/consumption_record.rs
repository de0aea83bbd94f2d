//! Validated values as Austrian grid operators send them: `ConsumptionRecord` 01p41 of ebUtilities, the message
//! `DATEN_CRMSG`.
//!
//! Taken are the meter codes of all that was drawn (`1-1:1.9.0 G.01`) and all that was fed in (`1-1:2.9.0 G.01`) at a
//! metering point. What the grid operator allocated (`G.02`, `G.03`, `P.01`, and those with a suffix `T`) the ledger
//! computes itself, and passes over here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use protocol::{
    energy::Energy,
    interval::{Interval, IntervalLength},
    reading::Flow,
};
use roxmltree::{Document, Node, ParsingOptions};
use rust_decimal::{Decimal, prelude::ToPrimitive};

/// Most bytes of a record: a year of quarter hours has seven million.
pub const BYTES_MAX: u64 = 32 * 1_024 * 1_024;
const NODES_MAX: u32 = 4_000_000;
const NAMESPACE: &str = "http://www.ebutilities.at/schemata/customerprocesses/consumptionrecord/01p41";
const DRAWN: &str = "1-1:1.9.0 G.01";
const FED_IN: &str = "1-1:2.9.0 G.01";
/// A quarter of an hour.
const QUARTER_HOUR: &str = "QH";
/// Measured, and a substitute that is as good.
const QUALITIES: [&str; 2] = ["L1", "L2"];

/// What a record says of a metering point, by interval: only one direction, where it counts only one.
pub type Values = BTreeMap<(String, Interval), PointFlow>;

/// What a metering point counted in an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointFlow {
    /// Where the first of both stands.
    pub line: u32,
    /// What was drawn, where it counts that.
    pub import: Option<Energy>,
    /// What was fed in, where it counts that.
    pub export: Option<Energy>,
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not XML that is read here: without a document type, and not too large.
    #[error("expected XML of a ConsumptionRecord, found something that cannot be read: {0}")]
    NotXml(String),
    /// Something else, or another version.
    #[error("expected a ConsumptionRecord 01p41 of ebUtilities, found {0}")]
    OtherDocument(String),
    /// Something that has to be there is not.
    #[error("line {line}: expected {expected}, found none")]
    Missing {
        /// Where.
        line: u32,
        /// What.
        expected: &'static str,
    },
    /// Something is another than it has to be.
    #[error("line {line}: expected {expected}, found `{found}`")]
    Unexpected {
        /// Where.
        line: u32,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A substitute that the grid operator does not vouch for.
    #[error("line {line}: expected a validated value, of quality L1 or L2, found {found}")]
    Quality {
        /// Where.
        line: u32,
        /// Its quality.
        found: String,
    },
    /// A value finer than a Wh: what is left over would have to be somebody's.
    #[error("line {line}: expected whole Wh, that is kWh of at most three decimals but zeros, found `{found}`")]
    TooFine {
        /// Where.
        line: u32,
        /// The value.
        found: String,
    },
    /// Two values of a metering point, a direction and an interval.
    #[error("line {line}: expected one value of a metering point in {interval}, found another")]
    Twice {
        /// Where.
        line: u32,
        /// Which interval.
        interval: Interval,
    },
    /// Nothing of what is taken.
    #[error("expected values of {DRAWN} or {FED_IN}, found none")]
    Nothing,
}

/// A node of the document, and where its text is.
struct At<'a, 'i> {
    node: Node<'a, 'i>,
    document: &'a Document<'i>,
}

impl<'a, 'i> At<'a, 'i> {
    fn line(&self) -> u32 {
        self.document.text_pos_at(self.node.range().start).row
    }

    fn children(&self, name: &'static str) -> impl Iterator<Item = At<'a, 'i>> {
        let document = self.document;
        self.node.children().filter(move |node| node.tag_name().name() == name).map(move |node| At { node, document })
    }

    fn child(&self, name: &'static str) -> Result<At<'a, 'i>, RecordError> {
        self.children(name).next().ok_or_else(|| RecordError::Missing { line: self.line(), expected: name })
    }

    fn text(&self) -> &'a str {
        self.node.text().unwrap_or_default().trim()
    }

    fn unexpected(&self, expected: &'static str, found: &str) -> RecordError {
        RecordError::Unexpected { line: self.line(), expected, found: calendar::quoted(found) }
    }

    fn moment(&self) -> Result<i64, RecordError> {
        let moment = self.text().parse::<Timestamp>().ok().filter(|moment| moment.subsec_nanosecond() == 0);
        let expected = "a moment such as 2026-06-01T12:00:00+02:00";
        moment.map(Timestamp::as_second).ok_or_else(|| self.unexpected(expected, self.text()))
    }
}

/// Reads a record of intervals of this length.
pub fn read(xml: &str, length: IntervalLength) -> Result<Values, RecordError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = &Document::parse_with_options(xml, options)
        .map_err(|error| RecordError::NotXml(calendar::quoted(&error.to_string())))?;
    let root = At { node: document.root_element(), document };
    let name = root.node.tag_name();
    if (name.namespace(), name.name()) != (Some(NAMESPACE), "ConsumptionRecord") {
        let found = format!("{} of `{}`", name.name(), calendar::quoted(name.namespace().unwrap_or_default()));
        return Err(RecordError::OtherDocument(found));
    }
    let mut values = Values::new();
    for process in root.children("ProcessDirectory") {
        let point = process.child("MeteringPoint")?.text().to_owned();
        for energy in process.children("Energy") {
            let step = energy.child("MeteringIntervall")?;
            if step.text() != QUARTER_HOUR || length != IntervalLength::Minutes15 {
                let expected = "intervals of the community, which this message has as QH, a quarter of an hour";
                return Err(step.unexpected(expected, step.text()));
            }
            for data in energy.children("EnergyData") {
                self::data(&data, &point, length, &mut values)?;
            }
        }
    }
    if values.is_empty() { Err(RecordError::Nothing) } else { Ok(values) }
}

fn data(data: &At<'_, '_>, point: &str, length: IntervalLength, values: &mut Values) -> Result<(), RecordError> {
    let code = data.node.attribute("MeterCode").unwrap_or_default();
    if ![DRAWN, FED_IN].contains(&code) {
        return Ok(());
    }
    match data.node.attribute("UOM") {
        Some("KWH") => {}
        other => return Err(data.unexpected("the unit KWH", other.unwrap_or_default())),
    }
    for position in data.children("EP") {
        let (from, to) = (position.child("DTF")?, position.child("DTT")?);
        let interval = Interval::new(from.moment()?, length);
        let interval = interval.ok_or_else(|| from.unexpected("the start of an interval", from.text()))?;
        if to.moment()? != interval.end_s() {
            return Err(to.unexpected("the end of the same interval", to.text()));
        }
        let quality = position.child("MM")?;
        if !QUALITIES.contains(&quality.text()) {
            let found = calendar::quoted(quality.text());
            return Err(RecordError::Quality { line: quality.line(), found });
        }
        let first = PointFlow { line: position.line(), ..PointFlow::default() };
        let flow = values.entry((point.to_owned(), interval)).or_insert(first);
        let side = if code == DRAWN { &mut flow.import } else { &mut flow.export };
        if side.replace(wh(&position.child("BQ")?)?).is_some() {
            return Err(RecordError::Twice { line: position.line(), interval });
        }
    }
    Ok(())
}

/// Whole Wh of a quantity in kWh.
fn wh(quantity: &At<'_, '_>) -> Result<Energy, RecordError> {
    let text = quantity.text();
    let expected = "a quantity in kWh of at least 0";
    let kwh = Decimal::from_str_exact(text).ok().filter(|kwh| !kwh.is_sign_negative() || kwh.is_zero());
    let wh = kwh.and_then(|kwh| kwh.checked_mul(Decimal::ONE_THOUSAND));
    let wh = wh.ok_or_else(|| quantity.unexpected(expected, text))?;
    if !wh.fract().is_zero() {
        return Err(RecordError::TooFine { line: quantity.line(), found: calendar::quoted(text) });
    }
    let energy = wh.to_u64().map(Energy::from_wh).filter(|energy| energy.is_within_limit());
    energy.ok_or_else(|| quantity.unexpected(expected, text))
}

/// What a member's metering points counted together in an interval. `points` are all of them, of which each counts one
/// direction or both; none where a value of any of them is missing.
pub fn together(values: &Values, points: &[String], interval: Interval) -> Option<Flow> {
    let mut flow = Flow::default();
    for point in points {
        let counted = values.get(&(point.clone(), interval))?;
        flow.import = flow.import.checked_add(counted.import.unwrap_or_default())?;
        flow.export = flow.export.checked_add(counted.export.unwrap_or_default())?;
    }
    Some(flow)
}

#[cfg(test)]
mod tests;
