//! The issuer's keys: fetched by a task of its own, so that whoever waits for them and leaves holds up nobody.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};
use rustls::ClientConfig;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{NotTaken, Refusal, Unavailable, jwk::KeySet, jws::Jws};
use crate::{
    config::logout::JwksUrl,
    http_client::{HttpClient, read},
    task,
};

/// A key that the issuer has withdrawn is trusted for so long at most while it answers.
const REFRESH: Duration = Duration::from_secs(300);

/// How often the keys are fetched at most, whatever tokens name: often enough that one signed with a new key can wait for it.
const AT_MOST_EVERY: Duration = Duration::from_secs(2);

/// When they could not be fetched, it is tried again after so long.
const AGAIN: Duration = Duration::from_secs(10);

/// How long fetching may take.
const WITHIN: Duration = Duration::from_secs(3);

/// How many tokens may wait for keys at once. Others are put off, so that whoever makes up names of keys does not take the
/// places of tokens whose keys are known.
const WAITING: usize = 32;

/// A set of keys is no larger, in bytes.
const MOST_BYTES: usize = 256 << 10;

/// The issuer's keys.
pub struct Keys {
    known: watch::Receiver<Known>,
    asked: Arc<Notify>,
    waiting: Semaphore,
    _fetching: AbortOnDropHandle<()>,
}

/// What is known.
#[derive(Debug, Default)]
struct Known {
    /// Those that came last.
    keys: Option<KeySet>,
    /// When the last attempt to fetch them began, and whether it failed.
    attempt: Option<(Instant, bool)>,
}

impl Keys {
    /// Those at this URL.
    pub fn of(url: JwksUrl, tls: &Arc<ClientConfig>) -> Self {
        let (known, asked) = (watch::Sender::new(Known::default()), Arc::new(Notify::new()));
        let source = Source { client: HttpClient::new(tls, WITHIN, 1), url };
        Self {
            known: known.subscribe(),
            asked: Arc::clone(&asked),
            waiting: Semaphore::new(WAITING),
            _fetching: task::owned(keep(source, known, asked)),
        }
    }

    /// Whether one of them has signed this token. If none is known that could have, they are fetched anew first.
    pub async fn verify(&self, jws: &Jws<'_>) -> Result<(), NotTaken> {
        let came = Instant::now();
        if let Some(verified) = self.verify_with_known(jws) {
            return Ok(verified?);
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            let cause = "the key that it names is not known, and too many others wait for such keys";
            return Err(Unavailable(cause.to_owned()).into());
        };
        self.asked.notify_one();
        let mut known = self.known.clone();
        let is_known = |known: &Known| known.keys.as_ref().is_some_and(|keys| keys.verify(jws).is_some());
        let is_asked = |known: &Known| known.attempt.is_some_and(|(begun, _)| begun >= came);
        let fetched = known.wait_for(|known| is_known(known) || is_asked(known)).await;
        let failed = fetched.map_or(true, |known| matches!(known.attempt, Some((_, true))));
        match self.verify_with_known(jws) {
            Some(verified) => Ok(verified?),
            None if failed => {
                let cause =
                    "the key that it names is not known, and logout.jwks_url does not answer with keys";
                Err(Unavailable(cause.to_owned()).into())
            }
            None => Err(Refusal::UNKNOWN_KEY.into()),
        }
    }

    fn verify_with_known(&self, jws: &Jws<'_>) -> Option<Result<(), Refusal>> {
        self.known.borrow().keys.as_ref().and_then(|keys| keys.verify(jws))
    }
}

/// Fetches keys when they are asked for, and from time to time.
async fn keep(source: Source, known: watch::Sender<Known>, asked: Arc<Notify>) {
    let mut has_failed = false;
    loop {
        let begun = Instant::now();
        let fetched = timeout(WITHIN, source.fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("no answer within {WITHIN:?}")));
        tell(&source.url, &fetched, has_failed);
        has_failed = fetched.is_err();
        known.send_modify(|known| {
            known.attempt = Some((begun, has_failed));
            // Those that are known stay while no others come: a logout that is refused would be lost.
            if let Ok(keys) = fetched {
                known.keys = Some(keys);
            }
        });
        let in_any_case = sleep_until(begun + if has_failed { AGAIN } else { REFRESH });
        tokio::select! {
            () = in_any_case => {}
            () = asked.notified() => sleep_until(begun + AT_MOST_EVERY).await,
        }
    }
}

/// Tells of an attempt, once of those that fail one after the other.
fn tell(url: &JwksUrl, fetched: &Result<KeySet, String>, has_failed: bool) {
    match fetched {
        Ok(keys) if keys.count() == 0 => {
            tracing::warn!(%url, "the issuer has no keys that a token could be signed with (logout.jwks_url)");
        }
        Ok(keys) if has_failed => {
            tracing::info!(%url, keys = keys.count(), "the issuer's keys are there again (logout.jwks_url)");
        }
        Ok(keys) => {
            tracing::debug!(%url, keys = keys.count(), "the issuer's keys were fetched");
        }
        Err(cause) if has_failed => {
            tracing::debug!(%url, cause, "the issuer's keys still cannot be fetched");
        }
        Err(cause) => {
            tracing::warn!(
                %url,
                cause,
                "the issuer's keys cannot be fetched: tokens are verified with those that are known, others have to come \
                 again; is logout.jwks_url right and reachable from here?"
            );
        }
    }
}

/// Where keys are fetched.
struct Source {
    client: HttpClient,
    url: JwksUrl,
}

impl Source {
    async fn fetch(&self) -> Result<KeySet, String> {
        let answer = self.client.get(self.url.uri(), HeaderMap::new()).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status().as_u16()));
        }
        let body = read(answer.into_body(), MOST_BYTES).await.map_err(|failure| failure.to_string())?;
        KeySet::parse(&body).ok_or_else(|| "what it answered is no set of keys (RFC 7517)".to_owned())
    }
}
