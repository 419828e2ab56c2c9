//! The gRPC door: who may call what, TLS, and how much is taken.

use socketpass::{
    config::callers::hash_of,
    grpc::pb::{CountSocketsRequest, registry_service_client::RegistryServiceClient},
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

mod callers;
mod limits;
mod tls;

/// What `socketpass token` writes of a token.
pub fn settings_of(token: &str, name: &str, role: &str) -> serde_json::Value {
    serde_json::json!({"name": name, "role": role, "hash": hash_of(token)})
}

#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Bearer {
    fn of(token: &str) -> Self {
        Self((!token.is_empty()).then(|| format!("Bearer {token}").parse().unwrap()))
    }
}

pub type Registry = RegistryServiceClient<InterceptedService<Channel, Bearer>>;

/// Calls with this token; with none if it is empty.
pub fn registry(channel: Channel, token: &str) -> Registry {
    RegistryServiceClient::with_interceptor(channel, Bearer::of(token))
}

/// A call that needs the role gateway.
async fn count(registry: &mut Registry) -> Result<u64, Status> {
    counts(registry, "true").await
}

async fn counts(registry: &mut Registry, filter: &str) -> Result<u64, Status> {
    let request = CountSocketsRequest { filter: filter.to_owned(), ..CountSocketsRequest::default() };
    Ok(registry.count_sockets(request).await?.into_inner().total)
}
