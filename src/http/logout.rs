//! Tokens that end sessions: `POST /logout/backchannel` (OpenID Connect Back-Channel Logout 1.0) and `POST /logout/caep`
//! (RFC 8935).

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use super::Phase;
use crate::{
    door::{
        attempts::Attempts,
        capacity::{Capacity, Of, Place},
        connections::Peer,
    },
    logout::{Kind, NotTaken, Outcome, Receiver, Refusal, Taken, Unavailable},
    seldom::Seldom,
    telemetry::{audit::Audit, metrics::Metrics},
};

/// A request is no larger, in bytes: tokens have some hundred, and a signature of the largest keys a thousand.
const MOST_BYTES: usize = 32 << 10;

/// When a sender may come again whose token could not be taken: what was in the way lasts for seconds mostly.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// Takes tokens at the door. Cheap to clone.
#[derive(Clone)]
pub struct Logouts(Arc<Inner>);

struct Inner {
    taker: Arc<Taker>,
    capacity: Arc<Capacity>,
    phase: watch::Receiver<Phase>,
    within: Duration,
    /// Tokens that are being taken. A sender that does not wait for the answer does not undo half a logout.
    under_way: Mutex<JoinSet<()>>,
}

/// What becomes of each token, and who is told of it.
struct Taker {
    receiver: Receiver,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    within: Duration,
    wrong: Attempts,
    refused: Seldom,
    put_off: Seldom,
}

/// What a sender is told.
enum Answer {
    /// It is done.
    Done,
    /// It is refused.
    Refused(Refusal),
    /// It is refused, and there were too many from there for so long.
    Limited(Refusal, Duration),
    /// It may come again.
    Later(&'static str),
}

impl Logouts {
    /// Takes tokens with this receiver, while there is room and the service is not draining, each within this time.
    pub fn new(
        receiver: Receiver,
        capacity: Arc<Capacity>,
        phase: watch::Receiver<Phase>,
        within: Duration,
        metrics: Arc<Metrics>,
        audit: Arc<Audit>,
    ) -> Self {
        let taker = Taker {
            receiver,
            metrics,
            audit,
            within,
            wrong: Attempts::default(),
            refused: Seldom::default(),
            put_off: Seldom::default(),
        };
        Self(Arc::new(Inner { taker: Arc::new(taker), capacity, phase, within, under_way: Mutex::default() }))
    }

    /// Where tokens are taken.
    pub(super) fn routes(self) -> Router {
        let take = |kind| post(move |State(logouts): State<Self>, request| logouts.take(kind, request));
        Router::new()
            .route("/logout/backchannel", take(Kind::BackChannel))
            .route("/logout/caep", take(Kind::Caep))
            .with_state(self)
    }

    async fn take(self, kind: Kind, request: Request) -> Response {
        self.answer(kind, request).await.into_response(kind)
    }

    async fn answer(&self, kind: Kind, request: Request) -> Answer {
        let Inner { taker, capacity, phase, within, under_way } = &*self.0;
        let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
            return Answer::Later("nobody knows where this comes from");
        };
        if *phase.borrow() != Phase::Serving {
            return Answer::Later("this replica is starting or draining");
        }
        let Ok(place) = capacity.place(Of::Calls, peer.account()) else {
            return Answer::Later("too many tokens are being taken");
        };
        let token = timeout(*within, token(kind, request)).await.unwrap_or(Err(Refusal::INCOMPLETE));
        let (tell, told) = oneshot::channel();
        let taken = Arc::clone(taker).take(kind, token, peer, place, tell);
        {
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            while under_way.try_join_next().is_some() {}
            under_way.spawn(taken);
        }
        told.await.unwrap_or(Answer::Later("this replica is stopping"))
    }
}

impl fmt::Debug for Logouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logouts").finish_non_exhaustive()
    }
}

impl Taker {
    /// Takes a token, and tells its sender if they still wait.
    async fn take(
        self: Arc<Self>,
        kind: Kind,
        token: Result<String, Refusal>,
        peer: Arc<Peer>,
        place: Place,
        tell: oneshot::Sender<Answer>,
    ) {
        let taken = match token {
            Ok(token) => timeout(self.within, self.receiver.take(kind, &token)).await.unwrap_or_else(|_| {
                let cause = format!("it took longer than {:?} (limits.call_timeout)", self.within);
                Err(Unavailable(cause).into())
            }),
            Err(refusal) => Err(refusal.into()),
        };
        let answer = self.observed(kind, taken, &peer);
        drop(place);
        // Whoever left is not told.
        let _ = tell.send(answer);
    }

    /// What came of a token, after all who listen were told.
    fn observed(&self, kind: Kind, taken: Result<Taken, NotTaken>, peer: &Peer) -> Answer {
        let address: IpAddr = peer.address();
        let (outcome, answer) = match taken {
            Ok(taken) => {
                self.audit.logout_token(kind, taken, address);
                let outcome = Outcome::from(taken);
                tracing::info!(
                    kind = kind.name(),
                    %address,
                    outcome = outcome.name(),
                    sockets = taken.sockets(),
                    "{}",
                    words(taken)
                );
                (outcome, Answer::Done)
            }
            Err(NotTaken::Refused(refusal)) => {
                if let Some(tokens) = self.refused.again() {
                    tracing::warn!(
                        tokens,
                        kind = kind.name(),
                        %address,
                        cause = refusal.words,
                        "logout tokens are refused; of several, this is the last one's cause"
                    );
                }
                match self.wrong.wrong(peer.network()) {
                    None => (Outcome::Refused, Answer::Refused(refusal)),
                    Some(wait) => (Outcome::Limited, Answer::Limited(refusal, wait)),
                }
            }
            Err(NotTaken::Unavailable(cause)) => {
                if let Some(tokens) = self.put_off.again() {
                    tracing::warn!(
                        tokens,
                        kind = kind.name(),
                        %address,
                        %cause,
                        "logout tokens cannot be taken now: their senders are told to come again, and who does not leaves \
                         people logged in"
                    );
                }
                (
                    Outcome::Unavailable,
                    Answer::Later("the sessions cannot be ended now; the service's log has the cause"),
                )
            }
        };
        self.metrics.logout_token(kind, outcome);
        answer
    }
}

/// What the log says of a token.
fn words(taken: Taken) -> &'static str {
    match taken {
        Taken::Ended(_) => "a logout token was taken, and the sessions that it ends are destroyed",
        Taken::Nobody => {
            "a logout token was taken, and ended nothing: logout.match holds for no open socket. Whoever it is about has \
             none open, or logout.match compares what is not the same (docs/logout.md)"
        }
        Taken::Ignored => "a logout token was taken, and ended nothing: it is about another kind of event",
        Taken::Repeated => "a logout token was taken before, and its sender was told so again",
    }
}

/// The token in a request.
async fn token(kind: Kind, request: Request) -> Result<String, Refusal> {
    let (content_type, wrong) = match kind {
        Kind::BackChannel => ("application/x-www-form-urlencoded", Refusal::NO_TOKEN),
        Kind::Caep => ("application/secevent+jwt", Refusal::NO_SET),
    };
    if !is_of_type(request.headers(), content_type) {
        return Err(wrong);
    }
    let body: Bytes = match Limited::new(request.into_body(), MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Refusal::TOO_LARGE),
        Err(_) => return Err(Refusal::INCOMPLETE),
    };
    match kind {
        Kind::Caep => String::from_utf8(body.into()).map_err(|_| wrong),
        Kind::BackChannel => {
            // Others may be there, and are not looked at (Back-Channel Logout, 2.5).
            let mut tokens = form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token");
            match (tokens.next(), tokens.next()) {
                (Some((_, token)), None) => Ok(token.into_owned()),
                _ => Err(wrong),
            }
        }
    }
}

/// Whether the body is of this media type; what parameters say of it is not looked at.
fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

impl Answer {
    fn into_response(self, kind: Kind) -> Response {
        let (status, wait, code, words) = match self {
            Self::Done => (done(kind), None, "", ""),
            Self::Refused(refusal) => {
                let is_too_large = refusal == Refusal::TOO_LARGE;
                let status =
                    if is_too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
                (status, None, code(kind, refusal), refusal.words)
            }
            Self::Limited(refusal, wait) => {
                (StatusCode::TOO_MANY_REQUESTS, Some(wait), code(kind, refusal), refusal.words)
            }
            Self::Later(words) => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(COME_AGAIN), "temporarily_unavailable", words)
            }
        };
        let mut response = if words.is_empty() {
            status.into_response()
        } else {
            let body = match kind {
                Kind::BackChannel => json!({"error": code, "error_description": words}),
                Kind::Caep => json!({"err": code, "description": words}),
            };
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                // RFC 8935, 2.3.
                (header::CONTENT_LANGUAGE, HeaderValue::from_static("en")),
            ];
            (status, headers, body.to_string()).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(wait.map(|wait| (header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)))));
        response
    }
}

fn done(kind: Kind) -> StatusCode {
    match kind {
        Kind::BackChannel => StatusCode::OK,
        Kind::Caep => StatusCode::ACCEPTED,
    }
}

/// OAuth's only code for a request that is wrong, or RFC 8935's, which tell more.
fn code(kind: Kind, refusal: Refusal) -> &'static str {
    match kind {
        Kind::BackChannel => "invalid_request",
        Kind::Caep => refusal.code.name(),
    }
}
