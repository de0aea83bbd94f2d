//! What Home Assistant is told that there is: a device with its sensors (MQTT discovery of devices, since 2024.11).
//! Pure.
//!
//! Only what the version of early 2025 knows is used. Energy is in Wh and only ever grows, so the energy dashboard
//! takes it; money is what receipts add up to, so that nobody need multiply.

use serde_json::{Value, json};

/// Where everything is said, and what of the device never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    /// What tells it from every other one: the device's public key, without what is no letter or digit.
    pub(super) id: String,
    /// What the household calls it.
    pub(super) name: String,
    /// Currency of all amounts.
    pub(super) currency: String,
    /// The status page, if it can be reached from elsewhere.
    pub(super) page: Option<String>,
    /// The topic under which Home Assistant looks for devices.
    pub(super) prefix: String,
    /// Where a set-point is proposed for a battery: how long it is meant at most, s.
    pub(super) set_point_s: Option<u64>,
}

impl Device {
    /// Where the description goes.
    pub(super) fn description_topic(&self) -> String {
        format!("{}/device/voisin_{}/config", self.prefix, self.id)
    }

    /// Where the values go.
    pub(super) fn figures_topic(&self) -> String {
        format!("voisin/home/{}/figures", self.id)
    }

    /// Where a set-point is proposed for the battery.
    pub(super) fn set_point_topic(&self) -> String {
        format!("voisin/home/{}/set-point", self.id)
    }

    /// Where it is said whether the agent runs.
    pub(super) fn availability_topic(&self) -> String {
        format!("voisin/home/{}/available", self.id)
    }

    /// Where Home Assistant says that it has started.
    pub(super) fn birth_topic(&self) -> String {
        format!("{}/status", self.prefix)
    }

    pub(super) fn description(&self) -> Value {
        let version = env!("CARGO_PKG_VERSION");
        let Device { id, name, currency, .. } = self;
        let mut device = json!({
            "identifiers": [format!("voisin_{id}")],
            "name": name,
            "manufacturer": "Voisin",
            "model": "meter-agent",
            "sw_version": version,
        });
        if let Some(page) = &self.page {
            device["configuration_url"] = page.as_str().into();
        }
        let price = format!("{currency}/kWh");
        let components = [
            self.energy("import", "Grid import"),
            self.energy("export", "Grid export"),
            self.sensor(
                "price",
                "Price among neighbours",
                json!({
                    "unit_of_measurement": price,
                    "state_class": "measurement",
                    "suggested_display_precision": 4,
                    "icon": "mdi:home-group",
                }),
            ),
            self.sensor(
                "retail_price",
                "Price from the supplier",
                json!({
                    "unit_of_measurement": price,
                    "state_class": "measurement",
                    "suggested_display_precision": 4,
                    "icon": "mdi:transmission-tower-import",
                }),
            ),
            self.sensor(
                "feed_in_price",
                "Price to the supplier",
                json!({
                    "unit_of_measurement": price,
                    "state_class": "measurement",
                    "suggested_display_precision": 4,
                    "icon": "mdi:transmission-tower-export",
                }),
            ),
            self.money("cost", "Cost"),
            self.money("compensation", "Compensation"),
            self.money("saved", "Neighbours were worth"),
            self.sensor(
                "proved_until",
                "Proved until",
                json!({
                    "device_class": "timestamp",
                    "entity_category": "diagnostic",
                }),
            ),
            self.sensor(
                "outbox",
                "Readings without a receipt",
                json!({
                    "state_class": "measurement",
                    "entity_category": "diagnostic",
                    "icon": "mdi:tray-arrow-up",
                }),
            ),
            self.island_quota(),
            self.alarm(),
        ];
        let components = components.into_iter().chain(self.set_point());
        json!({
            "device": device,
            "origin": { "name": "Voisin meter-agent", "sw_version": version },
            "availability_topic": self.availability_topic(),
            "state_topic": self.figures_topic(),
            "qos": 1,
            "components": Value::Object(components.collect()),
        })
    }

    fn energy(&self, key: &str, name: &str) -> (String, Value) {
        self.sensor(
            key,
            name,
            json!({
                "device_class": "energy",
                "state_class": "total_increasing",
                "unit_of_measurement": "Wh",
            }),
        )
    }

    fn money(&self, key: &str, name: &str) -> (String, Value) {
        self.sensor(
            key,
            name,
            json!({
                "device_class": "monetary",
                "state_class": "total",
                "unit_of_measurement": self.currency,
                "suggested_display_precision": 2,
            }),
        )
    }

    /// A sensor that shows the figure of that name; one without a value is unknown, and never 0.
    fn sensor(&self, key: &str, name: &str, more: Value) -> (String, Value) {
        let mut component = json!({
            "platform": "sensor",
            "name": name,
            "unique_id": format!("voisin_{}_{key}", self.id),
            "value_template": format!("{{{{ value_json.{key} }}}}"),
        });
        if let (Some(component), Value::Object(more)) = (component.as_object_mut(), more) {
            component.extend(more);
        }
        (key.to_owned(), component)
    }

    /// A proposal is shown, and expires: there is nothing by which it could be set.
    fn set_point(&self) -> Option<(String, Value)> {
        let topic = self.set_point_topic();
        let more = json!({
            "device_class": "power",
            "unit_of_measurement": "W",
            "state_class": "measurement",
            "state_topic": topic,
            "json_attributes_topic": topic,
            "json_attributes_template": "{{ {'until': value_json.until} | tojson }}",
            "expire_after": self.set_point_s?,
            "icon": "mdi:home-battery-outline",
        });
        Some(self.sensor("set_point", "Battery set-point, proposed", more))
    }

    /// What may be drawn on an island: unknown on none, so that nothing is switched off for it.
    fn island_quota(&self) -> (String, Value) {
        let more = json!({
            "device_class": "energy",
            "unit_of_measurement": "Wh",
            "json_attributes_topic": self.figures_topic(),
            "json_attributes_template": "{{ value_json.island | tojson }}",
            "icon": "mdi:island",
        });
        self.sensor("island_quota", "Island: may draw", more)
    }

    fn alarm(&self) -> (String, Value) {
        let component = json!({
            "platform": "binary_sensor",
            "name": "Alarm",
            "unique_id": format!("voisin_{}_alarm", self.id),
            "device_class": "problem",
            "entity_category": "diagnostic",
            "value_template": "{{ 'ON' if value_json.alarms else 'OFF' }}",
            "json_attributes_topic": self.figures_topic(),
            "json_attributes_template": "{{ {'alarms': value_json.alarms} | tojson }}",
        });
        ("alarm".into(), component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device {
            id: "z6Mk1".into(),
            name: "Casa \"Rossi\"".into(),
            currency: "EUR".into(),
            page: None,
            prefix: "homeassistant".into(),
            set_point_s: None,
        }
    }

    #[test]
    fn every_sensor_has_an_identity_of_its_own_and_energy_and_money_their_classes() {
        let description = device().description();
        let components = description["components"].as_object().unwrap();
        let mut ids: Vec<&str> = components.values().map(|one| one["unique_id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), components.len());
        for key in ["import", "export"] {
            let class = ["device_class", "state_class", "unit_of_measurement"].map(|name| &components[key][name]);
            assert_eq!(class, ["energy", "total_increasing", "Wh"]);
        }
        // What is money may only be a total.
        assert!(
            components
                .values()
                .filter(|one| one["device_class"] == "monetary")
                .all(|one| one["state_class"] == "total")
        );
        assert_eq!(components["price"]["value_template"], "{{ value_json.price }}");
        assert_eq!(description["device"]["name"], "Casa \"Rossi\"");
        assert_eq!(device().description_topic(), "homeassistant/device/voisin_z6Mk1/config");
    }

    #[test]
    fn a_set_point_is_a_power_that_expires_and_that_nobody_can_set() {
        assert_eq!(device().description()["components"].get("set_point"), None);
        let description = Device { set_point_s: Some(900), ..device() }.description();
        let shown = &description["components"]["set_point"];
        let found = ["platform", "device_class", "unit_of_measurement", "state_topic", "expire_after"];
        let expected = json!(["sensor", "power", "W", "voisin/home/z6Mk1/set-point", 900]);
        assert_eq!(json!(found.map(|name| &shown[name])), expected);
        assert!(!description.to_string().contains("command"), "{description}");
    }

    #[test]
    fn a_page_that_nobody_else_reaches_is_not_named() {
        assert_eq!(device().description()["device"].get("configuration_url"), None);
        let page = Some("http://192.0.2.7:8787/".to_owned());
        assert_eq!(Device { page, ..device() }.description()["device"]["configuration_url"], "http://192.0.2.7:8787/");
    }
}
