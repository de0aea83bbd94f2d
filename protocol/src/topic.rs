//! MQTT topics.
//!
//! | topic | who publishes | what |
//! |---|---|---|
//! | `voisin/v1/CHAIN/gate` (retained) | market | [`Announcement`](crate::answer::Announcement), JSON |
//! | `voisin/v1/CHAIN/devices/DEVICE/reading` | agent | signed [`Reading`](crate::reading::Reading), COSE |
//! | `voisin/v1/CHAIN/devices/DEVICE/order` | agent | signed [`Order`](crate::order::Order), COSE |
//! | `voisin/v1/CHAIN/devices/DEVICE/status` | agent | signed [`DeviceStatus`](crate::status::DeviceStatus), COSE |
//! | `voisin/v1/CHAIN/devices/DEVICE/answer` | market | [`Answer`](crate::answer::Answer), JSON |
//! | `voisin/v1/CHAIN/devices/DEVICE/receipt` | market | [`Receipt`](crate::receipt::Receipt), JSON |
//! | `voisin/v1/CHAIN/devices/DEVICE/registration` (retained) | market | [`ProvedRegistration`](crate::registration::ProvedRegistration), JSON |
//! | `voisin/v1/CHAIN/devices/DEVICE/quota` (retained) | market | [`ProvedStandby`](crate::island::ProvedStandby), JSON; nothing when the island is over |
//!
//! `CHAIN` is the first 16 hex digits of the chain's name, `DEVICE` the multibase part of the device's `did:key`, so
//! that a broker can hold each device to its own topics (`pattern write voisin/v1/+/devices/%u/reading`).

use crate::{envelope::ChainId, key::DeviceId};

/// The topics of one community.
#[derive(Debug, Clone)]
pub struct Topics {
    root: String,
}

/// What an agent sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromAgent {
    /// A signed reading.
    Reading,
    /// A signed order.
    Order,
    /// A signed status.
    Status,
}

impl Topics {
    /// The topics of the community `chain`.
    pub fn new(chain: &ChainId) -> Topics {
        Topics { root: format!("voisin/v1/{}", &chain.to_string()[..16]) }
    }

    /// Where the market announces which interval is open; retained.
    pub fn gate(&self) -> String {
        format!("{}/gate", self.root)
    }

    /// Where a device publishes its readings.
    pub fn reading(&self, device: &DeviceId) -> String {
        self.device(device, "reading")
    }

    /// Where a device publishes its member's orders.
    pub fn order(&self, device: &DeviceId) -> String {
        self.device(device, "order")
    }

    /// Where a device publishes its status.
    pub fn status(&self, device: &DeviceId) -> String {
        self.device(device, "status")
    }

    /// Where the market answers a device.
    pub fn answer(&self, device: &DeviceId) -> String {
        self.device(device, "answer")
    }

    /// Where the market forwards a device's receipts.
    pub fn receipt(&self, device: &DeviceId) -> String {
        self.device(device, "receipt")
    }

    /// Where the market tells the household of a device how it was registered; retained.
    pub fn registration(&self, device: &DeviceId) -> String {
        self.device(device, "registration")
    }

    /// Where the market tells the household of a device what it may draw on an island; retained.
    pub fn quota(&self, device: &DeviceId) -> String {
        self.device(device, "quota")
    }

    /// The filter with which the market subscribes to all readings.
    pub fn all_readings(&self) -> String {
        format!("{}/devices/+/reading", self.root)
    }

    /// The filter with which the market subscribes to all orders.
    pub fn all_orders(&self) -> String {
        format!("{}/devices/+/order", self.root)
    }

    /// The filter with which the market subscribes to all statuses.
    pub fn all_statuses(&self) -> String {
        format!("{}/devices/+/status", self.root)
    }

    /// Which device's topic this is, and for what, if an agent publishes there: the device's name in multibase as it
    /// stands there, which may be nobody's.
    pub fn split_from_agent<'a>(&self, topic: &'a str) -> Option<(&'a str, FromAgent)> {
        let (device, kind) = topic.strip_prefix(&self.root)?.strip_prefix("/devices/")?.split_once('/')?;
        let kind = match kind {
            "reading" => FromAgent::Reading,
            "order" => FromAgent::Order,
            "status" => FromAgent::Status,
            _ => return None,
        };
        Some((device, kind))
    }

    fn device(&self, device: &DeviceId, kind: &str) -> String {
        format!("{}/devices/{}/{kind}", self.root, device.multibase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::Hash, key::SecretKey};

    #[test]
    fn an_agents_topic_names_its_device() {
        let topics = Topics::new(&Hash::ZERO);
        let device = SecretKey::from_seed(&[1; 32]).public();
        let name = device.multibase();
        assert_eq!(topics.split_from_agent(&topics.reading(&device)), Some((name.as_str(), FromAgent::Reading)));
        assert_eq!(topics.split_from_agent(&topics.order(&device)), Some((name.as_str(), FromAgent::Order)));
        assert_eq!(topics.split_from_agent(&topics.status(&device)), Some((name.as_str(), FromAgent::Status)));
        for topic in [
            topics.answer(&device),
            topics.registration(&device),
            topics.quota(&device),
            topics.gate(),
            "voisin/v1/x/devices/z/reading".into(),
            "".into(),
        ] {
            assert_eq!(topics.split_from_agent(&topic), None, "{topic}");
        }
    }
}
