//! `http://`, `https://`: the app answers for each user under a URL of its own.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tower::{Service as _, ServiceExt as _};

use super::lookup::{
    Failure, Found, Lookup, MAX_USER_BYTES, causes, chain, is_timeout, too_large, user_of_json,
};
use crate::config::{
    user::{Asking, Credentials},
    user_url::HttpUrl,
};

/// Node closes a connection that nothing came over for five seconds. One that is about to be closed is not used any more.
const IDLE: Duration = Duration::from_secs(4);

type Connector = HttpsConnector<HttpConnector>;

/// Gets users over HTTP/1.1.
pub struct HttpUsers {
    url: HttpUrl,
    client: Client<Connector, Empty<Bytes>>,
    connector: Connector,
    authorization: Option<HeaderValue>,
}

impl HttpUsers {
    /// Connects when it is asked.
    pub fn open(url: HttpUrl, credentials: &Credentials, asking: &Asking) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(asking.timeout));
        let connector = Connector::from((tcp, Arc::clone(&credentials.tls)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(asking.max_requests)
            .build(connector.clone());
        let authorization = credentials.authorization.as_ref().and_then(|secret| {
            let mut value = HeaderValue::from_str(secret.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { url, client, connector, authorization }
    }

    fn uri(&self, id: &str) -> Result<Uri, Failure> {
        let not_in_url = "the id in passport.user cannot stand in a URL's path";
        let url = self.url.of(id).map_err(|error| Failure::unusable(not_in_url, error.to_string()))?;
        url.parse().map_err(|_| Failure::unusable(not_in_url, "it makes no URL"))
    }
}

async fn read(body: Incoming) -> Result<Bytes, Failure> {
    match Limited::new(body, MAX_USER_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(failure(&*error)),
    }
}

/// What kind of failure it is that no answer came.
fn failure(error: &(dyn StdError + 'static)) -> Failure {
    if chain(error).any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)) {
        Failure::refused("what answers speaks no HTTP: is user.source right?", causes(error))
    } else if is_timeout(error) {
        Failure::timed_out(causes(error))
    } else if chain(error).any(|error| error.downcast_ref::<Error>().is_some_and(Error::is_connect)) {
        Failure::unreachable(causes(error))
    } else {
        Failure::Died(causes(error))
    }
}

/// What the app said in place of a user or a 404.
fn refused(status: StatusCode) -> Failure {
    let words = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "the user source refuses socketpass (401 or 403): is user.authorization right?"
        }
        status if status.is_redirection() => {
            "the user source redirects elsewhere, which is not followed: user.source has to be the URL that answers"
        }
        status if status.is_server_error() => "the user source failed (5xx): the app's log has the cause",
        _ => "the user source answered neither 200 with the user nor 404: is user.source right?",
    };
    Failure::refused(words, format!("it answered {}", status.as_u16()))
}

#[async_trait]
impl Lookup for HttpUsers {
    async fn ask(&self, id: &str, _deadline: Instant) -> Result<Option<Found>, Failure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri(id)?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("socketpass/", env!("CARGO_PKG_VERSION"))),
        );
        headers.extend(self.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
        let response = self.client.request(request).await.map_err(|error| failure(&error))?;
        match response.status() {
            StatusCode::OK => user_of_json(&read(response.into_body()).await?).map(Some),
            // The status says it all. The page that comes with it may take its time: the connection is kept if it has come.
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(refused(status)),
        }
    }

    async fn reach(&self) -> Result<(), Failure> {
        let mut connector = self.connector.clone();
        let connecting = async { connector.ready().await?.call(self.uri("0").unwrap_or_default()).await };
        connecting.await.map(drop).map_err(|error| Failure::unreachable(causes(&*error)))
    }

    fn name(&self) -> &'static str {
        "http"
    }

    fn url(&self) -> String {
        self.url.to_string()
    }

    fn place(&self, id: &str) -> String {
        self.uri(id).map(|uri| uri.path().to_owned()).unwrap_or_default()
    }

    fn when_missing(&self) -> &'static str {
        "the app answered 404: is user.source the right URL? Otherwise they have been removed since they logged in"
    }
}

impl fmt::Debug for HttpUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUsers").field("url", &self.url).finish_non_exhaustive()
    }
}
