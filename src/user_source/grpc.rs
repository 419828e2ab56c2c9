//! `grpc://`, `grpcs://`: the app serves `UserSourceService`.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use prost_types::{Struct, Value as ProtoValue, value::Kind};
use secrecy::ExposeSecret as _;
use serde_json::{Number, Value};
use tokio::time::Instant;
use tonic::{
    Code, ConnectError, Request, Status, TimeoutExpired,
    metadata::AsciiMetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error},
};

use self::pb::{ResolveUserRequest, user_source_service_client::UserSourceServiceClient};
use super::{
    Fields,
    lookup::{Failure, Found, Lookup, MAX_USER_BYTES},
};
use crate::{
    causes::{causes, chain, is_timeout},
    config::{
        user::{Asking, Credentials},
        user_url::GrpcUrl,
    },
};

/// The messages and the service, made from `proto/` by `build.rs`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the comments are in the proto"
)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/asked/socketpass.v1.rs"));
}

/// A connection over which nothing comes is asked whether the app is still there, so that one that was cut off without a word
/// is not waited for again and again: by HTTP/2 while somebody waits, and no oftener than servers of gRPC bear with; else by
/// TCP.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Asks the app over gRPC.
pub struct GrpcUsers {
    url: GrpcUrl,
    /// Why there is none is a fault of each question, and none of the start.
    connection: Result<(Endpoint, UserSourceServiceClient<Channel>), String>,
    authorization: Option<AsciiMetadataValue>,
}

impl GrpcUsers {
    /// Connects when it is asked.
    pub fn open(url: GrpcUrl, credentials: &Credentials, asking: &Asking) -> Self {
        let connection =
            endpoint(&url, credentials, asking).map_err(|error| causes(&error)).map(|endpoint| {
                let client = UserSourceServiceClient::new(endpoint.connect_lazy());
                (endpoint, client.max_decoding_message_size(MAX_USER_BYTES))
            });
        let authorization = credentials.authorization.as_ref().and_then(|secret| {
            let mut value = AsciiMetadataValue::try_from(secret.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { url, connection, authorization }
    }

    fn connection(&self) -> Result<&(Endpoint, UserSourceServiceClient<Channel>), Failure> {
        self.connection.as_ref().map_err(Failure::unreachable)
    }
}

fn endpoint(url: &GrpcUrl, credentials: &Credentials, asking: &Asking) -> Result<Endpoint, Error> {
    let scheme = if url.tls { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", url.authority))?
        .connect_timeout(asking.timeout)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(asking.timeout)
        .tcp_keepalive(Some(PING_EVERY))
        .tcp_nodelay(true);
    if url.tls {
        let tls = ClientTlsConfig::new();
        endpoint = endpoint.tls_config(match &credentials.authorities {
            Some(authorities) => tls.ca_certificate(Certificate::from_pem(&authorities.pem)),
            None => tls.with_native_roots(),
        })?;
    }
    Ok(endpoint)
}

/// What tonic's words begin with when it cannot read a message.
const UNREADABLE: &str = "failed to decode Protobuf message";

/// What kind of failure a status is. One that the app sent has no source; one that the transport made has.
fn failure(status: &Status) -> Failure {
    if let Some(source) = status.source() {
        let cause = format!("{:?}: {}", status.code(), causes(source));
        return if is_timeout(source) || chain(source).any(|error| error.is::<TimeoutExpired>()) {
            Failure::timed_out(cause)
        } else if chain(source).any(|error| error.is::<ConnectError>()) {
            Failure::unreachable(cause)
        } else {
            Failure::Died(cause)
        };
    }
    // The app's own words may be about the user.
    let cause = || format!("the app answered {:?}", status.code());
    match status.code() {
        Code::Internal if status.message().starts_with(UNREADABLE) => Failure::unusable(
            "what the user source answered is no user, or one nested deeper than 24 levels",
            cause(),
        ),
        // The app was told how long there is; tonic's servers have the other word for it.
        Code::DeadlineExceeded | Code::Cancelled => Failure::timed_out(cause()),
        Code::OutOfRange => {
            Failure::unusable("the user is larger than 1 MiB, more than sockets can be told of", cause())
        }
        Code::Unauthenticated | Code::PermissionDenied => Failure::refused(
            "the user source refuses socketpass (UNAUTHENTICATED or PERMISSION_DENIED): is user.authorization right?",
            cause(),
        ),
        Code::Unimplemented => Failure::refused(
            "what answers does not serve socketpass.v1.UserSourceService: is user.source right?",
            cause(),
        ),
        _ => Failure::refused("the user source failed: the app's log has the cause", cause()),
    }
}

/// A message as JSON. How deep it nests the decoder has bounded; JSON knows neither infinity nor NaN.
fn fields(object: Struct) -> Option<Fields> {
    object.fields.into_iter().map(|(name, member)| Some((name, json(member)?))).collect()
}

fn json(value: ProtoValue) -> Option<Value> {
    Some(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => Value::Number(Number::from_f64(number)?),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => {
            Value::Array(list.values.into_iter().map(json).collect::<Option<_>>()?)
        }
        Some(Kind::StructValue(object)) => Value::Object(fields(object)?),
    })
}

#[async_trait]
impl Lookup for GrpcUsers {
    async fn ask(&self, id: &str, deadline: Instant) -> Result<Option<Found>, Failure> {
        let mut request = Request::new(ResolveUserRequest { id: id.to_owned() });
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let (_, client) = self.connection()?;
        let response = match client.clone().resolve_user(request).await {
            Ok(response) => response.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(failure(&status)),
        };
        let Some(user) = response.user else {
            return Err(Failure::unusable(
                "the user source answered without a user: that there is none is the status NOT_FOUND",
                "no user",
            ));
        };
        let fields = fields(user).ok_or_else(|| {
            Failure::unusable("the user has a number that JSON cannot say", "infinity or NaN")
        })?;
        Ok(Some(Found { fields: Arc::new(fields) }))
    }

    async fn reach(&self) -> Result<(), Failure> {
        let (endpoint, _) = self.connection()?;
        endpoint.connect().await.map(drop).map_err(|error| Failure::unreachable(causes(&error)))
    }

    fn name(&self) -> &'static str {
        "grpc"
    }

    fn url(&self) -> String {
        self.url.to_string()
    }

    fn place(&self, id: &str) -> String {
        id.to_owned()
    }

    fn when_missing(&self) -> &'static str {
        "the app answered NOT_FOUND: they have been removed since they logged in"
    }
}

impl fmt::Debug for GrpcUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcUsers").field("url", &self.url).finish_non_exhaustive()
    }
}
