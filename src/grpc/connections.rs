//! Takes connections to `grpc.addr`: TLS, who is on the other side, how many there may be, how long each has to say its
//! first word, and how old it gets.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rand::Rng as _;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service;
use webpki::EndEntityCert;

use super::capacity::{Address, Called, Capacity};
use crate::{
    config::operation::Limits,
    telemetry::{
        metrics::door::{DoorMetrics, Limit, OpenConnection, Refusal},
        seldom::Seldom,
    },
};

/// Metadata of one call at most, in bytes. What HTTP servers take of headers.
const MAX_HEADER_LIST: u32 = 16 << 10;

/// Out of file descriptors, every attempt to take a connection fails at once: without a pause that is all the server does.
const PAUSE: Duration = Duration::from_millis(250);

/// When the service stops, a connection that was just opened has so long to begin: its client may have sent a call already.
const LAST_TO_BEGIN: Duration = Duration::from_secs(1);

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE_LENGTH: usize = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Who is on the other side of a connection.
#[derive(Debug)]
pub struct Peer {
    address: IpAddr,
    network: IpAddr,
    certificate_names: Vec<String>,
    account: Arc<Address>,
    vouched: AtomicBool,
    /// Set by its first call.
    called: OnceLock<Called>,
    ending: CancellationToken,
}

impl Peer {
    /// Where it is.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What counts as one when addresses are counted.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// The DNS names and URIs of its certificate, which an authority of ours has signed; none without.
    pub fn certificate_names(&self) -> &[String] {
        &self.certificate_names
    }

    /// What its address has under way.
    pub fn account(&self) -> &Arc<Address> {
        &self.account
    }

    /// Whether a right token has come from it.
    pub fn is_vouched_for(&self) -> bool {
        self.vouched.load(Ordering::Relaxed)
    }

    /// A right token has come from it. Whether it is the first.
    pub fn vouch(&self) -> bool {
        !self.is_vouched_for() && !self.vouched.swap(true, Ordering::Relaxed)
    }

    /// Cancelled when the connection has got old: streams that have no end of their own end then.
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }
}

/// What answers the calls of every connection.
pub trait Answering:
    Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Answering for S where
    S: Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Takes connections.
pub struct Connections {
    limits: Limits,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    capacity: Arc<Capacity>,
    metrics: Arc<DoorMetrics>,
}

/// A place among the connections that may be open.
struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: OpenConnection,
}

impl Connections {
    /// Takes them within these limits; with TLS, if there is a configuration, which may be exchanged.
    pub fn new(
        limits: &Limits,
        tls: Arc<ArcSwapOption<ServerConfig>>,
        capacity: Arc<Capacity>,
        metrics: Arc<DoorMetrics>,
    ) -> Self {
        Self { limits: limits.clone(), tls, capacity, metrics }
    }

    /// Serves until `stop`; then takes no more, finishes the calls of those that are open, and returns.
    pub async fn serve<S>(self, listener: TcpListener, service: S, stop: CancellationToken)
    where
        S: Answering,
    {
        let places = Arc::new(Semaphore::new(self.limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let door = Arc::new(self);
        let mut open = JoinSet::new();
        let turned_away = Seldom::default();
        let take = |open: &mut JoinSet<()>, (stream, address)| {
            let Ok(permit) = Arc::clone(&places).try_acquire_owned() else {
                door.metrics.shed(Limit::Connections);
                if let Some(connections) = turned_away.again() {
                    let max = door.limits.max_connections;
                    tracing::warn!(
                        connections,
                        max,
                        "connections are turned away: limits.max_connections are open"
                    );
                }
                return;
            };
            let place = Place { _permit: permit, _counted: door.metrics.connection() };
            let (door, service, stop) = (Arc::clone(&door), service.clone(), stop.clone());
            open.spawn(async move { door.attend(stream, address, place, service, stop).await });
        };
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = open.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => take(&mut open, accepted),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(PAUSE).await;
                }
            }
        }
        // Those that wait to be taken are taken: to close the listener would reset them, with the calls that they bring.
        while let Ok(Ok(accepted)) = timeout(Duration::ZERO, listener.accept()).await {
            take(&mut open, accepted);
        }
        // New clients are refused at once, and not left to wait.
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    async fn attend<S>(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        place: Place,
        service: S,
        stop: CancellationToken,
    ) where
        S: Answering,
    {
        let _place = place;
        // Answers are small, and are not to wait for more.
        let _ = stream.set_nodelay(true);
        let ip = address.ip().to_canonical();
        let network = network(ip);
        let peer = |certificate_names| Peer {
            address: ip,
            network,
            certificate_names,
            account: self.capacity.address(network),
            vouched: AtomicBool::new(false),
            called: OnceLock::new(),
            ending: CancellationToken::new(),
        };
        let Some(tls) = self.tls.load_full() else {
            return self.speak(stream, peer(Vec::new()), service, stop).await;
        };
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let stopped = async {
            stop.cancelled().await;
            sleep(LAST_TO_BEGIN).await;
        };
        let stream = tokio::select! {
            () = stopped => return,
            handshake = timeout(self.limits.keepalive_timeout, handshake) => match handshake {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    self.metrics.refused(Refusal::Tls);
                    tracing::debug!(%ip, %error, "a TLS handshake failed");
                    return;
                }
                Err(_elapsed) => {
                    self.metrics.refused(Refusal::Tls);
                    tracing::debug!(%ip, "a TLS handshake took too long");
                    return;
                }
            },
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let names = chain.first().map(|certificate| names(certificate)).unwrap_or_default();
        self.speak(stream, peer(names), service, stop).await;
    }

    async fn speak<I, S>(&self, io: I, peer: Peer, service: S, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Answering,
    {
        let ending = peer.ending.clone();
        let peer = Arc::new(peer);
        let capacity = Arc::clone(&self.capacity);
        let service = service_fn(move |request: http::Request<Incoming>| {
            peer.called.get_or_init(|| capacity.called());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Arc::clone(&peer));
            service.clone().call(request)
        });
        let Limits { keepalive_interval, keepalive_timeout, max_connection_calls, .. } = self.limits;
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(u32::try_from(max_connection_calls).unwrap_or(u32::MAX))
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(keepalive_interval)
            .keep_alive_timeout(keepalive_timeout);
        let begun = CancellationToken::new();
        let first_word = Box::pin(sleep(keepalive_timeout));
        let io = Punctual { io, seen: 0, begun: begun.clone(), first_word };
        let stopped = async {
            stop.cancelled().await;
            // One that is told to end before it has begun is cut off.
            let _ = timeout(LAST_TO_BEGIN, begun.cancelled()).await;
        };
        let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(io), service));
        // Those that were opened together do not all move together.
        let age = self.limits.connection_age.mul_f64(rand::rng().random_range(0.9..1.1));
        tokio::select! {
            ended = &mut connection => return told(ended),
            () = sleep(age) => ending.cancel(),
            // Streams are ended by those who know in which order.
            () = stopped => {}
        }
        connection.as_mut().graceful_shutdown();
        told(connection.await);
    }
}

fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// The DNS names and URIs that a certificate was given.
fn names(certificate: &rustls::pki_types::CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect()
}

/// A connection that fails unless its client begins in time.
struct Punctual<I> {
    io: I,
    seen: usize,
    /// Cancelled when it has begun.
    begun: CancellationToken,
    first_word: Pin<Box<Sleep>>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Punctual<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen >= PREFACE_LENGTH {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        self.seen += buffer.filled().len() - before;
        if self.seen >= PREFACE_LENGTH {
            self.begun.cancel();
        }
        if read.is_pending() && self.first_word.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it did not begin in time")));
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Punctual<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
