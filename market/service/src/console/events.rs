//! Server-sent events. Each listener is told the market's status and the intervals settled since it was last told, at
//! most every [`EVENT_SPACING_MS_MIN`], at least every [`EVENT_SPACING_MS_MAX`]. Nothing is queued for it: a browser
//! that reads slowly gets fewer, later events, and one that missed too much is told to fetch everything anew.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    Board, Pulse,
    limits::{EVENT_SPACING_MS_MAX, EVENT_SPACING_MS_MIN, INTERVALS_PER_EVENT_MAX},
    moment::Moment,
};

struct Listener {
    board: Board,
    pulse: watch::Receiver<Pulse>,
    /// Settled intervals that it knows of.
    told: u64,
    /// The rules and members that it knows of.
    version: u64,
    greeted: bool,
    /// Held for as long as it listens.
    _permit: OwnedSemaphorePermit,
}

/// The events of one browser, as the answer to its request; `None` if there are too many listeners already.
pub(crate) fn listen(board: Board) -> Option<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>> {
    let permit = board.listeners().try_acquire_owned().ok()?;
    let pulse = board.pulse();
    let (told, version) = {
        let model = board.model();
        (model.settled_count(), model.version())
    };
    let listener = Listener { board, pulse, told, version, greeted: false, _permit: permit };
    let events = stream::unfold(listener, |mut listener| async move {
        let events = listener.next().await?;
        Some((stream::iter(events.into_iter().map(Ok)), listener))
    });
    Some(Sse::new(events.flatten()).keep_alive(KeepAlive::default()))
}

impl Listener {
    /// The next events; `None` when the board is closed.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.greeted {
            // Without news, too: ages grow, and a browser that hears nothing at all may say so.
            let quiet = Duration::from_millis(EVENT_SPACING_MS_MAX);
            if let Ok(changed) = tokio::time::timeout(quiet, self.pulse.changed()).await {
                changed.ok()?;
            }
            // What happens meanwhile goes into the same event.
            tokio::time::sleep(Duration::from_millis(EVENT_SPACING_MS_MIN)).await;
        }
        self.greeted = true;
        if self.pulse.borrow_and_update().closed {
            return None;
        }
        let (status, settled, version, missed) = {
            let model = self.board.model();
            let settled = model.settled_count();
            let new = settled - self.told;
            let missed = (new > 0 && new <= INTERVALS_PER_EVENT_MAX)
                .then(|| model.latest(usize::try_from(new).unwrap_or(usize::MAX)));
            (model.status(Moment::now()), settled, model.version(), missed)
        };
        let mut events = Vec::new();
        if settled - self.told > INTERVALS_PER_EVENT_MAX || version != self.version {
            events.push(Event::default().event("refetch").data("{}"));
        }
        if let Some(intervals) = missed {
            events.extend(Event::default().event("intervals").json_data(intervals));
        }
        events.extend(Event::default().event("status").json_data(status));
        (self.told, self.version) = (settled, version);
        Some(events)
    }
}
