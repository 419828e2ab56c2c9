//! The sockets that are open in this process, and what of them the stream has still to tell.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use prost::Message as _;
use serde_json::{Map, Value};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    connection::Connection,
    decision::{Close, SessionId},
    handshake::Facts,
    proto,
    user::User,
    values::{STRUCT_LEVELS, deeper_than, to_struct},
};

/// What the service takes as `data`, so that a mistake shows where it is made.
const DATA_BYTES: usize = 64 * 1024;

/// What it takes of a user, and of a text.
const USER_BYTES: usize = 64 * 1024;
const TEXT_BYTES: usize = 1024;

/// A batch is closed when it has so many bytes: a quarter of what the service takes, so that the last event fits, too.
const BATCH_BYTES: usize = 1024 * 1024;

/// How long a socket may stay listed that ended without its library saying so.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// An open socket. Cheap to clone.
#[derive(Clone)]
pub struct Socket(Arc<Open>);

struct Open {
    id: Arc<str>,
    namespace: Box<str>,
    /// What is reported of it but for user and data, which may change: a `proto::Socket`, encoded, which takes a fraction
    /// of the memory.
    report: Box<[u8]>,
    opened: Instant,
    user: RwLock<User>,
    /// JSON, if the application has given any.
    data: RwLock<Option<Box<str>>>,
    connection: Box<dyn Connection>,
    sockets: std::sync::Weak<Sockets>,
}

impl Socket {
    /// Its name within this process.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The Socket.IO namespace, or the path of a WebSocket.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Who is behind it now.
    pub fn user(&self) -> User {
        self.0.user.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the application last gave.
    pub fn data(&self) -> Map<String, Value> {
        let data = self.0.data.read().unwrap_or_else(PoisonError::into_inner);
        data.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Gives the registry data of the application's own with the socket, which filters see as `socket.data`.
    ///
    /// # Errors
    ///
    /// When it is nested deeper than 24 levels, or larger than 64 KiB: the registry would not take it.
    pub fn set_data(&self, data: Map<String, Value>) -> Result<(), DataError> {
        if data.values().any(|value| deeper_than(value, STRUCT_LEVELS - 1)) {
            return Err(DataError::TooDeep);
        }
        if to_struct(&data).encoded_len() > DATA_BYTES {
            return Err(DataError::TooLarge);
        }
        let text = Value::Object(data).to_string().into();
        *self.0.data.write().unwrap_or_else(PoisonError::into_inner) = Some(text);
        if let Some(sockets) = self.0.sockets.upgrade() {
            sockets.tell(self);
        }
        Ok(())
    }

    pub(crate) fn opened(&self) -> Instant {
        self.0.opened
    }

    pub(crate) fn change_user(&self, user: &User) {
        *self.0.user.write().unwrap_or_else(PoisonError::into_inner) = user.clone();
        self.guarded("telling of a changed user", || self.0.connection.user_changed(user));
    }

    pub(crate) fn send(&self, event: &str, args: &[Value]) -> bool {
        self.guarded("sending an event", || self.0.connection.send(event, args)).unwrap_or(false)
    }

    fn close(&self, close: &Close) {
        self.guarded("closing", || self.0.connection.close(close));
    }

    fn is_open(&self) -> bool {
        self.guarded("asking whether it is open", || self.0.connection.is_open()).unwrap_or(true)
    }

    /// Calls what the application or another library brought. If it panics, the task of all sockets goes on.
    pub(crate) fn guarded<T>(&self, what: &str, call: impl FnOnce() -> T) -> Option<T> {
        let called = catch_unwind(AssertUnwindSafe(call)).ok();
        if called.is_none() {
            tracing::error!(socket_id = self.id(), "{what} panicked");
        }
        called
    }

    fn to_proto(&self) -> proto::Socket {
        let mut socket = proto::Socket {
            user: Some(to_struct(&self.user().fields())),
            data: Some(to_struct(&self.data())),
            // It is this process' own writing.
            ..proto::Socket::decode(&*self.0.report).unwrap_or_default()
        };
        // The service takes no more of a user, and no message that has some of them.
        if socket.user.as_ref().is_some_and(|user| user.encoded_len() > USER_BYTES) {
            tracing::warn!(
                socket_id = self.id(),
                "the user is too large for the registry: the socket is listed without"
            );
            socket.user = None;
        }
        // What the peer sends is not to break the stream.
        for text in [&mut socket.namespace, &mut socket.remote_address, &mut socket.origin] {
            if text.len() > TEXT_BYTES {
                text.clear();
            }
        }
        socket
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}

/// Why data cannot be given with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// More than 24 levels.
    #[error("a socket's data may be nested 24 levels deep")]
    TooDeep,
    /// More than 64 KiB as protobuf.
    #[error("a socket's data may have 64 KiB")]
    TooLarge,
}

/// A socket that is listed until this is dropped.
#[derive(Debug)]
#[must_use = "the socket is off the list when this is dropped"]
pub struct Tracked(Socket);

impl Deref for Tracked {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.0
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(sockets) = self.0.0.sockets.upgrade() {
            sockets.close(&self.0);
        }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Sockets {
    state: Mutex<State>,
    /// Something is to be told.
    pub changed: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<Arc<str>, Socket>,
    /// What the stream has told of, and not told to be closed.
    told: HashSet<Arc<str>>,
    /// What has changed since. A socket that opens and closes in between is not told of at all.
    waiting: BTreeSet<Arc<str>>,
    /// Set when the process ends: whoever still comes is closed at once.
    ending: Option<Close>,
}

/// What a socket is opened with.
pub(crate) struct Opening {
    pub id: String,
    pub facts: Facts,
    pub session_id: SessionId,
    pub user: User,
    pub connection: Box<dyn Connection>,
}

impl Sockets {
    pub fn open(self: &Arc<Self>, opening: Opening) -> Tracked {
        let Opening { id, facts, session_id, user, connection } = opening;
        let report = proto::Socket {
            socket_id: id.clone(),
            namespace: facts.namespace.clone(),
            session_id: session_id.0,
            remote_address: facts.remote_address,
            origin: facts.origin,
            connected_at: Some(SystemTime::now().into()),
            ..proto::Socket::default()
        };
        let socket = Socket(Arc::new(Open {
            id: id.into(),
            namespace: facts.namespace.into(),
            report: report.encode_to_vec().into(),
            opened: Instant::now(),
            user: RwLock::new(user),
            data: RwLock::default(),
            connection,
            sockets: Arc::downgrade(self),
        }));
        let mut state = self.lock();
        let ending = state.ending.clone();
        if ending.is_none() {
            state.open.insert(socket.0.id.clone(), socket.clone());
            state.waiting.insert(socket.0.id.clone());
        }
        drop(state);
        match ending {
            Some(close) => socket.close(&close),
            None => self.changed.notify_one(),
        }
        Tracked(socket)
    }

    /// The socket is open no more. Another one that has its id by now stays.
    pub fn close(&self, socket: &Socket) {
        let mut state = self.lock();
        if state.open.get(socket.id()) != Some(socket) {
            return;
        }
        state.open.remove(socket.id());
        if state.told.contains(socket.id()) {
            state.waiting.insert(socket.0.id.clone());
        } else {
            state.waiting.remove(socket.id());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes a socket off the list, and closes it.
    pub fn disconnect(&self, id: &str, close: &Close) {
        if let Some(socket) = self.get(id) {
            self.close(&socket);
            socket.close(close);
        }
    }

    /// Whether whoever comes is turned away.
    pub fn are_ending(&self) -> bool {
        self.lock().ending.is_some()
    }

    /// Tells of a socket again, with what has changed.
    pub fn tell(&self, socket: &Socket) {
        let mut state = self.lock();
        if state.open.get(socket.id()) == Some(socket) {
            state.waiting.insert(socket.0.id.clone());
            drop(state);
            self.changed.notify_one();
        }
    }

    pub fn get(&self, id: &str) -> Option<Socket> {
        self.lock().open.get(id).cloned()
    }

    pub fn all(&self) -> Vec<Socket> {
        self.lock().open.values().cloned().collect()
    }

    /// Closes all of them, and from now on whatever opens.
    pub fn end(&self, close: &Close) {
        let mut state = self.lock();
        state.ending = Some(close.clone());
        let open = std::mem::take(&mut state.open);
        drop(state);
        for socket in open.into_values() {
            socket.close(close);
        }
    }

    /// Finds sockets that ended without a word.
    pub async fn sweep(self: Arc<Self>) {
        loop {
            sleep(SWEEP_EVERY).await;
            for socket in self.all().iter().filter(|socket| !socket.is_open()) {
                self.close(socket);
            }
        }
    }

    /// Begins a new stream's listing.
    pub fn list(&self) {
        let mut state = self.lock();
        state.told.clear();
        state.waiting = state.open.keys().cloned().collect();
    }

    pub fn has_news(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Takes what is to be told next, at most so many events.
    pub fn news(&self, most: usize) -> Vec<proto::Event> {
        use proto::event::Event;

        let mut state = self.lock();
        let mut events = vec![];
        let mut bytes = 0;
        while events.len() < most
            && bytes < BATCH_BYTES
            && let Some(id) = state.waiting.pop_first()
        {
            let event = match state.open.get(&id) {
                Some(socket) => Event::Opened(socket.to_proto()),
                None => Event::Closed(proto::SocketClosed { socket_id: id.to_string() }),
            };
            match event {
                Event::Opened(_) => state.told.insert(id),
                Event::Closed(_) => state.told.remove(&id),
            };
            let event = proto::Event { event: Some(event) };
            bytes += event.encoded_len();
            events.push(event);
        }
        events
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::event::Event;
    use serde_json::json;

    use super::*;

    struct Nobody;

    impl Connection for Nobody {
        fn close(&self, _: &Close) {}
        fn send(&self, _: &str, _: &[Value]) -> bool {
            false
        }
    }

    fn open(sockets: &Arc<Sockets>, id: &str) -> Tracked {
        let facts = Facts { namespace: "/".into(), remote_address: String::new(), origin: String::new() };
        sockets.open(Opening {
            id: id.into(),
            facts,
            session_id: SessionId::default(),
            user: User::anonymous(),
            connection: Box::new(Nobody),
        })
    }

    fn told(sockets: &Sockets) -> Vec<String> {
        let say = |event: proto::Event| match event.event.unwrap() {
            Event::Opened(socket) => format!("+{}", socket.socket_id),
            Event::Closed(closed) => format!("-{}", closed.socket_id),
        };
        sockets.news(500).into_iter().map(say).collect()
    }

    #[test]
    fn only_what_has_changed_in_the_end_is_told() {
        let sockets = Arc::new(Sockets::default());
        let a = open(&sockets, "a");
        drop(open(&sockets, "b"));
        assert_eq!(told(&sockets), ["+a"]);
        assert!(!sockets.has_news());
        a.set_data(Map::from_iter([("rooms".to_owned(), json!(["x"]))])).unwrap();
        assert_eq!(told(&sockets), ["+a"]);
        drop(a);
        // The same id again, before anybody heard that it was closed, and gone again.
        drop(open(&sockets, "a"));
        assert_eq!(told(&sockets), ["-a"]);
    }

    #[test]
    fn a_socket_whose_id_was_taken_over_closes_nothing() {
        let sockets = Arc::new(Sockets::default());
        let old = open(&sockets, "a");
        let _new = open(&sockets, "a");
        drop(old);
        assert_eq!(told(&sockets), ["+a"]);
    }

    #[test]
    fn what_is_disconnected_is_told_once() {
        let sockets = Arc::new(Sockets::default());
        let a = open(&sockets, "a");
        assert_eq!(told(&sockets), ["+a"]);
        sockets.disconnect("a", &Close::gateway_draining());
        drop(a);
        assert_eq!(told(&sockets), ["-a"]);
    }

    #[test]
    fn a_new_stream_hears_all_again() {
        let sockets = Arc::new(Sockets::default());
        let _all: Vec<_> = ["a", "b", "c"].map(|id| open(&sockets, id)).into_iter().collect();
        assert_eq!(sockets.news(2).len(), 2);
        sockets.list();
        assert_eq!(told(&sockets), ["+a", "+b", "+c"]);
    }

    #[test]
    fn data_that_the_registry_would_not_take_is_refused() {
        let sockets = Arc::new(Sockets::default());
        let socket = open(&sockets, "a");
        let data = |value| Map::from_iter([("a".to_owned(), value)]);
        let deep = (0..24).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(socket.set_data(data(deep)), Err(DataError::TooDeep));
        let deep = (0..23).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(socket.set_data(data(deep)), Ok(()));
        assert_eq!(socket.set_data(data(json!("x".repeat(DATA_BYTES)))), Err(DataError::TooLarge));
    }
}
