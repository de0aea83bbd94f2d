//! Devices that a template describes: by Modbus, by HTTP and JSON, or by MQTT and JSON.
//!
//! It reads what a device counts, and never what it estimates: one without both cumulative registers is refused. It
//! asks and never sets anything.

mod address;
mod blanks;
pub(crate) mod builtin;
mod config;
mod documents;
mod http;
mod login;
mod modbus;
mod mqtt;
mod points;
mod sections;
mod template;
mod tls;
mod unreadable;
mod words;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::time::{Interval, sleep};

pub(crate) use self::config::DeviceConfig;
use self::{
    address::{AddressProblem, Target},
    login::{Login, LoginError},
    template::{Device, Template, TemplateError},
    unreadable::Unreadable,
};
use super::{
    MeterConfig, MeterSource, Placement, SourceError,
    modbus::Connection as ModbusConnection,
    sampler::{LiveMeter, NoSample, Poll, Rules, Sample, Sampler},
};

/// Most bytes of a template: ten times those of the longest.
const TEMPLATE_BYTES_MAX: u64 = 64 * 1_024;

/// Why a device cannot be used at all.
#[derive(Debug, thiserror::Error)]
enum DeviceError {
    #[error(
        "expected a template of the agent's own, or a path such as ./my-meter.toml, found `{0}`; \
             `meter-agent devices` lists them"
    )]
    NoTemplate(String),
    #[error("expected a template at {}: {error}", path.display())]
    Unread { path: PathBuf, error: io::Error },
    #[error("template {name}: {error}")]
    Template { name: String, error: TemplateError },
    #[error(transparent)]
    Address(#[from] AddressProblem),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(
        "{0}: its registers count each phase for itself, and so more than the grid's own meter: it is refused, unless \
         your community takes such readings and you say `unsummed_phases = true`"
    )]
    Phases(String),
}

impl DeviceConfig {
    fn device(&self) -> Result<Device, DeviceError> {
        let wrong = |error| DeviceError::Template { name: self.template.clone(), error };
        let text = match self.file() {
            Some(path) => read(path).map_err(|error| DeviceError::Unread { path: path.into(), error })?,
            None => builtin::text(&self.template)
                .ok_or_else(|| DeviceError::NoTemplate(unreadable::cut(&self.template)))?
                .to_owned(),
        };
        let template: Template = text.parse().map_err(wrong)?;
        template.of_home(&self.with).map_err(wrong)
    }

    fn meter(&self) -> Result<DeviceMeter, DeviceError> {
        let device = self.device()?;
        if !device.sums_phases && !self.unsummed_phases {
            return Err(DeviceError::Phases(device.title));
        }
        let login = Login::read(self.user.as_deref(), self.password_file.as_ref(), self.token_file.as_ref())?;
        let target = address::target(self, device.way, login)?;
        if let Some(note) = device.note {
            tracing::info!(device = %device.title, "{note}");
        }
        Ok(DeviceMeter { target, poll: self.poll_s, device_time: self.meter_time })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(fs::File::open(path)?, TEMPLATE_BYTES_MAX), &mut text)?;
    Ok(text)
}

impl MeterConfig for DeviceConfig {
    fn resolve(&mut self, base: &Path) {
        if let Some(path) = self.file() {
            self.template = base.join(path).display().to_string();
        }
        self.ca = self.ca.take().map(|path| base.join(path));
        for secret in [&mut self.password_file, &mut self.token_file].into_iter().flatten() {
            secret.resolve(base);
        }
    }

    fn check(&self) -> Result<(), SourceError> {
        let way = self.device().map_err(SourceError::new)?.way;
        // A port may be plugged in later.
        if self.address.starts_with("serial://") {
            return Ok(());
        }
        address::target(self, way, Login::Nobody).map(drop).map_err(SourceError::new)
    }

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        let meter = self.meter().map_err(SourceError::new)?;
        let rules = Rules::new(placement, self.max_age_s, self.serial.clone());
        Ok(Box::new(Sampler::start(meter, self.address.clone(), rules)?))
    }
}

/// The device as it is sampled.
struct DeviceMeter {
    target: Target,
    poll: Poll,
    device_time: bool,
}

/// An open connection to one.
enum Connection {
    Modbus(ModbusConnection, Interval),
    Http(Box<http::Connection>, Interval),
    Mqtt(Box<mqtt::Connection>),
}

fn unusable(unreadable: Unreadable) -> NoSample {
    NoSample::Unusable(unreadable.to_string())
}

impl LiveMeter for DeviceMeter {
    type Connection = Connection;

    // Without a time in it, a message is of the moment in which it came.
    fn tells_time(&self) -> bool {
        !matches!(&self.target, Target::Mqtt(_, points) if !self.device_time || points.times.is_empty())
    }

    async fn connect(&self) -> Result<Connection, String> {
        Ok(match &self.target {
            Target::Modbus { address, unit, pause, .. } => {
                let connection = address.connect(*unit).await?;
                sleep(*pause).await;
                Connection::Modbus(connection, self.poll.ticks())
            }
            Target::Http(device, _) => {
                let connection = http::Connection::new(device).map_err(|error| error.to_string())?;
                Connection::Http(Box::new(connection), self.poll.ticks())
            }
            Target::Mqtt(device, points) => {
                Connection::Mqtt(Box::new(mqtt::Connection::connect(device, points, self.poll.ticks()).await?))
            }
        })
    }

    async fn sample(&self, connection: &mut Connection) -> Result<Sample, NoSample> {
        match (&self.target, connection) {
            (Target::Modbus { points, .. }, Connection::Modbus(connection, ticks)) => {
                ticks.tick().await;
                let registers = modbus::ask(connection, points).await?;
                points.sample(&registers, self.device_time).map_err(unusable)
            }
            (Target::Http(device, points), Connection::Http(connection, ticks)) => {
                ticks.tick().await;
                let documents = connection.ask(device, points).await?;
                points.sample(&documents, self.device_time).map_err(unusable)
            }
            (Target::Mqtt(device, points), Connection::Mqtt(connection)) => {
                let (documents, heard_s) = connection.listen(device, points).await?;
                let sample = points.sample(&documents, self.device_time).map_err(unusable)?;
                Ok(Sample { at_s: sample.at_s.or(Some(heard_s)), ..sample })
            }
            _ => Err(NoSample::Lost("the connection is one to another device".into())),
        }
    }
}

#[cfg(test)]
mod tests;
