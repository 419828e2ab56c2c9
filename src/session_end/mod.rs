//! Asks the decision again behind open sockets, and ends those for which it does not hold any more.
//!
//! Each replica does so for the gateways that report to it; a gateway that moves takes its sockets' sessions along.
//! `schedule.rs` knows when each session is asked, `asker.rs` asks one, `doubt.rs` whether a session that is absent is to be
//! believed so, `verdict.rs` what the answer means for a socket, and `endings.rs` ends sockets at the pace that there is.
//! `ender.rs` ends sessions from outside.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use self::{
    asker::{Asked, Asker},
    doubt::{Connection, Doubt},
    endings::Endings,
    schedule::{Question, Schedule},
};
use crate::{
    authorize::Authorizer,
    registry::{Registry, sessions::Noted},
    session_store::{Listener, News, SessionStore},
    task,
};

mod asker;
mod doubt;
mod ender;
mod endings;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;
mod verdict;

pub use self::{
    ender::{CannotEnd, EndedSessions, Ender},
    tally::{Figures, Tally},
};

/// Questions that are under way at once: enough for a store to answer many together, and few enough that handshakes find
/// a place between them.
const AT_ONCE: usize = 256;

/// News that may wait. What does not fit is lost, and found by the next regular question.
const NEWS: usize = 16_384;

/// What it works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Who decides.
    pub authorizer: Arc<ArcSwap<Authorizer>>,
    /// Where sessions are.
    pub stores: watch::Receiver<Arc<dyn SessionStore>>,
    /// Whose sockets are open.
    pub registry: Arc<Registry>,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// Each session is asked again at least this often.
    pub interval: Duration,
}

/// The work, which goes on until this is dropped.
#[derive(Debug)]
pub struct SessionEnds {
    _tasks: [AbortOnDropHandle<()>; 4],
}

impl SessionEnds {
    /// Begins.
    pub fn start(parts: Parts) -> Self {
        let interval = parts.interval;
        let (news, heard) = mpsc::channel(NEWS);
        let (retry, retried) = mpsc::unbounded_channel();
        let (endings, ending) = Endings::new(Arc::clone(&parts.registry), retry, Arc::clone(&parts.tally));
        let doubt = Arc::new(Doubt::default());
        let asker = Arc::new(Asker {
            authorizer: Arc::clone(&parts.authorizer),
            stores: parts.stores.clone(),
            registry: Arc::clone(&parts.registry),
            doubt: Arc::clone(&doubt),
            endings: Arc::new(endings),
            tally: Arc::clone(&parts.tally),
            interval,
        });
        let ear = Arc::new(Ear { news, tally: Arc::clone(&parts.tally) });
        let work = Work { asker, heard, retried, schedule: Schedule::new(interval), tally: parts.tally };
        let connection = watch_connection(parts.stores.clone(), parts.registry, doubt);
        Self {
            _tasks: [
                task::owned(work.run()),
                task::owned(ending.run()),
                task::owned(connection),
                task::owned(follow(parts.stores, ear)),
            ],
        }
    }
}

/// Hears what stores tell, and never waits.
struct Ear {
    news: mpsc::Sender<News>,
    tally: Arc<Tally>,
}

impl Listener for Ear {
    fn hear(&self, news: News) {
        self.tally.heard(&news);
        if self.news.try_send(news).is_err() {
            self.tally.lost();
        }
    }
}

/// Follows the store in force.
async fn follow(mut stores: watch::Receiver<Arc<dyn SessionStore>>, ear: Arc<Ear>) {
    loop {
        let store = Arc::clone(&stores.borrow_and_update());
        ear.hear(News::AreTold(false));
        tokio::select! {
            () = store.follow(Arc::clone(&ear) as _) => return,
            exchanged = stores.changed() => {
                if exchanged.is_err() {
                    return;
                }
                // Another store has other sessions.
                ear.hear(News::Everything);
            }
        }
    }
}

/// Notes when the store is on another connection.
async fn watch_connection(
    stores: watch::Receiver<Arc<dyn SessionStore>>,
    registry: Arc<Registry>,
    doubt: Arc<Doubt>,
) {
    const LOOK_EVERY: Duration = Duration::from_millis(250);
    /// Until it is known, every absence is doubted.
    const AT_FIRST: Duration = Duration::from_millis(5);
    let sockets_were_there = loop {
        match registry.held_sockets_at_first() {
            Some(any) => break any,
            None => sleep(AT_FIRST).await,
        }
    };
    doubt.begins(sockets_were_there);
    loop {
        doubt.note(Connection::of(&stores), Instant::now());
        sleep(LOOK_EVERY).await;
    }
}

/// Asks, one session after the other, many at once.
struct Work {
    asker: Arc<Asker>,
    heard: mpsc::Receiver<News>,
    /// Sessions that have to be asked again, since one of their sockets could not be ended.
    retried: mpsc::UnboundedReceiver<Arc<str>>,
    schedule: Schedule,
    tally: Arc<Tally>,
}

impl Work {
    async fn run(mut self) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut asked: JoinSet<(Arc<str>, Asked)> = JoinSet::new();
        loop {
            while let Ok(place) = Arc::clone(&places).try_acquire_owned()
                && let Some(question) = self.schedule.next(Instant::now())
            {
                let asker = Arc::clone(&self.asker);
                asked.spawn(async move {
                    let Question { session_id, .. } = &question;
                    let session_id = Arc::clone(session_id);
                    (session_id, asker.ask(&question, place).await)
                });
            }
            self.tally.sessions(self.schedule.len());
            let next = if places.available_permits() > 0 { self.schedule.next_at() } else { None };
            tokio::select! {
                biased;
                Some(answer) = asked.join_next(), if !asked.is_empty() => self.answered(answer),
                news = self.heard.recv() => match news {
                    Some(news) => self.hear(news),
                    None => return,
                },
                Some(session_id) = self.retried.recv() => self.schedule.is_due_in(&session_id, RETRY),
                Noted { reported, changed } = self.asker.registry.noted().take() => {
                    let now = Instant::now();
                    for session_id in reported {
                        self.schedule.is_reported(session_id, now);
                    }
                    for session_id in changed {
                        self.schedule.has_changed(&session_id, now);
                    }
                }
                () = sleep_until(next.unwrap_or_else(far)), if next.is_some() => {}
            }
        }
    }

    fn hear(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Changed(id) => self.schedule.has_changed(id.expose(), now),
            News::Touched(id) => self.schedule.was_touched(id.expose(), now),
            News::Everything => self.schedule.all_are_due(now),
            News::AreTold(_) => {}
        }
    }

    fn answered(&mut self, answer: Result<(Arc<str>, Asked), tokio::task::JoinError>) {
        match answer {
            Ok((session_id, Asked::Again(after))) => self.schedule.is_asked(&session_id, Some(after)),
            Ok((session_id, Asked::NoSockets)) => self.schedule.is_asked(&session_id, None),
            // Which session it was, nobody knows: the schedule takes it up again by itself.
            Err(panic) => tracing::error!(cause = %panic, "asking a session was broken off"),
        }
    }
}

/// Before a session is asked again one of whose sockets could not be ended.
const RETRY: Duration = Duration::from_secs(1);

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60 * 60)
}
