//! The gRPC door: what comes in is checked and turned into the domain's own types here, and decisions into messages.

use tonic::{service::Routes, transport::Server};
use tonic_reflection::server::{Builder as Reflection, Error as ReflectionError};
use tower::layer::util::{Identity, Stack};

mod authorization;
mod calls;
pub mod codec;
pub mod convert;
pub mod health;
mod observed;
mod registry;
mod report;

pub use self::{authorization::Authorization, calls::Calls, observed::Observed, registry::RegistryDoor};

/// The API's messages and services, made from `proto/` by `build.rs`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the comments are in the proto"
)]
pub mod pb {
    tonic::include_proto!("socketpass.v1");
}

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Calls that one connection may have under way at once: enough for a gateway whose clients all come back, each call taking
/// a millisecond or two, and with the size of a message a bound on what one peer can have us hold.
const STREAMS_PER_CONNECTION: u32 = 256;

/// A peer that is silent for this long is asked whether it is there, and dropped when it does not say so in time.
const KEEPALIVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// A server with this project's limits, ready for its services.
pub fn server(observed: Observed, calls: Calls) -> Server<Stack<Calls, Stack<Observed, Identity>>> {
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .layer(observed)
        .layer(calls)
}

/// Adds the services that describe the API, so that tools need no proto files.
pub fn add_reflection(routes: Routes) -> Result<Routes, ReflectionError> {
    let builder = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}
