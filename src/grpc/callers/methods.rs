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

/// Who sends how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One message each.
    Unary,
    /// One message is answered with a stream that comes to its end.
    Answers,
    /// One message is answered with a stream that goes on until somebody ends it.
    Watch,
    /// A stream each, until the client ends its own.
    Conversation,
}

/// A method.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// `/package.Service/Method`, as in the request.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Who sends how much.
    pub kind: Kind,
}

impl Method {
    /// Where in the table the method of this path is; what is not in it does not exist.
    pub fn place(path: &str) -> Option<usize> {
        METHODS.iter().position(|method| method.path == path)
    }

    /// Its name without package and service.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// The name by which its calls are counted: of services of others, the service's.
    pub fn label(&self) -> &'static str {
        match self.path.strip_prefix("/grpc.").and_then(|path| path.split('/').next()) {
            Some(service) => service.rsplit('.').next().unwrap_or(service),
            None => self.name(),
        }
    }
}

const OPEN: Access = Access::Open;
const GATEWAY: Access = Access::Role(Role::Gateway);
const ADMIN: Access = Access::Role(Role::Admin);

const fn unary(path: &'static str, access: Access) -> Method {
    Method { path, access, kind: Kind::Unary }
}

const fn answers(path: &'static str, access: Access) -> Method {
    Method { path, access, kind: Kind::Answers }
}

const fn watch(path: &'static str, access: Access) -> Method {
    Method { path, access, kind: Kind::Watch }
}

const fn conversation(path: &'static str, access: Access) -> Method {
    Method { path, access, kind: Kind::Conversation }
}

/// The table, the ones that are called most first.
pub const METHODS: [Method; 16] = [
    unary("/socketpass.v1.AuthorizationService/Authorize", GATEWAY),
    conversation("/socketpass.v1.RegistryService/Report", GATEWAY),
    answers("/socketpass.v1.RegistryService/FilterSockets", GATEWAY),
    unary("/socketpass.v1.RegistryService/CountSockets", GATEWAY),
    watch("/socketpass.v1.RegistryService/WatchSockets", GATEWAY),
    answers("/socketpass.v1.RegistryService/SendToSockets", GATEWAY),
    answers("/socketpass.v1.RegistryService/DisconnectSockets", ADMIN),
    unary("/socketpass.v1.RegistryService/EndSessions", ADMIN),
    watch("/socketpass.v1.RegistryService/WatchSessionEnds", ADMIN),
    unary("/socketpass.v1.RegistryService/ExplainFilter", ADMIN),
    unary("/socketpass.v1.RegistryService/ListGateways", ADMIN),
    unary("/socketpass.v1.AuthorizationService/Explain", ADMIN),
    unary("/grpc.health.v1.Health/Check", OPEN),
    watch("/grpc.health.v1.Health/Watch", OPEN),
    // Every role includes that of a gateway.
    conversation("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", GATEWAY),
    conversation("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", GATEWAY),
];
