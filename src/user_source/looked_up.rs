//! Users who are looked up by their id, whatever the source: in time, again on a connection that broke, one question a user
//! and so many in all, and remembered for a while.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Fault, FaultKind, Fields, How, Resolved, UserSource,
    cache::Cache,
    id,
    lookup::{Failure, Found, Lookup},
    presence::Presence,
};
use crate::{config::user::Asking, health::Health, task};

/// No id is longer, in bytes: it becomes a key or a part of a URL, and what is longer is something else.
const MAX_ID_BYTES: usize = 1024;

/// How often it is looked whether a source that is down is there again when nobody asks it.
const LOOK_EVERY: Duration = Duration::from_secs(2);

type Answer = Result<Option<Arc<Fields>>, Fault>;
type Question = Shared<BoxFuture<'static, Answer>>;

/// Looks users up.
pub struct LookedUp {
    asker: Arc<Asker>,
    id_field: Vec<Box<str>>,
    _watch: Option<AbortOnDropHandle<()>>,
}

impl LookedUp {
    /// In this source. `id_field` is where an object has its id.
    pub fn open(lookup: Box<dyn Lookup>, id_field: Vec<Box<str>>, asking: Asking) -> Self {
        let is_watched = lookup.watched().is_some();
        let asker = Arc::new(Asker {
            presence: Presence::new(lookup.url()),
            turns: Semaphore::new(asking.max_requests),
            known: Mutex::new(Known { users: Cache::new(&asking), asked: HashMap::new(), questions: 0 }),
            lookup,
            asking,
        });
        let watch = (!is_watched).then(|| task::owned(look_for(Arc::clone(&asker))));
        Self { asker, id_field, _watch: watch }
    }
}

#[async_trait]
impl UserSource for LookedUp {
    async fn resolve(&self, passport_user: Value) -> Result<Resolved, Fault> {
        let Some(id) = id::of(&passport_user, &self.id_field) else {
            return Ok(Resolved { user: None, how: How::Unasked });
        };
        if id.len() > MAX_ID_BYTES {
            return Err(Fault {
                kind: FaultKind::Unusable,
                words: "the id in passport.user is longer than 1,024 bytes: is it an id?",
                cause: format!("{} bytes", id.len()),
            });
        }
        let id = Arc::from(id);
        let (answer, how) = match self.asker.begin(&id) {
            Begun::Known(fields, age) => (Ok(Some(fields)), How::Cached(age)),
            Begun::Asks(question) => (question.await, How::Asked),
            Begun::Joins(question) => (question.await, How::Shared),
        };
        let (fields, how) = match answer {
            Ok(fields) => (fields, how),
            Err(fault) if fault.kind.is_silence() => {
                let (fields, age) = self.asker.known().users.stale(&id, Instant::now()).ok_or(fault)?;
                (Some(fields), How::Stale(age))
            }
            Err(fault) => return Err(fault),
        };
        Ok(Resolved { user: fields.map(Arc::unwrap_or_clone), how })
    }

    fn name(&self) -> &'static str {
        self.asker.lookup.name()
    }

    fn place(&self, passport_user: &Value) -> Option<String> {
        id::of(passport_user, &self.id_field).map(|id| self.asker.lookup.place(&id))
    }

    fn when_missing(&self) -> &'static str {
        self.asker.lookup.when_missing()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.asker.lookup.watched().unwrap_or_else(|| self.asker.presence.follow())
    }
}

impl fmt::Debug for LookedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookedUp").field("lookup", &self.asker.lookup).finish_non_exhaustive()
    }
}

/// Asks the source.
struct Asker {
    lookup: Box<dyn Lookup>,
    asking: Asking,
    presence: Presence,
    turns: Semaphore,
    known: Mutex<Known>,
}

/// Who is known, and who is being asked for.
struct Known {
    users: Cache,
    /// Whoever waits for a question holds it; when nobody does any more, it ends. The number tells it from the next.
    asked: HashMap<Arc<str>, (u64, WeakShared<BoxFuture<'static, Answer>>)>,
    questions: u64,
}

/// What becomes of a handshake's question.
enum Begun {
    /// The answer is known, for so long already.
    Known(Arc<Fields>, Duration),
    /// It is asked.
    Asks(Question),
    /// It was asked already.
    Joins(Question),
}

impl Asker {
    fn begin(self: &Arc<Self>, id: &Arc<str>) -> Begun {
        let mut known = self.known();
        if let Some((fields, age)) = known.users.fresh(id, Instant::now()) {
            return Begun::Known(fields, age);
        }
        if let Some(question) = known.asked.get(id).and_then(|(_, question)| question.upgrade()) {
            return Begun::Joins(question);
        }
        known.questions += 1;
        let asked = Asked { asker: Arc::clone(self), id: Arc::clone(id), number: known.questions };
        let number = asked.number;
        let question = asked.answer().boxed().shared();
        known.asked.extend(question.downgrade().map(|question| (Arc::clone(id), (number, question))));
        Begun::Asks(question)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source's answer, when its turn has come and within the time that there is.
    async fn ask(&self, id: &str) -> Result<Option<Found>, Failure> {
        let Asking { timeout, max_requests, .. } = self.asking;
        let deadline = Instant::now() + timeout;
        let _turn = timeout_at(deadline, self.turns.acquire()).await.map_err(|_| {
            Failure::Fault(Fault {
                kind: FaultKind::Busy,
                words: "too many users are being asked for: is the source slow, or user.max_requests too low?",
                cause: format!("{max_requests} questions were not answered within {timeout:?}"),
            })
        })?;
        let twice = async {
            match self.lookup.ask(id, deadline).await {
                Err(Failure::Died(_)) => self.lookup.ask(id, deadline).await,
                answer => answer,
            }
        };
        let no_answer = |_| Err(Failure::timed_out(format!("no answer within {timeout:?}")));
        timeout_at(deadline, twice).await.unwrap_or_else(no_answer)
    }
}

/// A question under way. Gone when it is answered, or when nobody waits for it any more.
struct Asked {
    asker: Arc<Asker>,
    id: Arc<str>,
    number: u64,
}

impl Asked {
    async fn answer(self) -> Answer {
        let answer = self.asker.ask(&self.id).await;
        match &answer {
            Ok(found) => {
                self.asker.presence.is_there();
                self.asker.known().users.learn(&self.id, found.as_ref(), Instant::now());
            }
            Err(failure) => self.asker.presence.failed(failure),
        }
        answer.map(|found| found.map(|found| found.fields)).map_err(Failure::into_fault)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut known = self.asker.known();
        if known.asked.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            known.asked.remove(&self.id);
        }
    }
}

/// Looks whether a source is there that has not answered yet, or did not when it was asked last.
async fn look_for(asker: Arc<Asker>) {
    loop {
        if !asker.presence.is_up() {
            match timeout(asker.asking.timeout, asker.lookup.reach()).await {
                Ok(Ok(())) => asker.presence.is_reached(),
                Ok(Err(failure)) => asker.presence.failed(&failure),
                Err(_elapsed) => {}
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes connections, and is no good.
    #[derive(Debug)]
    struct NoGood(fn() -> Failure);

    #[async_trait]
    impl Lookup for NoGood {
        async fn ask(&self, _id: &str, _deadline: Instant) -> Result<Option<Found>, Failure> {
            Err((self.0)())
        }

        async fn reach(&self) -> Result<(), Failure> {
            Ok(())
        }

        fn name(&self) -> &'static str {
            "no good"
        }

        fn url(&self) -> String {
            String::new()
        }

        fn place(&self, id: &str) -> String {
            id.to_owned()
        }

        fn when_missing(&self) -> &'static str {
            ""
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_takes_connections_and_is_no_good_goes_down_and_stays_there() {
        for failure in [
            || Failure::Died("closed".to_owned()),
            || Failure::timed_out("nothing"),
            || Failure::refused("", "UNAVAILABLE"),
        ] {
            let asking = Asking {
                timeout: Duration::from_secs(1),
                max_requests: 1,
                cache_ttl: None,
                cache_size: 1,
                stale_for: None,
            };
            let source = LookedUp::open(Box::new(NoGood(failure)), Vec::new(), asking);
            source.health().wait_for(|health| *health == Health::Up).await.unwrap();
            let mut turns = Vec::new();
            let mut health = source.health();
            for _ in 0..100 {
                source.resolve(Value::from(7)).await.unwrap_err();
                sleep(LOOK_EVERY / 3).await;
                if health.has_changed().unwrap() {
                    turns.push(*health.borrow_and_update());
                }
            }
            assert_eq!(turns, [Health::Down], "{:?}", failure());
        }
    }
}
