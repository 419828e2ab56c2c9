//! Asks other services over HTTP/1.1: with connections that are kept, and nothing done that was not asked for. Redirects are
//! not followed, answers not decompressed, proxy variables not looked at, and nothing is asked twice.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tower::{Service as _, ServiceExt as _};

use crate::causes::{causes, chain, is_timeout};

/// Node closes a connection that nothing came over for five seconds. One that is about to be closed is not used any more.
const IDLE: Duration = Duration::from_secs(4);

type Connector = HttpsConnector<HttpConnector>;

/// A client for one server.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<Connector, Empty<Bytes>>,
    connector: Connector,
}

/// Why there is no answer. What is said of it is the driver's words, for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What answers speaks no HTTP.
    #[error("what answers speaks no HTTP: {0}")]
    NoHttp(String),
    /// Time ran out for a connection.
    #[error("{0}")]
    TimedOut(String),
    /// There is no connection.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke before the answer was there.
    #[error("{0}")]
    Died(String),
    /// The answer is larger than it may be.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl HttpClient {
    /// Connects when it is asked. So many connections are kept while nothing is asked.
    pub fn new(tls: &Arc<ClientConfig>, connect_timeout: Duration, kept: usize) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let connector = Connector::from((tcp, Arc::clone(tls)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(kept)
            .build(connector.clone());
        Self { client, connector }
    }

    /// Asks for JSON, with these headers too.
    pub async fn get(&self, uri: Uri, headers: HeaderMap) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("socketpass/", env!("CARGO_PKG_VERSION"))),
        );
        self.client.request(request).await.map_err(|error| failure(&error))
    }

    /// Looks whether the server can be reached, without asking for anything.
    pub async fn reach(&self, uri: Uri) -> Result<(), Failure> {
        let mut connector = self.connector.clone();
        let connecting = async { connector.ready().await?.call(uri).await };
        connecting.await.map(drop).map_err(|error| Failure::Unreachable(causes(&*error)))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// The whole of an answer, if it is no larger than this, in bytes.
pub async fn read(body: Incoming, most: usize) -> Result<Bytes, Failure> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge(most)),
        Err(error) => Err(failure(&*error)),
    }
}

/// What kind of failure it is that no answer came.
fn failure(error: &(dyn StdError + 'static)) -> Failure {
    if chain(error).any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)) {
        Failure::NoHttp(causes(error))
    } else if is_timeout(error) {
        Failure::TimedOut(causes(error))
    } else if chain(error).any(|error| error.downcast_ref::<Error>().is_some_and(Error::is_connect)) {
        Failure::Unreachable(causes(error))
    } else {
        Failure::Died(causes(error))
    }
}
