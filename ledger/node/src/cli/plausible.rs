//! Slips of who types what a meter shows, which the ledger cannot know: kilowatts for watts, kWh for Wh.

/// Less than a kettle draws, W.
const RATED_POWER_W_MIN: u64 = 1_000;
/// More than a connection at low voltage carries, W.
const RATED_POWER_W_MAX: u64 = 1_000_000;
/// Hours of 50 years, in which a meter was replaced.
const HOURS_MAX: u128 = 50 * 8_766;

/// Why something is hardly meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Implausible {
    /// Of a connection.
    #[error(
        "rated power: expected {RATED_POWER_W_MIN} to {RATED_POWER_W_MAX} W, found {0}; if it is neither in kW nor a slip, \
         repeat the command with --implausible"
    )]
    RatedPower(u64),
    /// Of a register.
    #[error(
        "{register} register: expected at most the {most} Wh of 50 years at the connection's rated power, found {found}; if it is no \
         slip, repeat the command with --implausible"
    )]
    Register {
        /// `import` or `export`.
        register: &'static str,
        /// The most that it would show.
        most: u128,
        /// What it is said to show.
        found: u64,
    },
}

/// Whether a connection of this rated power, W, may be one, and registers, Wh, may show this.
pub(super) fn check(rated_power_w: u64, import_wh: u64, export_wh: u64) -> Result<(), Implausible> {
    if !(RATED_POWER_W_MIN..=RATED_POWER_W_MAX).contains(&rated_power_w) {
        return Err(Implausible::RatedPower(rated_power_w));
    }
    let most = u128::from(rated_power_w) * HOURS_MAX;
    let over = [("import", import_wh), ("export", export_wh)].into_iter().find(|(_, found)| u128::from(*found) > most);
    over.map_or(Ok(()), |(register, found)| Err(Implausible::Register { register, most, found }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_meters() {
        assert_eq!(check(17_250, 1_204_310, 88_120), Ok(()));
        assert_eq!(check(17, 0, 0), Err(Implausible::RatedPower(17)));
        assert_eq!(check(17_250_000, 0, 0), Err(Implausible::RatedPower(17_250_000)));
        let most = 1_000 * HOURS_MAX;
        let full = most as u64;
        assert_eq!(check(1_000, full, full), Ok(()));
        let over = |register| Err(Implausible::Register { register, most, found: full + 1 });
        assert_eq!(check(1_000, full + 1, 0), over("import"));
        assert_eq!(check(1_000, 0, full + 1), over("export"));
    }
}
