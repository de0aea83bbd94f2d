//! A certificate that was retired, as everyone may see it.

use serde::{Deserialize, Serialize};

use crate::{interval::Interval, member::MemberId, retirement::ProvedRetirement, technology::Technology};

/// A certificate of origin that its holder has claimed, and all that is said of it: the claim is proved, and where the
/// energy came from is what the node has on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetiredCertificate {
    /// The member whose device measured the energy.
    pub producer: MemberId,
    /// What it was made from.
    pub technology: Technology,
    /// The bus of the grid that the producer is connected to.
    pub bus: Option<String>,
    /// The interval that was open when the block with the claim began: a block has no time of day.
    pub open: Interval,
    /// The claim.
    pub proved: ProvedRetirement,
}
