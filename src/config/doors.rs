//! `[grpc]` and `[http]`: where the service listens.

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

pub(super) const GRPC_ADDR: Setting = Setting {
    name: "grpc.addr",
    kind: Kind::Address,
    default: Some("127.0.0.1:50051"),
    about: "Where gateways call the gRPC API. Any other address than one of this machine's own loopback needs \
            `callers.tokens`, `callers.certificates` or `callers.allow_anonymous`.",
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

    /// Whether only this machine can reach it.
    pub(super) fn is_of_this_machine(&self) -> bool {
        self.addr.ip().to_canonical().is_loopback()
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
            `grpc.health.v1` for probes that speak no TLS; with `[logout]` also `/logout/backchannel` and `/logout/caep`.",
};

impl Http {
    pub(super) const SETTINGS: &[&Setting] = &[&HTTP_ADDR];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { addr: reader.address(&HTTP_ADDR) }
    }
}
