//! Telling people: whenever an alarm is raised or over, by a webhook and by mail.
//!
//! What is to be told and what was is kept in the list's file, so that a restart forgets nothing and repeats nothing. A
//! notice that does not arrive is tried again for as long as it takes, stops nothing, and is an alarm of its own. It
//! may arrive twice where the market is killed between the answer and the disk: then under the same id.
//!
//! | file | what |
//! |---|---|
//! | `settings.rs` | `[notices]` in the configuration |
//! | `outbox.rs` | what waits for which channel, when it is tried, how many go in an hour; pure |
//! | `message.rs` | what is said, as JSON and as a mail; pure |
//! | `webhook.rs`, `mail.rs` | the two channels |
//! | `channels.rs` | those that are configured |

mod channels;
mod mail;
pub(crate) mod message;
pub(crate) mod outbox;
mod settings;
mod webhook;

pub use self::{
    channels::{Channels, NoticesError},
    message::Channel,
    settings::{Mail, Notices, Recipient, Security, Webhook, WebhookUrl},
};
