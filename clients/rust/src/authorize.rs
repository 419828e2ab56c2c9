//! From a handshake to whoever comes in, or is turned away.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};
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

impl SocketPass {
    /// Asks about a handshake. The integrations do it by themselves; call it for sockets of another library.
    ///
    /// # Errors
    ///
    /// When they are to be turned away, with what to tell them.
    pub async fn authorize(&self, handshake: Handshake) -> Result<Admission, Rejection> {
        let facts = handshake.facts();
        let (decision, standing) = match self.ask(&handshake).await {
            Ok(decision) if decision.accepted => (decision, Standing::Accepted),
            Ok(decision) if decision.is_fault() && self.accepts_anyway() => (decision, Standing::LetIn),
            Ok(decision) => (decision, Standing::Rejected),
            Err(Undecided::OwnMistake) => (Decision::none(), Standing::Barred),
            Err(Undecided::Unavailable) if self.accepts_anyway() => (Decision::none(), Standing::LetIn),
            Err(Undecided::Unavailable) => (Decision::none(), Standing::Rejected),
        };
        let verdict = match standing {
            Standing::Accepted => {
                hear("success", self.settings().success.as_ref(), &decision, handshake).await
            }
            Standing::LetIn => Verdict::Stands,
            Standing::Rejected | Standing::Barred => {
                hear("fail", self.settings().fail.as_ref(), &decision, handshake).await
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
        let asked = self.call(handshake).await;
        let code = asked.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let own_mistake = matches!(
            code,
            Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented
        );
        if self.authorize_log().is_new(code)
            && let Err(status) = &asked
        {
            tell(status);
        }
        asked.map_err(|_| if own_mistake { Undecided::OwnMistake } else { Undecided::Unavailable })
    }

    /// Repeated while the service is UNAVAILABLE, as long as there is time.
    async fn call(&self, handshake: &Handshake) -> Result<Decision, Status> {
        let deadline = Instant::now() + self.settings().timeout;
        let message = AuthorizeRequest {
            handshake: Some(handshake.to_proto()),
            gateway_id: self.gateway_id().to_owned(),
        };
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

/// Why there is no decision.
enum Undecided {
    Unavailable,
    OwnMistake,
}

/// How asking went the last time, so that a cause is told once and not for each handshake.
pub(crate) struct AuthorizeLog(Mutex<Code>);

impl Default for AuthorizeLog {
    fn default() -> Self {
        Self(Mutex::new(Code::Ok))
    }
}

impl AuthorizeLog {
    fn is_new(&self, code: Code) -> bool {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), code) != code
    }
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

/// What the application says. Without a hook the decision stands; one that fails rejects.
async fn hear(name: &str, hook: Option<&Hook>, decision: &Decision, handshake: Handshake) -> Verdict {
    let Some(hook) = hook else { return Verdict::Stands };
    let attempt = Attempt { decision: decision.clone(), handshake };
    let panicked = || Err("it panicked".into());
    let said = match catch_unwind(AssertUnwindSafe(|| hook(attempt))) {
        Ok(mut saying) => {
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| saying.as_mut().poll(cx))) {
                Ok(poll) => poll,
                Err(_) => Poll::Ready(panicked()),
            })
            .await
        }
        Err(_) => panicked(),
    };
    said.unwrap_or_else(|error| {
        tracing::error!("the hook `{name}` failed, so the handshake is rejected: {error}");
        Verdict::Reject(if decision.accepted {
            "Authorization failed".into()
        } else {
            decision.message.clone()
        })
    })
}
