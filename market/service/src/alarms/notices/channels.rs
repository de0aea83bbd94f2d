//! The channels that are configured.

use ledger_client::ClientError;

use super::{
    mail::{MailError, Postman},
    message::{Channel, Message, What},
    settings::Notices,
    webhook::Hook,
};

/// Why nobody can be told as the configuration says. One line that names the key; no secret is in it.
#[derive(Debug, thiserror::Error)]
pub enum NoticesError {
    /// The webhook.
    #[error("notices.webhook: {0}")]
    Webhook(#[from] ClientError),
    /// The mail.
    #[error("notices.mail: {0}")]
    Mail(#[from] MailError),
}

/// How people are told.
#[derive(Debug, Clone)]
pub struct Channels {
    community: String,
    an_hour: usize,
    webhook: Option<Hook>,
    mail: Option<Postman>,
}

impl Channels {
    /// Reads the secrets and certificates that the configuration names. Nobody is asked yet.
    pub fn open(settings: &Notices, community: &str) -> Result<Channels, NoticesError> {
        Ok(Channels {
            community: community.into(),
            an_hour: settings.messages_an_hour.0,
            webhook: settings.webhook.as_ref().map(Hook::open).transpose()?,
            mail: settings.mail.as_ref().map(Postman::open).transpose()?,
        })
    }

    /// Those that are configured.
    pub fn configured(&self) -> Vec<Channel> {
        let webhook = self.webhook.as_ref().map(|_| Channel::Webhook);
        webhook.into_iter().chain(self.mail.as_ref().map(|_| Channel::Mail)).collect()
    }

    /// Where it leads.
    pub fn place(&self, channel: Channel) -> &str {
        match channel {
            Channel::Webhook => self.webhook.as_ref().map_or("", Hook::place),
            Channel::Mail => self.mail.as_ref().map_or("", Postman::place),
        }
    }

    /// Sends a test, once. An error is what went wrong. `at` is the time, seconds after the epoch.
    pub async fn test(&self, channel: Channel, at: i64) -> Result<(), String> {
        self.send(channel, &Message { at, what: What::Test }).await
    }

    pub(crate) fn an_hour(&self) -> usize {
        self.an_hour
    }

    pub(crate) async fn send(&self, channel: Channel, message: &Message) -> Result<(), String> {
        match (channel, &self.webhook, &self.mail) {
            (Channel::Webhook, Some(webhook), _) => webhook.send(message, &self.community).await,
            (Channel::Mail, _, Some(mail)) => mail.send(message, &self.community).await,
            (channel, ..) => Err(format!("no {channel} is configured")),
        }
    }
}
