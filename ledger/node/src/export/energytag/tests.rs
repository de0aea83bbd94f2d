use super::*;

/// The file that is shipped.
const SHIPPED: &str = include_str!("../../../../../config/energytag.toml");

fn read(text: &str) -> Result<Registry, String> {
    let registry: Registry = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    registry.check().map_err(|error| error.to_string())
}

/// The shipped file with all that its comments offer.
fn complete() -> String {
    let offered =
        |line: &str| line.starts_with("[devices") || line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    let lines = SHIPPED.lines().map(|line| line.strip_prefix("# ").filter(|it| offered(it)).unwrap_or(line));
    lines.map(|line| format!("{line}\n")).collect()
}

fn is_key(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_lowercase() || character == '_')
}

#[test]
fn the_shipped_file_is_read_as_it_is_and_with_all_that_its_comments_offer() {
    let plain = read(SHIPPED).unwrap();
    assert_eq!((plain.devices.len(), plain.issuance_purpose), (0, None));
    let all = read(&complete()).unwrap();
    let plant = all.devices.values().next().unwrap();
    assert_eq!((plant.name.as_deref(), plant.capacity_w), (Some("School roof"), Some(9_800)));
    let texts = [
        all.dissemination_level,
        all.issuance_purpose,
        all.legal_status,
        all.quality_scheme_reference,
        all.support_received,
    ];
    assert!(texts.iter().all(Option::is_some), "{texts:?}");
}

#[test]
fn whatever_is_wrong_in_a_registry_is_said_by_its_key() {
    let all = complete();
    for (from, to, expected) in [
        (
            "country = \"AT\"",
            "country = \"at\"",
            "country: expected a code of two letters (ISO 3166-1), such as AT, found `at`",
        ),
        ("country = \"AT\"", "country = \"AUT\"", "country: expected a code of two letters"),
        ("configuration = 1", "configuration = 4", "registry_configuration: expected 1, 2 or 3"),
        ("grid = \"AT003000\"", "grid = \" \"", "grid: expected a text of 1 to 140 bytes in one line, found ` `"),
        (
            "\"Disclosure\"",
            "\"a\\nb\"",
            "issuance_purpose: expected a text of 1 to 140 bytes in one line, found `a\\nb`",
        ),
        (
            "location = [48.21, 16.37]",
            "location = [148.21, 16.37]",
            "location: expected latitude and longitude in degrees",
        ),
        ("location = [48.21, 16.37]", "location = [48.21, nan]", "found 48.21, NaN"),
        ("location = [48.21, 16.37]", "location = [48.21]", "expected an array of length 2"),
        ("2019-05-01", "2019-5-1", ".production_start: expected a day such as 2019-05-01, found `2019-5-1`"),
        ("2019-05-01", "2019-02-30", ".production_start: expected a day such as 2019-05-01, found `2019-02-30`"),
        ("School roof", "", ".name: expected a text of 1 to 140 bytes in one line, found ``"),
        ("issuing_body", "issuer", "unknown field `issuer`"),
        ("capacity_w", "capacity", "unknown field `capacity`"),
        ("capacity_w = 9800", "capacity_w = -1", "invalid value"),
        ("did:key:z6Mkha", "did:kex:z6Mkha", "did:key"),
        ("market_zone = \"10YAT-APG------L\"", "", "missing field `market_zone`"),
    ] {
        assert!(all.contains(from), "{from}");
        let refused = read(&all.replacen(from, to, 1)).unwrap_err();
        assert!(refused.contains(expected), "{from} -> {to}: {refused}");
    }
}
