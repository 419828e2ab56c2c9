//! Every method, and who may call it (DESIGN, "Who may call what").

use crate::config::callers::Role;

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without credentials.
    Open,
    /// Every caller with this role, or one that includes it.
    Role(Role),
}

/// What a method answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One message.
    Message,
    /// A stream, open for as long as it takes.
    Stream,
}

/// A method.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// `/package.Service/Method`, as in the request.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it answers with.
    pub answer: Answer,
}

impl Method {
    /// The method of this path; what is not in the table does not exist.
    pub fn of(path: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.path == path)
    }

    /// Its name without package and service.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

const OPEN: Access = Access::Open;
const GATEWAY: Access = Access::Role(Role::Gateway);
const ADMIN: Access = Access::Role(Role::Admin);

const fn one(path: &'static str, access: Access) -> Method {
    Method { path, access, answer: Answer::Message }
}

const fn stream(path: &'static str, access: Access) -> Method {
    Method { path, access, answer: Answer::Stream }
}

/// The table, the ones that are called most first.
pub const METHODS: [Method; 14] = [
    one("/socketpass.v1.AuthorizationService/Authorize", GATEWAY),
    stream("/socketpass.v1.RegistryService/Report", GATEWAY),
    stream("/socketpass.v1.RegistryService/FilterSockets", GATEWAY),
    one("/socketpass.v1.RegistryService/CountSockets", GATEWAY),
    stream("/socketpass.v1.RegistryService/WatchSockets", GATEWAY),
    stream("/socketpass.v1.RegistryService/SendToSockets", GATEWAY),
    stream("/socketpass.v1.RegistryService/DisconnectSockets", ADMIN),
    one("/socketpass.v1.RegistryService/ExplainFilter", ADMIN),
    one("/socketpass.v1.RegistryService/ListGateways", ADMIN),
    one("/socketpass.v1.AuthorizationService/Explain", ADMIN),
    one("/grpc.health.v1.Health/Check", OPEN),
    stream("/grpc.health.v1.Health/Watch", OPEN),
    // Every role includes that of a gateway.
    stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", GATEWAY),
    stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", GATEWAY),
];
