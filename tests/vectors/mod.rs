//! What the original packages answer, asked of the library and of the service over gRPC on a real Redis, in both modes
//! of `session.id_outside_cookie` that take ids from outside the cookie. `data/README.md` says where the cases come from.

mod case;
mod cookie_map;
mod cookie_session;
mod deserializer;
mod expected;
mod filter;
mod keygrip;
mod report;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use socketpass::{
    authorize::{Authorizer, explain::Silent},
    config::Config,
    grpc::{convert, pb},
    server,
    session_store::{self, Fault, Health, MemoryStore, SessionId, SessionStore},
};
use tokio::sync::watch;
use tonic::Code;

use self::{
    case::{Case, Door, Mode, StoreKind},
    expected::{Answer, Expected, expected},
    report::Report,
};
use crate::support::{
    redis::Redis,
    service::{Client, Service, request},
    until,
    users::{Entry, Sources},
};

/// Groups that run here.
const GROUPS: [&str; 14] = [
    "cookies",
    "signatures",
    "source",
    "store",
    "passport",
    "session-json",
    "jcookie",
    "wire",
    "xdomain",
    "fuzz-cookie",
    "fuzz-json",
    "config",
    "express",
    "deserialize",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_original_packages_answers() {
    let redis = Redis::start().await;
    let mut runner = Runner {
        connection: redis.connection().await,
        url: redis.url(),
        sources: Sources::start().await,
        library: HashMap::new(),
        services: HashMap::new(),
    };
    let mut report = Report::default();
    for group in GROUPS {
        for case in Case::read_all(group) {
            for mode in [Mode::Signed, Mode::Unsigned] {
                for door in [Door::Library, Door::Grpc] {
                    let outcome = runner.run(&case, mode, door).await;
                    report.add(&case, mode, door, outcome);
                }
            }
        }
    }
    cookie_map::run(&mut report);
    filter::run(&mut report).await;
    let mut services = cookie_session::Services::default();
    keygrip::run(&mut report, &mut services).await;
    cookie_session::run(&mut report, &mut services).await;
    report.print();
    report.assert_passed();
}

/// What came of a case.
pub enum Outcome {
    Passed,
    Failed(String),
    Skipped,
    /// It runs through the library alone.
    NotThisDoor,
}

struct Runner {
    connection: MultiplexedConnection,
    url: String,
    sources: Sources,
    library: HashMap<Vec<(String, String)>, Arc<Authorizer>>,
    services: HashMap<Vec<(String, String)>, (Service, Client)>,
}

impl Runner {
    async fn run(&mut self, case: &Case, mode: Mode, door: Door) -> Outcome {
        let store = case.store_kind();
        if door == Door::Grpc && store != StoreKind::Redis {
            return Outcome::NotThisDoor;
        }
        let expected = match expected(case, mode) {
            Expected::Skipped => return Outcome::Skipped,
            Expected::ConfigurationFault => return configuration_fault(case, mode),
            Expected::Answer(answer) => answer,
        };
        case.fill(&mut self.connection).await;
        self.sources.table.clear();
        for (id, entry) in case.people() {
            self.sources.table.put(&id, entry);
        }
        for source in self.sources_of(case) {
            let config = match case.config(mode, &self.url, &source) {
                Ok(config) => config,
                Err(faults) => return Outcome::Failed(format!("the settings are refused: {faults}")),
            };
            let actual = match door {
                Door::Library => self.ask_library(case, mode, &config, store, &source).await,
                Door::Grpc => self.ask_service(case, mode, &source).await,
            };
            if let Some(difference) = expected.difference(&actual) {
                return Outcome::Failed(format!("{source}: {difference}"));
            }
        }
        Outcome::Passed
    }

    /// The session itself, or the case's table in every source that there is.
    fn sources_of(&self, case: &Case) -> Vec<String> {
        if !case.needs_user_source() {
            return vec!["session".to_owned()];
        }
        let mut sources = vec![self.url.clone(), self.sources.grpc()];
        // A path without its last segment is another resource.
        if !case.people().contains_key("") {
            sources.push(self.sources.http());
        }
        sources
    }

    async fn ask_library(
        &mut self,
        case: &Case,
        mode: Mode,
        config: &Config,
        store: StoreKind,
        source: &str,
    ) -> Answer {
        let Ok(handshake) = convert::handshake(Some(case.handshake()), "") else {
            return Answer::InvalidArgument;
        };
        let authorizer = match store {
            StoreKind::Redis => {
                let open =
                    || Arc::new(server::authorizer(config, session_store::open(&config.session)).unwrap());
                Arc::clone(self.library.entry(case.settings(mode, &self.url, source)).or_insert_with(open))
            }
            StoreKind::Memory => {
                let memory = MemoryStore::new();
                for (id, session) in case.sessions() {
                    memory.insert(id, session);
                }
                Arc::new(server::authorizer(config, Arc::new(memory)).unwrap())
            }
            StoreKind::Failing => Arc::new(server::authorizer(config, Arc::new(FailingStore)).unwrap()),
        };
        Answer::from(convert::decision(authorizer.decide(&handshake, &mut Silent).await))
    }

    async fn ask_service(&mut self, case: &Case, mode: Mode, source: &str) -> Answer {
        let settings = case.settings(mode, &self.url, source);
        if !self.services.contains_key(&settings) {
            let named: Vec<_> =
                settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let service = Service::start(&named).await;
            let client = service.client().await;
            self.services.insert(settings.clone(), (service, client));
        }
        let (_, client) = self.services.get_mut(&settings).unwrap();
        match client.authorize(request(case.handshake())).await {
            Ok(response) => Answer::from(response.into_inner()),
            Err(status) if status.code() == Code::InvalidArgument => Answer::InvalidArgument,
            Err(status) => panic!("{}: {status:?}", case.id()),
        }
    }
}

fn configuration_fault(case: &Case, mode: Mode) -> Outcome {
    match case.config(mode, "redis://localhost", "session") {
        Err(faults) if faults.0.iter().all(|fault| fault.setting == "session.secrets") => Outcome::Passed,
        Err(faults) => Outcome::Failed(format!("another fault: {faults}")),
        Ok(_) => Outcome::Failed("the settings are accepted".to_owned()),
    }
}

/// A store whose every read fails, as `config.store_error` has it.
#[derive(Debug)]
struct FailingStore;

#[async_trait]
impl SessionStore for FailingStore {
    async fn load(&self, _: &SessionId, _: usize) -> Result<Option<Vec<u8>>, Fault> {
        Err(Fault::Unavailable("the case says so".to_owned()))
    }

    async fn destroy(&self, _: &SessionId) -> Result<(), Fault> {
        Err(Fault::Unavailable("the case says so".to_owned()))
    }

    fn place(&self, id: &str) -> String {
        id.to_owned()
    }

    fn question(&self) -> &'static str {
        ""
    }

    fn health(&self) -> watch::Receiver<Health> {
        watch::Sender::new(Health::Down).subscribe()
    }
}

impl From<pb::AuthorizeResponse> for Answer {
    fn from(response: pb::AuthorizeResponse) -> Self {
        let reason = convert::reason_name(response.reason()).into_owned();
        let user = convert::json_object(response.user.as_ref().expect("there is always a user"));
        Self::Decision {
            accepted: response.accepted,
            reason,
            message: response.message,
            error: response.error,
            session_id: response.session_id,
            user,
        }
    }
}

impl Case {
    /// Puts the case's sessions and users into Redis, and nothing else.
    async fn fill(&self, connection: &mut MultiplexedConnection) {
        let () = redis::cmd("FLUSHALL").query_async(connection).await.unwrap();
        for (id, entry) in self.people() {
            let (command, value) = match entry {
                Entry::Has(user) => ("SET", user.to_string()),
                // No type that holds a user.
                Entry::Fails | Entry::Unavailable => ("RPUSH", String::new()),
            };
            let () = redis::cmd(command)
                .arg(format!("user:{id}"))
                .arg(value)
                .query_async(connection)
                .await
                .unwrap();
        }
        for (id, session) in self.sessions() {
            let key = format!("{}{id}", self.prefix());
            match self.redis_type(&id) {
                Some("hash") => {
                    let () = redis::cmd("HSET")
                        .arg(&key)
                        .arg("data")
                        .arg(session)
                        .query_async(connection)
                        .await
                        .unwrap();
                }
                Some("list") => {
                    let () =
                        redis::cmd("RPUSH").arg(&key).arg(session).query_async(connection).await.unwrap();
                }
                _ => {
                    let () = redis::cmd("SET").arg(&key).arg(session).query_async(connection).await.unwrap();
                }
            }
            if let Some(milliseconds) = self.redis_pttl(&id) {
                let () =
                    redis::cmd("PEXPIRE").arg(&key).arg(milliseconds).query_async(connection).await.unwrap();
                until("the time to live runs out", || {
                    let (mut connection, key) = (connection.clone(), key.clone());
                    async move {
                        !redis::cmd("EXISTS").arg(key).query_async::<bool>(&mut connection).await.unwrap()
                    }
                })
                .await;
            }
        }
    }
}

/// Numbers are doubles on both sides.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}
