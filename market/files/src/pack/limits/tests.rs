//! Each limit names whom it excludes, and nobody else.

use super::*;

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

/// A member on a line to the north, so many metres up.
fn at(number: u8, north_m: i64, is_plant: bool) -> Candidate {
    // 111,195 m to a degree.
    let place = Place::new(48_000_000 + north_m * 1_000_000 / 111_195, 16_000_000);
    let site = Site { place, ..Site::default() };
    Candidate { member: member(number), connection_w: 10_000, is_plant, site }
}

fn with_plant(number: u8, connection_w: u64, production_w: Option<u64>) -> Candidate {
    let site = Site { production_w, ..Site::default() };
    Candidate { member: member(number), connection_w, is_plant: true, site }
}

fn behind(number: u8, transformer: Option<&str>) -> Candidate {
    let same = transformer.map(|name| (Sameness::Transformer, name.to_owned())).into_iter().collect();
    let site = Site { same, ..Site::default() };
    Candidate { member: member(number), connection_w: 10_000, is_plant: false, site }
}

fn named(findings: &[Finding]) -> Vec<MemberId> {
    findings.iter().filter_map(Finding::member).collect()
}

#[test]
fn whoever_is_far_from_all_others_is_excluded_and_they_are_not() {
    let limits = Limits { distance_m_max: Some(2_000), ..Limits::default() };
    let street = vec![at(1, 0, false), at(2, 900, true), at(3, 1_800, false), at(4, 7_000, false)];
    let findings = limits.findings(&street);
    assert_eq!(named(&findings), [member(4)]);
    let said = findings[0].to_string();
    assert!(said.starts_with("expected at most 2000 m between members, found 6999 m to 0101"), "{said}");
    assert_eq!(limits.findings(&street[..3]), []);
    // Of two that are too far from each other one goes, the first by its pseudonym.
    assert_eq!(named(&limits.findings(&[at(1, 0, false), at(2, 2_100, false)])), [member(1)]);
}

#[test]
fn between_plant_and_consumer_only_such_pairs_count() {
    let limits =
        Limits { distance_m_max: Some(2_000), distance_between: Between::PlantAndConsumer, ..Limits::default() };
    let either_side = [at(1, 0, false), at(2, 1_900, true), at(3, 3_800, false)];
    assert_eq!(limits.findings(&either_side), []);
    assert_eq!(named(&limits.findings(&[at(1, 0, false), at(2, 1_900, true), at(3, 4_000, false)])), [member(3)]);
}

#[test]
fn whoever_is_behind_another_transformer_than_the_most_is_excluded() {
    let limits = Limits { same: [Sameness::Transformer].into(), ..Limits::default() };
    let members = [behind(1, Some("T1")), behind(2, Some("T2")), behind(3, Some("T1")), behind(4, None)];
    let findings = limits.findings(&members);
    let unknown = Finding::Unknown { member: member(4), what: "transformer" };
    let (expected, found) = ("T1".to_owned(), "T2".to_owned());
    let elsewhere = Finding::Elsewhere { member: member(2), same: Sameness::Transformer, expected, found };
    assert_eq!(findings, [unknown, elsewhere]);
    assert!(findings[0].is_unknown() && !findings[1].is_unknown());
}

#[test]
fn plants_are_limited_one_by_one_and_together() {
    let plants = [with_plant(1, 100_000, Some(3_000)), with_plant(2, 100_000, Some(7_000))];
    let limits = |of: Limits| of.findings(&plants);
    let one = limits(Limits { plant_w_max: Some(5_000), ..Limits::default() });
    assert_eq!(one, [Finding::PlantTooLarge { member: member(2), found_w: 7_000, max_w: 5_000 }]);
    let all = limits(Limits { production_w_max: Some(9_999), ..Limits::default() });
    assert_eq!(all, [Finding::ProductionTooLarge { found_w: 10_000, max_w: 9_999 }]);
    assert_eq!(limits(Limits { production_w_max: Some(10_000), ..Limits::default() }), []);
    // A twentieth of 200 kW is 10 kW: in order to the watt.
    assert_eq!(limits(Limits { production_ppm_min: Some(50_000), ..Limits::default() }), []);
    let few = limits(Limits { production_ppm_min: Some(50_001), ..Limits::default() });
    assert_eq!(few, [Finding::ProductionTooSmall { found_w: 10_000, min_w: 10_001 }]);
    let unknown = Limits { plant_w_max: Some(1), ..Limits::default() }.findings(&[with_plant(3, 1, None)]);
    assert_eq!(unknown, [Finding::Unknown { member: member(3), what: "production_w" }]);
}
