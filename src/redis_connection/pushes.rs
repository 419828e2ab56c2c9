//! What servers tell of keys by themselves: keyspace notifications where they are on, else the invalidations of RESP3's
//! client-side caching. Both are lossy, and each server tells of its own keys alone.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use redis::{FromRedisValue as _, PushInfo, PushKind, Value};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Connection, Connector, Failure,
    primaries::{Address, Primaries},
};
use crate::{config::redis_url::Topology, task};

/// How often a connection is asked whether it is still there and tells as it did, and a cluster for its primaries.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Between attempts.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

/// What a server tells of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was written, deleted, or its time has run out.
    Changed(Vec<u8>),
    /// How long it lives was changed, and nothing else.
    Touched(Vec<u8>),
    /// All keys are gone.
    Everything,
}

/// How a server tells of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Keyspace notifications (`notify-keyspace-events`).
    Notifications,
    /// Invalidations (`CLIENT TRACKING ON BCAST`).
    Invalidations,
}

/// Who listens.
pub trait Listener: Send + Sync + 'static {
    /// Hears of a key. Must not wait.
    fn hear(&self, pushed: Pushed);

    /// A server (its address in a cluster, else its URL) tells of its keys by this means from now on, or does not any
    /// more, and why.
    fn is_told(&self, server: &str, by: Result<Means, &Failure>);

    /// A cluster has other primaries than before.
    fn primaries_changed(&self);
}

impl Connector {
    /// Has the listener told of keys that begin with this, for as long as it is polled.
    pub async fn follow_keys(&self, prefix: &str, listener: Arc<dyn Listener>) -> Infallible {
        if self.url().topology != Topology::Cluster {
            return Follower::new(self, prefix, &listener, None).run().await;
        }
        let mut followed: HashMap<Address, AbortOnDropHandle<Infallible>> = HashMap::new();
        let mut primaries = Primaries::new(self.clone());
        loop {
            if let Some(primaries) = primaries.ask(followed.keys().cloned()).await {
                let before = followed.len();
                followed.retain(|address, _| primaries.contains(address));
                let mut is_changed = followed.len() < before;
                for address in primaries {
                    followed.entry(address).or_insert_with_key(|address| {
                        is_changed = true;
                        let follower = Follower::new(self, prefix, &listener, Some(address.clone()));
                        task::owned(follower.run())
                    });
                }
                if is_changed && before > 0 {
                    listener.primaries_changed();
                }
            }
            sleep(CHECK_EVERY).await;
        }
    }
}

/// Follows one server.
struct Follower {
    connector: Connector,
    prefix: String,
    listener: Arc<dyn Listener>,
    /// Of a cluster's node.
    address: Option<Address>,
}

impl Follower {
    fn new(
        connector: &Connector,
        prefix: &str,
        listener: &Arc<dyn Listener>,
        address: Option<Address>,
    ) -> Self {
        Self {
            connector: connector.clone(),
            prefix: prefix.to_owned(),
            listener: Arc::clone(listener),
            address,
        }
    }

    async fn run(self) -> Infallible {
        let server = match &self.address {
            Some((host, port)) => format!("{host}:{port}"),
            None => self.connector.url().to_string(),
        };
        let mut delay = RETRY_FIRST;
        loop {
            let cause = match self.subscribe().await {
                Ok((connection, means)) => {
                    delay = RETRY_FIRST;
                    self.listener.is_told(&server, Ok(means));
                    Failure::Away(self.stay(connection, means).await)
                }
                Err(cause) => cause,
            };
            self.listener.is_told(&server, Err(&cause));
            sleep(delay.mul_f64(rand::random_range(0.5..1.0))).await;
            delay = (delay * 2).min(RETRY_AT_MOST);
        }
    }

    /// A connection on which the server tells of its keys.
    async fn subscribe(&self) -> Result<(Connection, Means), Failure> {
        let (listener, prefix) = (Arc::clone(&self.listener), self.prefix.clone());
        let hear = move |push: PushInfo| -> Result<(), Infallible> {
            read(push, &prefix, &mut |pushed| listener.hear(pushed));
            Ok(())
        };
        let mut connection =
            self.connector.connect_listening(self.address.as_ref(), hear).await.map_err(Failure::Away)?;
        // Many managed servers refuse CONFIG: there nobody knows.
        let notifies = self.notifies(&mut connection).await.unwrap_or(false);
        let means = if notifies { Means::Notifications } else { Means::Invalidations };
        let command = match means {
            Means::Notifications => {
                let mut command = redis::cmd("PSUBSCRIBE");
                let database = self.connector.url().database;
                command.arg(format!("__keyspace@{database}__:{}*", literally(&self.prefix)));
                command
            }
            Means::Invalidations => {
                let mut command = redis::cmd("CLIENT");
                command.arg(&["TRACKING", "ON", "BCAST", "PREFIX", &self.prefix]);
                command
            }
        };
        connection.ask_within(&command, self.connector.timeout()).await?;
        Ok((connection, means))
    }

    /// Whether the server notifies of all that becomes of keys; `None` when it does not say. One that leaves out something
    /// leaves it out in silence, so its invalidations are better.
    async fn notifies(&self, connection: &mut Connection) -> Option<bool> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("notify-keyspace-events");
        let answer = connection.ask_within(&command, self.connector.timeout()).await.ok()?;
        let flags = HashMap::<String, String>::from_redis_value(answer).ok()?.into_values().next()?;
        Some(tells_all(&flags))
    }

    /// Stays as long as the server answers and tells by this means, and says why it does not.
    async fn stay(&self, mut connection: Connection, means: Means) -> String {
        loop {
            sleep(CHECK_EVERY).await;
            if let Err(cause) = connection.check(self.connector.timeout()).await {
                return cause;
            }
            // A server that is told to notify of less goes on as if nothing had been.
            if means == Means::Notifications && self.notifies(&mut connection).await == Some(false) {
                return "`notify-keyspace-events` of the server is not `KA` or `Kg$xe` any more".to_owned();
            }
        }
    }
}

/// Whether these `notify-keyspace-events` are all that can become of a text: `g` deleted or renamed, `$` set, `x` expired,
/// `e` evicted.
fn tells_all(flags: &str) -> bool {
    flags.contains('K') && (flags.contains('A') || "g$xe".chars().all(|flag| flags.contains(flag)))
}

/// What a push says of keys that begin with this, which is cut off.
fn read(push: PushInfo, prefix: &str, hear: &mut dyn FnMut(Pushed)) {
    let bytes = |value| match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    };
    let name = |key: Vec<u8>| key.strip_prefix(prefix.as_bytes()).map(<[u8]>::to_vec);
    let PushInfo { kind, data } = push;
    match kind {
        PushKind::Invalidate => match data.into_iter().next() {
            Some(Value::Array(keys)) => {
                let keys = keys.into_iter().filter_map(bytes).filter_map(name);
                keys.for_each(|key| hear(Pushed::Changed(key)));
            }
            // FLUSHALL and FLUSHDB name no keys.
            Some(Value::Nil) => hear(Pushed::Everything),
            _ => {}
        },
        PushKind::PMessage => {
            let mut data = data.into_iter().skip(1).filter_map(bytes);
            let (Some(channel), Some(event)) = (data.next(), data.next()) else { return };
            let Some(colon) = channel.iter().position(|byte| *byte == b':') else { return };
            let Some(key) = channel.get(colon + 1..).map(<[u8]>::to_vec).and_then(name) else { return };
            match event.as_slice() {
                b"expire" | b"persist" => hear(Pushed::Touched(key)),
                // A read that found nothing, and what a write tells twice.
                b"keymiss" | b"new" => {}
                _ => hear(Pushed::Changed(key)),
            }
        }
        _ => {}
    }
}

/// A text as a glob pattern that matches it alone.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(push: PushInfo) -> Vec<Pushed> {
        let mut heard = Vec::new();
        read(push, "sess:", &mut |pushed| heard.push(pushed));
        heard
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn an_invalidation_names_keys_or_means_all() {
        let keys = Value::Array(vec![text("sess:a"), text("sess:b"), text("other:c")]);
        let push = PushInfo { kind: PushKind::Invalidate, data: vec![keys] };
        assert_eq!(heard(push), [Pushed::Changed(b"a".to_vec()), Pushed::Changed(b"b".to_vec())]);
        let push = PushInfo { kind: PushKind::Invalidate, data: vec![Value::Nil] };
        assert_eq!(heard(push), [Pushed::Everything]);
    }

    #[test]
    fn a_notification_says_what_became_of_a_key() {
        let told = |event| {
            let data = vec![text("a pattern"), text("__keyspace@0__:sess:a:b"), text(event)];
            heard(PushInfo { kind: PushKind::PMessage, data })
        };
        for event in ["del", "set", "expired", "evicted", "rename_from"] {
            assert_eq!(told(event), [Pushed::Changed(b"a:b".to_vec())], "{event}");
        }
        assert_eq!(told("expire"), [Pushed::Touched(b"a:b".to_vec())]);
        assert_eq!(told("keymiss"), []);
    }

    #[test]
    fn what_leaves_out_evicted_keys_is_not_all() {
        for all in ["AK", "KA", "Kg$xe", "g$xeKE"] {
            assert!(tells_all(all), "{all}");
        }
        for some in ["", "K", "AE", "g$xe", "g$xK", "g$eK"] {
            assert!(!tells_all(some), "{some}");
        }
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(literally("a*[b]?:"), r"a\*\[b\]\?:");
    }
}
