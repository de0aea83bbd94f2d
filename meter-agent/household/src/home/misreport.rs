//! A meter that says something else than what flows: it hides a part of what is drawn, or invents some of what is fed
//! in. For simulations of dishonest members; what the home does is as ever.

use serde::Deserialize;

use super::{HomeFlows, units::Share};

const MILLION: u64 = 1_000_000;

/// How a meter misreports, as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    hides: Share,
    #[serde(default)]
    invents: Share,
}

/// How a meter misreports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Misreport {
    hides_ppm: u32,
    invents_ppm: u32,
}

/// A meter that says what flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `hides`, `invents` or both above 0, found neither")]
pub struct Honest;

impl TryFrom<Settings> for Misreport {
    type Error = Honest;

    fn try_from(Settings { hides, invents }: Settings) -> Result<Misreport, Honest> {
        if hides.ppm() == 0 && invents.ppm() == 0 {
            return Err(Honest);
        }
        Ok(Misreport::of_ppm(hides.ppm(), invents.ppm()))
    }
}

impl Misreport {
    /// Leaves out so much of what is drawn, and adds so much of what is fed in to it, parts per million.
    pub fn of_ppm(hides_ppm: u32, invents_ppm: u32) -> Misreport {
        Misreport { hides_ppm, invents_ppm }
    }

    /// Of what is drawn, the part that is left out, parts per million.
    pub fn hides_ppm(&self) -> u32 {
        self.hides_ppm
    }

    /// What is said to be fed in beyond what is, as a part of that, parts per million.
    pub fn invents_ppm(&self) -> u32 {
        self.invents_ppm
    }

    /// What the meter says of an interval. What a battery takes is not hidden: it is seen as such.
    pub fn tell(&self, flows: &HomeFlows) -> HomeFlows {
        let hidden_wh = part_of(flows.import_wh, self.hides_ppm).min(flows.consumption_wh);
        let consumption_wh = flows.consumption_wh - hidden_wh;
        let production_wh = flows.production_wh + part_of(flows.export_wh, self.invents_ppm);
        let (taken_wh, given_wh) = (consumption_wh + flows.charged_wh, production_wh + flows.discharged_wh);
        HomeFlows {
            consumption_wh,
            production_wh,
            import_wh: taken_wh.saturating_sub(given_wh),
            export_wh: given_wh.saturating_sub(taken_wh),
            ..*flows
        }
    }
}

/// To the nearest Wh. Of what a home does in an interval, which is below 2^34 Wh.
fn part_of(wh: u64, ppm: u32) -> u64 {
    (wh * u64::from(ppm) + MILLION / 2) / MILLION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(consumption_wh: u64, production_wh: u64, charged_wh: u64, discharged_wh: u64) -> HomeFlows {
        let (taken, given) = (consumption_wh + charged_wh, production_wh + discharged_wh);
        HomeFlows {
            consumption_wh,
            production_wh,
            charged_wh,
            discharged_wh,
            import_wh: taken.saturating_sub(given),
            export_wh: given.saturating_sub(taken),
            ..HomeFlows::default()
        }
    }

    #[test]
    fn it_hides_of_what_is_drawn_and_invents_of_what_is_fed_in() {
        let lies: Misreport = toml::from_str("hides = 0.3\ninvents = 0.2\n").unwrap();
        for ((consumption, production, charged, discharged), told, shown) in [
            ((100, 0, 0, 0), (70, 0), (70, 0)),
            // To the nearest: 0.3 × 5 are 1.5, and 2 are hidden.
            ((5, 0, 0, 0), (3, 0), (3, 0)),
            ((0, 100, 0, 0), (0, 120), (0, 20 + 100)),
            ((40, 140, 0, 0), (40, 160), (0, 120)),
            // It draws 1,010 Wh, of which the battery takes 1,000: no more than what it uses is hidden.
            ((10, 0, 1_000, 0), (0, 0), (1_000, 0)),
            ((50, 0, 0, 50), (50, 0), (0, 0)),
        ] {
            let truth = flows(consumption, production, charged, discharged);
            let says = lies.tell(&truth);
            assert_eq!((says.consumption_wh, says.production_wh), told, "{truth:?}");
            assert_eq!((says.import_wh, says.export_wh), shown, "{truth:?}");
            assert_eq!((says.charged_wh, says.discharged_wh), (charged, discharged));
        }
    }

    #[test]
    fn one_that_says_what_flows_is_none() {
        for (text, expected) in [
            ("", "expected `hides`, `invents` or both above 0"),
            ("hides = 1.5", "expected a share from 0 to 1"),
            ("hide = 0.5", "unknown field `hide`"),
        ] {
            let error = toml::from_str::<Misreport>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
