use protocol::{
    block::{Header, validators_hash},
    hash::Hash,
    island::Standby,
    merkle::{MerkleProof, MerkleTree},
};
use testkit::community::Community;

use super::*;

fn interval(ahead: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(ahead).unwrap()
}

/// What is known of the member of this number for an island, as the validators prove it.
pub(crate) fn proof(community: &Community, number: usize, standby: Standby) -> ProvedStandby {
    let validators = validators_hash(&community.genesis.validators);
    let mut header = Header {
        chain: community.genesis.chain(),
        height: 7,
        previous: Hash::ZERO,
        validators,
        next_validators: validators,
        transactions: MerkleTree::default().root(),
        entries: MerkleTree::default().root(),
        state: MerkleTree::default().root(),
    };
    let mut proved = ProvedStandby {
        member: community.members[number].id,
        standby,
        proof: MerkleProof { index: 0, path: Vec::new() },
        certificate: community.certificate(7, header.hash()),
        header: header.clone(),
        steps: Vec::new(),
    };
    let tree: MerkleTree = [proved.leaf()].into_iter().collect();
    header.state = tree.root();
    proved.certificate = community.certificate(7, header.hash());
    ProvedStandby { header, proof: tree.prove(0).unwrap(), ..proved }
}

fn planned(ahead: i64) -> PlannedQuota {
    PlannedQuota { interval: interval(ahead), quota: Quota::default() }
}

#[test]
fn only_what_is_proved_of_this_household_is_believed_and_the_rest_is_named() {
    let community = Community::new(2, 4);
    let (verifier, ours) = (Verifier::new(&community.genesis), community.members[0].id);
    let length = interval(0).length();
    let standby = || Standby { status: None, quotas: vec![planned(2), planned(3)] };
    let good = proof(&community, 0, standby());
    assert_eq!(proved(&good.to_json(), &verifier, ours, length), Ok(standby().quotas));

    let neighbours = proof(&community, 1, standby());
    let renamed = ProvedStandby { member: ours, ..neighbours.clone() };
    let changed = ProvedStandby { standby: Standby { status: None, quotas: vec![planned(2)] }, ..good.clone() };
    let hour = PlannedQuota { interval: "2026-06-01T12:00:00Z/PT1H".parse().unwrap(), ..planned(0) };
    let cases = [
        (neighbours.to_json(), "OtherMember"),
        (renamed.to_json(), "NotProved"),
        (changed.to_json(), "NotProved"),
        (proof(&community, 0, Standby { status: None, quotas: vec![hour] }).to_json(), "OtherLength"),
        (b"{}".to_vec(), "Malformed"),
        ([good.to_json(), b" ".to_vec()].concat(), "Malformed"),
        (vec![b' '; ANSWER_BYTES_MAX + 1], "TooLarge"),
    ];
    for (json, name) in cases {
        assert_eq!(proved(&json, &verifier, ours, length).unwrap_err().name(), name);
    }
}

#[test]
fn every_name_is_explained_to_the_household() {
    let page = include_str!("../../../docs/prosumer.md");
    let (_, names) = page.split_once("what you may draw on an island").unwrap();
    for name in ["TooLarge", "Malformed", "OtherMember", "NotProved", "OtherLength"] {
        assert!(names.contains(&format!("`{name}`")), "docs/prosumer.md does not explain `{name}`");
    }
}

/// A reading after which so much was stored, if that is known.
fn read(import: u64, export: u64, stored_uwh: Option<u64>) -> ReadingRecord {
    ReadingRecord {
        message: protocol::envelope::Sealed::from(Vec::new()),
        interval: interval(0),
        consecutive: true,
        import: Energy::from_wh(import),
        export: Energy::from_wh(export),
        gross: None,
        settled: false,
        stored_uwh,
    }
}

#[test]
fn what_is_stored_is_what_the_meter_knows_and_what_is_made_is_without_the_battery() {
    let behind = Behind { capacity_wh: 10_000, max_w: 5_000, critical_w: 200 };
    let stored = |wh: u64| Some(wh * MICRO + MICRO / 2);
    let forecast = |last: &ReadingRecord, before: Option<&ReadingRecord>| behind.status(last, before, None).forecast;
    let before = read(0, 0, stored(4_000));
    for (last, expected) in [
        (read(0, 700, stored(4_000)), 700),
        (read(0, 700, stored(3_600)), 300),
        (read(0, 300, stored(4_400)), 700),
        (read(0, 300, stored(3_500)), 0),
        // Charged from the grid.
        (read(500, 0, stored(4_400)), 0),
        (read(100, 0, stored(4_400)), 300),
        (read(500, 0, stored(4_000)), 0),
        (read(0, 700, None), 700),
    ] {
        assert_eq!(forecast(&last, Some(&before)), Energy::from_wh(expected), "{last:?}");
    }
    let last = read(0, 700, stored(3_600));
    assert_eq!(forecast(&last, None), Energy::from_wh(700), "nobody knows what the battery gave");
    assert_eq!(forecast(&ReadingRecord { consecutive: false, ..last.clone() }, None), Energy::ZERO);

    let said = behind.status(&last, None, Some(2_000));
    assert_eq!((said.stored_wh, said.capacity_wh, said.max_w, said.critical_w), (3_600, 10_000, 2_000, 200));
    assert_eq!(said.forecast, Energy::from_wh(500), "no more than the connection carries");
    assert_eq!(said.check(2_000), Ok(()));
    assert_eq!(behind.status(&read(0, 0, stored(10_001)), None, None).stored_wh, 10_000);
    assert_eq!(behind.status(&read(0, 0, None), None, None).stored_wh, 0, "what nobody knows is shared by nobody");
}

#[test]
fn quotas_are_kept_for_a_while() {
    let mut island = Island::new((0..QUOTAS_KEPT).map(planned), None);
    assert_eq!(island.news(vec![planned(0), planned(QUOTAS_KEPT)]), [planned(QUOTAS_KEPT)]);
    island.learn([planned(QUOTAS_KEPT)]);
    assert_eq!(island.news(vec![planned(0), planned(1)]), [planned(0)]);
    assert_eq!(island.status(interval(QUOTAS_KEPT - 1)).unwrap().quotas, [planned(QUOTAS_KEPT)]);
    assert_eq!(island.status(interval(QUOTAS_KEPT)), None);
}
