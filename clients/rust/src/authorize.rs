//! From a handshake to whoever comes in, or is turned away.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
    time::Duration,
};

use prost::Message as _;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::{Code, Request, Status};

use crate::{
    admission::Admission,
    client::SocketPass,
    decision::{Attempt, Decision, Rejection, Verdict},
    handshake::Handshake,
    proto::{AuthorizeRequest, authorization_service_client::AuthorizationServiceClient},
    settings::{Hook, OnUnavailable},
    user::User,
};

/// A replica that goes answers UNAVAILABLE; the next one has the answer.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// As large a handshake may be, as a message.
const HANDSHAKE_BYTES: usize = 256 * 1024;

const PANICKED: &str = "it panicked";

impl SocketPass {
    /// Asks about a handshake. The integrations do it by themselves; call it for sockets of another library.
    ///
    /// # Errors
    ///
    /// When they are to be turned away, with what to tell them.
    pub async fn authorize(&self, handshake: Handshake) -> Result<Admission, Rejection> {
        let facts = handshake.facts();
        if self.tracked().are_ending() {
            return Err(Rejection::while_closing());
        }
        let asked = self.ask(&handshake).await;
        if self.tracked().are_ending() {
            return Err(Rejection::while_closing());
        }
        let (decision, standing) = match asked {
            Ok(decision) if decision.accepted => (decision, Standing::Accepted),
            Ok(decision) if decision.is_fault() && self.accepts_anyway() => (decision, Standing::LetIn),
            Ok(decision) => (decision, Standing::Rejected),
            Err(Undecided::OwnMistake) => (Decision::none(), Standing::Barred),
            Err(Undecided::Unavailable) if self.accepts_anyway() => (Decision::none(), Standing::LetIn),
            Err(Undecided::Unavailable) => (Decision::none(), Standing::Rejected),
        };
        let verdict = match standing {
            Standing::Accepted => {
                let said = self.hear("success", self.settings().success.as_ref(), &decision, handshake).await;
                said.ok_or_else(|| Rejection::by_decision(Decision::none()))?
            }
            Standing::LetIn => Verdict::Stands,
            Standing::Rejected | Standing::Barred => {
                let said = self.hear("fail", self.settings().fail.as_ref(), &decision, handshake).await;
                said.unwrap_or(Verdict::Stands)
            }
        };
        match (standing, verdict) {
            (Standing::Accepted, Verdict::Reject(message)) => Err(Rejection::by_application(message)),
            (Standing::Accepted, _) => {
                let user = decision.user.clone();
                Ok(Admission::new(self.clone(), decision, user, facts))
            }
            (Standing::LetIn, _) | (Standing::Rejected, Verdict::Accept) => {
                Ok(Admission::new(self.clone(), decision, User::anonymous(), facts))
            }
            (_, Verdict::Reject(message)) => Err(Rejection::by_decision(Decision { message, ..decision })),
            (_, Verdict::Stands | Verdict::Accept) => Err(Rejection::by_decision(decision)),
        }
    }

    fn accepts_anyway(&self) -> bool {
        self.settings().on_unavailable == OnUnavailable::Accept
    }

    async fn ask(&self, handshake: &Handshake) -> Result<Decision, Undecided> {
        let (asked, of) = match self.question(handshake) {
            Ok(question) => (self.call(question).await, Of::Service),
            Err(status) => (Err(status), Of::Client),
        };
        let code = asked.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let own_mistake = matches!(
            code,
            Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented
        );
        if let Err(status) = &asked
            && self.undecided().is_due((of, code))
        {
            tell(status);
        }
        asked.map_err(|_| if own_mistake { Undecided::OwnMistake } else { Undecided::Unavailable })
    }

    /// What the application says; none if it fails to say it, or not in time. Without a hook the decision stands.
    async fn hear(
        &self,
        name: &str,
        hook: Option<&Hook>,
        decision: &Decision,
        handshake: Handshake,
    ) -> Option<Verdict> {
        let Some(hook) = hook else { return Some(Verdict::Stands) };
        let attempt = Attempt { decision: decision.clone(), handshake };
        let said = async {
            let mut saying = catch_unwind(AssertUnwindSafe(|| hook(attempt))).map_err(|_| PANICKED)?;
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| saying.as_mut().poll(cx))) {
                Ok(poll) => poll,
                Err(_) => Poll::Ready(Err(PANICKED.into())),
            })
            .await
        };
        match timeout(self.settings().timeout, said)
            .await
            .unwrap_or_else(|_| Err("it said nothing in time".into()))
        {
            Ok(verdict) => Some(verdict),
            Err(error) => {
                tracing::error!("the hook `{name}` failed, so the handshake is rejected: {error}");
                None
            }
        }
    }

    /// Whoever sends a handshake that the service would not read must not have it taken for a service that is away.
    fn question(&self, handshake: &Handshake) -> Result<AuthorizeRequest, Status> {
        if handshake.is_auth_too_much() {
            return Err(Status::invalid_argument("`auth` has more than 64 KiB or 24 levels"));
        }
        let question = AuthorizeRequest {
            handshake: Some(handshake.to_proto()),
            gateway_id: self.gateway_id().to_owned(),
        };
        match question.encoded_len() {
            ..=HANDSHAKE_BYTES => Ok(question),
            bytes => Err(Status::invalid_argument(format!("the handshake has {bytes} bytes"))),
        }
    }

    /// Repeated while the service is UNAVAILABLE, as long as there is time.
    async fn call(&self, message: AuthorizeRequest) -> Result<Decision, Status> {
        let deadline = Instant::now() + self.settings().timeout;
        let mut last = Status::deadline_exceeded("no answer in time");
        let tries = async {
            let mut pause = FIRST_PAUSE;
            for tried in 1.. {
                let mut request = Request::new(message.clone());
                request.set_timeout(deadline - Instant::now());
                match AuthorizationServiceClient::new(self.replicas()).authorize(request).await {
                    Ok(response) => return Ok(response.into_inner().into()),
                    Err(status) if is_unavailable(&status) && tried < TRIES => last = status,
                    Err(status) => return Err(status),
                }
                sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
                pause *= 2;
            }
            Err(Status::unavailable("not asked"))
        };
        match timeout_at(deadline, tries).await {
            Ok(answer) => answer,
            Err(_) => Err(last),
        }
    }
}

/// Where a handshake stands before the application is asked.
#[derive(Clone, Copy)]
enum Standing {
    Accepted,
    /// By `on_unavailable`.
    LetIn,
    Rejected,
    /// This program's own mistake: nobody gets in until it is mended.
    Barred,
}

/// Whose word it is that there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    Client,
    Service,
}

/// Why there is no decision.
enum Undecided {
    Unavailable,
    OwnMistake,
}

fn tell(status: &Status) {
    let (code, message) = (status.code(), status.message());
    match code {
        Code::Unauthenticated | Code::PermissionDenied => tracing::error!(
            "handshakes are rejected: socketpass does not let this process ask: {message} ({code:?}); see `token` and `tls`"
        ),
        Code::Unimplemented => {
            tracing::error!(
                "handshakes are rejected: {message} ({code:?}); this is no socketpass: see `address`"
            );
        }
        Code::InvalidArgument => {
            tracing::error!("a handshake is rejected that socketpass cannot read: {message}");
        }
        _ => tracing::warn!(
            "handshakes are not decided: {message} ({code:?}); is socketpass away? else see `address` and `tls`"
        ),
    }
}

/// A connection that breaks in the middle of an answer has the codes of HTTP/2, but it is as good as no answer.
fn is_unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}
