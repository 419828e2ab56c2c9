//! A socketpass that does what a test says.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Map, Value, json};
use socketpass_client::{
    Reason,
    proto::{
        self, Ack, AuthorizeRequest, AuthorizeResponse, Batch, Command, CommandResult, Event, Hello,
        ReportRequest, ReportResponse, Welcome, event, report_request::Message as Said,
        report_response::Message as Say,
    },
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
};
use tokio_stream::{
    Stream,
    wrappers::{TcpListenerStream, UnboundedReceiverStream},
};
use tonic::{
    Request, Response, Status, Streaming,
    metadata::MetadataMap,
    transport::{Server, ServerTlsConfig},
};

use super::{
    proto::{
        authorization_service_server::{AuthorizationService, AuthorizationServiceServer},
        registry_service_server::{RegistryService, RegistryServiceServer},
    },
    soon,
};

type Answer = Pin<Box<dyn Future<Output = Result<AuthorizeResponse, Status>> + Send>>;
type Answers = Box<dyn Fn(AuthorizeRequest) -> Answer + Send>;

/// What was asked, and how.
pub struct Asked {
    pub request: AuthorizeRequest,
    pub metadata: MetadataMap,
}

/// A running service. Killed with all its connections when dropped.
pub struct Peer {
    pub address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    asked: tokio::sync::Mutex<mpsc::UnboundedReceiver<Asked>>,
    streams: tokio::sync::Mutex<mpsc::UnboundedReceiver<ReportStream>>,
    filtered: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    runtime: Option<Runtime>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Peer {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), None).await
    }

    pub async fn start_at(address: SocketAddr, tls: Option<ServerTlsConfig>) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        let (open, streams) = mpsc::unbounded_channel();
        let (filter, filtered) = mpsc::unbounded_channel();
        let usual: Answers = Box::new(|_| Box::pin(async { Ok(accepted()) }));
        let answers = Arc::new(Mutex::new(usual));
        let authorization = Authorization { answers: answers.clone(), ask };
        let registry = Registry { open, filter };
        // A runtime of its own: when it goes, so do the connections.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (bound, listening) = oneshot::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            let mut server = Server::builder();
            if let Some(tls) = tls {
                server = server.tls_config(tls).unwrap();
            }
            server
                .add_service(AuthorizationServiceServer::new(authorization))
                .add_service(RegistryServiceServer::new(registry))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let address = soon("the service listens", listening).await.unwrap();
        Self {
            address,
            answers,
            asked: asked.into(),
            streams: streams.into(),
            filtered: filtered.into(),
            runtime: Some(runtime),
        }
    }

    /// Answers all handshakes so from now on.
    pub fn answer(
        &self,
        answer: impl Fn(AuthorizeRequest) -> Result<AuthorizeResponse, Status> + Send + 'static,
    ) {
        *self.answers.lock().unwrap() = Box::new(move |request| {
            let answer = answer(request);
            Box::pin(async { answer })
        });
    }

    /// Answers no handshake from now on.
    pub fn hang(&self) {
        *self.answers.lock().unwrap() = Box::new(|_| Box::pin(std::future::pending()));
    }

    /// The next handshake that was asked about.
    pub async fn asked(&self) -> Asked {
        soon("a handshake is asked about", async { self.asked.lock().await.recv().await.unwrap() }).await
    }

    /// How many handshakes were asked about since.
    pub async fn count_asked(&self) -> usize {
        let mut asked = self.asked.lock().await;
        std::iter::from_fn(|| asked.try_recv().ok()).count()
    }

    /// The next stream, after its hello.
    pub async fn stream(&self) -> ReportStream {
        let mut stream =
            soon("a stream is opened", async { self.streams.lock().await.recv().await.unwrap() }).await;
        match stream.hears().await {
            Some(Said::Hello(hello)) => stream.hello = hello,
            said => panic!("a hello, not {said:?}"),
        }
        stream
    }

    /// The next stream, welcomed, after it has listed so many sockets.
    pub async fn welcomed(&self, sockets: usize) -> ReportStream {
        let mut stream = self.stream().await;
        stream.welcome(Duration::from_secs(15));
        let mut listed = 0;
        loop {
            let batch = stream.batch().await;
            stream.ack(batch.sequence);
            listed += batch.events.len();
            if batch.complete {
                break;
            }
        }
        assert_eq!(listed, sockets);
        stream
    }

    /// The text of the next filter that was asked for.
    pub async fn filtered(&self) -> String {
        soon("a filter is asked for", async { self.filtered.lock().await.recv().await.unwrap() }).await
    }
}

/// Somebody is logged in.
pub fn accepted() -> AuthorizeResponse {
    AuthorizeResponse {
        accepted: true,
        reason: Reason::Authorized as i32,
        user: Some(fields(json!({"logged_in": true, "id": 7, "name": "Ada"}))),
        session_id: "a-session".into(),
        ..Default::default()
    }
}

/// They are turned away.
pub fn rejected(reason: Reason, message: &str, code: u32) -> AuthorizeResponse {
    AuthorizeResponse {
        reason: reason as i32,
        message: message.into(),
        user: Some(fields(json!({"logged_in": false}))),
        session_id: "a-session".into(),
        close: Some(proto::Close { code, reason: reason.as_str_name()["REASON_".len()..].to_lowercase() }),
        ..Default::default()
    }
}

/// An object as protobuf has it.
pub fn fields(value: Value) -> prost_types::Struct {
    let Value::Object(fields) = value else { panic!("an object") };
    prost_types::Struct {
        fields: fields.into_iter().map(|(name, field)| (name, proto_value(field))).collect(),
    }
}

pub fn proto_value(value: Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap()),
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => {
            Kind::ListValue(prost_types::ListValue { values: values.into_iter().map(proto_value).collect() })
        }
        value @ Value::Object(_) => Kind::StructValue(fields(value)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// An object as `params` has it.
pub fn params(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("an object") };
    fields
}

/// A gateway's stream, as the service sees it.
pub struct ReportStream {
    pub hello: Hello,
    pub metadata: MetadataMap,
    said: mpsc::UnboundedReceiver<Said>,
    say: mpsc::UnboundedSender<Result<ReportResponse, Status>>,
}

impl ReportStream {
    /// What the gateway says next; none when it has ended the stream.
    pub async fn hears(&mut self) -> Option<Said> {
        soon("the gateway says something", self.said.recv()).await
    }

    pub fn say(&self, message: Say) {
        self.say.send(Ok(ReportResponse { message: Some(message) })).unwrap();
    }

    pub fn welcome(&self, lease: Duration) {
        self.say(Say::Welcome(Welcome { lease: Some(lease.try_into().unwrap()) }));
    }

    pub fn ack(&self, sequence: u64) {
        self.say(Say::Ack(Ack { sequence, rejected: vec![] }));
    }

    /// Ends the stream.
    pub fn end(self, status: Status) {
        self.say.send(Err(status)).unwrap();
    }

    pub async fn batch(&mut self) -> Batch {
        match self.hears().await {
            Some(Said::Batch(batch)) => batch,
            said => panic!("a batch, not {said:?}"),
        }
    }

    /// The events of the next batch that has some, acked.
    pub async fn events(&mut self) -> Vec<event::Event> {
        loop {
            let batch = self.batch().await;
            self.ack(batch.sequence);
            if !batch.events.is_empty() {
                return batch.events.into_iter().map(|Event { event }| event.unwrap()).collect();
            }
        }
    }

    /// The one socket that opens next.
    pub async fn opened(&mut self) -> proto::Socket {
        match self.events().await.as_slice() {
            [event::Event::Opened(socket)] => socket.clone(),
            events => panic!("a socket that opens, not {events:?}"),
        }
    }

    /// The one socket that closes next.
    pub async fn closed(&mut self) -> String {
        match self.events().await.as_slice() {
            [event::Event::Closed(closed)] => closed.socket_id.clone(),
            events => panic!("a socket that closes, not {events:?}"),
        }
    }

    /// What comes of a command. Whatever else is said meanwhile counts for nothing.
    pub async fn command(&mut self, command: Option<proto::command::Command>) -> Vec<String> {
        self.say(Say::Command(Command { command_id: "a-command".into(), command }));
        loop {
            match self.hears().await {
                Some(Said::CommandResult(CommandResult { command_id, done })) => {
                    assert_eq!(command_id, "a-command");
                    return done;
                }
                Some(Said::Batch(batch)) => self.ack(batch.sequence),
                said => panic!("a result, not {said:?}"),
            }
        }
    }
}

struct Authorization {
    answers: Arc<Mutex<Answers>>,
    ask: mpsc::UnboundedSender<Asked>,
}

#[tonic::async_trait]
impl AuthorizationService for Authorization {
    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        let metadata = request.metadata().clone();
        let request = request.into_inner();
        let answer = (self.answers.lock().unwrap())(request.clone());
        let _ = self.ask.send(Asked { request, metadata });
        answer.await.map(Response::new)
    }

    async fn explain(
        &self,
        _: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        Err(Status::unimplemented("explain"))
    }
}

struct Registry {
    open: mpsc::UnboundedSender<ReportStream>,
    filter: mpsc::UnboundedSender<String>,
}

type Answered<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn answers<T: Send + 'static>(answers: impl IntoIterator<Item = T>) -> Result<Response<Answered<T>>, Status> {
    let answers: Vec<_> = answers.into_iter().map(Ok).collect();
    Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
}

#[tonic::async_trait]
impl RegistryService for Registry {
    type ReportStream = UnboundedReceiverStream<Result<ReportResponse, Status>>;
    type FilterSocketsStream = Answered<proto::FilterSocketsResponse>;
    type WatchSocketsStream = Answered<proto::WatchSocketsResponse>;
    type DisconnectSocketsStream = Answered<proto::DisconnectSocketsResponse>;
    type SendToSocketsStream = Answered<proto::SendToSocketsResponse>;
    type WatchSessionEndsStream = Answered<proto::WatchSessionEndsResponse>;

    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let metadata = request.metadata().clone();
        let mut requests = request.into_inner();
        let (tell, said) = mpsc::unbounded_channel();
        let (say, responses) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                let _ = tell.send(request.message.unwrap());
            }
        });
        let _ = self.open.send(ReportStream { hello: Hello::default(), metadata, said, say });
        Ok(Response::new(UnboundedReceiverStream::new(responses)))
    }

    async fn filter_sockets(
        &self,
        request: Request<proto::FilterSocketsRequest>,
    ) -> Result<Response<Self::FilterSocketsStream>, Status> {
        let request = request.into_inner();
        let _ = self.filter.send(request.filter);
        let socket = |id: &str| proto::Socket {
            gateway_id: "chat-1".into(),
            socket_id: id.into(),
            user: request.params.clone(),
            ..Default::default()
        };
        let view = proto::View {
            incomplete_gateways: vec!["chat-2".into()],
            warming_up: true,
            ..Default::default()
        };
        answers([
            proto::FilterSocketsResponse { sockets: vec![socket("a")], ..Default::default() },
            proto::FilterSocketsResponse {
                sockets: vec![socket("b")],
                view: Some(view),
                ..Default::default()
            },
        ])
    }

    async fn count_sockets(
        &self,
        request: Request<proto::CountSocketsRequest>,
    ) -> Result<Response<proto::CountSocketsResponse>, Status> {
        let request = request.into_inner();
        if request.filter.is_empty() {
            return Err(Status::invalid_argument("filter: is empty"));
        }
        let group = proto::Group { key: Some(proto_value(json!(request.group_by))), count: 2 };
        Ok(Response::new(proto::CountSocketsResponse { total: 3, groups: vec![group], view: None }))
    }

    async fn watch_sockets(
        &self,
        _: Request<proto::WatchSocketsRequest>,
    ) -> Result<Response<Self::WatchSocketsStream>, Status> {
        Err(Status::unimplemented("watch"))
    }

    async fn end_sessions(
        &self,
        _: Request<proto::EndSessionsRequest>,
    ) -> Result<Response<proto::EndSessionsResponse>, Status> {
        Err(Status::unimplemented("end_sessions"))
    }

    async fn watch_session_ends(
        &self,
        _: Request<proto::WatchSessionEndsRequest>,
    ) -> Result<Response<Self::WatchSessionEndsStream>, Status> {
        Err(Status::unimplemented("watch_session_ends"))
    }

    async fn disconnect_sockets(
        &self,
        request: Request<proto::DisconnectSocketsRequest>,
    ) -> Result<Response<Self::DisconnectSocketsStream>, Status> {
        let code = request.into_inner().close.map_or(0, |close| close.code);
        let settled =
            |done| proto::DisconnectSocketsResponse { matched: code.into(), done, ..Default::default() };
        answers([settled(1), settled(2)])
    }

    async fn send_to_sockets(
        &self,
        request: Request<proto::SendToSocketsRequest>,
    ) -> Result<Response<Self::SendToSocketsStream>, Status> {
        let request = request.into_inner();
        let _ = self.filter.send(request.event);
        let done = request.args.len() as u64;
        answers([proto::SendToSocketsResponse { matched: 3, done, failed: 1, unreachable: 1, view: None }])
    }

    async fn explain_filter(
        &self,
        _: Request<proto::ExplainFilterRequest>,
    ) -> Result<Response<proto::ExplainFilterResponse>, Status> {
        Err(Status::unimplemented("explain_filter"))
    }

    async fn list_gateways(
        &self,
        _: Request<proto::ListGatewaysRequest>,
    ) -> Result<Response<proto::ListGatewaysResponse>, Status> {
        Ok(Response::new(proto::ListGatewaysResponse::default()))
    }
}
