//! Whatever a store goes through: no socket of a session that lives is closed, and each socket of one that has ended is,
//! in time. The store is played, and so is the time; all else is real.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Parts, SessionEnds, Tally};
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
    session_store::{Fault, Health, Listener, News, SessionId, SessionStore},
    user_source::SessionUser,
};

const INTERVAL: Duration = Duration::from_secs(30);
const SESSIONS: usize = 3;

/// What happens to one session, or to the store.
#[derive(Clone, Copy, Debug)]
enum Happening {
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

impl Happening {
    /// Whether whoever was there is not there after it.
    fn ends(self, user_before: Option<u8>) -> bool {
        match self {
            Self::Written { user, .. } => user_before != Some(user),
            Self::LoggedOut | Self::Destroyed => true,
            Self::Touched | Self::Fault(_) | Self::NotLoadedYet(_) | Self::Reconnected => false,
        }
    }
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

#[derive(Debug)]
struct PlayedStore(Mutex<Played>, watch::Sender<Health>);

impl PlayedStore {
    fn lock(&self) -> MutexGuard<'_, Played> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, session: &str, happening: Happening, is_told: bool) {
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

fn socket(session: usize) -> Record {
    let mut builder = Builder::default();
    builder.packer().json(&json!({"id": 1, "logged_in": true, "role": 0}));
    builder.packer().json(&json!({}));
    let (socket_id, session_id) = (format!("socket-{session}"), format!("session-{session}"));
    builder.finish(&Socket { socket_id: &socket_id, session_id: &session_id, ..Socket::default() })
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
    let policy = AcceptPolicy::new(Accept::compile("user.logged_in").expect("a policy"));
    Authorizer::new(
        rules,
        Sessions::InStore(Arc::clone(store), keys),
        Arc::new(SessionUser),
        Arc::new(policy),
    )
}

/// A gateway that does as it is told.
struct Gateway {
    stream: Stream,
    sequence: u64,
    closed: HashSet<String>,
}

impl Gateway {
    async fn report(&mut self, events: Vec<Event>) {
        self.sequence += 1;
        let batch = Batch { sequence: self.sequence, events, complete: self.sequence == 1 };
        self.stream.batch(batch).await.expect("kept");
    }

    /// Does as it is told until then.
    async fn until(&mut self, then: Instant) {
        const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
        loop {
            let sign = then.min(Instant::now() + SIGN_OF_LIFE);
            tokio::select! {
                command = self.stream.next() => {
                    let command = command.expect("the stream goes on");
                    let ids = command.task.socket_ids().to_vec();
                    if matches!(command.task, Task::Disconnect { .. }) {
                        self.closed.extend(ids.iter().cloned());
                    }
                    self.stream.result(&command.command_id, ids).await.expect("kept");
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
}

/// Plays what happens, each so many milliseconds after the one before, to one of the sessions, and told or not. Gives for
/// each session whether it should be closed, and whether it is.
async fn play(history: &[(u64, usize, Happening, bool)]) -> Vec<(bool, bool)> {
    let now = Instant::now();
    let played = Played {
        sessions: BTreeMap::new(),
        silent_until: now,
        empty_until: now,
        connection: 1,
        listener: None,
    };
    let store = Arc::new(PlayedStore(Mutex::new(played), watch::Sender::new(Health::Up)));
    let session_id = |session: usize| format!("session-{session}");
    for session in 0..SESSIONS {
        store.happens(&session_id(session), Happening::Written { user: 1, role: 0 }, false);
    }
    let mut layers = Layers::default();
    layers.add_environment([("SOCKETPASS_SESSION_SECRETS".to_owned(), "secret".to_owned())]);
    let config = Config::load(&layers).expect("settings");
    let registry = Arc::new(Registry::open(&config.registry, &config.user.identity, &config.limits));
    let dynamic: Arc<dyn SessionStore> = Arc::clone(&store) as _;
    let (_stores, receiver) = watch::channel(Arc::clone(&dynamic));
    let _work = SessionEnds::start(Parts {
        authorizer: Arc::new(ArcSwap::from_pointee(authorizer(&dynamic))),
        stores: receiver,
        registry: Arc::clone(&registry),
        tally: Arc::new(Tally::default()),
        interval: INTERVAL,
    });
    let stream = registry.stream(GatewayInfo::new("g", "one", &BTreeMap::new())).await.expect("a stream");
    let mut gateway = Gateway { stream, sequence: 0, closed: HashSet::new() };
    gateway.report((0..SESSIONS).map(|session| Event::Opened(socket(session))).collect()).await;
    let mut users = [Some(1); SESSIONS];
    // Whether it is over now, and whether it was at any time.
    let mut over = vec![(false, false); SESSIONS];
    for (after, session, happening, is_told) in history {
        gateway.until(Instant::now() + Duration::from_millis(*after)).await;
        store.happens(&session_id(*session), *happening, *is_told);
        let (user, over) = (&mut users[*session], &mut over[*session]);
        if happening.ends(*user) {
            *over = (true, true);
        }
        match happening {
            Happening::Written { user: now, .. } => {
                *user = Some(*now);
                over.0 = *now != 1;
            }
            Happening::LoggedOut | Happening::Destroyed => *user = None,
            Happening::Touched
            | Happening::Fault(_)
            | Happening::NotLoadedYet(_)
            | Happening::Reconnected => {}
        }
    }
    // A fault, the interval, and the second read.
    gateway.until(Instant::now() + Duration::from_secs(5) + INTERVAL + Duration::from_secs(3)).await;
    let sessions = over.into_iter().enumerate();
    let outcome = sessions.map(|(session, (is_over, was_over))| {
        let is_closed = gateway.closed.contains(&format!("socket-{session}"));
        // Of one that was over and is not any more both is right: it depends on who was quicker.
        (if is_over == was_over { is_over } else { is_closed }, is_closed)
    });
    outcome.collect()
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_u8..3, 0_u8..3).prop_map(|(user, role)| Happening::Written { user, role }),
        1 => Just(Happening::LoggedOut),
        1 => Just(Happening::Destroyed),
        4 => Just(Happening::Touched),
        2 => (1_u64..5_000).prop_map(Happening::Fault),
        2 => (1_u64..1_900).prop_map(Happening::NotLoadedYet),
        2 => Just(Happening::Reconnected),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn only_what_has_ended_is_closed_and_all_of_it(
        history in proptest::collection::vec((0_u64..20_000, 0..SESSIONS, happening(), any::<bool>()), 0..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let outcome = runtime.expect("a runtime").block_on(play(&history));
        for (should, is) in outcome {
            prop_assert_eq!(should, is);
        }
    }
}
