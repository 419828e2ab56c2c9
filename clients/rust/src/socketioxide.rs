//! Sockets of socketioxide: a connect handler that asks about each of them first.

use std::{
    fmt::Display,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use ::socketioxide::{
    adapter::Adapter,
    extract::Data,
    handler::{ConnectHandler, ConnectMiddleware, FromConnectParts as _, Value as Payload},
    socket::Socket as IoSocket,
};
use serde::ser::{Serialize, SerializeTuple as _, Serializer};
use serde_json::{Map, Value};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::{
    admission::{Admission, random_id},
    client::SocketPass,
    connection::Connection,
    decision::Close,
    handshake::Handshake,
    trace,
    user::User,
};

/// A client that does not read has so long to make room for its disconnection.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(30);
const DISCONNECT_AGAIN: Duration = Duration::from_millis(100);

/// The longest id that the registry takes.
const ID_BYTES: usize = 256;

/// A connect handler that is called for those whom socketpass lets in.
pub struct Authorized<H> {
    pass: SocketPass,
    handler: H,
}

impl SocketPass {
    /// Wraps a connect handler: `io.ns("/", pass.authorized(on_connect))`. Whoever is turned away gets `connect_error`
    /// with the decision's message. Whoever comes in is listed until the socket ends; its extensions have the
    /// [`User`] and the [`Socket`](crate::Socket), and for middlewares the [`Admission`].
    pub fn authorized<H>(&self, handler: H) -> Authorized<H> {
        Authorized { pass: self.clone(), handler }
    }
}

impl<H: Clone> Clone for Authorized<H> {
    fn clone(&self) -> Self {
        Self { pass: self.pass.clone(), handler: self.handler.clone() }
    }
}

type Refusal = Box<dyn Display + Send>;

impl<A, H, T> ConnectHandler<A, T> for Authorized<H>
where
    A: Adapter,
    H: ConnectHandler<A, T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    fn call(&self, socket: Arc<IoSocket<A>>, auth: Option<Payload>) {
        // It was put there before the connection was accepted, and is not needed any more.
        if let Some(admission) = socket.extensions.remove::<Admission>() {
            let connection =
                Commanded { socket: Arc::downgrade(&socket), closing: self.pass.closing().clone() };
            let tracked = Arc::new(admission.open(id(&socket), connection));
            socket.extensions.insert((**tracked).clone());
            // With the last reference to the socket this goes, too.
            socket.extensions.insert(tracked);
        }
        self.handler.call(socket, auth);
    }

    fn call_middleware<'a>(
        &'a self,
        socket: Arc<IoSocket<A>>,
        auth: &'a Option<Payload>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>> {
        Box::pin(async move {
            let mut handshake = Handshake::from_request(socket.req_parts()).namespace(socket.ns());
            if let Ok(Data(payload)) = Data::<Map<String, Value>>::from_connect_parts(&socket, auth) {
                handshake = handshake.auth(payload);
            }
            match trace::within(socket.req_parts(), self.pass.authorize(handshake)).await {
                Ok(admission) => {
                    socket.extensions.insert(admission.user().clone());
                    socket.extensions.insert(admission);
                    self.handler.call_middleware(socket, auth).await
                }
                Err(rejection) => Err(Box::new(rejection) as Refusal),
            }
        })
    }

    /// The middleware comes after the authorization: it sees the user.
    fn with<M, T1>(self, middleware: M) -> impl ConnectHandler<A, T>
    where
        M: ConnectMiddleware<A, T1> + Send + Sync + 'static,
        T1: Send + Sync + 'static,
    {
        Authorized { pass: self.pass, handler: self.handler.with(middleware) }
    }
}

/// The socket's name. Its id is that of its connection, and the same in each namespace.
fn id<A: Adapter>(socket: &IoSocket<A>) -> String {
    let id = match socket.ns() {
        "/" => socket.id.to_string(),
        namespace => format!("{namespace}#{}", socket.id),
    };
    // A client may ask for any namespace where the application has a pattern for them.
    if id.len() > ID_BYTES { random_id() } else { id }
}

/// What the fleet can do with the socket.
struct Commanded<A: Adapter> {
    socket: Weak<IoSocket<A>>,
    closing: TaskTracker,
}

impl<A: Adapter> Connection for Commanded<A> {
    fn close(&self, close: &Close) {
        let Some(socket) = self.socket.upgrade() else { return };
        // When there is no room even for this the client hears the disconnection alone.
        let _ = socket.emit("socketpass:close", close);
        if socket.clone().disconnect().is_err() {
            self.closing.spawn(timeout(DISCONNECT_WITHIN, disconnect(socket)));
        }
    }

    fn send(&self, event: &str, args: &[Value]) -> bool {
        self.socket.upgrade().is_some_and(|socket| socket.emit(event, &Args(args)).is_ok())
    }

    fn user_changed(&self, user: &User) {
        if let Some(socket) = self.socket.upgrade() {
            socket.extensions.insert(user.clone());
        }
    }

    fn is_open(&self) -> bool {
        self.socket.upgrade().is_some_and(|socket| socket.connected())
    }
}

/// There was no room in the channel to the client.
async fn disconnect<A: Adapter>(socket: Arc<IoSocket<A>>) {
    while socket.clone().disconnect().is_err() {
        sleep(DISCONNECT_AGAIN).await;
    }
}

/// socketioxide makes an argument of each element of a tuple.
struct Args<'a>(&'a [Value]);

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for arg in self.0 {
            tuple.serialize_element(arg)?;
        }
        tuple.end()
    }
}
