//! The templates that come with the agent: one file and one line each.

use super::template::{Template, TemplateError};

/// What explains the format.
const BLUEPRINT: &str = include_str!("templates/blueprint.toml");

/// Each as a file name and a text.
const TEMPLATES: &[&str] = &[
    include_str!("templates/ada-p1.toml"),
    include_str!("templates/amsleser.toml"),
    include_str!("templates/dsmr-logger.toml"),
    include_str!("templates/eastron-sdm120.toml"),
    include_str!("templates/eastron-sdm630.toml"),
    include_str!("templates/esphome.toml"),
    include_str!("templates/everhome-ecotracker.toml"),
    include_str!("templates/ferroamp-energyhub.toml"),
    include_str!("templates/home-assistant.toml"),
    include_str!("templates/homewizard-p1.toml"),
    include_str!("templates/huawei-sun2000.toml"),
    include_str!("templates/iometer.toml"),
    include_str!("templates/shelly-em.toml"),
    include_str!("templates/shelly-pro-3em.toml"),
    include_str!("templates/sma-home-manager.toml"),
    include_str!("templates/sungrow-ihm.toml"),
    include_str!("templates/tasmota-sml.toml"),
    include_str!("templates/vzlogger.toml"),
    include_str!("templates/youless.toml"),
    include_str!("templates/zigbee2mqtt.toml"),
];

/// The template of that name, as it is written.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    let named = |text: &&&str| text.parse::<Template>().is_ok_and(|template| template.name() == name);
    TEMPLATES.iter().chain([&BLUEPRINT]).find(named).copied()
}

/// All of them, without the blueprint.
pub(crate) fn all() -> impl Iterator<Item = Result<Template, TemplateError>> {
    TEMPLATES.iter().map(|text| text.parse())
}

/// What the template of that name leaves to fill in: name, what it is, and what is there where nothing is written. Of a
/// name that is none, and of a file, nothing.
pub(crate) fn blanks(name: &str) -> Vec<(String, String, Option<String>)> {
    text(name).and_then(|text| text.parse::<Template>().ok()).map(|template| template.blanks()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_template_is_a_device_and_has_a_name_of_its_own() {
        let mut names = Vec::new();
        for template in all().chain([BLUEPRINT.parse()]) {
            let template = template.unwrap();
            let (name, with) = (template.name().to_owned(), template.example());
            template.of_home(&with).unwrap_or_else(|error| panic!("{name}: {error}"));
            names.push(name);
        }
        assert!(names.is_sorted_by(|one, other| one < other || other == "blueprint"), "{names:?}");
        assert!(text("eastron-sdm630").is_some_and(|text| text.contains("SDM630")));
        assert!(text("blueprint").is_some() && text("crystal-ball").is_none());
    }
}
