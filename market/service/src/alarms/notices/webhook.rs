//! A program that is told: JSON by POST.

use std::time::Duration;

use ledger_client::{AskError, Client, ClientError};

use super::{message::Message, settings::Webhook};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts to one receiver.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    client: Client,
    path: String,
}

impl Hook {
    pub(super) fn open(settings: &Webhook) -> Result<Hook, ClientError> {
        let Webhook { url, ca, token } = settings;
        Ok(Hook { client: Client::new(&url.host, ca.as_deref(), token.as_deref())?, path: url.path.clone() })
    }

    pub(super) fn place(&self) -> &str {
        self.client.url()
    }

    /// Arrived is what is answered with a 2xx; an error is why it has not.
    pub(super) async fn send(&self, message: &Message, community: &str) -> Result<(), String> {
        let place = self.place();
        let body = message.json(community).map_err(|error| error.to_string())?;
        let answer = self.client.post_json(&self.path, body.into(), TIMEOUT).await;
        let status = answer.map_err(|error| match error {
            // It would show the path.
            AskError::Address(_) => format!("{place}: nothing can be asked for at the path of `url`"),
            error => format!("{place}: {error}"),
        })?;
        if status.is_success() { Ok(()) } else { Err(format!("{place}: expected an answer of 2xx, found {status}")) }
    }
}
