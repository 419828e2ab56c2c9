//! The gRPC door: who may call what, TLS, and how much is taken.

use socketpass::grpc::pb::{CountSocketsRequest, registry_service_client::RegistryServiceClient};
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
fn settings_of(token: &str, name: &str, role: &str) -> serde_json::Value {
    use sha2::{Digest as _, Sha256};
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::json!({"name": name, "role": role, "hash": format!("sha256:{hash}")})
}

#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

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

type Registry = RegistryServiceClient<InterceptedService<Channel, Bearer>>;

/// Calls with this token; with none if it is empty.
fn registry(channel: Channel, token: &str) -> Registry {
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
