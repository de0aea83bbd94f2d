//! The energies that a meter names by OBIS (IEC 62056-61), and the two registers that they make. Pure.
//!
//! Values are added as the decimals they are, and what is less than a Wh is cut off once, at the end: so a register
//! never runs backwards.

use std::collections::BTreeMap;

use protocol::{limits::REGISTER_WH_MAX, reading::Registers};

/// Decimals that are kept: 10⁻⁹ of a unit.
pub(crate) const NANO: u128 = 1_000_000_000;

/// The active energy that was drawn, and the one that was fed in: C of the registers.
pub(crate) const IMPORT: u8 = 1;
pub(crate) const EXPORT: u8 = 2;
/// D of a cumulative register, and of the present value.
pub(crate) const CUMULATIVE: u8 = 8;
pub(crate) const PRESENT: u8 = 7;
/// E of the total, and of the tariffs.
pub(crate) const TOTAL: u8 = 0;
pub(crate) const LAST_TARIFF: u8 = 4;
/// F of the present value of a register; others are those of earlier bills.
pub(crate) const NOW: u8 = 255;

/// Why energies make no registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegisterError {
    /// A register is not there.
    #[error("expected the register {0}.8.0, or its tariffs {0}.8.1 to {0}.8.4, found neither")]
    Missing(u8),
    /// A register has two values: of two telegrams, or of two meters.
    #[error("register {0}.8.{1}: expected one value, found two")]
    Twice(u8, u8),
    /// More than a register can show.
    #[error("expected registers up to {REGISTER_WH_MAX} Wh, found more")]
    TooLarge,
}

/// What was found at one moment: C and E of a cumulative register, and 10⁻⁹ Wh.
#[derive(Debug, Default)]
pub(crate) struct Energies(BTreeMap<(u8, u8), u128>);

impl Energies {
    /// Takes what register `c`.8.`e` shows.
    pub(crate) fn take(&mut self, c: u8, e: u8, nano_wh: u128) -> Result<(), RegisterError> {
        match self.0.insert((c, e), nano_wh) {
            Some(before) if before != nano_wh => Err(RegisterError::Twice(c, e)),
            _ => Ok(()),
        }
    }

    /// Both registers.
    pub(crate) fn registers(&self) -> Result<Registers, RegisterError> {
        Ok(Registers { import_wh: self.total(IMPORT)?, export_wh: self.total(EXPORT)? })
    }

    /// Whole Wh: the total where the meter has one, else the sum of its tariffs.
    fn total(&self, c: u8) -> Result<u64, RegisterError> {
        let of = |e| self.0.get(&(c, e)).copied();
        let tariffs = || (TOTAL + 1..=LAST_TARIFF).filter_map(of).reduce(|sum, next| sum + next);
        let nano_wh = of(TOTAL).or_else(tariffs).ok_or(RegisterError::Missing(c))?;
        let wh = u64::try_from(nano_wh / NANO).ok();
        wh.filter(|wh| *wh <= REGISTER_WH_MAX).ok_or(RegisterError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(energies: &[(u8, u8, u128)]) -> Result<(u64, u64), RegisterError> {
        let mut found = Energies::default();
        energies.iter().try_for_each(|(c, e, nano_wh)| found.take(*c, *e, *nano_wh))?;
        found.registers().map(|registers| (registers.import_wh, registers.export_wh))
    }

    #[test]
    fn the_total_where_there_is_one_else_the_tariffs_and_never_both() {
        let tariffs = [(IMPORT, 1, 1_111 * NANO), (IMPORT, 2, 2_222 * NANO), (EXPORT, 4, 10 * NANO)];
        assert_eq!(registers(&tariffs), Ok((3_333, 10)));
        let totals = [(IMPORT, TOTAL, 4_000 * NANO), (EXPORT, TOTAL, 500 * NANO)];
        assert_eq!(registers(&[&tariffs[..], &totals[..]].concat()), Ok((4_000, 500)));
        let parts: Vec<_> = [IMPORT, EXPORT].iter().flat_map(|c| (1..=4).map(|e| (*c, e, NANO * 4 / 10))).collect();
        assert_eq!(registers(&parts), Ok((1, 1)), "0.4 Wh four times is 1.6 Wh, cut off once");
    }

    #[test]
    fn what_makes_no_registers_is_named() {
        let import = (IMPORT, TOTAL, NANO);
        assert_eq!(registers(&[]), Err(RegisterError::Missing(IMPORT)));
        assert_eq!(registers(&[import, import]), Err(RegisterError::Missing(EXPORT)));
        assert_eq!(registers(&[import, (IMPORT, TOTAL, NANO + 1)]), Err(RegisterError::Twice(IMPORT, TOTAL)));
        let full = u128::from(REGISTER_WH_MAX) * NANO;
        assert_eq!(registers(&[(IMPORT, 1, full), (EXPORT, 1, 0)]), Ok((REGISTER_WH_MAX, 0)));
        assert_eq!(registers(&[(IMPORT, 1, full), (IMPORT, 2, NANO)]), Err(RegisterError::TooLarge));
    }
}
