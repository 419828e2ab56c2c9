//! `[grpc]` and `[http]`: where the service listens. `[callers]`: to whom.

use std::net::SocketAddr;

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};

/// `[grpc]`.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// Where gateways call.
    pub addr: SocketAddr,
    /// Whether the service describes itself.
    pub reflection: bool,
}

const GRPC_ADDR: Setting = Setting {
    name: "grpc.addr",
    kind: Kind::Address,
    default: Some("127.0.0.1:50051"),
    about: "Where gateways call the gRPC API. Any other address than one of this machine's own loopback needs \
            `callers.allow_anonymous`.",
};

const REFLECTION: Setting = Setting {
    name: "grpc.reflection",
    kind: Kind::Flag,
    default: Some("true"),
    about: "Whether the service describes its API over gRPC reflection, `v1` and `v1alpha`, so that tools such as grpcurl \
            need no proto files.",
};

impl Grpc {
    pub(super) const SETTINGS: &[&Setting] = &[&GRPC_ADDR, &REFLECTION];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { addr: reader.address(&GRPC_ADDR), reflection: reader.flag(&REFLECTION) }
    }
}

/// `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where probes and metrics are asked for.
    pub addr: SocketAddr,
}

const HTTP_ADDR: Setting = Setting {
    name: "http.addr",
    kind: Kind::Address,
    default: Some("127.0.0.1:8080"),
    about: "Where probes and metrics are served, in plaintext, over HTTP/1 and h2c: `/livez`, `/readyz`, `/metrics`, and \
            `grpc.health.v1` for probes that speak no TLS.",
};

impl Http {
    pub(super) const SETTINGS: &[&Setting] = &[&HTTP_ADDR];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { addr: reader.address(&HTTP_ADDR) }
    }
}

/// `[callers]`.
#[derive(Clone, Debug)]
pub struct Callers {
    /// Whether anybody who reaches `grpc.addr` may call.
    pub allow_anonymous: bool,
}

const ALLOW_ANONYMOUS: Setting = Setting {
    name: "callers.allow_anonymous",
    kind: Kind::Flag,
    default: Some("false"),
    about: "Whether anybody who reaches `grpc.addr` may call every method. Without it the service listens on loopback \
            only.",
};

impl Callers {
    pub(super) const SETTINGS: &[&Setting] = &[&ALLOW_ANONYMOUS];

    pub(super) fn read(reader: &mut Reader<'_>, grpc: &Grpc) -> Self {
        let allow_anonymous = reader.flag(&ALLOW_ANONYMOUS);
        if !allow_anonymous && !grpc.addr.ip().to_canonical().is_loopback() {
            let problem = format!(
                "{} is reachable from other machines, and anybody there could ask who a session belongs to: listen on \
                 loopback, or set callers.allow_anonymous = true if the network lets only gateways in",
                grpc.addr
            );
            reader.fault(&GRPC_ADDR, problem);
        }
        Self { allow_anonymous }
    }
}
