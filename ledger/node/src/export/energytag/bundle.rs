//! EnergyTag's words for our certificates: schemas `GranularCertificateBundle` and `GranularCertificateCancellation` of
//! the EnergyTag API specification 2.0, as the registry of Future Energy Associates publishes it.
//!
//! That document has one name, `id` and `source_id`, where there were several: what it describes by the name is the
//! device and the account, and so it is here. What the names were stands beside it, as `account_id` and `device_id`.

use protocol::{
    cbor,
    energy::Energy,
    envelope::ChainId,
    hash::Hash,
    interval::{Interval, utc_text},
    key::DeviceId,
    limits::RECORD_DAYS,
    origin::{Bundle, Issue},
    registration::Registration,
    retirement::{ProvedRetirement, Retirement},
    technology::Technology,
};
use serde::Serialize;

use super::registry::{Plant, Registry};

/// Wh that a certificate stands for.
const FACE_VALUE_WH: u64 = 1;
const DAY_S: i64 = 86_400;

/// A bundle, in the words of the specification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct GranularCertificateBundle<'a> {
    id: String,
    device_id: String,
    account_id: String,
    issuance_id: String,
    certificate_bundle_status: &'static str,
    certificate_bundle_id_range_start: u64,
    certificate_bundle_id_range_end: u64,
    bundle_quantity: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    beneficiary: Option<&'a str>,
    energy_carrier: &'static str,
    energy_source: &'static str,
    face_value: u64,
    issuance_post_energy_carrier_conversion: bool,
    registry_configuration: u8,
    device_name: String,
    device_technology_type: &'a str,
    device_production_start_date: String,
    device_capacity: u64,
    device_location: [f64; 2],
    device_type: &'static str,
    production_starting_interval: String,
    production_ending_interval: String,
    issuance_datestamp: String,
    expiry_datestamp: String,
    country_of_issuance: &'a str,
    connected_grid_identification: &'a str,
    issuing_body: &'a str,
    issue_market_zone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dissemination_level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuance_purpose: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality_scheme_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    support_received: Option<&'a str>,
}

/// A cancellation: what a retired bundle was claimed for, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct GranularCertificateCancellation<'a> {
    action_id: String,
    source_id: String,
    id: String,
    source_certificate_issuance_id: String,
    source_certificate_certificate_bundle_id_range_start: u64,
    source_certificate_certificate_bundle_id_range_end: u64,
    certificate_quantity: u64,
    certificate_period_start: String,
    certificate_period_end: String,
    energy_source: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    beneficiary: Option<&'a str>,
}

/// What bundles of one interval and device have in common.
pub(super) struct Issuance<'a> {
    pub(super) chain: &'a ChainId,
    pub(super) registry: &'a Registry,
    pub(super) interval: Interval,
    pub(super) issue: &'a Issue,
    /// How the producer is registered now.
    pub(super) producer: &'a Registration,
}

impl<'a> Issuance<'a> {
    /// A bundle whose first certificate has this number.
    pub(super) fn bundle(
        &self,
        first: u64,
        bundle: &Bundle,
        retirement: Option<&'a Retirement>,
    ) -> GranularCertificateBundle<'a> {
        let Issuance { chain, registry, interval, issue, producer } = *self;
        let Issue { device, technology, .. } = issue;
        let quantity = bundle.energy.wh();
        let device_id = named(chain, "device", device);
        let plant = registry.devices.get(device);
        let of_plant = |text: fn(&Plant) -> &Option<String>| plant.and_then(|plant| text(plant).as_deref());
        GranularCertificateBundle {
            id: device_id.clone(),
            device_id,
            account_id: named(chain, "account", bundle.holder),
            issuance_id: issuance_id(chain, interval, *device),
            certificate_bundle_status: if bundle.retired.is_some() { "Cancelled" } else { "Active" },
            certificate_bundle_id_range_start: first,
            certificate_bundle_id_range_end: last(first, bundle.energy),
            bundle_quantity: quantity,
            beneficiary: retirement.and_then(|retirement| retirement.beneficiary.as_deref()),
            energy_carrier: "Electricity",
            energy_source: source(*technology),
            face_value: FACE_VALUE_WH,
            issuance_post_energy_carrier_conversion: false,
            registry_configuration: registry.registry_configuration,
            device_name: of_plant(|plant| &plant.name).map_or_else(|| device.to_string(), str::to_owned),
            device_technology_type: of_plant(|plant| &plant.technology_type).unwrap_or(source(*technology)),
            device_production_start_date: of_plant(|plant| &plant.production_start)
                .map_or_else(|| first_day(producer, interval, *device), str::to_owned),
            device_capacity: plant.and_then(|plant| plant.capacity_w).unwrap_or(producer.rated_power_w),
            device_location: plant.and_then(|plant| plant.location).unwrap_or(registry.location),
            device_type: "Production",
            production_starting_interval: interval.start_text(),
            production_ending_interval: utc_text(end_s(interval)),
            issuance_datestamp: day(end_s(interval)),
            expiry_datestamp: day(expiry_s(interval)),
            country_of_issuance: &registry.country,
            connected_grid_identification: &registry.grid,
            issuing_body: &registry.issuing_body,
            issue_market_zone: &registry.market_zone,
            dissemination_level: registry.dissemination_level.as_deref(),
            issuance_purpose: registry.issuance_purpose.as_deref(),
            legal_status: registry.legal_status.as_deref(),
            quality_scheme_reference: registry.quality_scheme_reference.as_deref(),
            support_received: registry.support_received.as_deref(),
        }
    }

    /// The cancellation of what a proved instruction retires.
    pub(super) fn cancellation(&self, proved: &'a ProvedRetirement) -> GranularCertificateCancellation<'a> {
        let Retirement { member, certificates, beneficiary, .. } = &proved.retirement;
        let (chain, interval) = (self.chain, certificates.interval);
        GranularCertificateCancellation {
            action_id: named(chain, "action", proved.message().hash()),
            source_id: named(chain, "account", member),
            id: named(chain, "device", certificates.device),
            source_certificate_issuance_id: issuance_id(chain, interval, certificates.device),
            source_certificate_certificate_bundle_id_range_start: certificates.first,
            source_certificate_certificate_bundle_id_range_end: last(certificates.first, certificates.energy),
            certificate_quantity: certificates.energy.wh(),
            certificate_period_start: interval.start_text(),
            certificate_period_end: utc_text(end_s(interval)),
            energy_source: [source(self.issue.technology)],
            beneficiary: beneficiary.as_deref(),
        }
    }
}

/// A UUID of version 8 (RFC 9562 §5.8): the first bytes of SHA-256 over a name that everyone who has the ledger can
/// form.
fn named(chain: &ChainId, kind: &str, value: impl minicbor::Encode<()>) -> String {
    let hash = Hash::of(&cbor::encode(&("voisin/energytag/v1", chain, kind, value)));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

fn issuance_id(chain: &ChainId, interval: Interval, device: DeviceId) -> String {
    named(chain, "issuance", (interval, device))
}

/// The number of the last certificate; of none, which no ledger has, the first.
fn last(first: u64, energy: Energy) -> u64 {
    first + energy.wh().saturating_sub(1)
}

fn end_s(interval: Interval) -> i64 {
    interval.start_s() + i64::from(interval.length().minutes()) * 60
}

/// When the ledger forgets the certificates, so that nobody can retire them any more.
fn expiry_s(interval: Interval) -> i64 {
    let start_of_day = interval.start_s() - interval.start_s().rem_euclid(DAY_S);
    start_of_day + (RECORD_DAYS + 1) * DAY_S
}

/// The first day on which the device is known to have produced, where nobody says it: the first of its meter on this
/// ledger, or that of the certificates, if another meter took its place since.
fn first_day(producer: &Registration, interval: Interval, device: DeviceId) -> String {
    let own = interval.start_s();
    day(if producer.device == Some(device) { own.min(end_s(producer.after)) } else { own })
}

/// The UTC day of a moment.
fn day(time_s: i64) -> String {
    utc_text(time_s).chars().take("2026-06-01".len()).collect()
}

fn source(technology: Technology) -> &'static str {
    match technology {
        Technology::Solar => "Solar",
        Technology::Wind => "Wind",
        Technology::Hydro => "Hydro",
        Technology::Biomass => "Biomass",
        Technology::Geothermal => "Geothermal",
    }
}
