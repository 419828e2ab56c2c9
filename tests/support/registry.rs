//! Registries as tests see them: a ledger, and the view that it keeps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use socketpass::registry::{
    change::{GatewayInfo, Holder, Kept, Shard},
    ledger::{Claimed, Event, Fault, Ledger, Telling, Tenure},
    memory::MemoryLedger,
    record::{Builder, Record, Socket},
    redis::RedisLedger,
    session_ended::SessionEnded,
    view::{
        Notice, View,
        history::{Bounds, Difference},
        member::Member,
    },
};
use tokio::sync::mpsc;

use super::{service, until};
use socketpass::{config::registry::RegistryUrl, reason::Reason};

/// One replica's registry.
pub struct Replica {
    pub ledger: Arc<dyn Ledger>,
    pub view: Arc<View>,
    notices: Mutex<mpsc::UnboundedReceiver<Notice>>,
}

impl Replica {
    /// On a store, with settings as in the environment.
    pub fn open(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::open_redis(url, settings).0
    }

    pub fn open_redis(url: &str, settings: &[(&str, &str)]) -> (Self, Option<Arc<RedisLedger>>) {
        let settings: Vec<_> = [("REGISTRY_STORE", url)].iter().chain(settings).copied().collect();
        let settings = service::config(&settings).unwrap().registry;
        let bounds = Bounds { age: settings.history, bytes: 64 << 20 };
        let (view, notices) = View::new(&[], bounds, settings.lease);
        let (ledger, redis): (Arc<dyn Ledger>, _) = match &settings.store {
            RegistryUrl::Memory => (Arc::new(MemoryLedger::open(Arc::clone(&view))), None),
            RegistryUrl::Redis(url) => {
                let ledger = Arc::new(RedisLedger::open(url, &settings, &view));
                (Arc::clone(&ledger) as Arc<dyn Ledger>, Some(ledger))
            }
        };
        (Self { ledger, view, notices: Mutex::new(notices) }, redis)
    }

    /// Waits until something is known of every shard.
    pub async fn has_begun(&self) {
        until("the view has begun", || async {
            Shard::all().all(|shard| self.view.shard(shard).data().is_some())
        })
        .await;
    }

    /// What is listed: users by gateway and socket id.
    pub fn listed(&self) -> BTreeMap<(String, String), Value> {
        let mut listed = BTreeMap::new();
        for shard in Shard::all() {
            let shard = self.view.shard(shard);
            for (_, member) in shard.members().iter() {
                let key = (member.info.gateway_id.to_string(), member.record.socket_id().to_owned());
                let user = unpack(socketpass::expression::packed::Value::Map(member.record.user()));
                assert!(listed.insert(key, user).is_none(), "listed twice");
            }
        }
        listed
    }

    /// The listed sockets of one gateway, by id.
    pub fn sockets(&self, gateway_id: &str) -> BTreeSet<String> {
        let of_gateway = |(gateway, socket): (String, String)| (gateway == gateway_id).then_some(socket);
        self.listed().into_keys().filter_map(of_gateway).collect()
    }

    /// Who holds a gateway id, as far as the view knows.
    pub fn holder(&self, gateway_id: &str) -> Option<Holder> {
        let shard = self.view.shard(Shard::of(gateway_id));
        shard.gateways().get(gateway_id).map(|gateway| gateway.holder().clone())
    }

    /// Waits until exactly these sockets of a gateway are listed.
    pub async fn lists(&self, gateway_id: &str, sockets: &[&str]) {
        let expected: BTreeSet<_> = sockets.iter().map(|id| (*id).to_owned()).collect();
        until(&format!("{gateway_id} has {sockets:?}"), || async { self.sockets(gateway_id) == expected })
            .await;
    }

    /// Waits until it sees what was kept.
    pub async fn sees(&self, kept: &Kept) {
        until("what was kept is seen", || async { self.view.has(kept) }).await;
    }

    /// Waits until nobody holds a gateway id.
    pub async fn is_gone(&self, gateway_id: &str) {
        until(&format!("{gateway_id} is gone"), || async { self.holder(gateway_id).is_none() }).await;
        assert_eq!(self.sockets(gateway_id), BTreeSet::new());
    }

    /// Claims a gateway id that nobody else holds.
    pub async fn claim(&self, gateway_id: &str, incarnation: &str) -> Tenure {
        granted(self.ledger.claim(&info(gateway_id, incarnation), None).await)
    }

    /// Claims, lists these sockets and says that this was all.
    pub async fn lists_anew(&self, gateway_id: &str, incarnation: &str, sockets: &[&str]) -> Tenure {
        let tenure = self.claim(gateway_id, incarnation).await;
        self.list(&tenure, sockets).await;
        tenure
    }

    async fn list(&self, tenure: &Tenure, sockets: &[&str]) {
        self.ledger.write(tenure, sockets.iter().map(|id| open(id, 1)).collect()).await.unwrap();
        self.ledger.complete(tenure, &sockets.iter().map(|id| (*id).into()).collect()).await.unwrap();
    }

    /// The same, with signs of life from before it lists until they are dropped: where leases are short, the machine
    /// may take longer than one to list.
    pub async fn lists_alive(
        &self,
        gateway_id: &str,
        incarnation: &str,
        sockets: &[&str],
        every: Duration,
    ) -> (Tenure, Alive) {
        self.has_begun().await;
        let tenure = self.claim(gateway_id, incarnation).await;
        let alive = Alive::keep(&self.ledger, &tenure, every);
        self.list(&tenure, sockets).await;
        (tenure, alive)
    }

    /// What the view has told of since the last time.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = self.notices.lock().unwrap();
        std::iter::from_fn(|| notices.try_recv().ok()).collect()
    }

    /// The watchers' changes since the beginning: socket id, and why it was closed or what its user is.
    pub fn told(&self, gateway_id: &str) -> Vec<(String, Result<Value, Reason>)> {
        let shard = self.view.shard(Shard::of(gateway_id));
        let history = shard.history();
        let entries = history.from(0, usize::MAX).expect("none was dropped");
        let told = entries.map(|entry| {
            let Difference { before, now, reason } = &entry.what;
            let member = now.as_ref().or(before.as_ref()).unwrap();
            let what = match now {
                Some(now) => Ok(unpack(socketpass::expression::packed::Value::Map(now.record.user()))),
                None => Err(*reason),
            };
            (member.info.gateway_id.to_string(), member.record.socket_id().to_owned(), what)
        });
        told.filter(|(gateway, ..)| gateway == gateway_id).map(|(_, socket, what)| (socket, what)).collect()
    }
}

impl Replica {
    /// One of those that find the end of a session; `outlived`: the number of the last one that the session has outlived.
    pub async fn finds(&self, ended: &SessionEnded, outlived: Option<u64>) {
        let telling = Telling { ended: ended.clone(), outlived };
        self.ledger.tell_ends(Shard::of(ended.session_id()), &[telling]).await.unwrap();
    }

    /// The ends of sessions that watchers have been told.
    pub fn ends(&self) -> Vec<(String, Reason)> {
        let of = |shard| {
            let shard = self.view.shard(shard);
            let all = shard.ended().from(0, usize::MAX).expect("none was dropped");
            all.map(|entry| (entry.what.session_id().to_owned(), entry.what.reason())).collect::<Vec<_>>()
        };
        Shard::all().flat_map(of).collect()
    }
}

/// The end of a session with one socket.
pub fn ended(session_id: &str, reason: Reason) -> SessionEnded {
    let mut builder = Builder::default();
    builder.packer().json(&json!({"id": 1}));
    builder.packer().json(&json!({}));
    let record = builder.finish(&Socket { socket_id: "s", session_id, ..Socket::default() });
    SessionEnded::new(&[&Member { info: info("chat-1", "a"), record }], reason, 5).unwrap()
}

pub fn granted(claimed: Result<Claimed, Fault>) -> Tenure {
    match claimed.unwrap() {
        Claimed::Granted(tenure) => tenure,
        other => panic!("{other:?}"),
    }
}

pub fn info(gateway_id: &str, incarnation: &str) -> Arc<GatewayInfo> {
    let labels = BTreeMap::from([("zone".to_owned(), "eu".to_owned())]);
    Arc::new(GatewayInfo::new(gateway_id, incarnation, &labels))
}

/// A socket of the user with this id.
pub fn record(socket_id: &str, user: u64) -> Record {
    let mut builder = Builder::default();
    builder.packer().json(&json!({"id": user}));
    builder.packer().json(&json!({}));
    builder.finish(&Socket { socket_id, namespace: "/", ..Socket::default() })
}

pub fn open(socket_id: &str, user: u64) -> Event {
    Event::Opened(record(socket_id, user))
}

pub fn close(socket_id: &str) -> Event {
    Event::Closed { socket_id: socket_id.to_owned(), reason: Reason::Closed }
}

fn unpack(value: socketpass::expression::packed::Value<'_>) -> Value {
    use socketpass::expression::packed::Value as Packed;
    match value {
        Packed::Null => json!(null),
        Packed::Bool(flag) => json!(flag),
        Packed::Int(number) => json!(number),
        Packed::Double(number) => json!(number),
        Packed::Text(text) => json!(text.as_str()),
        Packed::List(list) => list.iter().map(unpack).collect(),
        Packed::Map(map) => {
            map.iter().map(|(name, value)| (name.as_str().to_owned(), unpack(value))).collect()
        }
    }
}

/// Gives signs of life for a gateway until it is dropped.
pub struct Alive(tokio::task::JoinHandle<()>);

impl Alive {
    pub fn keep(ledger: &Arc<dyn Ledger>, tenure: &Tenure, every: Duration) -> Self {
        let (ledger, tenure) = (Arc::clone(ledger), tenure.clone());
        Self(tokio::spawn(async move {
            loop {
                // Redis may be away for a while.
                let _ = ledger.write(&tenure, Vec::new()).await;
                tokio::time::sleep(every).await;
            }
        }))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.abort();
    }
}
