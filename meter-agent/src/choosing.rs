//! Handing what was chosen on the page to the agent's loop, which decides what follows.

use tokio::sync::{mpsc, oneshot};

use crate::choice::Choice;

/// Hands choices to an agent's loop.
#[derive(Debug, Clone)]
pub(crate) struct Chooser(mpsc::Sender<Chosen>);

/// What the loop is handed.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// None: as in `agent.toml` again.
    pub(crate) choice: Option<Choice>,
    /// Gets whether it is stored and stands.
    pub(crate) stands: oneshot::Sender<bool>,
}

/// Who chooses, and what the loop gets of it.
pub(crate) fn choosing() -> (Chooser, mpsc::Receiver<Chosen>) {
    let (chooser, chosen) = mpsc::channel(1);
    (Chooser(chooser), chosen)
}

impl Chooser {
    /// Returns whether it is stored and stands; not where nothing can be stored any more, or the agent stops.
    pub(crate) async fn choose(&self, choice: Option<Choice>) -> bool {
        let (stands, answer) = oneshot::channel();
        self.0.send(Chosen { choice, stands }).await.is_ok() && answer.await.unwrap_or(false)
    }
}
