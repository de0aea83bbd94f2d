//! Devices that are read by Modbus.

use std::collections::BTreeSet;

use super::{
    super::{
        modbus::{Connection, Table},
        sampler::NoSample,
    },
    points::Points,
    words::{Registers, Words},
};

/// Reads every value of the device once.
pub(super) async fn ask(connection: &mut Connection, points: &Points<Words>) -> Result<Registers, NoSample> {
    let mut registers = Registers::default();
    let wanted: BTreeSet<(Table, u16, u16)> =
        points.fields().map(|field| (field.table, field.address, field.encoding.words())).collect();
    // Of two at one address the longer comes last, and stays.
    for (table, address, count) in wanted {
        let words = connection.read(table, address, count).await;
        let words = words.map_err(|no_words| connection.said(no_words, table, address))?;
        registers.0.insert((table, address), words);
    }
    Ok(registers)
}
