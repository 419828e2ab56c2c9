//! The gRPC door: what comes in is checked and turned into the domain's own types here, and decisions into messages.

use tonic::service::Routes;
use tonic_reflection::server::{Builder as Reflection, Error as ReflectionError};

mod answers;
mod authorization;
pub mod callers;
mod calls;
pub mod codec;
mod context;
pub mod convert;
pub mod health;
pub mod intake;
mod observed;
mod read_ahead;
mod registry;
mod report;
mod retry;

pub use self::{
    authorization::Authorization,
    calls::{Calls, Draining},
    observed::Observed,
    registry::RegistryDoor,
};

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

/// The API's descriptors, a FileDescriptorSet.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Adds the services that describe the API, so that tools need no proto files.
pub fn add_reflection(routes: Routes) -> Result<Routes, ReflectionError> {
    let builder = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}
