//! What the mechanism of a live neighbourhood is told beside the two prices of the supplier: the same files and options
//! as `market clear` takes, with participants for ids.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use market::{
    clearing::Network,
    grid::{Grid, GridError},
};
use market_files::{self as files, FileError, Keys};
use protocol::{
    member::MemberId,
    money::Price,
    parameters::{Fees, Parameters, ParametersError, WHOLE_PPM},
};

use crate::dataset::Dataset;

/// The options.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TermsOptions {
    /// Price per kWh within the community, of `mid_market_rate` and the keys [default: midpoint of --retail and
    /// --feed-in]
    #[arg(long, value_name = "PRICE", allow_hyphen_values = true)]
    price: Option<Price>,
    /// Participants of the keys, a CSV: `id,share` for `static_key` and `cascading_key` (shares as decimals, in all at
    /// most 1); `id` in the order in which `priority_key` serves them [default: equal shares, no order]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Fees of `feeder`, decimal per kWh, a CSV: `line_id,fee`, the transformer by its `trafo_id`; or `class,fee`, all
    /// that a trade `same_bus`, `same_feeder` or `beyond_transformer` pays [default: no fees]
    #[arg(long, value_name = "FILE")]
    fees: Option<PathBuf>,
    /// Part of every rating that `feeder` may use, from 0 to 1 [default: 1]
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = files::part)]
    derate: Option<u32>,
}

/// What was read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The price within the community.
    pub price: Option<Price>,
    /// Shares and places by participant.
    pub keys: Keys,
    /// What the grid costs.
    pub fees: Option<Fees>,
    /// The part of every rating that may be used, in parts per million.
    pub derate_ppm: Option<u32>,
}

/// Why a neighbourhood cannot have these terms.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key for nobody.
    #[error("--keys: expected a participant such as {known}, found `{found}`")]
    UnknownParticipant {
        /// One that there is.
        known: String,
        /// What the file says.
        found: String,
    },
    /// Fees or a derating without a grid.
    #[error("--fees and --derate: expected a grid in the data (grid_*.csv), found none")]
    NoGrid,
    /// The grid is none.
    #[error("the grid of the data: {0}")]
    Grid(#[from] GridError),
    /// A fee for a line that is not there.
    #[error("--fees: {0}")]
    Line(#[from] market::clearing::TermsError),
    /// What no parameters can be.
    #[error("--keys, --fees or --derate: {0}")]
    Parameters(#[from] ParametersError),
}

impl TermsOptions {
    /// Whether none is given.
    pub(crate) fn is_empty(&self) -> bool {
        let TermsOptions { price, keys, fees, derate } = self;
        price.is_none() && keys.is_none() && fees.is_none() && derate.is_none()
    }

    /// Reads the files, and checks all of it against the data.
    pub(crate) fn read(&self, dataset: &Dataset) -> Result<Terms, TermsError> {
        let keys = self.keys.as_deref().map(files::keys).transpose()?.unwrap_or_default();
        let fees = self.fees.as_deref().map(files::fees).transpose()?;
        let terms = Terms { price: self.price, keys, fees, derate_ppm: self.derate.filter(|ppm| *ppm != WHOLE_PPM) };
        // Names in place of members: as many, and as different.
        let names = dataset.participants.iter().map(|one| (MemberId::pseudonym(&[0; 16], &one.id), one.id.clone()));
        let names: BTreeMap<MemberId, String> = names.collect();
        let unknown =
            terms.keys.priority.keys().find(|id| !names.values().any(|name| name.as_bytes() == id.as_slice()));
        if let Some(found) = unknown {
            let known = names.values().min().cloned().unwrap_or_default();
            return Err(TermsError::UnknownParticipant { known, found: String::from_utf8_lossy(found).into_owned() });
        }
        let Some(parameters) = terms.parameters(&names) else { return Ok(terms) };
        parameters.check()?;
        match &dataset.grid {
            Some(plan) => drop(Network::new(&Grid::from_plan(plan)?, &parameters, dataset.first, &[])?),
            None if self.fees.is_some() || self.derate.is_some() => return Err(TermsError::NoGrid),
            None => {}
        }
        Ok(terms)
    }
}

impl Terms {
    /// The rules' parameters, in the members of `names`; none where nothing was said.
    pub fn parameters(&self, names: &BTreeMap<MemberId, String>) -> Option<Parameters> {
        let by_name: BTreeMap<&[u8], MemberId> =
            names.iter().map(|(member, name)| (name.as_bytes(), *member)).collect();
        let (shares, priority) = self.keys.by_member(|id| by_name.get(id).copied());
        // A file with shares says nothing of who comes first.
        let priority = priority.filter(|_| shares.is_none());
        let parameters = Parameters {
            community_price: self.price,
            shares,
            priority,
            derate_ppm: self.derate_ppm,
            fees: self.fees.clone(),
            participation: None,
            island: None,
        };
        (parameters != Parameters::default()).then_some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use protocol::parameters::Share;

    use super::*;
    use crate::dataset::Source;

    fn options(keys: Option<&str>, fees: Option<&str>) -> (tempfile::TempDir, TermsOptions) {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let keys = keys.map(|text| file("keys.csv", text));
        let fees = fees.map(|text| file("fees.csv", text));
        (directory, TermsOptions { keys, fees, ..TermsOptions::default() })
    }

    fn read(keys: Option<&str>, fees: Option<&str>) -> Result<Option<Parameters>, String> {
        let dataset = Dataset::load(&Source::BuiltIn, "summer").unwrap();
        let (_directory, options) = options(keys, fees);
        let names = [(MemberId::from_bytes([2; 16]), "d001".into()), (MemberId::from_bytes([1; 16]), "d002".into())];
        let terms = options.read(&dataset).map_err(|error| error.to_string())?;
        Ok(terms.parameters(&names.into()))
    }

    #[test]
    fn participants_become_members_and_files_become_parameters() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let [one, two] = [2, 1].map(|byte| MemberId::from_bytes([byte; 16]));
        assert_eq!(read(None, None), Ok(None), "nothing said is nothing in the genesis");
        let shares = read(Some("id,share\nd001,0.25\nd002,0.5\n"), None).unwrap().unwrap();
        let expected = vec![Share { member: two, ppm: 500_000 }, Share { member: one, ppm: 250_000 }];
        assert_eq!((shares.shares, shares.priority), (Some(expected), None));
        let order = read(Some("id\nd001\nd002\n"), None).unwrap().unwrap();
        assert_eq!((order.shares, order.priority), (None, Some(vec![one, two])));
        let by_class = "class,fee\nsame_bus,0\nsame_feeder,0.02\nbeyond_transformer,0.05\n";
        let fees = read(None, Some(by_class)).unwrap().unwrap().fees.unwrap();
        assert_eq!((fees.between_buses, fees.transformer), (Some(price("0.02")), Some(price("0.03"))));
        let both = read(None, Some("line_id,class,fee\nline_1,,0.01\n,same_feeder,0.02\n")).unwrap().unwrap();
        assert_eq!(both.fees.unwrap().lines.len(), 1);
    }

    #[test]
    fn what_does_not_fit_the_data_is_refused_by_name() {
        for (keys, fees, expected) in [
            (Some("id\nd999\n"), None, "expected a participant such as d001, found `d999`"),
            (Some("id,share\nd001,0.6\nd002,0.5\n"), None, "at most 1 in all"),
            (None, Some("line_id,fee\nline_999,0.01\n"), "found `line_999`"),
            (None, Some("class,fee\nsame_feeder,-0.01\n"), "expected at least 0 for `between_buses`"),
        ] {
            let error = read(keys, fees).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut dataset = Dataset::load(&Source::BuiltIn, "summer").unwrap();
        let derate = |text: &str| TermsOptions { derate: Some(files::part(text).unwrap()), ..TermsOptions::default() };
        assert_eq!(derate("0.05").read(&dataset).unwrap().derate_ppm, Some(50_000));
        dataset.grid = None;
        assert!(matches!(derate("0.05").read(&dataset), Err(TermsError::NoGrid)));
    }
}
