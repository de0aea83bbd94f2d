//! Which models a device has, and where: a chain that begins with `SunS` and the common model (SunSpec Device
//! Information Model Specification 1.1, section 6.2).

use sunspec::{Model, models::model1::Model1};

use super::{
    super::modbus::{Connection, NoWords, Table},
    model,
};

/// Where the chain may begin.
const STARTS: [u16; 3] = [40_000, 0, 50_000];
const SUNS: [u16; 2] = [0x5375, 0x6e53];
const COMMON: u16 = 1;
/// The last model, which has no content.
const END: u16 = 0xffff;
/// Most models that are looked at: devices have up to thirty.
const MODELS_MAX: usize = 200;
/// Most words that one request reads (Modbus Application Protocol 1.1b3, section 6.3).
const WORDS_MAX: u16 = 125;

/// A meter in a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The number of its model.
    pub(super) model: u16,
    /// Of its first word after the model's length.
    pub(super) address: u16,
    /// How many words it has.
    pub(super) words: u16,
    /// From the common model before it.
    pub(super) serial: Option<String>,
}

/// Finds the meter with that number in its order, or the only one. An error is what to do about it, for people.
pub(super) async fn find(modbus: &mut Connection, number: Option<usize>) -> Result<Found, String> {
    let meters = meters(modbus).await?;
    let count = meters.len();
    let several = || format!("expected `meter` from 1 to {count}, since the device has several meters");
    match (number, meters.as_slice()) {
        (_, []) => {
            Err("the device speaks SunSpec, but has no meter (model 201 to 204, or 211 to 214): is `unit` that \
                        of the meter?"
                .into())
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(several() + ", found none"),
        (Some(number), meters) => {
            let found = number.checked_sub(1).and_then(|index| meters.get(index));
            found.cloned().ok_or_else(|| format!("expected `meter` from 1 to {count}, found {number}"))
        }
    }
}

async fn meters(modbus: &mut Connection) -> Result<Vec<Found>, String> {
    let mut address = start(modbus).await?;
    let (mut meters, mut serial) = (Vec::new(), None);
    for _ in 0..MODELS_MAX {
        let header = match modbus.read(Table::Holding, address, 2).await {
            // Some devices end where others have the last model.
            Err(NoWords::Refused(_)) => return Ok(meters),
            header => words(modbus, header, address)?,
        };
        let [model, length] = header[..] else { return Ok(meters) };
        if model == END {
            return Ok(meters);
        }
        address = address.checked_add(2).ok_or(ENDLESS)?;
        if model == COMMON {
            let common = modbus.read(Table::Holding, address, length.min(WORDS_MAX)).await;
            serial = serial_of(&words(modbus, common, address)?);
        } else if model::is_meter(model) {
            meters.push(Found { model, address, words: length.min(WORDS_MAX), serial: serial.clone() });
        }
        address = address.checked_add(length).ok_or(ENDLESS)?;
    }
    Err(ENDLESS.into())
}

const ENDLESS: &str = "expected a chain of SunSpec models with an end, found none";

async fn start(modbus: &mut Connection) -> Result<u16, String> {
    for start in STARTS {
        match modbus.read(Table::Holding, start, 2).await {
            Ok(words) if words == SUNS => return Ok(start + 2),
            Ok(_) | Err(NoWords::Refused(_)) => {}
            other => drop(words(modbus, other, start)?),
        }
    }
    Err("the device does not speak SunSpec: is `unit` right, and is SunSpec switched on at the device?".into())
}

fn words(modbus: &Connection, read: Result<Vec<u16>, NoWords>, address: u16) -> Result<Vec<u16>, String> {
    read.map_err(|no_words| modbus.said(no_words, Table::Holding, address).to_string())
}

fn serial_of(common: &[u16]) -> Option<String> {
    let serial = Model1::parse(common).ok()?.sn;
    let serial = serial.trim_end_matches('\0').trim();
    let is_one = !serial.is_empty() && serial.chars().all(|character| character.is_ascii_graphic());
    is_one.then(|| serial.to_owned())
}
