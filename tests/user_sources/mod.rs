//! Users who come from somewhere else than the session: every source, through the service, against real servers.

mod asking;
mod contract;
mod examples;
mod faults;
mod operation;
mod sql;

use std::time::Duration;

use serde_json::{Value, json};
use socketpass::grpc::{
    convert::{json_object, reason_name},
    pb::AuthorizeResponse,
};

use crate::support::{
    ANA_ID, cookie,
    redis::Redis,
    service::{Client, Service, authorize, explain, with_cookie},
};

/// A session of whoever has this `passport.user`.
fn session(passport_user: &Value) -> String {
    json!({"passport": {"user": passport_user}}).to_string()
}

/// A service with this source, and a session in its store.
struct Asked {
    sessions: Redis,
    service: Service,
    client: Client,
}

impl Asked {
    async fn of(source: &str, settings: &[(&str, &str)], passport_user: &Value) -> Self {
        let sessions = Redis::start().await;
        sessions.put(ANA_ID, session(passport_user).as_bytes()).await;
        let url = sessions.url();
        let settings: Vec<_> = [("SESSION_STORE", url.as_str()), ("USER_SOURCE", source)]
            .iter()
            .chain(settings)
            .copied()
            .collect();
        let service = Service::start(&settings).await;
        let client = service.client().await;
        Self { sessions, service, client }
    }

    /// Somebody else logs in under the same session id.
    async fn log_in(&self, passport_user: &Value) {
        self.sessions.put(ANA_ID, session(passport_user).as_bytes()).await;
    }

    async fn authorize(&self) -> AuthorizeResponse {
        authorize(&mut self.client.clone(), with_cookie(&cookie(ANA_ID))).await
    }

    async fn reason(&self) -> String {
        reason_name(self.authorize().await.reason()).into_owned()
    }

    async fn user(&self) -> Value {
        let answer = self.authorize().await;
        assert!(answer.accepted, "{answer:?} {:?}", self.step().await);
        json_object(&answer.user.unwrap())
    }

    /// What `explain` says of the user: what was found, and the hint.
    async fn step(&self) -> (String, String, String) {
        let explained = explain(&mut self.client.clone(), with_cookie(&cookie(ANA_ID))).await;
        let step = explained.steps.into_iter().find(|step| step.name == "user").expect("it came so far");
        (step.input, step.found, step.hint)
    }

    /// A fault, within the time that there is, and what `explain` says to look into.
    async fn fails(&self, within: Duration) -> String {
        let begun = std::time::Instant::now();
        let answer = self.authorize().await;
        assert_eq!(
            (reason_name(answer.reason()).as_ref(), answer.accepted, answer.message.as_str()),
            ("USER_SOURCE_FAILED", false, "Failed to deserialize user out of session")
        );
        assert!(begun.elapsed() < within, "{:?}", begun.elapsed());
        self.step().await.2
    }
}
