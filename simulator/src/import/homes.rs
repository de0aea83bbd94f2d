//! Who takes part: a participant for each load of a household or a business. Heat pumps and charging points are loads
//! of their own there, and are given to those at their bus, in turn; so are roofs.

use std::{collections::BTreeMap, path::Path};

use rust_decimal::Decimal;

use super::{
    ImportError,
    grid::LowVoltage,
    table::{Table, by_number},
};

/// How profiles begin that belong to a household or a business, and are none.
const APPLIANCES: [&str; 5] = ["HLS", "APLS", "Air_", "Soil_", "WB-"];

/// A participant.
pub(super) struct Home {
    pub(super) id: String,
    pub(super) bus: String,
    /// What it uses: its own load first, then its appliances.
    pub(super) loads: Vec<Part>,
    /// What it makes.
    pub(super) roofs: Vec<Part>,
}

/// A profile, times a power.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) profile: String,
    pub(super) megawatts: Decimal,
}

struct Found {
    id: String,
    bus: String,
    part: Part,
}

/// Reads the participants of a grid.
pub(super) fn read(directory: &Path, name: &str, grid: &LowVoltage) -> Result<Vec<Home>, ImportError> {
    let loads = found(directory, "Load.csv", "pLoad", name, grid)?;
    let roofs = found(directory, "RES.csv", "pRES", name, grid)?;
    let (appliances, own): (Vec<Found>, Vec<Found>) =
        loads.into_iter().partition(|load| APPLIANCES.iter().any(|appliance| load.part.profile.starts_with(appliance)));
    let digits = own.len().to_string().len().max(3);
    let home = |(number, Found { bus, part, .. }): (usize, Found)| Home {
        id: format!("d{number:0digits$}"),
        bus,
        loads: vec![part],
        roofs: Vec::new(),
    };
    let mut homes: Vec<Home> = (1..).zip(own).map(home).collect();
    if homes.is_empty() {
        let place = directory.join("Load.csv");
        return Err(ImportError::bad(place.display(), format!("loads of households or businesses in {name}"), "none"));
    }
    let mut at_bus: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, home) in homes.iter().enumerate() {
        at_bus.entry(home.bus.clone()).or_default().push(place);
    }
    for (all, give) in [(appliances, Home::give_load as fn(&mut Home, Part)), (roofs, Home::give_roof)] {
        let mut given: BTreeMap<String, usize> = BTreeMap::new();
        for Found { id, bus, part } in all {
            let there = at_bus.entry(bus.clone()).or_default();
            if there.is_empty() {
                // Nobody else is there: it takes part by itself.
                there.push(homes.len());
                homes.push(Home {
                    id: super::grid::short(name, &id),
                    bus: bus.clone(),
                    loads: Vec::new(),
                    roofs: Vec::new(),
                });
            }
            let turn = given.entry(bus).or_default();
            give(&mut homes[there[*turn % there.len()]], part);
            *turn += 1;
        }
    }
    Ok(homes)
}

impl Home {
    fn give_load(&mut self, part: Part) {
        self.loads.push(part);
    }

    fn give_roof(&mut self, part: Part) {
        self.roofs.push(part);
    }
}

fn found(directory: &Path, file: &str, power: &str, name: &str, grid: &LowVoltage) -> Result<Vec<Found>, ImportError> {
    let mut found = Vec::new();
    Table::open(directory, file, ["id", "node", "profile", power, "subnet"])?.of_subnet(name, |row| {
        let bus = grid.bus(row.text(1), || row.place())?.clone();
        let part = Part { profile: row.text(2).to_owned(), megawatts: row.number(3)? };
        found.push(Found { id: row.text(0).to_owned(), bus, part });
        Ok(())
    })?;
    found.sort_by_key(|found| by_number(&found.id));
    Ok(found)
}
