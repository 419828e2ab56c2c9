//! A registry, the work on its sockets, and gateways that report to it: all real but the store and the time.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::store::PlayedStore;
use crate::{
    authorize::{Authorizer, Rules, Sessions, policy::AcceptPolicy, signature::Keys},
    config::{Config, decisions::Accept, layers::Layers, session::OutsideCookie},
    registry::{
        Registry,
        change::GatewayInfo,
        command::Task,
        ledger::Event,
        record::{Builder, Record, Socket},
        streams::stream::{Batch, Stream},
    },
    session_end::{Ended, KeepsRecord, Parts, SessionEnds, Tally},
    session_store::SessionStore,
    user_source::SessionUser,
};

/// `revalidate.interval`
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// Whoever is logged in is accepted, and in the lobby everybody.
const POLICY: &str = "user.logged_in || socket.namespace == '/lobby'";

/// Keeps no record.
#[derive(Debug)]
struct NoRecord;

impl KeepsRecord for NoRecord {
    fn ended(&self, _: Ended<'_>) {}
}

/// The fleet.
pub(super) struct Fleet {
    pub(super) store: Arc<PlayedStore>,
    pub(super) tally: Arc<Tally>,
    pub(super) gateways: Vec<Gateway>,
    registry: Arc<Registry>,
    _stores: watch::Sender<Arc<dyn SessionStore>>,
    _work: SessionEnds,
}

impl Fleet {
    /// With no gateway yet.
    pub(super) fn new() -> Self {
        let mut layers = Layers::default();
        layers.add_environment([("SOCKETPASS_SESSION_SECRETS".to_owned(), "secret".to_owned())]);
        let config = Config::load(&layers).expect("settings");
        let registry = Arc::new(Registry::open(&config.registry, &config.user.identity, &config.limits));
        let store = Arc::new(PlayedStore::new());
        let dynamic: Arc<dyn SessionStore> = Arc::clone(&store) as _;
        let (stores, receiver) = watch::channel(Arc::clone(&dynamic));
        let tally = Arc::new(Tally::default());
        let work = SessionEnds::start(Parts {
            authorizer: Arc::new(ArcSwap::from_pointee(authorizer(&dynamic))),
            stores: receiver,
            registry: Arc::clone(&registry),
            tally: Arc::clone(&tally),
            keeper: Arc::new(NoRecord),
            interval: INTERVAL,
        });
        Self { store, tally, gateways: Vec::new(), registry, _stores: stores, _work: work }
    }

    /// A gateway with these sockets open.
    pub(super) async fn gateway(&mut self, gateway_id: &str, sockets: Vec<Record>) {
        let info = GatewayInfo::new(gateway_id, "one", &BTreeMap::new());
        let stream = self.registry.stream(info).await.expect("a stream");
        let mut gateway = Gateway {
            stream,
            sequence: 0,
            closed: HashSet::new(),
            users: BTreeMap::new(),
            deaf_until: Instant::now(),
            hears_no_users_until: Instant::now(),
            cannot_close: false,
        };
        gateway.report(sockets.into_iter().map(Event::Opened).collect()).await;
        self.gateways.push(gateway);
    }

    /// So many questions were asked.
    pub(super) fn questions(&self) -> u64 {
        self.tally.figures().asked.iter().map(|(_, count)| count).sum()
    }

    /// So many messages are on their way to a gateway, one after the other, and none is waited for any longer than usual.
    pub(super) async fn send(&self, gateway_id: &str, count: usize) {
        let task =
            Task::Send { socket_ids: vec!["0-0".to_owned()], event: "hi".to_owned(), args: Vec::new() };
        for _ in 0..count {
            let _ = timeout(Duration::from_millis(1), self.registry.tell_gateway(gateway_id, &task)).await;
        }
    }

    /// All gateways do as they are told until then.
    pub(super) async fn until(&mut self, then: Instant) {
        join_all(self.gateways.iter_mut().map(|gateway| gateway.until(then))).await;
    }

    /// The same, for so long.
    pub(super) async fn pass(&mut self, time: Duration) {
        self.until(Instant::now() + time).await;
    }

    /// Whether a socket was closed.
    pub(super) fn is_closed(&self, socket_id: &str) -> bool {
        self.gateways.iter().any(|gateway| gateway.closed.contains(socket_id))
    }
}

fn authorizer(store: &Arc<dyn SessionStore>) -> Authorizer {
    let rules = Rules {
        cookie: "sid".to_owned(),
        passport_key: "passport".to_owned(),
        outside_cookie: OutsideCookie::Off,
        allowed_origins: None,
        denied_message: String::new(),
        max_session_bytes: 1_000,
        id_field: vec!["id".into()],
    };
    let keys = Keys::new(&["secret".into()]).expect("usable secrets");
    let policy = AcceptPolicy::new(Accept::compile(POLICY).expect("a policy"));
    Authorizer::new(
        rules,
        Sessions::InStore(Arc::clone(store), keys),
        Arc::new(SessionUser),
        Arc::new(policy),
    )
}

/// A socket of a session, opened when user 1 was logged in.
pub(super) fn socket(socket_id: &str, session_id: &str) -> Record {
    record(socket_id, session_id, "/", &json!({"id": 1, "logged_in": true, "role": 0}))
}

/// A socket of the lobby, opened when nobody was logged in.
pub(super) fn anonymous(socket_id: &str, session_id: &str) -> Record {
    record(socket_id, session_id, "/lobby", &json!({"logged_in": false}))
}

fn record(socket_id: &str, session_id: &str, namespace: &str, user: &Value) -> Record {
    let mut builder = Builder::default();
    builder.packer().json(user);
    builder.packer().json(&json!({}));
    builder.finish(&Socket { socket_id, session_id, namespace, ..Socket::default() })
}

/// A gateway that does as it is told, unless it is played otherwise.
pub(super) struct Gateway {
    stream: Stream,
    sequence: u64,
    pub(super) closed: HashSet<String>,
    /// What it was told last of the users of its sockets.
    pub(super) users: BTreeMap<String, Value>,
    /// Until then it takes commands and neither does nor answers them.
    pub(super) deaf_until: Instant,
    /// The same, for commands about changed users.
    pub(super) hears_no_users_until: Instant,
    /// It answers that it could close nothing.
    pub(super) cannot_close: bool,
}

impl Gateway {
    /// The role of a socket's user, as it was told last.
    pub(super) fn role_of(&self, socket_id: &str) -> Option<f64> {
        self.users.get(socket_id)?.get("role")?.as_f64()
    }

    /// It reports this of its sockets.
    pub(super) async fn report(&mut self, events: Vec<Event>) {
        self.sequence += 1;
        let batch = Batch { sequence: self.sequence, events, complete: self.sequence == 1 };
        self.stream.batch(batch).await.expect("kept");
    }

    async fn until(&mut self, then: Instant) {
        const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
        loop {
            let sign = then.min(Instant::now() + SIGN_OF_LIFE);
            tokio::select! {
                command = self.stream.next() => {
                    let command = command.expect("the stream goes on");
                    let is_of_users = matches!(command.task, Task::UserChanged { .. });
                    let until = if is_of_users { self.hears_no_users_until } else { self.deaf_until };
                    if Instant::now() >= until.max(self.deaf_until) {
                        let done = self.does(&command.task);
                        self.stream.result(&command.command_id, done).await.expect("kept");
                    }
                }
                () = sleep_until(sign) => {
                    self.report(Vec::new()).await;
                    if Instant::now() >= then {
                        return;
                    }
                }
            }
        }
    }

    fn does(&mut self, task: &Task) -> Vec<String> {
        let ids = task.socket_ids().to_vec();
        match task {
            Task::Disconnect { .. } if self.cannot_close => return Vec::new(),
            Task::Disconnect { .. } => self.closed.extend(ids.iter().cloned()),
            Task::UserChanged { user, .. } => {
                let user = Value::Object(user.clone());
                self.users.extend(ids.iter().map(|socket_id| (socket_id.clone(), user.clone())));
            }
            Task::Send { .. } => {}
        }
        ids
    }
}
