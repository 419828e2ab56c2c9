//! WebSockets of axum: extractors for what the layer found, and a WebSocket that carries out what the fleet commands.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use ::axum::{
    Error,
    extract::{
        FromRequestParts, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::{IntoResponse, Response},
};
use futures_util::{Sink, SinkExt, Stream, StreamExt as _};
use http::{StatusCode, header, request::Parts};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{
    admission::{Admission, random_id},
    client::SocketPass,
    connection::Connection,
    decision::{Close, Rejection},
    settings::WriteEvent,
    sockets::{Socket, Tracked},
    user::User,
};

/// A client that does not answer the close has so long.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Messages of the fleet that wait for a client that does not read; one more is not handed over.
const OUTBOX: usize = 64;

/// The extractor found nothing: the layer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route has no `SocketPass::layer()`")]
pub struct LayerMissing;

impl IntoResponse for LayerMissing {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = LayerMissing;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, LayerMissing> {
        parts.extensions.get().cloned().ok_or(LayerMissing)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admission {
    type Rejection = LayerMissing;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, LayerMissing> {
        parts.extensions.get().cloned().ok_or(LayerMissing)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.to_response()
    }
}

impl Admission {
    /// Lists the WebSocket until what is returned is dropped. Use that in its place: it is read and written in the same
    /// way, and ends when the fleet disconnects it.
    pub fn track(self, socket: WebSocket) -> TrackedWebSocket {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                socket: Some(socket),
                outbox: VecDeque::new(),
                close: None,
                sending: false,
            }),
            wakers: Arc::default(),
        });
        let connection = Commanded {
            shared: shared.clone(),
            write_event: self.pass().settings().write_event.clone(),
            closing: self.pass().closing().clone(),
        };
        TrackedWebSocket { tracked: self.open(random_id(), connection), shared }
    }
}

/// A WebSocket that is listed, read and written like axum's own. When the fleet disconnects it, reading ends.
#[must_use = "the socket is off the list when this is dropped"]
pub struct TrackedWebSocket {
    tracked: Tracked,
    shared: Arc<Shared>,
}

impl TrackedWebSocket {
    /// The socket as the registry knows it.
    pub fn socket(&self) -> &Socket {
        &self.tracked
    }

    /// Who is behind it now.
    pub fn user(&self) -> User {
        self.tracked.user()
    }

    /// The next message; none when it has ended.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.next().await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        SinkExt::send(self, message).await
    }
}

impl Stream for TrackedWebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.poll(Who::Reader, cx, |state, cx| match &mut state.socket {
            // What a client sends that is disconnected is not heard any more.
            Some(socket) if state.close.is_none() => socket.poll_next_unpin(cx),
            _ => Poll::Ready(None),
        })
    }
}

impl Sink<Message> for TrackedWebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll(Who::Writer, cx, |state, cx| state.open()?.poll_ready_unpin(cx))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.shared.lock().open()?.start_send_unpin(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll(Who::Writer, cx, |state, cx| state.open()?.poll_flush_unpin(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll(Who::Writer, cx, |state, cx| state.open()?.poll_close_unpin(cx))
    }
}

/// The WebSocket, which the application and the fleet's commands both use.
struct Shared {
    state: Mutex<State>,
    wakers: Arc<Wakers>,
}

struct State {
    /// None once it has been given up.
    socket: Option<WebSocket>,
    /// What the fleet sends and the client has not taken yet.
    outbox: VecDeque<Message>,
    /// Set when it is disconnected: the application has it no more.
    close: Option<Close>,
    /// Whether a task is handing the client what is in the outbox.
    sending: bool,
}

impl State {
    /// The WebSocket, as long as the application may use it.
    fn open(&mut self) -> Result<&mut WebSocket, Error> {
        match &mut self.socket {
            Some(socket) if self.close.is_none() => Ok(socket),
            _ => Err(Error::new(std::io::Error::from(std::io::ErrorKind::NotConnected))),
        }
    }

    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(socket) = &mut self.socket else { return Poll::Ready(Ok(())) };
        while !self.outbox.is_empty() {
            ready!(socket.poll_ready_unpin(cx))?;
            if let Some(message) = self.outbox.pop_front() {
                socket.start_send_unpin(message)?;
            }
        }
        socket.poll_flush_unpin(cx)
    }
}

/// Who waits for the WebSocket.
#[derive(Clone, Copy)]
enum Who {
    Reader,
    Writer,
    /// The task that hands over what the fleet sends.
    Sending,
    /// The task that closes it.
    Closing,
}

/// A WebSocket remembers one waker. So it is given one that wakes all who wait.
#[derive(Default)]
struct Wakers(Mutex<[Option<Waker>; 4]>);

impl Wakers {
    fn wait(&self, who: Who, waker: &Waker) {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = wakers.get_mut(who as usize) {
            slot.replace(waker.clone());
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll<T>(
        &self,
        who: Who,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut State, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.wakers.wait(who, cx.waker());
        let all = Waker::from(self.wakers.clone());
        poll(&mut self.lock(), &mut Context::from_waker(&all))
    }

    /// Hands the client what the fleet sends, until nothing is left or it is to be closed.
    async fn send(&self) {
        let poll = |cx: &mut Context<'_>| {
            self.poll(Who::Sending, cx, |state, cx| {
                if state.close.is_none() {
                    // An error ends the WebSocket, and the application reads that.
                    let _ = ready!(state.poll_outbox(cx));
                }
                state.sending = false;
                Poll::Ready(())
            })
        };
        poll_fn(poll).await;
    }

    /// Closes it, and waits for the client to answer that, but not for long.
    async fn close(&self, close: Close) {
        let closed = async {
            let frame = CloseFrame { code: close.code, reason: close.reason.into() };
            self.lock().outbox.push_back(Message::Close(Some(frame)));
            poll_fn(|cx| self.poll(Who::Closing, cx, State::poll_outbox)).await?;
            let next = |state: &mut State, cx: &mut Context<'_>| match &mut state.socket {
                Some(socket) => socket.poll_next_unpin(cx),
                None => Poll::Ready(None),
            };
            while poll_fn(|cx| self.poll(Who::Closing, cx, next)).await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        };
        let _ = timeout(CLOSE_WITHIN, closed).await;
        self.lock().socket = None;
    }

    fn wake(&self) {
        Waker::from(self.wakers.clone()).wake();
    }
}

/// The application has done with it. If the fleet has it closed, that task gives it up.
impl Drop for TrackedWebSocket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.close.is_none() {
            state.socket = None;
            state.outbox.clear();
        }
        drop(state);
        self.shared.wake();
    }
}

/// What the fleet can do with the WebSocket.
struct Commanded {
    shared: Arc<Shared>,
    write_event: WriteEvent,
    closing: TaskTracker,
}

impl Connection for Commanded {
    fn close(&self, close: &Close) {
        let first = self.shared.lock().close.replace(close.clone()).is_none();
        // The application sees that it has ended.
        self.shared.wake();
        if first {
            let (shared, close) = (self.shared.clone(), close.clone());
            self.closing.spawn(async move { shared.close(close).await });
        }
    }

    fn send(&self, event: &str, args: &[Value]) -> bool {
        let mut state = self.shared.lock();
        if state.open().is_err() || state.outbox.len() >= OUTBOX {
            return false;
        }
        state.outbox.push_back(Message::Text((self.write_event)(event, args).into()));
        if !std::mem::replace(&mut state.sending, true) {
            let shared = self.shared.clone();
            self.closing.spawn(async move { shared.send().await });
        }
        true
    }
}

/// Upgrades a request in order to close it with the code; none if it is no WebSocket's.
pub(crate) async fn upgrade_to_close(
    mut request: Parts,
    close: &Close,
    pass: &SocketPass,
) -> Option<Response> {
    // A browser that asks for subprotocols takes none for an answer, so it gets the first.
    let protocols: Vec<String> = request
        .headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .collect();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut request, &()).await.ok()?;
    let frame = CloseFrame { code: close.code, reason: close.reason.clone().into() };
    let tracker = pass.closing().clone();
    Some(upgrade.protocols(protocols).on_upgrade(move |mut socket| {
        tracker.track_future(async move {
            let closed = async {
                let _ = socket.send(Message::Close(Some(frame))).await;
                while let Some(Ok(_)) = socket.recv().await {}
            };
            let _ = timeout(CLOSE_WITHIN, closed).await;
        })
    }))
}
