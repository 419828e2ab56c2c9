//! Takes connections: TLS, who is on the other side, how many there may be, how long each has to say its first word, and how
//! old it gets.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rand::Rng as _;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service;
use webpki::EndEntityCert;

use super::capacity::{Address, Called, Capacity, Of, Place};
use crate::{
    config::operation::Limits,
    seldom::Seldom,
    telemetry::{
        causes,
        metrics::door::{DoorMetrics, Refusal},
    },
};

/// Metadata of one call at most, in bytes. What HTTP servers take of headers.
const MAX_HEADER_LIST: u32 = 16 << 10;

/// The same of HTTP/1, with the request line.
const MAX_HEAD: usize = 16 << 10;

/// Out of file descriptors, every attempt to take a connection fails at once: without a pause that is all the server does.
const PAUSE: Duration = Duration::from_millis(250);

/// When the service stops, a connection that was just opened has so long to begin: its client may have sent a call already.
const LAST_TO_BEGIN: Duration = Duration::from_secs(1);

/// What is spoken over the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, over HTTP/2 alone. It is what the metrics count as connections.
    Grpc,
    /// HTTP/1 and HTTP/2, for probes and scrapes.
    Http,
}

impl Protocol {
    /// So many bytes a client says before it waits for an answer; HTTP/1 has a timeout of its own for the rest.
    fn first_word(self) -> usize {
        match self {
            // RFC 9113, 3.4.
            Self::Grpc => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len(),
            Self::Http => 1,
        }
    }
}

/// Who is on the other side of a connection.
#[derive(Debug)]
pub struct Peer {
    address: IpAddr,
    network: IpAddr,
    certificate_names: Vec<String>,
    account: Arc<Address>,
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
    protocol: Protocol,
    limits: Limits,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    capacity: Arc<Capacity>,
    metrics: Arc<DoorMetrics>,
}

/// A connection that has just come.
struct Newcomer {
    stream: TcpStream,
    address: IpAddr,
    account: Arc<Address>,
    place: Place,
}

impl Connections {
    /// Takes them within these limits; with TLS, if there is a configuration, which may be exchanged.
    pub fn new(
        protocol: Protocol,
        limits: &Limits,
        tls: Arc<ArcSwapOption<ServerConfig>>,
        capacity: Arc<Capacity>,
        metrics: Arc<DoorMetrics>,
    ) -> Self {
        Self { protocol, limits: limits.clone(), tls, capacity, metrics }
    }

    /// Serves until `stop`; then takes no more, finishes the calls of those that are open, and returns.
    pub async fn serve<S>(self, listener: TcpListener, service: S, stop: CancellationToken)
    where
        S: Answering,
    {
        let door = Arc::new(self);
        let mut open = JoinSet::new();
        let turned_away = Seldom::default();
        let take = |open: &mut JoinSet<()>, (stream, address): (TcpStream, SocketAddr)| {
            let address = address.ip().to_canonical();
            let account = door.capacity.address(network(address));
            let place = match door.capacity.place(Of::Connections, &account) {
                Ok(place) => place,
                Err(full) => {
                    if let Some(connections) = turned_away.again() {
                        tracing::warn!(connections, %address, cause = %full, "connections are turned away");
                    }
                    return;
                }
            };
            let newcomer = Newcomer { stream, address, account, place };
            let (door, service, stop) = (Arc::clone(&door), service.clone(), stop.clone());
            open.spawn(async move { door.attend(newcomer, service, stop).await });
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

    async fn attend<S>(&self, newcomer: Newcomer, service: S, stop: CancellationToken)
    where
        S: Answering,
    {
        let Newcomer { stream, address, account, place: _place } = newcomer;
        let _counted = (self.protocol == Protocol::Grpc).then(|| self.metrics.connection());
        // Answers are small, and are not to wait for more.
        let _ = stream.set_nodelay(true);
        let peer = |certificate_names| Peer {
            address,
            network: network(address),
            certificate_names,
            account,
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
                    tracing::debug!(%address, %error, "a TLS handshake failed");
                    return;
                }
                Err(_elapsed) => {
                    self.metrics.refused(Refusal::Tls);
                    tracing::debug!(%address, "a TLS handshake took too long");
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
        let mut http = Builder::new(TokioExecutor::new());
        if self.protocol == Protocol::Grpc {
            http = http.http2_only();
        }
        http.http1().timer(TokioTimer::new()).header_read_timeout(keepalive_timeout).max_buf_size(MAX_HEAD);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(u32::try_from(max_connection_calls).unwrap_or(u32::MAX))
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(keepalive_interval)
            .keep_alive_timeout(keepalive_timeout);
        let begun = CancellationToken::new();
        let first_word = Box::pin(sleep(keepalive_timeout));
        let io = Punctual { io, due: self.protocol.first_word(), seen: 0, begun: begun.clone(), first_word };
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

fn told(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error = causes(&*error), "a connection ended");
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
    /// So many bytes are its first word.
    due: usize,
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
        if self.seen >= self.due {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        self.seen += buffer.filled().len() - before;
        if self.seen >= self.due {
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
