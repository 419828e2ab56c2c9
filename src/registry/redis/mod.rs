//! The truth in Redis: the scripts in `scripts/` decide, and what they decided comes back to every replica through the
//! feed of its shard. Whoever has written something waits for Redis alone, not for the way back.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{
    change::{Epoch, GatewayInfo, Position, Shard},
    confirmation::{Confirmation, Mark},
    ledger::{Claimed, Event, Fault, Health, Ledger, RETIRED, RETIRED_FOR, Sign, Telling, Tenure},
    view::View,
};
use crate::{
    config::{
        redis_url::{RedisUrl, Topology},
        registry::Registry as Settings,
    },
    reason::Reason,
    redis_connection::Connector,
    task,
};

mod eviction;
mod feed;
mod follow;
mod keys;
mod lease;
mod script;
mod snapshot;
mod store;
mod wire;

use self::{
    follow::Follower,
    lease::{Leases, SOCKETS},
    script::{Answer, CLAIM, CONFIRM, Call, GOODBYE, OPEN_IDS, STATE, SWEEP, Script, TELL, TELL_ENDS, WRITE},
    store::Store,
};

/// What one script is given at most: Redis does nothing else meanwhile.
const EVENTS: usize = 200;
const EVENT_BYTES: usize = 256 << 10;

/// Ids of open sockets that are asked for at once, roughly.
const IDS: usize = 1000;

/// The ledger.
#[derive(Debug)]
pub struct RedisLedger {
    store: Arc<Store>,
    lease: Duration,
    history: Duration,
    evicting: Arc<AtomicBool>,
    /// End with the ledger.
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl RedisLedger {
    /// Starts to connect, and to keep the view as Redis has it. Does not wait for Redis: one that is away is no reason not
    /// to start.
    pub fn open(url: &RedisUrl, settings: &Settings, view: &Arc<View>) -> Self {
        let connector = Connector::new(url.clone(), settings.store_connect_timeout, settings.store_timeout);
        let store = Arc::new(Store::open(connector.clone(), settings));
        let evicting = Arc::new(AtomicBool::new(false));
        let mut tasks = vec![task::owned(eviction::watch_policy(
            Arc::clone(&store),
            url.to_string(),
            Arc::clone(&evicting),
        ))];
        // A cluster's shards can be on different nodes, and each node is followed on a connection of its own.
        let together: Vec<Vec<Shard>> = match url.topology {
            Topology::Single | Topology::Sentinel(_) => vec![Shard::all().collect()],
            Topology::Cluster => Shard::all().map(|shard| vec![shard]).collect(),
        };
        for shards in together {
            let follower = Follower::new(Arc::clone(&store), Arc::clone(view), connector.clone(), shards);
            tasks.push(task::owned(follower.run()));
        }
        for shard in Shard::all() {
            let leases = Leases {
                store: Arc::clone(&store),
                view: Arc::clone(view),
                shard,
                lease: settings.lease,
                history: settings.history,
            };
            tasks.push(task::owned(leases.run()));
        }
        Self { store, lease: settings.lease, history: settings.history, evicting, _tasks: tasks }
    }

    /// A script about a gateway.
    fn call<'a>(&self, script: &'static Script, gateway_id: &'a str) -> Call<'a> {
        let keys = self.store.keys(Shard::of(gateway_id)).of_gateway(gateway_id);
        let mut call = Call::new(script, keys);
        call.arg(gateway_id).arg(self.lease.as_millis().to_string());
        call
    }

    /// A script about a gateway, for whoever has this tenure.
    fn call_with<'a>(&self, script: &'static Script, tenure: &'a Tenure) -> Call<'a> {
        let mut call = self.call(script, &tenure.info.gateway_id);
        call.arg(tenure.number.to_string());
        call
    }

    async fn run(&self, gateway_id: &Arc<str>, call: &Call<'_>) -> Result<Answer, Fault> {
        let mut answer = self.store.run(Shard::of(gateway_id), call).await?;
        if answer.word != "superseded" {
            return Ok(answer);
        }
        let holder = answer.text().ok().and_then(|incarnation| {
            wire::info(Arc::clone(gateway_id), &incarnation, answer.bytes().unwrap_or_default())
        });
        Err(Fault::Superseded(holder.map(Arc::new)))
    }

    /// Closes the sockets of a gateway that is ending.
    async fn sweep(&self, gateway_id: &Arc<str>) -> Result<(), Fault> {
        loop {
            let mut call = self.call(&SWEEP, gateway_id);
            call.arg(SOCKETS.to_string());
            if self.run(gateway_id, &call).await?.number()? > 0 {
                return Ok(());
            }
        }
    }

    /// Ids of the gateway's sockets that are open and not among these.
    async fn not_among(&self, tenure: &Tenure, named: &HashSet<Box<str>>) -> Result<Vec<String>, Fault> {
        let mut others = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut call = self.call_with(&OPEN_IDS, tenure);
            call.arg(cursor).arg(IDS.to_string());
            let mut answer = self.run(&tenure.info.gateway_id, &call).await?;
            cursor = answer.text()?;
            let ids = answer.list()?.filter_map(|id| script::text(Some(id)));
            others.extend(ids.filter(|id| !named.contains(id.as_str())));
            if cursor == "0" {
                return Ok(others);
            }
        }
    }
}

/// How many of these one script is given.
fn fitting<T>(items: &[T], size: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    let before_it = |item: &&T| {
        let fits = bytes < EVENT_BYTES;
        bytes += size(item);
        fits
    };
    items.iter().take(EVENTS).take_while(before_it).count()
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn claim(&self, info: &Arc<GatewayInfo>, silent: Option<&Sign>) -> Result<Claimed, Fault> {
        loop {
            let mut call = self.call(&CLAIM, &info.gateway_id);
            call.arg(&*info.incarnation)
                .arg(&*info.labels)
                .arg(silent.map_or("", |sign| &sign.0))
                .arg(RETIRED.to_string())
                .arg(RETIRED_FOR.as_secs().to_string());
            let mut answer = self.run(&info.gateway_id, &call).await?;
            match answer.word.as_str() {
                "granted" => {
                    return Ok(Claimed::Granted(Tenure { info: Arc::clone(info), number: answer.number()? }));
                }
                "held" => {
                    let (sign, is_cut) = (Sign(answer.text()?), answer.number()? == 1);
                    return Ok(Claimed::Held { sign, is_cut });
                }
                "retired" => return Ok(Claimed::Retired),
                // The end of its last life comes first.
                _ => self.sweep(&info.gateway_id).await?,
            }
        }
    }

    async fn write(&self, tenure: &Tenure, events: Vec<Event>) -> Result<(), Fault> {
        let size = |event: &Event| match event {
            Event::Opened(record) => record.as_bytes().len(),
            Event::Closed { socket_id, .. } => socket_id.len(),
        };
        let mut rest = events.as_slice();
        loop {
            let (some, others) = rest.split_at(fitting(rest, size));
            let mut call = self.call_with(&WRITE, tenure);
            for event in some {
                match event {
                    Event::Opened(record) => {
                        call.arg("o").arg(record.socket_id()).arg(record.as_bytes());
                    }
                    Event::Closed { socket_id, reason } => {
                        call.arg("c").arg(&**socket_id).arg(reason.name());
                    }
                }
            }
            // One after the other: what comes later must not be kept when what comes before was not.
            self.run(&tenure.info.gateway_id, &call).await?;
            rest = others;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    async fn confirm(&self, tenure: &Tenure, confirmed: Vec<(Box<str>, Confirmation)>) -> Result<(), Fault> {
        let size = |(_, confirmation): &(Box<str>, Confirmation)| confirmation.as_bytes().len();
        let mut rest = confirmed.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(fitting(rest, size));
            let mut call = self.call_with(&CONFIRM, tenure);
            for (socket_id, confirmation) in some {
                call.arg(&**socket_id).arg(confirmation.mark().0.to_vec()).arg(confirmation.as_bytes());
            }
            self.run(&tenure.info.gateway_id, &call).await?;
            rest = others;
        }
        Ok(())
    }

    async fn complete(&self, tenure: &Tenure, named: &HashSet<Box<str>>) -> Result<(), Fault> {
        let gone = self.not_among(tenure, named).await?;
        let closed = |socket_id| Event::Closed { socket_id, reason: Reason::Closed };
        self.write(tenure, gone.into_iter().map(closed).collect()).await?;
        let mut call = self.call_with(&STATE, tenure);
        call.arg("complete");
        self.run(&tenure.info.gateway_id, &call).await.map(drop)
    }

    async fn goodbye(&self, tenure: &Tenure) -> Result<(), Fault> {
        let mut call = self.call_with(&GOODBYE, tenure);
        call.arg(Reason::Closed.name());
        self.run(&tenure.info.gateway_id, &call).await?;
        self.sweep(&tenure.info.gateway_id).await
    }

    async fn cut(&self, tenure: &Tenure) -> Result<(), Fault> {
        let mut call = self.call_with(&STATE, tenure);
        call.arg("cut");
        self.run(&tenure.info.gateway_id, &call).await.map(drop)
    }

    async fn tell(&self, shard: Shard, message: Arc<[u8]>) -> Result<(), Fault> {
        let mut call = Call::new(&TELL, self.store.keys(shard).of_shard());
        call.arg(&*message).arg(rand::random::<u64>().to_string());
        self.store.run_once(shard, &call).await.map(drop)
    }

    async fn tell_ends(&self, shard: Shard, ends: &[Telling]) -> Result<(), Fault> {
        let keys = self.store.keys(shard);
        let mut rest = ends;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(fitting(rest, |telling| telling.ended.as_bytes().len()));
            let of_each = some.iter().map(|telling| keys.told(Mark::of(telling.ended.session_id())));
            let mut call = Call::new(&TELL_ENDS, keys.of_shard().into_iter().chain(of_each).collect());
            call.arg(self.history.as_secs().max(1).to_string());
            for Telling { ended, outlived } in some {
                call.arg(ended.kind().name())
                    .arg(ended.number().to_string())
                    .arg(outlived.map(|number| number.to_string()).unwrap_or_default())
                    .arg(&**ended.as_bytes());
            }
            // Told twice, the second one finds the first.
            self.store.run(shard, &call).await?;
            rest = others;
        }
        Ok(())
    }

    fn newest(&self, shard: Shard) -> Option<(Epoch, Position)> {
        self.store.known(shard).map(|known| (known.epoch, known.last.position()))
    }

    fn evicts(&self) -> bool {
        self.evicting.load(Ordering::Relaxed)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.store.connection().health()
    }
}
