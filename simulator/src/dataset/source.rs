//! Where the files of a data set come from: a directory, or the neighbourhood that is built into the program.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use protocol::hash::Hash;
use serde::Serialize;

use super::error::{DatasetError, quoted};

/// Where a data set comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The neighbourhood of `config/neighbourhood`, which travels inside the program, so that it runs anywhere.
    BuiltIn,
    /// A directory.
    Directory(PathBuf),
}

/// A file of a data set, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fingerprint {
    /// Its name.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
}

impl Fingerprint {
    /// That of the file at `path`, by its name.
    pub fn of(path: &Path) -> io::Result<Fingerprint> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Fingerprint { file, sha256: Hash::of(&fs::read(path)?) })
    }
}

/// What a data set has beside its profiles.
const NAMES: [&str; 4] = ["participants.csv", "grid_buses.csv", "grid_lines.csv", "grid_transformer.csv"];

/// The forms that a profile's file can have, as its name ends.
const FORMS: [&str; 3] = ["csv", "csv.gz", PARQUET];
const PARQUET: &str = "parquet";

/// Unpacked bytes read from one file, most: a year of 5-minute intervals of 150 participants is about 700 MB.
pub(crate) const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../config/neighbourhood/", $name)).as_slice())),*]
    };
}

const BUILT_IN: [(&str, &[u8]); 6] = built_in![
    "participants.csv",
    "profiles_summer.csv.gz",
    "profiles_winter.csv.gz",
    "grid_buses.csv",
    "grid_lines.csv",
    "grid_transformer.csv",
];

impl Source {
    /// The place, as messages name it.
    pub(crate) fn place(&self) -> String {
        match self {
            Source::BuiltIn => "the built-in neighbourhood".to_owned(),
            Source::Directory(directory) => directory.display().to_string(),
        }
    }

    /// Opens the file `name`, unpacked if it is packed; `None` if there is none.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Box<dyn Read>>, DatasetError> {
        let packed: Box<dyn Read> = match self {
            Source::BuiltIn => match BUILT_IN.iter().find(|(known, _)| *known == name) {
                Some((_, bytes)) => Box::new(*bytes),
                None => return Ok(None),
            },
            Source::Directory(directory) => match File::open(directory.join(name)) {
                Ok(file) => Box::new(BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(DatasetError::Unreadable { file: name.to_owned(), error }),
            },
        };
        Ok(Some(if name.ends_with(".gz") { Box::new(MultiGzDecoder::new(packed)) } else { packed }))
    }

    /// Where the file `name` lies, if it is a Parquet file.
    pub(crate) fn parquet(&self, name: &str) -> Option<PathBuf> {
        match self {
            Source::Directory(directory) if name.ends_with(PARQUET) => Some(directory.join(name)),
            Source::Directory(_) | Source::BuiltIn => None,
        }
    }

    /// The name of the file that holds the profile `profile`.
    pub(crate) fn profile_file(&self, profile: &str) -> Result<String, DatasetError> {
        let files = self.files()?;
        let forms = FORMS.map(|form| format!("profiles_{profile}.{form}"));
        let mut there = forms.iter().filter(|file| files.contains(file)).cloned();
        match (there.next(), there.next()) {
            (Some(file), None) => Ok(file),
            (Some(one), Some(other)) => Err(DatasetError::TwoForms { one, other, place: self.place() }),
            (None, _) => {
                let mut known: Vec<&str> = files.iter().filter_map(|file| profile_of(file)).collect();
                known.sort_unstable();
                known.dedup();
                let place = self.place();
                if known.is_empty() {
                    let [plain, packed, columns] = forms;
                    return Err(DatasetError::MissingFile { file: format!("{plain}, {packed} or {columns}"), place });
                }
                Err(DatasetError::UnknownProfile { found: quoted(profile), known: known.join(", "), place })
            }
        }
    }

    /// The files that a profile of this data set is read from, in order of name.
    pub fn fingerprints(&self, profile: &str) -> Result<Vec<Fingerprint>, DatasetError> {
        let profile = self.profile_file(profile)?;
        let mut names: Vec<String> = self.files()?;
        names.retain(|name| *name == profile || NAMES.contains(&name.as_str()));
        names.sort_unstable();
        let fingerprint = |file: String| {
            let bytes = match self {
                Source::BuiltIn => BUILT_IN.iter().find(|(name, _)| *name == file).map(|(_, bytes)| Hash::of(bytes)),
                Source::Directory(directory) => {
                    let read = Fingerprint::of(&directory.join(&file));
                    Some(read.map_err(|error| DatasetError::Unreadable { file: file.clone(), error })?.sha256)
                }
            };
            Ok(bytes.map(|sha256| Fingerprint { file, sha256 }))
        };
        names.into_iter().filter_map(|name| fingerprint(name).transpose()).collect()
    }

    fn files(&self) -> Result<Vec<String>, DatasetError> {
        match self {
            Source::BuiltIn => Ok(BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect()),
            Source::Directory(directory) => {
                let unreadable = |error| DatasetError::UnreadableDirectory { directory: directory.clone(), error };
                let mut files = Vec::new();
                for entry in directory.read_dir().map_err(unreadable)? {
                    // A name that is not UTF-8 is none of ours.
                    files.extend(entry.map_err(unreadable)?.file_name().into_string());
                }
                Ok(files)
            }
        }
    }

    /// Refuses a directory that is none, before any of its files is missed.
    pub(crate) fn check(&self) -> Result<(), DatasetError> {
        self.files().map(drop)
    }
}

fn profile_of(file: &str) -> Option<&str> {
    let name = file.strip_prefix("profiles_")?;
    FORMS.iter().find_map(|form| name.strip_suffix(form)?.strip_suffix('.'))
}
