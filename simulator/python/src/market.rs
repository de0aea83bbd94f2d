//! A market that is played interval by interval.

use std::sync::Arc;

use protocol::{money::Price, settlement::Tariffs};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyDict},
};
use simulator::offline::{Asked, Community, Stepped, Steps, sums::MemberSums};

use crate::scenario::{Loaded, Said};

/// In the place of a limit: what the member's strategy says.
pub(crate) const OWN: i64 = i64::MIN;

/// A scenario's community before the next of its intervals.
#[pyclass]
pub(crate) struct Market {
    scenario: Loaded,
    community: Arc<Community>,
    steps: Steps,
}

#[pymethods]
impl Market {
    #[new]
    #[pyo3(signature = (scenario, seed=None))]
    fn new(py: Python<'_>, scenario: Said, seed: Option<i128>) -> PyResult<Market> {
        py.detach(|| {
            let scenario = scenario.load(seed)?;
            let community = Arc::new(scenario.community()?);
            Ok(Market { steps: Steps::new(scenario.said(), community.clone()), scenario, community })
        })
    }

    /// Back to before the first interval; with another seed, all that is drawn is drawn anew.
    #[pyo3(signature = (seed=None))]
    fn reset(&mut self, py: Python<'_>, seed: Option<i128>) -> PyResult<()> {
        py.detach(|| {
            if let Some(seed) = seed
                && let Some(scenario) = self.scenario.reseeded(seed)?
            {
                self.community = Arc::new(scenario.community()?);
                self.scenario = scenario;
            }
            self.steps = Steps::new(self.scenario.said(), self.community.clone());
            Ok(())
        })
    }

    /// The members' names, in the order of all arrays.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.community.names().map(str::to_owned).collect()
    }

    /// How many intervals there are.
    #[getter]
    fn intervals(&self) -> usize {
        self.community.intervals()
    }

    /// Of the interval that comes next: its start, seconds after 1970, its length in minutes, and the supplier's
    /// prices, retail and feed-in, µ€/kWh. None once all are played.
    #[getter]
    fn upcoming(&self) -> Option<(i64, u32, i64, i64)> {
        self.steps.upcoming().map(|(interval, Tariffs { retail_price, feed_in_price })| {
            (interval.start_s(), interval.length().minutes(), retail_price.micro(), feed_in_price.micro())
        })
    }

    /// What each member's battery holds, µWh: `int64` as bytes.
    #[getter]
    fn stored_uwh<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let members = 0..self.community.members();
        bytes(py, members.map(|member| self.steps.stored_uwh(member).cast_signed()))
    }

    /// Plays the next interval with these limits, µ€/kWh: `int64` as bytes, one for each member, [`OWN`] for its
    /// strategy's; without an array, all are the strategies'. Returns the interval's start, its price if there is one,
    /// and by column what each line came to. None once all are played.
    #[pyo3(signature = (buy=None, sell=None))]
    fn step<'py>(&mut self, py: Python<'py>, buy: Option<&[u8]>, sell: Option<&[u8]>) -> PyResult<Option<Came<'py>>> {
        let members = self.community.members();
        let (buy, sell) = (limits("buy", buy, members)?, limits("sell", sell, members)?);
        let asked: Vec<Asked> = buy.into_iter().zip(sell).map(|(buy, sell)| Asked { buy, sell }).collect();
        let stepped = py.detach(|| self.steps.step(&asked)).map_err(|error| self.scenario.error(error))?;
        let Some(Stepped { interval, lines, price }) = stepped else { return Ok(None) };
        let columns = PyDict::new(py);
        for (name, value) in COLUMNS {
            columns.set_item(name, bytes(py, lines.iter().map(value)))?;
        }
        Ok(Some((interval.start_s(), price.map(Price::micro), columns)))
    }
}

/// What an interval came to: its start, seconds after 1970, its price, µ€/kWh, and the columns.
type Came<'py> = (i64, Option<i64>, Bound<'py, PyDict>);

/// A number of a line.
type Value = fn(&MemberSums) -> i64;

/// What a line has in a step: Wh, and n€. The first eight are those of `lines.parquet`.
const COLUMNS: [(&str, Value); 12] = [
    ("consumption_wh", |line| line.consumption_wh.cast_signed()),
    ("production_wh", |line| line.production_wh.cast_signed()),
    ("bought_wh", |line| line.bought_wh.cast_signed()),
    ("sold_wh", |line| line.sold_wh.cast_signed()),
    ("imported_wh", |line| line.imported_wh.cast_signed()),
    ("exported_wh", |line| line.exported_wh.cast_signed()),
    ("paid_nano", |line| nano(line.paid_nano)),
    ("earned_nano", |line| nano(line.earned_nano)),
    ("charged_wh", |line| line.charged_wh.cast_signed()),
    ("discharged_wh", |line| line.discharged_wh.cast_signed()),
    ("cost_nano", |line| nano(line.cost_nano())),
    ("alone_nano", |line| nano(line.alone_nano)),
];

/// Of one line, which the ledger keeps in 64 bits.
fn nano(nano: i128) -> i64 {
    i64::try_from(nano).unwrap_or(i64::MAX)
}

/// One limit for each member.
fn limits(side: &str, micro: Option<&[u8]>, members: usize) -> PyResult<Vec<Option<Price>>> {
    let Some(micro) = micro else { return Ok(vec![None; members]) };
    let (limits, rest) = micro.as_chunks::<8>();
    if limits.len() != members || !rest.is_empty() {
        let found = micro.len();
        let bytes = 8 * members;
        return Err(PyValueError::new_err(format!(
            "{side}: expected {bytes} bytes, an int64 for each of {members} members, found {found}"
        )));
    }
    let limit = |(member, micro): (usize, &[u8; 8])| match i64::from_ne_bytes(*micro) {
        OWN => Ok(None),
        micro => Price::from_micro(micro).map(Some).ok_or_else(|| {
            let (min, max) = (Price::MIN.micro(), Price::MAX.micro());
            PyValueError::new_err(format!("{side}[{member}]: expected from {min} to {max} µ€/kWh, found {micro}"))
        }),
    };
    limits.iter().enumerate().map(limit).collect()
}

fn bytes<'py>(py: Python<'py>, numbers: impl Iterator<Item = i64>) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &numbers.flat_map(i64::to_ne_bytes).collect::<Vec<u8>>())
}
