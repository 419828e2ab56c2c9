//! Asks the decision again behind open sockets, and ends those for which it does not hold any more.
//!
//! Each replica does so for the gateways that report to it; a gateway that moves takes its sockets' sessions along.
//! `unseen.rs` has reported
//! sessions wait until their sockets are seen, `schedule.rs` knows when each is asked, `places.rs` how many at once, `asker.rs` asks one, `doubt.rs` whether a
//! session that is absent is to be believed so, `verdict.rs` what the answer means for a socket, and `beyond_cap.rs` what
//! somebody has open too much. Then `endings.rs` ends sockets, at the pace that `pace.rs` allows, and `user_changes.rs` tells
//! gateways of users who have changed, both as far as `lines.rs` says that a gateway answers; `watchers.rs` has those hear of it
//! who watch, and `ended.rs` whoever keeps a record. Whatever could not be done is asked again, and nothing waits in a queue for an answer that may be old. `ender.rs`
//! ends sessions from outside.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use self::{
    asker::Asker,
    doubt::{Connection, Doubt},
    endings::Endings,
    lines::{Lines, Retry},
    places::Places,
    schedule::{Asked, Found, Schedule},
    unseen::Unseen,
    user_changes::UserChanges,
};
use crate::{
    authorize::Authorizer,
    registry::{Registry, sessions::Noted},
    session_store::{Listener, News, SessionStore},
};

mod asker;
mod beyond_cap;
mod doubt;
mod ended;
mod ender;
mod endings;
mod lines;
mod pace;
mod places;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;
mod unseen;
mod user_changes;
mod verdict;
mod watchers;

pub use self::{
    ended::{Ended, KeepsRecord},
    ender::{CannotEnd, EndedSessions, Ender},
    tally::{Figures, Tally},
};

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
    /// Who keeps a record of what was ended.
    pub keeper: Arc<dyn KeepsRecord>,
    /// Each session is asked again at least this often.
    pub interval: Duration,
}

/// The work, which goes on until this is dropped.
#[derive(Debug)]
pub struct SessionEnds {
    tasks: JoinSet<()>,
}

impl SessionEnds {
    /// Begins.
    pub fn start(parts: Parts) -> Self {
        let interval = parts.interval;
        let (news, heard) = mpsc::channel(NEWS);
        let (retry, retried) = mpsc::unbounded_channel();
        let lines = Arc::new(Lines::new(retry.clone()));
        let (registry, tally) = (&parts.registry, &parts.tally);
        let (endings, ending) = Endings::new(
            Arc::clone(registry),
            Arc::clone(&lines),
            retry.clone(),
            Arc::clone(tally),
            parts.keeper,
        );
        let (user_changes, telling) =
            UserChanges::new(Arc::clone(registry), Arc::clone(&lines), retry, Arc::clone(tally));
        let doubt = Arc::new(Doubt::default());
        let asker = Arc::new(Asker {
            authorizer: Arc::clone(&parts.authorizer),
            stores: parts.stores.clone(),
            registry: Arc::clone(registry),
            doubt: Arc::clone(&doubt),
            endings,
            user_changes,
            tally: Arc::clone(tally),
        });
        let ear = Arc::new(Ear { news, tally: Arc::clone(&parts.tally) });
        let work = Work {
            asker,
            heard,
            retried,
            unseen: Unseen::default(),
            progress: registry.progress(),
            schedule: Schedule::new(interval),
            places: Places::new(),
            lines,
            tally: parts.tally,
            asked: JoinSet::new(),
            sessions: HashMap::new(),
        };
        let connection = watch_connection(parts.stores.clone(), parts.registry, doubt);
        let mut tasks = JoinSet::new();
        tasks.spawn(ended::sum_up(Arc::clone(&work.tally)));
        tasks.spawn(work.run());
        tasks.spawn(ending.run());
        tasks.spawn(telling.run());
        tasks.spawn(connection);
        tasks.spawn(follow(parts.stores, ear));
        Self { tasks }
    }

    /// Waits until some of the work has been broken off, which no replica should outlive: its sockets would stay open.
    pub async fn broke_off(&mut self) -> JoinError {
        loop {
            match self.tasks.join_next().await {
                Some(Err(cause)) => return cause,
                // A store that tells nothing is not followed any longer.
                Some(Ok(())) => {}
                None => std::future::pending().await,
            }
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
    /// Sessions that have to be asked again, since something could not be done.
    retried: mpsc::UnboundedReceiver<Retry>,
    unseen: Unseen,
    /// Changes when more may be seen.
    progress: watch::Receiver<()>,
    schedule: Schedule,
    places: Places,
    lines: Arc<Lines>,
    tally: Arc<Tally>,
    /// What is being asked.
    asked: JoinSet<Asked>,
    /// Which session by which task.
    sessions: HashMap<Id, Arc<str>>,
}

impl Work {
    async fn run(mut self) {
        let mut cleaned = Instant::now();
        loop {
            self.ask_some();
            self.tally.sessions(self.schedule.len());
            self.tally.wait_for_turns(self.schedule.waiting());
            let now = Instant::now();
            let next = self.schedule.next_at(self.places.room(), now);
            if now >= cleaned + CLEAN_EVERY {
                cleaned = now;
                self.lines.keep(|gateway_id| self.asker.registry.reports_here(gateway_id));
            }
            tokio::select! {
                biased;
                // First, since what follows may always have something.
                Ok(()) = self.progress.changed(), if !self.unseen.is_empty() => self.see(),
                Some(answer) = self.asked.join_next_with_id(), if !self.asked.is_empty() => self.answered(answer),
                news = self.heard.recv() => match news {
                    Some(news) => self.hear(news),
                    None => return,
                },
                Some((session_id, after)) = self.retried.recv() => self.schedule.is_due_in(&session_id, after),
                Noted { reported, changed } = self.asker.registry.noted().take() => {
                    let now = Instant::now();
                    for ((session_id, _), kept) in reported {
                        self.schedule.is_reported(&session_id, now);
                        self.unseen.is_reported(&session_id, kept);
                    }
                    self.see();
                    for session_id in &changed {
                        self.schedule.has_changed(session_id, now);
                    }
                }
                () = self.places.freed() => {}
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
            }
        }
    }

    /// Asks as many as are due and find a place.
    fn ask_some(&mut self) {
        /// Others get a turn after so many.
        const SOME: usize = 1_000;
        for _ in 0..SOME {
            let Some(question) = self.schedule.next(self.places.room(), Instant::now()) else { return };
            let are_seen = !self.unseen.contains(&question.session_id);
            if !self.asker.registry.has_sockets_here(&question.session_id) {
                // Whoever reports ever new sessions must not fill the schedule with them.
                let asked = if are_seen {
                    self.asker.forget(&question);
                    Asked::NOBODY
                } else {
                    Asked::unseen(question.turn)
                };
                self.schedule.is_not_asked(&question, asked);
                continue;
            }
            let Some(place) = self.places.take(question.queue) else { return };
            let (asker, session_id) = (Arc::clone(&self.asker), Arc::clone(&question.session_id));
            let task = self.asked.spawn(async move { asker.ask(&question, are_seen, place).await });
            self.sessions.insert(task.id(), session_id);
        }
    }

    /// Of some sessions all sockets are seen now that were reported.
    fn see(&mut self) {
        let now = Instant::now();
        for session_id in self.unseen.take_seen(|kept, session_id| self.asker.registry.sees(kept, session_id))
        {
            self.schedule.is_seen(&session_id, now);
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

    fn answered(&mut self, answer: Result<(Id, Asked), JoinError>) {
        let (task, asked) = match answer {
            Ok((task, asked)) => (task, asked),
            Err(panic) => {
                tracing::error!(cause = %panic, "asking a session was broken off");
                (panic.id(), Asked::in_vain(Found::Fault, BROKEN_OFF, None))
            }
        };
        let Some(session_id) = self.sessions.remove(&task) else { return };
        self.schedule.is_asked(&session_id, asked);
    }
}

/// A session whose question was broken off is asked again after this.
const BROKEN_OFF: Duration = Duration::from_secs(5);

/// How often gateways are forgotten that report here no more.
const CLEAN_EVERY: Duration = Duration::from_secs(60);

/// Microseconds since 1970.
fn microseconds_now() -> i64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().map(|elapsed| elapsed.as_micros()).unwrap_or_default();
    i64::try_from(elapsed).unwrap_or(i64::MAX)
}
