//! SimBench: the German benchmark grids, with a load, and perhaps a heat pump, a charging point and a roof, at nearly
//! every bus, and a year of profiles.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use rust_decimal::Decimal;

use super::{
    ImportError,
    grid::LowVoltage,
    homes::{self, Home},
    profiles::{self, Span},
};
use crate::dataset::{Dataset, Source};

/// Where the package from PyPI has the grids of the scenario that SimBench calls future, with their switches.
const IN_PACKAGE: &str = "simbench/networks/1-complete_data-mixed-all-2-sw";
const DAY_QUARTERS: u64 = 96;
const NOTICE: &str =
    "This directory is a derivative database of SimBench, made available under the Open Database License \
(ODbL) 1.0, http://opendatacommons.org/licenses/odbl/1.0/. Adaptations that you publish must stay under it.

Contains information from SimBench (https://simbench.de), (c) University of Kassel, TU Dortmund, RWTH Aachen University,
Fraunhofer IEE and individual contributors, made available under the ODbL 1.0. Meinecke et al., Energies 2020, 13(12),
3290.

Changes made: whole Wh for each quarter hour, UTC, closed switches merged, and heat pumps, charging points and roofs
given to the participants at their bus. Reactive power, storage and the medium voltage are left out.
";

/// What to import.
#[derive(Debug, Clone)]
pub struct Request {
    /// The directory with SimBench's CSV files, or the unpacked package.
    pub directory: PathBuf,
    /// The grid, such as `LV4.101`.
    pub grid: String,
    /// Name of the profile that is written.
    pub profile: String,
    /// The first interval, in seconds after 1970; without it, the first that there is.
    pub from_s: Option<i64>,
    /// How many days; without it, all that there are.
    pub days: Option<u32>,
    /// The directory to make.
    pub out: PathBuf,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Participants.
    pub participants: usize,
    /// Those of them that make something.
    pub roofs: usize,
    /// Buses.
    pub buses: usize,
    /// Lines in service.
    pub lines: usize,
    /// Quarter hours.
    pub intervals: u64,
    /// When they begin, in seconds after 1970.
    pub first_s: i64,
}

/// Imports a grid, and makes a directory of it that the simulator reads.
pub fn simbench(request: &Request) -> Result<Imported, ImportError> {
    let Request { grid: name, out, .. } = request;
    let in_package = request.directory.join(IN_PACKAGE);
    let directory = if in_package.is_dir() { in_package } else { request.directory.clone() };
    if out.exists() {
        return Err(ImportError::Exists { path: out.clone() });
    }
    let grid = LowVoltage::read(&directory, name)?;
    let homes = homes::read(&directory, name, &grid)?;
    let unwritable = |error| ImportError::Unwritable { path: out.clone(), error };
    let beside = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".import-").tempdir_in(beside).map_err(unwritable)?;
    write_grid(&grid, draft.path())?;
    write_homes(&homes, draft.path())?;
    write(draft.path(), "README.txt", NOTICE)?;
    let count = request.days.map(|days| u64::from(days) * DAY_QUARTERS);
    let path = draft.path().join(format!("profiles_{}.csv.gz", request.profile));
    let span = Span { from_s: request.from_s, count };
    let (intervals, first_s) = profiles::write(&directory, &homes, span, &path)?;
    // What the simulator would refuse is refused now.
    Dataset::load(&Source::Directory(draft.path().to_owned()), &request.profile)?;
    let draft = draft.keep();
    // A temporary directory is its owner's alone.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let placed = fs::set_permissions(&draft, readable).and_then(|()| fs::rename(&draft, out));
    if let Err(error) = placed {
        // Nothing in it is of use to anyone.
        let _ = fs::remove_dir_all(&draft);
        return Err(unwritable(error));
    }
    Ok(Imported {
        participants: homes.len(),
        roofs: homes.iter().filter(|home| !home.roofs.is_empty()).count(),
        buses: grid.buses().len(),
        lines: grid.lines.iter().filter(|line| line.in_service).count(),
        intervals,
        first_s,
    })
}

fn write(directory: &Path, file: &str, text: &str) -> Result<(), ImportError> {
    let path = directory.join(file);
    let written = fs::File::create_new(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| ImportError::Unwritable { path, error })
}

fn write_grid(grid: &LowVoltage, directory: &Path) -> Result<(), ImportError> {
    let mut buses = String::from("bus_id\n");
    grid.buses().into_iter().for_each(|bus| buses.extend([bus, "\n"]));
    write(directory, "grid_buses.csv", &buses)?;
    let mut lines = String::from("line_id,from_bus,to_bus,type,rated_kva,in_service\n");
    for line in &grid.lines {
        let in_service = u8::from(line.in_service);
        let kind = line.kind.replace(',', " ");
        lines += &format!("{},{},{},{kind},{},{in_service}\n", line.id, line.from, line.to, line.rated_kva);
    }
    write(directory, "grid_lines.csv", &lines)?;
    let (of, kind) = (&grid.transformer, grid.transformer.kind.replace(',', " "));
    let transformer = format!("trafo_id,lv_bus,type,sn_kva\n{},{},{kind},{}\n", of.id, of.bus, of.rated_kva);
    write(directory, "grid_transformer.csv", &transformer)
}

fn write_homes(homes: &[Home], directory: &Path) -> Result<(), ImportError> {
    let mut text = String::from("participant_id,bus_id,load_profiles,load_kw_peak,pv_profiles,pv_kwp\n");
    for home in homes {
        let [loads, roofs] = [&home.loads, &home.roofs].map(|parts| {
            let names: Vec<&str> = parts.iter().map(|part| part.profile.as_str()).collect();
            let megawatts: Decimal = parts.iter().map(|part| part.megawatts).sum();
            format!("{},{}", names.join("|"), (megawatts * Decimal::ONE_THOUSAND).normalize())
        });
        text += &format!("{},{},{loads},{roofs}\n", home.id, home.bus);
    }
    write(directory, "participants.csv", &text)
}
