//! A real Mosquitto with the files that come with Voisin for a real neighbourhood, and certificates of a test's own.

use std::{fs, path::Path};

use broker_login::{Access, BrokerLogin};
use rumqttc::MqttOptions;

use crate::{
    certificates::{Authority, Identity, Until},
    community::write_secret,
    mosquitto::Mosquitto,
};

/// The name by which the broker is known, and its certificate is for.
const HOST: &str = "localhost";
/// Where the shipped files expect the others.
const PLACE: &str = "/etc/mosquitto/voisin";

/// The broker, and the files of whoever logs in there.
pub struct SecureBroker {
    pub broker: Mosquitto,
    directory: tempfile::TempDir,
    devices: Authority,
}

impl SecureBroker {
    /// One that wants a certificate from everyone.
    pub fn with_certificates() -> SecureBroker {
        SecureBroker::start("certificates.conf", Until::Later, |config| config)
    }

    /// The same, whose own certificate has expired.
    pub fn expired() -> SecureBroker {
        SecureBroker::start("certificates.conf", Until::Expired, |config| config)
    }

    /// The same, without access rules.
    pub fn without_rules() -> SecureBroker {
        SecureBroker::start("certificates.conf", Until::Later, |config| config.replace("acl_file", "# acl_file"))
    }

    /// One that wants a password, which is the user's name and `-secret`.
    pub fn with_passwords(users: &[&str]) -> SecureBroker {
        let lines: String = users.iter().map(|user| format!("{user}:{user}-secret\n")).collect();
        SecureBroker::start("passwords.conf", Until::Later, |config| {
            let file = config.lines().find_map(|line| line.strip_prefix("password_file ")).unwrap();
            write_secret(Path::new(file), &lines);
            let hashed = std::process::Command::new("mosquitto_passwd").args(["-U", file]).status().unwrap();
            assert!(hashed.success());
            config
        })
    }

    fn start(shipped: &str, until: Until, change: impl FnOnce(String) -> String) -> SecureBroker {
        let directory = tempfile::tempdir().unwrap();
        let (ours, devices) = (Authority::new("the broker's"), Authority::new("the devices'"));
        let Identity { certificate, key } = ours.issue(HOST, until);
        let rules = shipped_file("acl.conf");
        for (name, text) in [
            ("ca.pem", ours.pem()),
            ("broker.pem", certificate),
            ("broker.key", key),
            ("devices-ca.pem", devices.pem()),
            ("acl.conf", rules),
        ] {
            write_secret(&directory.path().join(name), &text);
        }
        let config = shipped_file(shipped)
            .replace(PLACE, directory.path().to_str().unwrap())
            .replace("listener 8883", "listener {port} 127.0.0.1");
        // A broker that root starts becomes another user, who may not read a test's files.
        let broker = Mosquitto::start_as(&format!("user root\n{}", change(config)));
        SecureBroker { broker, directory, devices }
    }

    /// Its address, in a configuration.
    pub fn address(&self) -> String {
        format!("mqtts://{HOST}:{}", self.broker.port)
    }

    /// `[broker_login]` of somebody with a certificate of this name.
    pub fn login(&self, name: &str) -> String {
        self.login_with(name, &self.devices.issue(name, Until::Later))
    }

    /// The same with a certificate that has expired.
    pub fn expired_login(&self, name: &str) -> String {
        self.login_with("expired", &self.devices.issue(name, Until::Expired))
    }

    /// The same with a certificate of an authority that nobody knows.
    pub fn foreign_login(&self, name: &str) -> String {
        self.login_with("foreign", &Authority::new("somebody's").issue(name, Until::Later))
    }

    fn login_with(&self, file: &str, identity: &Identity) -> String {
        let certificate = self.write(&format!("{file}.pem"), &identity.certificate);
        let key = self.write(&format!("{file}.key"), &identity.key);
        format!("{}certificate = \"{certificate}\"\ncertificate_key = \"{key}\"\n", self.anonymous_login())
    }

    /// `[broker_login]` of a user and this password.
    pub fn password_login(&self, user: &str, password: &str) -> String {
        let file = self.write(&format!("{user}.password"), &format!("{password}\n"));
        format!("{}user = \"{user}\"\npassword_file = \"{file}\"\n", self.anonymous_login())
    }

    /// `[broker_login]` of somebody who knows the broker, and does not say who they are.
    pub fn anonymous_login(&self) -> String {
        format!("[broker_login]\nca = \"{}\"\n", self.directory.path().join("ca.pem").display())
    }

    /// The same of somebody who trusts another authority than the broker's.
    pub fn mistaken_login(&self) -> String {
        format!("[broker_login]\nca = \"{}\"\n", self.directory.path().join("devices-ca.pem").display())
    }

    /// What a program makes of this `[broker_login]`.
    pub fn access(&self, login: &str) -> Access {
        let mut login: toml::Table = login.parse().unwrap();
        let login: BrokerLogin = login.remove("broker_login").unwrap().try_into().unwrap();
        Access::new(&self.address().parse().unwrap(), &login, "nobody").unwrap()
    }

    /// Options of a connection of somebody with a certificate of this name.
    pub fn options(&self, name: &str) -> MqttOptions {
        self.access(&self.login(name)).options(name.into())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        write_secret(&path, text);
        path.to_str().unwrap().into()
    }
}

fn shipped_file(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/mosquitto");
    fs::read_to_string(directory.join(name)).unwrap()
}
