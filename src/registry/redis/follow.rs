//! Follows the feeds: what happened in Redis happens in the view, in the same order.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{self, sleep};

use super::{
    feed::{self, Place, Raw, Reader},
    script::{Call, RENEW},
    snapshot,
    store::{Known, Store},
    wire::StreamId,
};
use crate::{
    redis_connection::Connector,
    registry::{
        change::{Change, Epoch, Position, Shard},
        ledger::Health,
        view::View,
    },
};

/// Entries of one feed that are read together with those of all others: few enough to be held in memory when gateways list
/// again and each is as large as a script makes it. Where there are more the feed is read on alone.
const AT_ONCE: usize = 16;

/// Messages whose numbers are remembered: a driver says one twice within a second or never.
const NUMBERS: usize = 64;

/// Between attempts, as the keeper of the other connection has it.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_AT_MOST: Duration = Duration::from_millis(500);

/// How long the feed may be away while the store itself answers, before that is worth a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// Follows the feeds of some shards that are on one server.
pub(super) struct Follower {
    store: Arc<Store>,
    view: Arc<View>,
    connector: Connector,
    followed: Vec<Followed>,
}

struct Followed {
    shard: Shard,
    /// What the view has: everything of this data up to this entry. `None`: nothing yet.
    at: Option<Known>,
    numbers: VecDeque<Vec<u8>>,
}

impl Follower {
    pub(super) fn new(
        store: Arc<Store>,
        view: Arc<View>,
        connector: Connector,
        shards: impl IntoIterator<Item = Shard>,
    ) -> Self {
        let followed = |shard| Followed { shard, at: None, numbers: VecDeque::new() };
        Self { store, view, connector, followed: shards.into_iter().map(followed).collect() }
    }

    pub(super) async fn run(mut self) {
        let mut delay = RETRY_FIRST;
        let mut away = Away::default();
        loop {
            let begun = Instant::now();
            let Err(cause) = self.follow(&mut away).await;
            // What lasted was no attempt that failed.
            if begun.elapsed() > PATIENCE {
                delay = RETRY_FIRST;
            }
            let store_answers = *self.store.connection().health().borrow() == Health::Up;
            away.goes_on(&cause, store_answers);
            sleep(delay.mul_f64(rand::random_range(0.5..1.0))).await;
            delay = (delay * 2).min(RETRY_AT_MOST);
        }
    }

    /// Follows until that fails, and says why it did.
    async fn follow(&mut self, away: &mut Away) -> Result<Infallible, String> {
        let Some(first) = self.followed.first() else { return Err("nothing to follow".to_owned()) };
        let feed = self.store.keys(first.shard).feed();
        let connection = self.connector.connect_to_owner(&feed).await?;
        let mut reader = Reader::new(connection, self.connector.timeout());
        for followed in &mut self.followed {
            followed.enter(&self.store, &self.view, &mut reader).await?;
        }
        away.is_over();
        loop {
            self.read(&mut reader).await?;
        }
    }

    async fn read(&mut self, reader: &mut Reader) -> Result<(), String> {
        let known: Vec<_> = self.followed.iter().map(|followed| self.store.known(followed.shard)).collect();
        let feeds: Vec<_> = self
            .followed
            .iter()
            .map(|followed| (self.store.keys(followed.shard).feed(), followed.last()))
            .collect();
        let asked = time::Instant::now();
        let found = reader.next(&feeds, AT_ONCE).await?;
        for ((followed, known), entries) in self.followed.iter_mut().zip(known).zip(found) {
            let mut is_all = entries.len() < AT_ONCE;
            if !entries.is_empty() {
                // Handshakes need not wait until all shards are done.
                tokio::task::yield_now().await;
            }
            let mut taken = followed.take_in(&self.view, entries);
            if taken.is_continue() && !is_all {
                let keys = self.store.keys(followed.shard).of_shard();
                let (entries, more) = reader.read_on(keys, followed.last()).await?;
                is_all = !more;
                taken = followed.take_in(&self.view, entries);
            }
            if taken.is_break() {
                followed.load(&self.store, &self.view, reader).await?;
            }
            if is_all {
                followed.check(known)?;
                // Not as of now: what was kept since Redis answered is not in it.
                self.view.up_to_date(followed.shard, asked);
            }
        }
        Ok(())
    }
}

/// Since when the feed is not followed, and whether that was told.
#[derive(Default)]
struct Away {
    since: Option<Instant>,
    is_told: bool,
}

impl Away {
    /// While the store does not answer either, that has been said; the feed alone being away is something else.
    fn goes_on(&mut self, cause: &str, store_answers: bool) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if store_answers && since.elapsed() > PATIENCE && !self.is_told {
            self.is_told = true;
            tracing::error!(
                cause,
                "the registry's changes cannot be followed: answers come from what is known and say their age"
            );
        }
    }

    fn is_over(&mut self) {
        if std::mem::take(self).is_told {
            tracing::info!("the registry's changes are followed again");
        }
    }
}

/// Whether entries could be taken in, or the data is another one.
type Taken = std::ops::ControlFlow<()>;

impl Followed {
    /// Goes on from where it was, if that can be; else it begins anew.
    async fn enter(&mut self, store: &Store, view: &View, reader: &mut Reader) -> Result<(), String> {
        let keys = store.keys(self.shard);
        let known = store.known(self.shard).filter(|known| self.at.is_some_and(|at| at.epoch == known.epoch));
        let ids: Vec<StreamId> = self.at.into_iter().chain(known).map(|at| at.last).collect();
        let here = reader.place(keys.of_shard(), &ids).await?;
        let there = store.run(self.shard, &feed::place_call(keys.of_shard(), &ids)).await;
        let there = there.and_then(Place::read).map_err(|fault| fault.to_string())?;
        if here.epoch != there.epoch {
            return Err("the server that is followed is not the one that is written to".to_owned());
        }
        if self.at.is_some_and(|at| at.epoch == there.epoch) {
            if here.there.iter().all(|there| *there) {
                return Ok(());
            }
            if here.has_lost(&ids) && there.has_lost(&ids) {
                self.renew(store, there.epoch).await?;
            }
        }
        self.load(store, view, reader).await
    }

    /// What was acked is not there any more: a replica that lagged behind became the primary, or an older dump was loaded.
    /// Gateways list again when their tenures are void.
    async fn renew(&self, store: &Store, epoch: Epoch) -> Result<(), String> {
        tracing::warn!(
            shard = self.shard.number(),
            "the registry's store has lost its latest changes: gateways are asked to list their sockets again"
        );
        store.forget(self.shard);
        let mut call = Call::new(&RENEW, store.keys(self.shard).of_shard());
        call.arg(format!("{epoch:?}"));
        store.run(self.shard, &call).await.map(drop).map_err(|fault| fault.to_string())
    }

    async fn load(&mut self, store: &Store, view: &View, reader: &mut Reader) -> Result<(), String> {
        let (snapshot, last) = snapshot::load(reader, store.keys(self.shard)).await?;
        self.at = Some(Known { epoch: snapshot.epoch, last });
        view.replace(self.shard, snapshot);
        Ok(())
    }

    /// The last entry that the view has.
    fn last(&self) -> StreamId {
        self.at.map_or(StreamId { milliseconds: 0, sequence: 0 }, |at| at.last)
    }

    fn take_in(&mut self, view: &View, entries: Vec<Raw>) -> Taken {
        let mut changes: Vec<(Position, Change)> = Vec::new();
        let mut taken = Taken::Continue(());
        for (id, fields) in entries {
            let entry = feed::understood(fields);
            let Some(at) = &mut self.at else { return Taken::Break(()) };
            if entry.epoch.is_some_and(|epoch| epoch != at.epoch) {
                taken = Taken::Break(());
                break;
            }
            at.last = id;
            if !entry.number.as_ref().is_some_and(|number| self.is_repeated(number)) {
                changes.extend(entry.placed(id));
            }
        }
        if !changes.is_empty() {
            view.apply(self.shard, changes);
        }
        taken
    }

    fn is_repeated(&mut self, number: &[u8]) -> bool {
        if self.numbers.iter().any(|known| known == number) {
            return true;
        }
        self.numbers.push_back(number.to_vec());
        if self.numbers.len() > NUMBERS {
            self.numbers.pop_front();
        }
        false
    }

    /// Whoever has read everything has at least what was known before.
    fn check(&self, known: Option<Known>) -> Result<(), String> {
        match (self.at, known) {
            (Some(at), Some(known)) if at.epoch != known.epoch || at.last < known.last => {
                Err("the server that is followed lacks what the one that is written to has said".to_owned())
            }
            _ => Ok(()),
        }
    }
}
