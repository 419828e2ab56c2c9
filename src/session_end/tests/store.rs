//! A store that is played: it has what it is given, and is silent or empty when it is told to be.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use crate::session_store::{Fault, Health, Listener, News, SessionId, SessionStore};

/// What happens to one session, or to the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// It is written: this user is logged in, with this role.
    Written { user: u8, role: u8 },
    /// Somebody logs out of it.
    LoggedOut,
    /// It is destroyed, or expires.
    Destroyed,
    /// It is touched.
    Touched,
    /// The store answers nothing for so long, in milliseconds.
    Fault(u64),
    /// Another connection answers, which has nothing for so long, less than two seconds.
    NotLoadedYet(u64),
    /// Another connection answers.
    Reconnected,
}

#[derive(Debug)]
struct Played {
    sessions: BTreeMap<String, String>,
    silent_until: Instant,
    empty_until: Instant,
    connection: u64,
    listener: Option<Ear>,
}

struct Ear(Arc<dyn Listener>);

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

/// The store.
#[derive(Debug)]
pub(super) struct PlayedStore(Mutex<Played>, watch::Sender<Health>);

impl PlayedStore {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let played = Played {
            sessions: BTreeMap::new(),
            silent_until: now,
            empty_until: now,
            connection: 1,
            listener: None,
        };
        Self(Mutex::new(played), watch::Sender::new(Health::Up))
    }

    fn lock(&self) -> MutexGuard<'_, Played> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happens to a session, or to the store; the store tells of it if it tells.
    pub(super) fn happens(&self, session: &str, happening: Happening, is_told: bool) {
        let mut played = self.lock();
        let id = || SessionId::new(session.to_owned()).expect("not empty");
        let mut news = Some(News::Changed(id()));
        match happening {
            Happening::Written { user, role } => {
                let stored = json!({"passport": {"user": {"id": user, "role": role}}});
                played.sessions.insert(session.to_owned(), stored.to_string());
            }
            Happening::LoggedOut => {
                played.sessions.insert(session.to_owned(), r#"{"passport":{}}"#.to_owned());
            }
            Happening::Destroyed => drop(played.sessions.remove(session)),
            Happening::Touched => news = Some(News::Touched(id())),
            Happening::Fault(time) => {
                played.silent_until = Instant::now() + Duration::from_millis(time);
                news = None;
            }
            Happening::NotLoadedYet(time) => {
                played.empty_until = Instant::now() + Duration::from_millis(time);
                played.connection += 1;
                news = Some(News::Everything);
            }
            Happening::Reconnected => {
                played.connection += 1;
                news = None;
            }
        }
        if let (true, Some(Ear(listener)), Some(news)) = (is_told, &played.listener, news) {
            listener.hear(news);
        }
    }
}

#[async_trait]
impl SessionStore for PlayedStore {
    async fn load(&self, id: &SessionId, _: usize) -> Result<Option<Vec<u8>>, Fault> {
        let played = self.lock();
        if Instant::now() < played.silent_until {
            return Err(Fault::Unavailable("it is played so".to_owned()));
        }
        if Instant::now() < played.empty_until {
            return Ok(None);
        }
        Ok(played.sessions.get(id.expose()).map(|session| session.clone().into_bytes()))
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        self.lock().sessions.remove(id.expose());
        Ok(())
    }

    fn connection(&self) -> u64 {
        self.lock().connection
    }

    async fn follow(&self, listener: Arc<dyn Listener>) {
        self.lock().listener = Some(Ear(listener));
        std::future::pending::<()>().await;
    }

    fn place(&self, id: &str) -> String {
        id.to_owned()
    }

    fn question(&self) -> &'static str {
        ""
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.1.subscribe()
    }
}
