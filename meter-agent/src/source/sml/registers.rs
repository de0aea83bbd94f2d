//! What the messages of a transmission say of the meter (BSI TR-03109-1, annex IV, part B; FNN, Lastenheft EDL). Pure.
//!
//! Of the two times that a meter sends neither is taken: one is a bare counter, and some meters have both wrong.

use std::ops::Range;

use sml_rs::parser::{
    ParseError,
    common::{ListEntry, Status, Value},
    streaming::{MessageBody, ParseEvent, Parser},
};

use super::super::{
    energies::{CUMULATIVE, EXPORT, Energies, IMPORT, LAST_TARIFF, NOW, PRESENT, RegisterError, TOTAL},
    sampler::Sample,
};

/// Units (IEC 62056-62, its list of units).
const WATT_HOUR: u8 = 30;
const WATT: u8 = 27;
/// C of the power drawn less the power fed in.
const NET: u8 = 16;
/// Scaler, the power of ten, of a register that counts whole kWh: what meters show before their PIN is entered.
const COARSE_SCALER: i8 = 3;
/// The smallest scaler that is kept, and the one in which energies are added.
const FINE_SCALER: i8 = -9;
/// Where a server id names the manufacturer (DIN 43863-5).
const MANUFACTURER: Range<usize> = 2..5;
const DZG: &[u8] = b"DZG";
/// Most bytes of a serial number that are kept: those of DIN 43863-5 have ten.
const SERIAL_BYTES_MAX: usize = 20;

/// Most characters that are quoted of what was found.
const TEXT_CHARS_MAX: usize = 64;

/// Why a transmission gives no registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Its messages are none.
    #[error("expected the messages of a meter (list of values, version 1 of SML), found others: {0:?}")]
    Messages(ParseError),
    /// The register of a meter that is locked.
    #[error(
        "register {c}.{CUMULATIVE}.{e} counts whole kWh: enter the PIN at the meter, and switch its complete data set \
         on (`Inf on`); your metering operator has the PIN"
    )]
    WithoutPin {
        /// C.
        c: u8,
        /// E.
        e: u8,
    },
    /// A register is no number of Wh.
    #[error("register {c}.{CUMULATIVE}.{e}: expected a number of Wh (unit {WATT_HOUR}), found {found}")]
    Malformed {
        /// C.
        c: u8,
        /// E.
        e: u8,
        /// What was there, cut.
        found: String,
    },
    /// The registers do not go together.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Reads the messages of a transmission whose checksum is right.
pub(crate) fn read(messages: &[u8]) -> Result<Sample, Unreadable> {
    let mut energies = Energies::default();
    let (mut power, mut of_dzg, mut is_drawn) = (None, false, false);
    let (mut server_id, mut number) = (None, None);
    for event in Parser::new(messages) {
        match event.map_err(Unreadable::Messages)? {
            ParseEvent::MessageStart(message) => {
                if let MessageBody::GetListResponse(list) = message.message_body {
                    server_id = hex(list.server_id).or(server_id);
                    of_dzg = list.server_id.get(MANUFACTURER) == Some(DZG);
                }
            }
            ParseEvent::ListEntry(entry) => match *entry.obj_name {
                [1, _, c @ (IMPORT | EXPORT), CUMULATIVE, e @ TOTAL..=LAST_TARIFF, NOW] => {
                    energies.take(c, e, nano_wh(&entry, c, e)?)?;
                    is_drawn |= of_dzg && says_drawn(&entry);
                }
                [1, _, NET, PRESENT, TOTAL, NOW] if entry.unit == Some(WATT) => power = Some(entry),
                [0 | 1, 0, 96, 1, 0, NOW] => {
                    if let Value::Bytes(bytes) = entry.value {
                        number = hex(bytes);
                    }
                }
                _ => {}
            },
            ParseEvent::GetListResponseEnd(_) => {}
        }
    }
    let power_w = power.and_then(|entry| watts(&entry, is_drawn));
    Ok(Sample { registers: energies.registers()?, at_s: None, power_w, serial: server_id.or(number) })
}

/// 10⁻⁹ Wh of a register.
fn nano_wh(entry: &ListEntry<'_>, c: u8, e: u8) -> Result<u128, Unreadable> {
    let scaler = entry.scaler.unwrap_or(0);
    if scaler >= COARSE_SCALER {
        return Err(Unreadable::WithoutPin { c, e });
    }
    let number = integer(&entry.value).and_then(|number| u128::try_from(number).ok());
    match number.filter(|_| entry.unit == Some(WATT_HOUR) && scaler >= FINE_SCALER) {
        Some(number) => Ok(number * 10_u128.pow(u32::from(scaler.abs_diff(FINE_SCALER)))),
        None => {
            let found = format!("scaler {scaler}, unit {:?} and {:?}", entry.unit, entry.value);
            let found = found.chars().take(TEXT_CHARS_MAX).collect();
            Err(Unreadable::Malformed { c, e, found })
        }
    }
}

/// Power drawn, W; negative while it is fed in.
fn watts(entry: &ListEntry<'_>, is_drawn: bool) -> Option<i64> {
    let number = match entry.value {
        Value::I8(number) if is_drawn => number.cast_unsigned().into(),
        Value::I16(number) if is_drawn => number.cast_unsigned().into(),
        _ => integer(&entry.value)?,
    };
    let scaler = entry.scaler.unwrap_or(0);
    let factor = 10_i128.checked_pow(scaler.unsigned_abs().into())?;
    let watts = if scaler < 0 { number / factor } else { number.checked_mul(factor)? };
    i64::try_from(watts).ok()
}

/// Whether a status in the form of DZG's DVS74 says that power is drawn (bit 11 is not set). That meter sends the bits
/// of a positive power as those of a signed number, so that its sign says nothing.
fn says_drawn(entry: &ListEntry<'_>) -> bool {
    matches!(entry.status, Some(Status::Status32(status)) if status & 0xFFE0_09FF == 0x0104)
}

fn integer(value: &Value<'_>) -> Option<i128> {
    Some(match *value {
        Value::I8(number) => number.into(),
        Value::I16(number) => number.into(),
        Value::I32(number) => number.into(),
        Value::I64(number) => number.into(),
        Value::U8(number) => number.into(),
        Value::U16(number) => number.into(),
        Value::U32(number) => number.into(),
        Value::U64(number) => number.into(),
        Value::Bool(_) | Value::Bytes(_) | Value::List(_) => return None,
    })
}

/// A number as it is printed on meters and in their papers, in hexadecimal digits; none of nothing.
fn hex(bytes: &[u8]) -> Option<String> {
    let digits: String = bytes.iter().take(SERIAL_BYTES_MAX).map(|byte| format!("{byte:02X}")).collect();
    Some(digits).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use protocol::reading::Registers;

    use super::{
        super::tests::{Entry, SERVER, messages},
        *,
    };

    /// Registers, power and serial number, or why there are none.
    fn of(entries: &[Entry]) -> Result<(u64, u64, Option<i64>, Option<String>), String> {
        let Sample { registers, at_s, power_w, serial } =
            read(&messages(SERVER, entries)).map_err(|e| e.to_string())?;
        assert_eq!(at_s, None);
        let Registers { import_wh, export_wh } = registers;
        Ok((import_wh, export_wh, power_w, serial))
    }

    fn energy(c: u8, e: u8, scaler: i8, value: &'static [u8]) -> Entry {
        Entry { obis: [1, 0, c, 8, e, 255], status: None, unit: Some(WATT_HOUR), scaler: Some(scaler), value }
    }

    const EXPORT_NOTHING: Entry =
        Entry { obis: [1, 0, 2, 8, 0, 255], status: None, unit: Some(WATT_HOUR), scaler: Some(-1), value: &[0x62, 0] };
    const KWH_2: [u8; 3] = [0x63, 0x4e, 0x20];

    #[test]
    fn numbers_of_any_size_and_scaler_are_cut_off_to_whole_wh() {
        let registers = |scaler, value| of(&[energy(1, 0, scaler, value), EXPORT_NOTHING]).map(|(import, ..)| import);
        assert_eq!(registers(-1, &[0x62, 0xff]), Ok(25));
        assert_eq!(registers(-1, &[0x64, 0x01, 0x00, 0x09]), Ok(6_554), "three bytes");
        assert_eq!(registers(-1, &[0x55, 0x00, 0x01, 0x00, 0x09]), Ok(6_554), "signed");
        assert_eq!(registers(-4, &[0x69, 0x00, 0x00, 0x00, 0x06, 0xd9, 0x5b, 0x95, 0x2e]), Ok(2_941_646));
        assert_eq!(registers(0, &[0x62, 7]), Ok(7));
        assert_eq!(registers(2, &[0x62, 7]), Ok(700));
        let without_scaler = Entry { scaler: None, ..energy(1, 0, 0, &[0x62, 7]) };
        assert_eq!(of(&[without_scaler, EXPORT_NOTHING]).map(|(import, ..)| import), Ok(7));
    }

    #[test]
    fn whole_kwh_are_refused_with_the_pin_and_one_direction_by_its_name() {
        let locked = of(&[energy(1, 0, 3, &[0x63, 0x07, 0xfb]), energy(2, 0, 3, &[0x62, 0])]).unwrap_err();
        assert!(locked.starts_with("register 1.8.0 counts whole kWh: enter the PIN at the meter"), "{locked}");
        assert!(of(&[energy(1, 1, 4, &KWH_2)]).unwrap_err().starts_with("register 1.8.1 counts whole kWh"));
        assert_eq!(of(&[energy(1, 0, -1, &KWH_2)]).unwrap_err(), RegisterError::Missing(EXPORT).to_string());
        assert_eq!(of(&[EXPORT_NOTHING]).unwrap_err(), RegisterError::Missing(IMPORT).to_string());
        let twice = [energy(1, 0, -1, &KWH_2), energy(1, 0, -1, &[0x62, 1])];
        assert_eq!(of(&twice).unwrap_err(), RegisterError::Twice(IMPORT, 0).to_string());
    }

    #[test]
    fn what_is_no_number_of_wh_is_no_register() {
        let varh = Entry { unit: Some(32), ..energy(1, 0, -1, &KWH_2) };
        let bare = Entry { unit: None, ..energy(1, 0, -1, &KWH_2) };
        let wrong =
            [varh, bare, energy(1, 0, -1, &[0x52, 0xff]), energy(1, 0, -1, b"\x03ab"), energy(1, 0, -10, &KWH_2)];
        for entry in wrong {
            let error = of(&[entry, EXPORT_NOTHING]).unwrap_err();
            assert!(error.starts_with("register 1.8.0: expected a number of Wh (unit 30), found scaler "), "{error}");
        }
        let huge = energy(1, 0, 2, &[0x69, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(of(&[huge, EXPORT_NOTHING]).unwrap_err(), RegisterError::TooLarge.to_string());
    }

    #[test]
    fn what_is_of_another_meter_or_another_time_is_passed_over() {
        let other = |obis| Entry { obis, ..energy(1, 0, 3, &[0x62, 9]) };
        let others = [[1, 0, 1, 8, 0, 1], [6, 0, 1, 8, 0, 255], [1, 0, 1, 8, 5, 255], [1, 0, 3, 8, 0, 255]].map(other);
        let entries = [&others[..], &[energy(1, 0, -1, &KWH_2), EXPORT_NOTHING]].concat();
        assert_eq!(of(&entries), Ok((2_000, 0, None, Some("0A0144".into()))));
    }

    #[test]
    fn power_has_its_sign_and_dzgs_has_the_one_of_its_status() {
        let power = |scaler, value| Entry {
            obis: [1, 0, 16, 7, 0, 255],
            status: None,
            unit: Some(WATT),
            scaler: Some(scaler),
            value,
        };
        let watts = |server: &'static [u8], status, scaler, value| {
            let import = Entry { status, ..energy(1, 0, -1, &KWH_2) };
            read(&messages(server, &[import, EXPORT_NOTHING, power(scaler, value)])).unwrap().power_w
        };
        assert_eq!(watts(SERVER, None, 0, &[0x53, 0xef, 0x2c]), Some(-4_308));
        assert_eq!(watts(SERVER, None, -2, &[0x53, 0xd6, 0xca]), Some(-105), "-105.5 W");
        assert_eq!(watts(SERVER, None, 3, &[0x52, 0x02]), Some(2_000));
        assert_eq!(watts(SERVER, None, 100, &[0x52, 0x02]), None);
        assert_eq!(watts(SERVER, None, 0, b"\x03ab"), None);
        let dzg: &[u8] = &[0x0a, 0x01, b'D', b'Z', b'G', 0, 2, 0x82, 0x22, 0x5e];
        // 356.24 W, in two bytes that read as a signed number are -299.12.
        let high = &[0x53, 0x8b, 0x28];
        assert_eq!(watts(dzg, Some(0x001c_7104), -2, high), Some(356));
        assert_eq!(watts(dzg, Some(0x001c_7904), -2, high), Some(-299), "fed in");
        assert_eq!(watts(SERVER, Some(0x001c_7104), -2, high), Some(-299), "of another maker");
        let kilowatts = Entry { unit: Some(28), ..power(0, &[0x52, 2]) };
        assert_eq!(of(&[energy(1, 0, -1, &KWH_2), EXPORT_NOTHING, kilowatts]).unwrap().2, None, "VA");
    }

    #[test]
    fn a_meter_is_told_from_others_by_its_server_id_or_its_number() {
        let number = Entry {
            obis: [1, 0, 96, 1, 0, 255],
            status: None,
            unit: None,
            scaler: None,
            value: &[0x05, 0x0a, 0x01, 0x45, 0xff],
        };
        let entries = [number, energy(1, 0, -1, &KWH_2), EXPORT_NOTHING];
        let serial = |server: &'static [u8]| read(&messages(server, &entries)).unwrap().serial;
        assert_eq!(serial(&[0x0a, 0x01, 0x49]).as_deref(), Some("0A0149"));
        assert_eq!(serial(&[]).as_deref(), Some("0A0145FF"));
    }

    #[test]
    fn messages_that_are_none_give_nothing_of_what_stands_before() {
        let whole = messages(SERVER, &[energy(1, 0, -1, &KWH_2), EXPORT_NOTHING]);
        assert!(read(&whole).is_ok());
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0x10;
            assert!(read(&wrong).is_err(), "byte {at}");
        }
        assert_eq!(read(&[]), Err(RegisterError::Missing(IMPORT).into()));
    }
}
