//! Whether an agent's loop still comes round: whoever asks is answered by the loop itself, or not at all.

use tokio::sync::{mpsc, oneshot};

/// Asks an agent's loop for a sign of life.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(mpsc::Sender<oneshot::Sender<()>>);

/// What the loop is asked.
pub(crate) type Asked = mpsc::Receiver<oneshot::Sender<()>>;

/// Who asks, and what the loop gets of it.
pub(crate) fn pulse() -> (Pulse, Asked) {
    let (pulse, asked) = mpsc::channel(1);
    (Pulse(pulse), asked)
}

impl Pulse {
    /// Returns once the loop has come round: true, or false where it has ended. As long as it hangs, neither.
    pub(crate) async fn beat(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.is_ok() && answered.await.is_ok()
    }
}
