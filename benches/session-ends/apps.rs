//! The web app that people log in to and out of.

use std::path::Path;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{process::Command, task::JoinSet};

use crate::support::{SECRET, cookie, npm::installed_in, process::Process};

/// Logins at once.
const LOGINS: usize = 16;

/// One app, with one release of Passport. Cheap to clone.
#[derive(Clone)]
pub struct App {
    url: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl App {
    /// Lives as long as the process that comes with it.
    pub async fn start(passport: &str, redis_url: &str) -> (Self, Process) {
        let folder = installed_in("benches/session-ends/app", &[]).await;
        let mut command = Command::new("node");
        command.arg(Path::new(&folder).join("app.js"));
        command.envs([("PASSPORT", passport), ("REDIS_URL", redis_url), ("SESSION_SECRET", SECRET)]);
        let process = Process::start(&mut command);
        let line = process.output().line("listening on ").await;
        let url = line.trim_start_matches("listening on ").to_owned();
        (Self { url, client: Client::builder(TokioExecutor::new()).build_http() }, process)
    }

    /// So many people log in; gives the ids of their sessions.
    pub async fn log_in(&self, count: usize) -> Vec<String> {
        let mut waiting = 0..count;
        let mut logging_in = JoinSet::new();
        let mut session_ids = Vec::with_capacity(count);
        loop {
            while logging_in.len() < LOGINS
                && let Some(number) = waiting.next()
            {
                let app = self.clone();
                logging_in.spawn(async move { app.post(&format!("/login?id=u{number}"), None).await });
            }
            let Some(answer) = logging_in.join_next().await else { return session_ids };
            session_ids.push(answer.unwrap()["session_id"].as_str().unwrap().to_owned());
        }
    }

    /// The one with this session logs out.
    pub async fn log_out(&self, session_id: &str) {
        self.post("/logout", Some(session_id)).await;
    }

    async fn post(&self, path: &str, session_id: Option<&str>) -> Value {
        let mut request = Request::post(format!("{}{path}", self.url));
        if let Some(session_id) = session_id {
            request = request.header(header::COOKIE, cookie(session_id));
        }
        let answer = self.client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }
}
