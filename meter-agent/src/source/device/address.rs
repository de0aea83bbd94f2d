//! Where a device is, as people write it for each way to reach one.

use std::{sync::Arc, time::Duration};

use broker_login::{Access, BrokerLogin, LoginError};
use settings::{
    address::{Address, AddressError},
    broker::BrokerAddress,
};

use super::{
    super::modbus::{ModbusAddress, ModbusProblem, Unit},
    config::DeviceConfig,
    documents::Place,
    http::HttpDevice,
    login::Login,
    mqtt::MqttDevice,
    points::Points,
    template::Way,
    tls::{self, TrustProblem},
    words::Words,
};

/// Port of HTTP (IANA: `http`).
const HTTP_PORT: u16 = 80;
/// Port of HTTP over TLS (IANA: `https`).
const HTTPS_PORT: u16 = 443;
const HTTP_EXPECTED: &str = "a device such as http://192.168.1.20";

/// A device, how it is reached and what is read there.
pub(super) enum Target {
    Modbus { address: ModbusAddress, unit: Unit, pause: Duration, points: Points<Words> },
    Http(HttpDevice, Points<Place>),
    Mqtt(MqttDevice, Points<Place>),
}

/// Why a device cannot be reached as it is configured.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddressProblem {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Modbus(#[from] ModbusProblem),
    #[error("{keys} of Modbus, found a template of {way}; leave them out")]
    OfModbus { keys: &'static str, way: &'static str },
    #[error("a Modbus device asks for no password; leave out `user`, `password_file` and `token_file`")]
    NoLogin,
    #[error(transparent)]
    Broker(#[from] LoginError),
    #[error("`ca` and `fingerprint` are of a broker or an https address, found {0}; leave them out")]
    NoTls(&'static str),
    #[error("a broker's certificate leads to one in `ca`; leave out `fingerprint`")]
    NoFingerprint,
    #[error(transparent)]
    Trust(#[from] TrustProblem),
    #[error("a broker asks for a name and a password; expected `password_file`, found `token_file`")]
    NoToken,
}

/// What the configuration and the template say together.
pub(super) fn target(config: &DeviceConfig, way: Way, login: Login) -> Result<Target, AddressProblem> {
    match way {
        Way::Modbus(settings, points) => {
            not_of_tls(config, "Modbus")?;
            if !matches!(login, Login::Nobody) {
                return Err(AddressProblem::NoLogin);
            }
            let usual = (settings.baud, settings.framing);
            let address = ModbusAddress::read(&config.address, config.baud, config.framing, usual)?;
            let unit = config.unit.unwrap_or(settings.unit);
            Ok(Target::Modbus { address, unit, pause: Duration::from_secs(settings.pause_s.into()), points })
        }
        Way::Http(settings, points) => {
            not_of_modbus(config, "HTTP")?;
            let plain = config.address.strip_prefix("http://").map(|place| (place, HTTP_PORT));
            let place = plain.or_else(|| config.address.strip_prefix("https://").map(|place| (place, HTTPS_PORT)));
            let address = place.map_or(Err("begin with http:// or https://"), |(place, port)| {
                Address::to_ask(place.trim_end_matches('/'), Some(port))
            });
            let address = address.map_err(|advice| AddressError::new(HTTP_EXPECTED, &config.address, advice))?;
            let tls = if plain.is_some() {
                not_of_tls(config, "http://")?;
                None
            } else {
                Some(Arc::new(tls::client(config.ca.as_deref(), config.fingerprint)?))
            };
            Ok(Target::Http(HttpDevice { address, tls, login, user: settings.user }, points))
        }
        Way::Mqtt(settings, points) => {
            not_of_modbus(config, "MQTT")?;
            if config.fingerprint.is_some() {
                return Err(AddressProblem::NoFingerprint);
            }
            if matches!(login, Login::Token(_)) {
                return Err(AddressProblem::NoToken);
            }
            let broker: BrokerAddress = config.address.parse()?;
            let (user, password_file) = (config.user.clone(), config.password_file.clone());
            let login = BrokerLogin { ca: config.ca.clone(), user, password_file, ..BrokerLogin::default() };
            Ok(Target::Mqtt(MqttDevice { access: Access::at_home(&broker, &login, "")?, settings }, points))
        }
    }
}

fn not_of_tls(config: &DeviceConfig, way: &'static str) -> Result<(), AddressProblem> {
    let tls = config.ca.is_some() || config.fingerprint.is_some();
    if tls { Err(AddressProblem::NoTls(way)) } else { Ok(()) }
}

fn not_of_modbus(config: &DeviceConfig, way: &'static str) -> Result<(), AddressProblem> {
    if config.unit.is_some() {
        return Err(AddressProblem::OfModbus { keys: "`unit` is", way });
    }
    if config.baud.is_some() || config.framing.is_some() {
        return Err(AddressProblem::OfModbus { keys: "`baud` and `framing` are", way });
    }
    Ok(())
}
