//! Who has which devices: each entry is one device, for a part of the homes.

use household::home::Home;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Part, Range, ScenarioError};

/// A device for a part of the homes.
#[derive(Debug, Clone)]
pub struct Equipment {
    /// Which part of those that may have it.
    pub share: Part,
    /// Who may have it.
    pub of: Of,
    /// Which device.
    pub device: Device,
    /// The keys of a home that it is.
    pub settings: toml::Table,
    /// When a vehicle is at home.
    pub trips: Trips,
    /// When an appliance may run.
    pub window: DayWindow,
    written: toml::Table,
}

/// Who may have a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// All homes.
    #[default]
    All,
    /// The homes with a roof that produces.
    Roofs,
}

/// A kind of device. A home has one of each at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A battery.
    Battery,
    /// A charger with a vehicle.
    Ev,
    /// A heat pump with the house that it heats.
    HeatPump,
    /// Appliances that can wait.
    Appliances,
}

const DEVICES: [(&str, Device); 4] = [
    ("battery", Device::Battery),
    ("ev", Device::Ev),
    ("heat_pump", Device::HeatPump),
    ("appliances", Device::Appliances),
];

/// A vehicle's days: it comes home once a day, and leaves on the next. Hours are UTC; each is drawn evenly for every
/// home and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trips {
    /// Hour of the day in which it arrives.
    pub arrives: Range,
    /// Hour of the next day in which it departs.
    pub departs: Range,
    /// What it needs, Wh at the meter.
    pub energy_wh: Range,
    /// Part of the days on which it was away at all.
    pub share: Part,
}

impl Default for Trips {
    fn default() -> Trips {
        Trips {
            arrives: Range { from: 15, to: 20 },
            departs: Range { from: 5, to: 8 },
            energy_wh: Range { from: 2_000, to: 14_000 },
            share: Part::from_ppm(800_000),
        }
    }
}

/// The hours of a day, UTC, in which appliances may run, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DayWindow {
    /// Not before an hour from here to there.
    pub from: Range,
    /// Ended by an hour from here to there.
    pub to: Range,
    /// Part of the days on which they run.
    pub share: Part,
}

impl Default for DayWindow {
    fn default() -> DayWindow {
        DayWindow { from: Range { from: 6, to: 9 }, to: Range { from: 16, to: 21 }, share: Part::from_ppm(600_000) }
    }
}

/// The keys of an entry that are no device's.
#[derive(Deserialize)]
struct Around {
    share: Part,
    #[serde(default)]
    of: Of,
    #[serde(default)]
    trips: Option<Trips>,
    #[serde(default)]
    window: Option<DayWindow>,
}

const AROUND: [&str; 4] = ["share", "of", "trips", "window"];

impl<'de> Deserialize<'de> for Equipment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Equipment, D::Error> {
        let written = toml::Table::deserialize(deserializer)?;
        let (around, settings): (toml::Table, toml::Table) =
            written.clone().into_iter().partition(|(key, _)| AROUND.contains(&key.as_str()));
        let in_one_line = |error: toml::de::Error| D::Error::custom(error.message().replace('\n', " "));
        let Around { share, of, trips, window } = around.try_into().map_err(in_one_line)?;
        let _: Home = settings.clone().try_into().map_err(in_one_line)?;
        let mut devices = DEVICES.iter().filter(|(key, _)| settings.contains_key(*key));
        let device = match (devices.next(), devices.next()) {
            (Some((_, device)), None) => *device,
            (one, _) => {
                let found = if one.is_some() { "several: give each an entry of its own" } else { "none" };
                let names = DEVICES.map(|(key, _)| format!("`{key}`")).join(", ");
                return Err(D::Error::custom(format!(
                    "expected one of {names} in an entry of equipment, found {found}"
                )));
            }
        };
        for (key, is_given, of) in
            [("trips", trips.is_some(), Device::Ev), ("window", window.is_some(), Device::Appliances)]
        {
            if is_given && device != of {
                return Err(D::Error::custom(format!(
                    "unknown field `{key}` of a {device:?}: expected it with {of:?}"
                )));
            }
        }
        let (trips, window) = (trips.unwrap_or_default(), window.unwrap_or_default());
        for (key, hours) in
            [("arrives", trips.arrives), ("departs", trips.departs), ("from", window.from), ("to", window.to)]
        {
            if hours.to > 24 {
                return Err(D::Error::custom(format!("{key}: expected hours from 0 to 24, found {}", hours.to)));
            }
        }
        if window.from.to >= window.to.from {
            let found = format!("{} and {}", window.from.to, window.to.from);
            return Err(D::Error::custom(format!("window: expected `from` before `to` in all cases, found {found}")));
        }
        Ok(Equipment { share, of, device, settings, trips, window, written })
    }
}

impl Serialize for Equipment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

pub(super) fn check(equipment: &[Equipment]) -> Result<(), ScenarioError> {
    for (key, device) in DEVICES {
        for of in [Of::All, Of::Roofs] {
            let entries = equipment.iter().filter(|entry| entry.device == device && entry.of == of);
            let sum: u64 = entries.map(|entry| u64::from(entry.share.ppm())).sum();
            if sum > 1_000_000 {
                return Err(ScenarioError::at(
                    &format!("equipment.{key}"),
                    format!("expected shares of at most 1 in all, found {sum} millionths"),
                ));
            }
        }
    }
    Ok(())
}
