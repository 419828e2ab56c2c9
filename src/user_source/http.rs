//! `http://`, `https://`: the app answers for each user under a URL of its own.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::lookup::{Failure, Found, Lookup, MAX_USER_BYTES, too_large, user_of_json};
use crate::{
    config::{
        user::{Asking, Credentials},
        user_url::HttpUrl,
    },
    http_client::{self, HttpClient, read},
};

/// Gets users over HTTP/1.1.
pub struct HttpUsers {
    url: HttpUrl,
    client: HttpClient,
    headers: HeaderMap,
}

impl HttpUsers {
    /// Connects when it is asked.
    pub fn open(url: HttpUrl, credentials: &Credentials, asking: &Asking) -> Self {
        let client = HttpClient::new(&credentials.tls, asking.timeout, asking.max_requests);
        let authorization = credentials.authorization.as_ref().and_then(|secret| {
            let mut value = HeaderValue::from_str(secret.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some((header::AUTHORIZATION, value))
        });
        Self { url, client, headers: authorization.into_iter().collect() }
    }

    fn uri(&self, id: &str) -> Result<Uri, Failure> {
        let not_in_url = "the id in passport.user cannot stand in a URL's path";
        let url = self.url.of(id).map_err(|error| Failure::unusable(not_in_url, error.to_string()))?;
        url.parse().map_err(|_| Failure::unusable(not_in_url, "it makes no URL"))
    }
}

impl From<http_client::Failure> for Failure {
    fn from(failure: http_client::Failure) -> Self {
        match failure {
            http_client::Failure::NoHttp(cause) => {
                Self::refused("what answers speaks no HTTP: is user.source right?", cause)
            }
            http_client::Failure::TimedOut(cause) => Self::timed_out(cause),
            http_client::Failure::Unreachable(cause) => Self::unreachable(cause),
            http_client::Failure::Died(cause) => Self::Died(cause),
            http_client::Failure::TooLarge(_) => too_large(),
        }
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
        let response = self.client.get(self.uri(id)?, self.headers.clone()).await?;
        match response.status() {
            StatusCode::OK => user_of_json(&read(response.into_body(), MAX_USER_BYTES).await?).map(Some),
            // The status says it all. The page that comes with it may take its time: the connection is kept if it has come.
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(refused(status)),
        }
    }

    async fn reach(&self) -> Result<(), Failure> {
        Ok(self.client.reach(self.uri("0").unwrap_or_default()).await?)
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
