//! An issuer, by `jose`.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{logout, revoked};
use crate::support::{
    http::{get, send},
    npm::installed_in,
    process::Process,
};

pub struct Issuer {
    pub url: String,
    _process: Process,
}

impl Issuer {
    pub async fn start() -> Self {
        let (process, url) = node("issuer.js", &[]).await;
        Self { url, _process: process }
    }

    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// What `/jwks` answers from now on: `names` of keys, a `status`, a `body`, fields that keys are `without`.
    pub async fn publish(&self, what: Value) {
        assert_eq!(send(&self.url, "POST", "/publish", &[], &what.to_string()).await.status, 204);
    }

    pub async fn fetches(&self) -> u64 {
        get(&self.url, "/fetches").await.body.parse().unwrap()
    }

    pub async fn sign(&self, key: &str, header: &Value, payload: &str) -> String {
        let request = json!({"key": key, "header": header, "payload": payload}).to_string();
        let answer = send(&self.url, "POST", "/sign", &[], &request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// A logout token as it should be.
    pub async fn logout(&self, jti: &str) -> String {
        self.sign("rs256", &header("RS256", "rs256", "logout+jwt"), &logout(&self.url, jti).to_string()).await
    }

    /// An event as it should be.
    pub async fn revoked(&self, jti: &str) -> String {
        self.sign("es256", &header("ES256", "es256", "secevent+jwt"), &revoked(&self.url, jti).to_string())
            .await
    }
}

pub fn header(alg: &str, kid: &str, typ: &str) -> Value {
    json!({"alg": alg, "kid": kid, "typ": typ})
}

/// A program of the folder `app`, and the URL that it is listening on.
pub async fn node(program: &str, variables: &[(&str, &str)]) -> (Process, String) {
    let directory = installed_in("tests/logout/app", &[]).await;
    let mut command = Command::new("node");
    let process = Process::start(command.arg(program).envs(variables.iter().copied()).current_dir(directory));
    let line = process.output().line("listening on ").await;
    let url = line.trim_start_matches("listening on ").to_owned();
    (process, url)
}
