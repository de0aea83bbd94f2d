//! A device's template: how it is asked, and where in what it says both registers are. `templates/blueprint.toml`
//! explains each key.

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;

use super::{
    super::{line::Framing, modbus::Unit},
    blanks::{BlankError, Blanks},
    documents::Place,
    points::Points,
    sections::{DocumentName, SectionError, Sections, WrittenField, WrittenPower, WrittenRegister, WrittenTime},
    words::Words,
};

/// The only version of the format.
const FORMAT: u32 = 1;
/// Of a line between Modbus devices, where a template says nothing else.
const BAUD: u32 = 9_600;

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    /// It is not written as one.
    #[error("line {line}: {message}")]
    Malformed {
        /// Where.
        line: usize,
        /// What was expected, what was found.
        message: String,
    },
    /// It is of a later version.
    #[error("expected `format = {FORMAT}`, found {0}; a newer agent may know it")]
    Format(u32),
    /// Not one way to reach the device.
    #[error("expected one of [modbus], [http] and [mqtt], found {0}")]
    Ways(usize),
    /// It has only one register, or none.
    #[error(
        "expected [{0}] with the cumulative energy, found none: a device that shows only power, or one direction, \
         cannot be used, because an estimate is never signed"
    )]
    NoRegister(&'static str),
    /// A section makes no sense.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// Something that differs from home to home is not said, or unknown.
    #[error(transparent)]
    Blank(#[from] BlankError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    name: String,
    title: String,
    #[serde(default)]
    note: Option<String>,
    sums_phases: bool,
    #[serde(default)]
    with: Blanks,
    #[serde(default)]
    modbus: Option<Modbus>,
    #[serde(default)]
    http: Option<Http>,
    #[serde(default)]
    mqtt: Option<Mqtt>,
    #[serde(default)]
    import: Option<WrittenRegister>,
    #[serde(default)]
    export: Option<WrittenRegister>,
    #[serde(default)]
    power: Option<WrittenPower>,
    #[serde(default)]
    serial: Option<WrittenField>,
    #[serde(default)]
    time: Option<WrittenTime>,
}

/// How a Modbus device is set when it is new.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Modbus {
    /// The unit's number.
    #[serde(default)]
    pub(super) unit: Unit,
    /// Bits per second of its line.
    #[serde(default = "baud")]
    pub(crate) baud: u32,
    /// Bits of a character.
    #[serde(default)]
    pub(crate) framing: Framing,
    /// Seconds after the connection before it answers.
    #[serde(default)]
    pub(crate) pause_s: u8,
}

fn baud() -> u32 {
    BAUD
}

/// Where an HTTP device answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// The path of all values that say none.
    #[serde(default)]
    path: Option<String>,
    /// The name to log in with, where nobody says another.
    #[serde(default)]
    pub(crate) user: Option<String>,
}

/// Where a device publishes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mqtt {
    /// The topic of all values that say none.
    #[serde(default)]
    topic: Option<String>,
    /// What makes it publish.
    #[serde(default)]
    pub(crate) ask: Option<Ask>,
}

/// A message that makes a device publish its values.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    pub(crate) topic: String,
    pub(crate) payload: String,
}

/// A device as one home has it.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) title: String,
    /// What to know of it, or to do at it first.
    pub(crate) note: Option<String>,
    /// Its registers are of the phases together, as the grid's meter counts.
    pub(crate) sums_phases: bool,
    pub(crate) way: Way,
}

/// How it is reached, and what is read there.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Modbus(Modbus, Points<Words>),
    Http(Http, Points<Place>),
    Mqtt(Mqtt, Points<Place>),
}

/// A template that is written well; whether it makes sense, only a home tells.
#[derive(Debug)]
pub(crate) struct Template(Written);

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Template, TemplateError> {
        let written: Written = toml::from_str(text).map_err(|error| TemplateError::Malformed {
            line: text[..error.span().map_or(0, |span| span.start.min(text.len()))].matches('\n').count() + 1,
            message: error.message().replace('\n', " "),
        })?;
        if written.format != FORMAT {
            return Err(TemplateError::Format(written.format));
        }
        Ok(Template(written))
    }
}

impl Template {
    /// By which it is chosen.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What the device is called in a shop.
    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    /// What it leaves to fill in: name, what it is, and what is there where nothing is written.
    pub(crate) fn blanks(&self) -> Vec<(String, String, Option<String>)> {
        self.0.with.all().collect()
    }

    /// How it is reached.
    pub(crate) fn way(&self) -> &'static str {
        match &self.0 {
            Written { modbus: Some(_), .. } => "Modbus",
            Written { http: Some(_), .. } => "HTTP",
            _ => "MQTT",
        }
    }

    /// The device in a home that fills in these words.
    pub(crate) fn of_home(self, with: &BTreeMap<String, String>) -> Result<Device, TemplateError> {
        let Written { title, note, sums_phases, with: blanks, .. } = self.0;
        let Written { modbus, http, mqtt, import, export, power, serial, time, .. } = self.0;
        let filled = blanks.fill(with)?;
        let import = import.ok_or(TemplateError::NoRegister("import"))?;
        let export = export.ok_or(TemplateError::NoRegister("export"))?;
        let sections = Sections { import, export, power, serial, time };
        let way = match (modbus, http, mqtt) {
            (Some(modbus), None, None) => Way::Modbus(modbus, sections.of_words()?),
            (None, Some(mut http), None) => {
                http.path = http.path.map(|path| filled.fill(&path)).transpose()?;
                let points = sections.of_places(DocumentName::Path, http.path.as_deref(), &filled)?;
                Way::Http(http, points)
            }
            (None, None, Some(mut mqtt)) => {
                mqtt.topic = mqtt.topic.map(|topic| filled.fill(&topic)).transpose()?;
                if let Some(ask) = &mut mqtt.ask {
                    ask.topic = filled.fill(&ask.topic)?;
                }
                let points = sections.of_places(DocumentName::Topic, mqtt.topic.as_deref(), &filled)?;
                Way::Mqtt(mqtt, points)
            }
            (modbus, http, mqtt) => {
                let found = [modbus.is_some(), http.is_some(), mqtt.is_some()];
                return Err(TemplateError::Ways(found.into_iter().filter(|found| *found).count()));
            }
        };
        Ok(Device { title, note, sums_phases, way })
    }

    #[cfg(test)]
    pub(crate) fn example(&self) -> BTreeMap<String, String> {
        self.0.with.example()
    }
}
