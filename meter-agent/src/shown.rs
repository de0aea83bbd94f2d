//! What the page and the JSON beside it show: the agent's status, what is stored, and what the meter shows.

use std::{
    path::Path,
    sync::{Arc, Weak},
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use household::local_time::LocalTime;
use protocol::interval::IntervalLength;
use tokio::sync::watch;

use crate::{
    source::SightWatch,
    status::Status,
    store::{Store, StoreError},
};

/// What there is to show.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) status: watch::Receiver<Status>,
    /// Not the server's: an open browser must not keep the state locked when the agent stops.
    pub(crate) store: Weak<Store>,
    /// The state directory, for what others than the agent keep there.
    pub(crate) state: Arc<Path>,
    pub(crate) length: IntervalLength,
    /// Whether the meter is the transformer's.
    pub(crate) transformer: bool,
    /// The clock on the wall.
    pub(crate) local: Arc<LocalTime>,
    /// What the meter shows now, if it is a live one.
    pub(crate) sight: Option<SightWatch>,
}

impl Shown {
    /// Reads from the state on a thread that may wait for the disk. An error is what to answer.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Response> {
        let stopping = || (StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping\n").into_response();
        let store = self.store.upgrade().ok_or_else(stopping)?;
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()),
            Err(_) => Err(stopping()),
        }
    }
}
