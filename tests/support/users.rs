//! A table of users, served by every kind of source.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use percent_encoding::percent_decode_str;
use serde_json::Value;
use socketpass::user_source::grpc::pb::{
    ResolveUserRequest, ResolveUserResponse,
    user_source_service_server::{UserSourceService, UserSourceServiceServer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tonic::{
    Request, Response, Status,
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};

use super::gateway::object;

/// What a source has under an id.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A user, or what the app takes for one.
    Has(Value),
    /// It fails when it is asked.
    Fails,
    /// It says that it cannot say.
    Unavailable,
}

/// Users by id, shared by whoever serves them; and what was asked.
#[derive(Clone, Default)]
pub struct Table(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    users: BTreeMap<String, Entry>,
    asked: Vec<String>,
    authorization: Option<String>,
}

impl Table {
    pub fn put(&self, id: &str, entry: Entry) {
        self.0.lock().unwrap().users.insert(id.to_owned(), entry);
    }

    pub fn has(&self, id: &str, user: Value) {
        self.put(id, Entry::Has(user));
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().users.clear();
    }

    pub fn remove(&self, id: &str) {
        self.0.lock().unwrap().users.remove(id);
    }

    /// The ids that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    /// What whoever asked last had to show.
    pub fn authorization(&self) -> Option<String> {
        self.0.lock().unwrap().authorization.clone()
    }

    fn ask(&self, id: &str, authorization: Option<&str>) -> Option<Entry> {
        let mut inner = self.0.lock().unwrap();
        inner.asked.push(id.to_owned());
        inner.authorization = authorization.map(str::to_owned);
        inner.users.get(id).cloned()
    }
}

/// Holds up answers while it is closed.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn open() -> Self {
        Self(watch::Sender::new(true))
    }

    pub fn close(&self) {
        self.0.send_replace(false);
    }

    pub fn reopen(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

/// What an HTTP server says to one request.
pub enum Reply {
    /// These bytes, and the connection stays.
    Bytes(Vec<u8>),
    /// These bytes, and the connection is closed.
    Close(Vec<u8>),
    /// These bytes, and then nothing any more.
    Hang(Vec<u8>),
    /// These bytes, and then these again and again.
    Endless(Vec<u8>, Vec<u8>),
}

impl Reply {
    pub fn status(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into())
    }
}

/// An HTTP server that says whatever a test wants. The answer is made of a request's path and headers.
pub struct HttpServer {
    pub port: u16,
    /// How many connections were opened to it.
    pub connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl HttpServer {
    pub async fn start(answer: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, Gate::open(), answer).await
    }

    /// Behind TLS if there is an acceptor, and a gate.
    pub async fn start_with(
        tls: Option<TlsAcceptor>,
        gate: Gate,
        answer: impl Fn(&str, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        let connections = Arc::new(AtomicUsize::new(0));
        let opened = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, SeqCst);
                let (tls, gate, answer) = (tls.clone(), gate.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    match tls {
                        None => speak(stream, &gate, &*answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => speak(stream, &gate, &*answer).await,
                            Err(_) => None,
                        },
                    };
                });
            }
        });
        Self { port, connections, _serving: serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    gate: &Gate,
    answer: &(impl Fn(&str, &str) -> Reply + ?Sized),
) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let reply = answer(path, &head);
        gate.pass().await;
        match reply {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
            Reply::Close(bytes) => return stream.write_all(&bytes).await.ok(),
            Reply::Hang(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                std::future::pending::<()>().await;
            }
            Reply::Endless(bytes, again) => {
                stream.write_all(&bytes).await.ok()?;
                loop {
                    stream.write_all(&again).await.ok()?;
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
}

/// The table over HTTP, under `/users/{id}`.
pub async fn over_http(table: Table, gate: Gate, tls: Option<TlsAcceptor>) -> HttpServer {
    HttpServer::start_with(tls, gate, move |path, head| {
        let id = percent_decode_str(path.strip_prefix("/users/").unwrap()).decode_utf8().unwrap();
        let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        match table.ask(&id, authorization) {
            Some(Entry::Has(user)) => {
                Reply::status(200, "content-type: application/json\r\n", &user.to_string())
            }
            Some(Entry::Fails) => Reply::status(500, "", "the database is away"),
            Some(Entry::Unavailable) => Reply::status(503, "", "the database is away"),
            None => Reply::status(404, "", "no such user"),
        }
    })
    .await
}

/// The table as a `UserSourceService`.
pub struct GrpcServer {
    pub port: u16,
    _serving: JoinSet<()>,
}

impl GrpcServer {
    pub async fn start(table: Table, gate: Gate, identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut serving = JoinSet::new();
        let mut server = Server::builder();
        if let Some(identity) = identity {
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let service = UserSourceServiceServer::new(Service { table, gate });
        serving.spawn(async move {
            server.add_service(service).serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        });
        Self { port, _serving: serving }
    }

    pub fn url(&self) -> String {
        format!("grpc://127.0.0.1:{}", self.port)
    }
}

struct Service {
    table: Table,
    gate: Gate,
}

#[tonic::async_trait]
impl UserSourceService for Service {
    async fn resolve_user(
        &self,
        request: Request<ResolveUserRequest>,
    ) -> Result<Response<ResolveUserResponse>, Status> {
        let authorization =
            request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let entry = self.table.ask(&request.get_ref().id, authorization.as_deref());
        self.gate.pass().await;
        match entry {
            Some(Entry::Has(user @ Value::Object(_))) => {
                Ok(Response::new(ResolveUserResponse { user: Some(object(user)) }))
            }
            // No message can say it.
            Some(Entry::Has(_)) => Ok(Response::new(ResolveUserResponse { user: None })),
            Some(Entry::Fails) => Err(Status::internal("the database is away")),
            Some(Entry::Unavailable) => Err(Status::unavailable("the database is away")),
            None => Err(Status::not_found("no such user")),
        }
    }
}

/// Every source that can serve a table; Redis in a server of somebody else's.
pub struct Sources {
    pub table: Table,
    pub gate: Gate,
    http: HttpServer,
    grpc: GrpcServer,
}

impl Sources {
    pub async fn start() -> Self {
        let (table, gate) = (Table::default(), Gate::open());
        let http = over_http(table.clone(), gate.clone(), None).await;
        let grpc = GrpcServer::start(table.clone(), gate.clone(), None).await;
        Self { table, gate, http, grpc }
    }

    pub fn http(&self) -> String {
        self.http.url("/users/{id}")
    }

    pub fn grpc(&self) -> String {
        self.grpc.url()
    }
}
