//! How much is given to strangers.

/// Descriptors that no stranger's connection gets: for the broker, the ledger, the other nodes and the files.
pub const DESCRIPTORS_RESERVED: u64 = 256;
/// How many this process is taken to have, where the system does not say: the usual limit.
const DESCRIPTORS_USUAL: u64 = 1_024;

/// Most that a server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// Milliseconds for the head of each request, and between two requests.
    pub head_ms_max: u64,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Longest pause in the reading of an answer, milliseconds.
    pub answer_pause_ms_max: u64,
}

impl ConnectionLimits {
    /// What is enough for people who look at a page, each in several tabs, and for a program that collects metrics.
    pub fn of_a_page() -> ConnectionLimits {
        ConnectionLimits {
            connections_max: 256,
            connections_per_address_max: 64,
            head_ms_max: 10_000,
            head_bytes_max: 16_384,
            answer_pause_ms_max: 30_000,
        }
    }

    /// The same, with no more connections than leave [`DESCRIPTORS_RESERVED`] for everything else, where so many files
    /// can be open at once.
    pub(super) fn within(mut self, descriptors: u64) -> ConnectionLimits {
        let left = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_RESERVED)).unwrap_or(usize::MAX);
        self.connections_max = self.connections_max.min(left.max(1));
        self
    }
}

/// Lets this process have as many files and connections open as the system allows it, and returns how many. Asked for a
/// second time, it changes nothing.
pub fn raise_descriptors() -> u64 {
    #[cfg(unix)]
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(descriptors) => return descriptors,
        Err(error) => tracing::debug!(%error, "the limit of open files is not known"),
    }
    DESCRIPTORS_USUAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        let connections = |descriptors| ConnectionLimits::of_a_page().within(descriptors).connections_max;
        assert_eq!(connections(1_024), 256);
        assert_eq!(connections(DESCRIPTORS_RESERVED + 100), 100);
        assert_eq!(connections(10), 1);
        assert!(raise_descriptors() > 0);
    }
}
