//! The replicas of socketpass: which there are, which of them can be reached, and which is next.

use std::{
    collections::HashSet,
    error::Error,
    iter::successors,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri};
use tokio::{
    net::lookup_host,
    sync::Notify,
    time::{sleep, timeout},
};
use tonic::{
    Status, TimeoutExpired,
    body::Body,
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tower_service::Service;

use crate::{token::Token, trace};

/// How often a name is asked for its addresses again: a replica that came is used soon, and DNS is not burdened.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);

/// The least time between two rounds, however many connections are lost.
const ROUND_EVERY: Duration = Duration::from_secs(1);

/// An address that does not answer leaves time for another one within an Authorize's default timeout.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// HTTP/2 pings, also while nothing is called: they find connections that are dead.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);

/// gRPC's UNAVAILABLE, as a header says it.
const UNAVAILABLE: &str = "14";

/// Where the replicas are, and how they are spoken to.
pub(crate) struct Target {
    /// `http://host:port` or `https://host:port`: what every replica is called by, whatever its address.
    pub name: Uri,
    pub tls: Option<ClientTlsConfig>,
    pub token: Token,
}

impl Target {
    /// How one of the addresses is connected to.
    pub fn endpoint(&self, address: &str) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = self.name.scheme_str().unwrap_or("http");
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .origin(self.name.clone())
            .user_agent(concat!("socketpass-client-rust/", env!("CARGO_PKG_VERSION")))?
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN)
            .keep_alive_while_idle(true);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()),
            None => Ok(endpoint),
        }
    }

    fn authority(&self) -> &str {
        self.name.authority().map_or("", |authority| authority.as_str())
    }
}

/// All replicas of socketpass. Cheap to clone. As a gRPC transport, each call goes to the next one that can be reached.
#[derive(Clone)]
pub struct Replicas(Arc<Shared>);

struct Shared {
    target: Target,
    list: RwLock<Vec<Replica>>,
    next: AtomicUsize,
    lost: Notify,
    /// Why the name has no addresses.
    unresolved: RwLock<Option<String>>,
}

impl Replicas {
    pub(crate) fn new(target: Target) -> Self {
        // Gateways that start together do not all begin with the same replica.
        let next = AtomicUsize::new(rand::random_range(0..1_000));
        Self(Arc::new(Shared {
            target,
            list: RwLock::default(),
            next,
            lost: Notify::new(),
            unresolved: RwLock::default(),
        }))
    }

    /// Resolves the name for the first time, if that can be done soon.
    pub(crate) async fn begin(&self) {
        if timeout(CONNECT_WITHIN, self.resolve()).await.is_err() {
            tracing::warn!("`address`: {} has no addresses yet", self.0.target.authority());
        }
    }

    /// Keeps the list: asks the name again and again, and looks after replicas that could not be reached.
    pub(crate) async fn keep(self) {
        loop {
            let _ = timeout(RESOLVE_EVERY, self.0.lost.notified()).await;
            sleep(ROUND_EVERY).await;
            self.resolve().await;
            self.revive().await;
        }
    }

    /// The next replica that can be reached; when none can, the next one.
    pub(crate) fn pick(&self) -> Option<Replica> {
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        let turn = self.0.next.fetch_add(1, Relaxed);
        let in_turn = || (0..list.len()).filter_map(|step| list.get((turn.wrapping_add(step)) % list.len()));
        in_turn().find(|replica| replica.0.reachable.load(Relaxed)).or_else(|| in_turn().next()).cloned()
    }

    /// Asks DNS. A name that has no addresses for a moment does not make replicas go away.
    async fn resolve(&self) {
        match lookup_host(self.0.target.authority()).await.map(HashSet::from_iter) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => self.found(&found),
            Err(error) => {
                *self.0.unresolved.write().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        }
    }

    /// What there is to say while there are no addresses.
    pub(crate) fn nowhere(&self) -> Status {
        let why = self.0.unresolved.read().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        Status::unavailable(format!("`address`: {} has no addresses{why}", self.0.target.authority()))
    }

    /// The addresses that there are now. Those that were there before keep their connections.
    fn found(&self, found: &HashSet<SocketAddr>) {
        let mut list = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|replica| found.contains(&replica.0.address));
        let known: HashSet<SocketAddr> = list.iter().map(|replica| replica.0.address).collect();
        for &address in found.difference(&known) {
            match self.0.target.endpoint(&address.to_string()) {
                Ok(endpoint) => list.push(Replica::new(&self.0, address, endpoint.connect_lazy())),
                Err(error) => tracing::error!("`address`: {address}: {}", in_full(&error)),
            }
        }
    }

    /// Connects to replicas that could not be reached, so that no call has to try.
    async fn revive(&self) {
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A single one is tried by the calls themselves: there is nowhere else to go.
        if list.len() < 2 {
            return;
        }
        for replica in list.iter().filter(|replica| !replica.0.reachable.load(Relaxed)) {
            let Ok(endpoint) = self.0.target.endpoint(&replica.0.address.to_string()) else { continue };
            if let Ok(channel) = endpoint.connect().await
                && !replica.0.reachable.load(Relaxed)
            {
                *replica.0.channel.write().unwrap_or_else(PoisonError::into_inner) = channel;
                replica.0.reachable.store(true, Relaxed);
            }
        }
        if list.iter().any(|replica| !replica.0.reachable.load(Relaxed)) {
            self.0.lost.notify_one();
        }
    }
}

/// One of them. As a gRPC transport, it shows the token, passes on the trace, and notices when it cannot be reached.
#[derive(Clone)]
pub(crate) struct Replica(Arc<One>);

struct One {
    address: SocketAddr,
    channel: RwLock<Channel>,
    reachable: AtomicBool,
    all: std::sync::Weak<Shared>,
    token: Token,
}

impl Replica {
    fn new(all: &Arc<Shared>, address: SocketAddr, channel: Channel) -> Self {
        Self(Arc::new(One {
            address,
            channel: RwLock::new(channel),
            reachable: AtomicBool::new(true),
            all: Arc::downgrade(all),
            token: all.target.token.clone(),
        }))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Calls go elsewhere until it has been connected to anew.
    pub fn give_up(&self) {
        self.0.reachable.store(false, Relaxed);
        if let Some(all) = self.0.all.upgrade() {
            all.lost.notify_one();
        }
    }

    async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        self.0.token.put(request.headers_mut()).await?;
        let mut channel = self.0.channel.read().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = async {
            std::future::poll_fn(|cx| channel.poll_ready(cx)).await?;
            channel.call(request).await
        };
        match sent.await {
            Ok(response) => {
                match response.headers().get(Status::GRPC_STATUS) {
                    Some(status) if status == UNAVAILABLE => self.give_up(),
                    _ => self.0.reachable.store(true, Relaxed),
                }
                Ok(response)
            }
            Err(error) if causes(&error).any(|cause| cause.is::<TimeoutExpired>()) => {
                Err(Status::deadline_exceeded("no answer in time"))
            }
            Err(error) => {
                self.give_up();
                Err(Status::unavailable(format!("{}: {}", self.0.address, in_full(&error))))
            }
        }
    }
}

type Sent = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

impl Service<Request<Body>> for Replica {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Sent;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Sent {
        // Here, and not when the future is polled: this is where the caller's context is current.
        trace::inject(request.headers_mut());
        let replica = self.clone();
        Box::pin(async move { replica.send(request).await })
    }
}

impl Service<Request<Body>> for Replicas {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Sent;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Sent {
        match self.pick() {
            Some(mut replica) => replica.call(request),
            None => {
                self.0.lost.notify_one();
                let nowhere = self.nowhere();
                Box::pin(async move { Err(nowhere) })
            }
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

/// An error with all its causes.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests;
