//! Every setting: one struct a part, one name a setting, all faults at once, and secrets that cannot be printed.

use std::fmt;

pub mod callers;
pub mod decisions;
pub mod doors;
pub mod folder_url;
pub mod layers;
pub mod layout;
pub mod logout;
mod memcached_url;
#[cfg(feature = "mongodb")]
pub mod mongo_url;
pub mod operation;
pub mod origin;
mod plaintext;
mod reader;
pub mod redis_url;
pub mod reference;
pub mod registry;
pub mod reload;
pub mod revalidate;
mod server_address;
pub mod server_url;
pub mod session;
pub mod setting;
pub mod sql_url;
pub mod telemetry;
pub mod tls;
pub mod trust;
pub mod user;
pub mod user_url;

use self::{
    callers::Callers,
    decisions::Policy,
    doors::{Grpc, Http},
    layers::Layers,
    logout::Logout,
    operation::{Limits, Log},
    reader::{Read, Reader},
    registry::Registry,
    revalidate::Revalidate,
    session::{Session, StoreUrl},
    setting::Setting,
    telemetry::{Audit, Telemetry},
    tls::Tls,
    user::User,
};
pub use reader::Effective;

/// All settings, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[grpc]`
    pub grpc: Grpc,
    /// `[http]`
    pub http: Http,
    /// `[session]`
    pub session: Session,
    /// `[user]`
    pub user: User,
    /// `[policy]`
    pub policy: Policy,
    /// `[logout]`; `None`: no tokens are taken.
    pub logout: Option<Logout>,
    /// `[registry]`
    pub registry: Registry,
    /// `[revalidate]`
    pub revalidate: Revalidate,
    /// `[limits]`
    pub limits: Limits,
    /// `[callers]`
    pub callers: Callers,
    /// `[tls]`; `None`: there is no TLS.
    pub tls: Option<Tls>,
    /// `[log]`
    pub log: Log,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[audit]`
    pub audit: Audit,
    /// What can be meant, and probably is not.
    pub warnings: Vec<Fault>,
}

/// The parts, in the order of the reference.
const PARTS: [&[&Setting]; 14] = [
    Grpc::SETTINGS,
    Http::SETTINGS,
    Session::SETTINGS,
    User::SETTINGS,
    Policy::SETTINGS,
    Logout::SETTINGS,
    Registry::SETTINGS,
    Revalidate::SETTINGS,
    Limits::SETTINGS,
    Callers::SETTINGS,
    Tls::SETTINGS,
    Log::SETTINGS,
    Telemetry::SETTINGS,
    Audit::SETTINGS,
];

/// Every setting.
pub struct Settings;

/// Every setting, in the order of the reference.
pub const SETTINGS: Settings = Settings;

impl Settings {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &'static &'static Setting> {
        PARTS.into_iter().flatten()
    }
}

/// One thing that is wrong with the settings, or seems to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which setting.
    pub setting: String,
    /// What is wrong with it, and the way out.
    pub problem: String,
}

impl Fault {
    fn new(setting: &str, problem: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), problem: problem.into() }
    }
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, plural) = (self.0.len(), if self.0.len() == 1 { "" } else { "s" });
        write!(f, "{count} fault{plural} in the settings")?;
        for Fault { setting, problem } in &self.0 {
            write!(f, "\n  {setting}: {problem}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads all settings.
    pub fn load(layers: &Layers) -> Result<Self, Faults> {
        Self::load_and_show(layers).map(|(config, _)| config)
    }

    /// Reads all settings, and says what is in force and why.
    pub fn load_and_show(layers: &Layers) -> Result<(Self, Vec<Effective>), Faults> {
        let mut reader = Reader::new(layers);
        let (grpc, tls) = (Grpc::read(&mut reader), Tls::read(&mut reader));
        let session = Session::read(&mut reader);
        let has_store = !matches!(session.store, StoreUrl::CookieSession);
        let mut config = Self {
            http: Http::read(&mut reader),
            user: User::read(&mut reader),
            policy: Policy::read(&mut reader),
            logout: Logout::read(&mut reader, has_store),
            registry: Registry::read(&mut reader),
            revalidate: Revalidate::read(&mut reader),
            limits: Limits::read(&mut reader, has_store),
            callers: Callers::read(&mut reader, &grpc),
            log: Log::read(&mut reader),
            telemetry: Telemetry::read(&mut reader),
            audit: Audit::read(&mut reader),
            grpc,
            session,
            tls,
            warnings: Vec::new(),
        };
        let Read { effective, faults, warnings } = reader.finish();
        config.warnings = warnings;
        if faults.is_empty() { Ok((config, effective)) } else { Err(Faults(faults)) }
    }
}

impl Config {
    /// Logs what can be meant, and probably is not.
    pub fn log_warnings(&self) {
        for Fault { setting, problem } in &self.warnings {
            tracing::warn!(setting, problem, "a setting is probably not meant so");
        }
    }
}

impl Http {
    /// This part alone, for commands that only look for the service.
    pub fn load(layers: &Layers) -> Result<Self, Faults> {
        alone(layers, Self::read)
    }
}

impl Grpc {
    /// This part alone, for commands that only look for the service.
    pub fn load(layers: &Layers) -> Result<Self, Faults> {
        alone(layers, Self::read)
    }
}

fn alone<T>(layers: &Layers, read: impl Fn(&mut Reader<'_>) -> T) -> Result<T, Faults> {
    let mut reader = Reader::new(layers);
    let part = read(&mut reader);
    let Read { faults, .. } = reader.finish();
    if faults.is_empty() { Ok(part) } else { Err(Faults(faults)) }
}
