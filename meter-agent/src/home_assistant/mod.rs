//! Home Assistant: what the agent knows, as a device of the household's own, over the household's own broker.
//!
//! In: the agent's [`Status`]. Out: a description that Home Assistant finds by itself (MQTT discovery of a device), and
//! the figures. It asks for nothing and takes no commands; no key, no receipt and no name of a neighbour goes there.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | the section `[home_assistant]` |
//! | `description.rs` | what Home Assistant is told that there is. Pure |
//! | `figures.rs` | the values. Pure |
//! | `link.rs` | the connection |

mod config;
mod description;
mod figures;
mod link;

pub(crate) use self::config::HomeAssistantConfig;
pub(crate) use self::link::{Link, remove};
