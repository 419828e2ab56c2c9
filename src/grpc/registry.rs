//! `RegistryService`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

use super::{
    callers::Caller,
    context::CallContext,
    convert::{
        self, commands, invalid,
        sockets::{self, socket},
        structs,
    },
    pb::{
        CountSocketsRequest, CountSocketsResponse, DisconnectSocketsRequest, DisconnectSocketsResponse,
        ExplainFilterRequest, ExplainFilterResponse, FilterSocketsRequest, FilterSocketsResponse, FilterStep,
        Gateway, GatewayState, Group, ListGatewaysRequest, ListGatewaysResponse, ReportRequest,
        ReportResponse, SendToSocketsRequest, SendToSocketsResponse, WatchSocketsRequest,
        WatchSocketsResponse, WatchedSocketClosed, registry_service_server::RegistryService,
        watch_sockets_response,
    },
    report, retry,
};
use crate::{
    expression::{
        self,
        packed::{self, Packer},
        path::{Path, Root},
        scope::SocketField,
    },
    registry::{
        BrokenOff, Registry,
        mass::{Progress, Work},
        query::{Query, page::Place},
        token::{Cursor, Revision},
        watch_sockets::{Ended, READ_WITHIN, Seen},
    },
    task,
    telemetry::{
        audit::Settled,
        metrics::door::{DoorMetrics, Limit},
    },
};

/// Sockets in one message, and roughly their bytes: half of what a gRPC client takes by default.
const SOCKETS: usize = 500;
const MESSAGE_BYTES: usize = 2 << 20;

/// A session id is as good as a login, and where somebody is, is nobody's business. Part by part a filter finds out what
/// it may ask for, so who is not answered a field does not filter by it either.
const FOR_ADMINS: [SocketField; 2] = [SocketField::SessionId, SocketField::RemoteAddress];

/// Messages that wait for a caller to read them. A slow one holds up only itself.
const AHEAD: usize = 4;

/// The service.
#[derive(Clone, Debug)]
pub struct RegistryDoor {
    registry: Arc<Registry>,
    metrics: Arc<DoorMetrics>,
}

/// What a call that answers with a stream answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl RegistryDoor {
    /// Answers from this registry; who does not fit in is counted.
    pub fn new(registry: Arc<Registry>, metrics: Arc<DoorMetrics>) -> Self {
        Self { registry, metrics }
    }

    async fn query(
        &self,
        caller: &Caller,
        filter: String,
        params: Option<prost_types::Struct>,
    ) -> Result<Arc<Query>, Status> {
        let mut packer = Packer::default();
        if let Some(params) = params {
            structs::pack(&params, &mut packer).map_err(|unfit| invalid("params", unfit))?;
        }
        let query = self.registry.query(filter, packer.into_bytes()).await.map_err(broken_off)?;
        let query = query.map_err(|error| invalid("filter", error))?;
        for field in FOR_ADMINS {
            if query.asks_for(field) {
                caller.is_admin_for(&format!("filter: socket.{}", field.name()))?;
            }
        }
        Ok(query)
    }

    fn order<T: Send + 'static>(
        &self,
        query: Arc<Query>,
        work: Work,
        call: CallContext,
        message: impl Fn(Progress, crate::grpc::pb::View) -> T + Send + Sync + 'static,
    ) -> Answers<T> {
        let registry = Arc::clone(&self.registry);
        answers(move |answers| async move {
            let (progress, mut told) = mpsc::channel(1);
            let tell = async {
                while let Some(progress) = told.recv().await {
                    call.keep(|kept| kept.is_so_far(settled(progress)));
                    let view = sockets::view(&registry.coverage());
                    if answers.send(Ok(message(progress, view))).await.is_err() {
                        break;
                    }
                }
            };
            let (ordered, ()) = tokio::join!(registry.order(query, work, progress), tell);
            ordered.map_err(broken_off)
        })
    }
}

/// A stream that `work` fills. Dropped by its caller, the work stops.
fn answers<T, F>(work: impl FnOnce(mpsc::Sender<Result<T, Status>>) -> F) -> Answers<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    // One place is for the last word: an answer that ends without it is taken for whole, however slowly it is read.
    let (sender, receiver) = mpsc::channel(AHEAD + 1);
    let last_word = sender.clone().try_reserve_owned();
    let work = work(sender);
    let worker = task::owned(async move {
        if let (Err(status), Ok(last_word)) = (work.await, last_word) {
            last_word.send(Err(status));
        }
    });
    Box::pin(Owned { worker: Some(worker), receiver: ReceiverStream::new(receiver) })
}

/// Who made this request.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = CallContext::of(request)?.caller().cloned();
    // The way in asks for one before each of these methods.
    caller.ok_or_else(|| Status::internal("the caller is not known"))
}

fn settled(progress: Progress) -> Settled {
    let Progress { matched, done, failed, unreachable } = progress;
    Settled { matched, done, failed, unreachable }
}

fn broken_off(broken: BrokenOff) -> Status {
    Status::internal(broken.to_string())
}

/// A stream together with the task that fills it. When the task ends by a fault of this program the stream ends with an
/// error: without one it would be taken for whole.
struct Owned<T> {
    /// `None` when it has ended.
    worker: Option<AbortOnDropHandle<()>>,
    receiver: ReceiverStream<Result<T, Status>>,
}

impl<T> Stream for Owned<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(answer) = ready!(Pin::new(&mut self.receiver).poll_next(context)) {
            return Poll::Ready(Some(answer));
        }
        let Some(worker) = &mut self.worker else { return Poll::Ready(None) };
        let ended = ready!(Pin::new(worker).poll(context));
        self.worker = None;
        Poll::Ready(ended.err().map(|_panic| Err(broken_off(BrokenOff))))
    }
}

#[tonic::async_trait]
impl RegistryService for RegistryDoor {
    type ReportStream = Answers<ReportResponse>;
    type FilterSocketsStream = Answers<FilterSocketsResponse>;
    type WatchSocketsStream = Answers<WatchSocketsResponse>;
    type DisconnectSocketsStream = Answers<DisconnectSocketsResponse>;
    type SendToSocketsStream = Answers<SendToSocketsResponse>;

    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let registry = Arc::clone(&self.registry);
        let caller = caller(&request)?;
        let messages = request.into_inner();
        let metrics = Arc::clone(&self.metrics);
        let work = |answers| report::run(registry, caller, messages, answers, metrics);
        Ok(Response::new(answers(work)))
    }

    async fn filter_sockets(
        &self,
        request: Request<FilterSocketsRequest>,
    ) -> Result<Response<Self::FilterSocketsStream>, Status> {
        let caller = caller(&request)?;
        let FilterSocketsRequest { filter, params, limit, cursor } = request.into_inner();
        let query = self.query(&caller, filter, params).await?;
        let after = place(&cursor, &query)?;
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let registry = Arc::clone(&self.registry);
        Ok(Response::new(answers(move |answers| {
            filter_sockets(registry, query, after, limit, caller.is_admin(), answers)
        })))
    }

    async fn count_sockets(
        &self,
        request: Request<CountSocketsRequest>,
    ) -> Result<Response<CountSocketsResponse>, Status> {
        let caller = caller(&request)?;
        let CountSocketsRequest { filter, params, group_by } = request.into_inner();
        let query = self.query(&caller, filter, params).await?;
        let (total, groups) = if group_by.is_empty() {
            (self.registry.count(&query).await.map_err(broken_off)?, Vec::new())
        } else {
            let path = group_path(&group_by, &caller)?;
            let count = self.registry.count_by(&query, path).await.map_err(broken_off)?;
            let count = count.map_err(|many| invalid("group_by", many))?;
            let group = |(key, count): (Box<[u8]>, u64)| Group {
                key: Some(structs::unpack_value(packed::value(&key))),
                count,
            };
            (count.total, count.groups.into_iter().map(group).collect())
        };
        let view = Some(sockets::view(&self.registry.coverage()));
        Ok(Response::new(CountSocketsResponse { total, groups, view }))
    }

    async fn watch_sockets(
        &self,
        request: Request<WatchSocketsRequest>,
    ) -> Result<Response<Self::WatchSocketsStream>, Status> {
        let caller = caller(&request)?;
        let WatchSocketsRequest { filter, params, from_revision } = request.into_inner();
        let query = self.query(&caller, filter, params).await?;
        let from = match from_revision.as_str() {
            "" => None,
            token => {
                let problem = "it is no revision of this registry's; start afresh, without it";
                Some(Revision::decode(token).ok_or_else(|| invalid("from_revision", problem))?)
            }
        };
        let registry = Arc::clone(&self.registry);
        let watch = registry.watch(&query, from.as_ref()).await;
        let mut watch = watch.map_err(|why| {
            if matches!(why, Ended::TooMany) {
                self.metrics.shed(Limit::Watches);
            }
            ended(why)
        })?;
        let for_admin = caller.is_admin();
        Ok(Response::new(answers(move |answers| async move {
            loop {
                for (seen, revision) in watch.next().await.map_err(ended)? {
                    let event = Some(watched(&seen, for_admin));
                    let answer = Ok(WatchSocketsResponse { event, revision });
                    match answers.send_timeout(answer, READ_WITHIN).await {
                        Ok(()) => {}
                        Err(SendTimeoutError::Timeout(_)) => return Err(ended(Ended::NotRead)),
                        Err(SendTimeoutError::Closed(_)) => return Ok(()),
                    }
                }
            }
        })))
    }

    async fn disconnect_sockets(
        &self,
        request: Request<DisconnectSocketsRequest>,
    ) -> Result<Response<Self::DisconnectSocketsStream>, Status> {
        let (caller, call) = (caller(&request)?, CallContext::of(&request)?);
        let DisconnectSocketsRequest { filter, params, close, max_per_second } = request.into_inner();
        call.keep(|kept| kept.asks(&filter, || params.as_ref().map(structs::json_object)));
        let query = self.query(&caller, filter, params).await?;
        let max_per_second = (max_per_second > 0).then_some(max_per_second);
        let work = Work { task: commands::disconnect(close)?, max_per_second };
        let message = |progress, view| {
            let Progress { matched, done, failed, unreachable } = progress;
            DisconnectSocketsResponse { matched, done, failed, unreachable, view: Some(view) }
        };
        Ok(Response::new(self.order(query, work, call, message)))
    }

    async fn send_to_sockets(
        &self,
        request: Request<SendToSocketsRequest>,
    ) -> Result<Response<Self::SendToSocketsStream>, Status> {
        let (caller, call) = (caller(&request)?, CallContext::of(&request)?);
        let SendToSocketsRequest { filter, params, event, args } = request.into_inner();
        let query = self.query(&caller, filter, params).await?;
        let work = Work { task: commands::send(event, &args)?, max_per_second: None };
        let message = |progress, view| {
            let Progress { matched, done, failed, unreachable } = progress;
            SendToSocketsResponse { matched, done, failed, unreachable, view: Some(view) }
        };
        Ok(Response::new(self.order(query, work, call, message)))
    }

    async fn explain_filter(
        &self,
        request: Request<ExplainFilterRequest>,
    ) -> Result<Response<ExplainFilterResponse>, Status> {
        let (caller, call) = (caller(&request)?, CallContext::of(&request)?);
        let ExplainFilterRequest { filter, params } = request.into_inner();
        call.keep(|kept| kept.asks(&filter, || params.as_ref().map(structs::json_object)));
        let query = self.query(&caller, filter, params).await?;
        let steps = self.registry.explain(&query).await.map_err(broken_off)?.into_iter();
        let step = |crate::registry::query::Step { expression, index, sockets }| FilterStep {
            expression,
            index,
            sockets,
        };
        Ok(Response::new(ExplainFilterResponse { steps: steps.map(step).collect() }))
    }

    async fn list_gateways(
        &self,
        _request: Request<ListGatewaysRequest>,
    ) -> Result<Response<ListGatewaysResponse>, Status> {
        let now = SystemTime::now();
        let gateways = self.registry.gateways().into_iter().map(|gateway| Gateway {
            gateway_id: gateway.info.gateway_id.to_string(),
            incarnation: gateway.info.incarnation.to_string(),
            labels: sockets::labels(&gateway.info),
            state: if gateway.is_late { GatewayState::Late } else { GatewayState::Live }.into(),
            sockets: gateway.sockets,
            last_seen: now.checked_sub(gateway.seen_ago).map(Into::into),
        });
        let gateways = gateways.collect();
        let view = Some(sockets::view(&self.registry.coverage()));
        Ok(Response::new(ListGatewaysResponse { gateways, view }))
    }
}

/// Where a cursor goes on from.
fn place(cursor: &str, query: &Query) -> Result<Option<Place>, Status> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let cursor =
        Cursor::decode(cursor).ok_or_else(|| invalid("cursor", "it is no next_cursor of this service's"))?;
    let Cursor { filter, gateway_id, socket_id } = cursor;
    if filter != query.hash() {
        return Err(invalid("cursor", "it is of another filter or other params"));
    }
    Ok(Some(Place { gateway_id: gateway_id.into(), socket_id: Some(socket_id.into()) }))
}

async fn filter_sockets(
    registry: Arc<Registry>,
    query: Arc<Query>,
    mut after: Option<Place>,
    mut limit: usize,
    for_admin: bool,
    answers: mpsc::Sender<Result<FilterSocketsResponse, Status>>,
) -> Result<(), Status> {
    loop {
        let page = registry.page(&query, after, limit.min(SOCKETS)).await.map_err(broken_off)?;
        limit -= page.members.len();
        let is_last = page.next.is_none() || limit == 0;
        let next_cursor = match &page.next {
            Some(Place { gateway_id, socket_id }) if is_last => Cursor {
                filter: query.hash(),
                gateway_id: gateway_id.to_string(),
                socket_id: socket_id.as_deref().unwrap_or_default().to_owned(),
            }
            .encode(),
            _ => String::new(),
        };
        let view = sockets::view(&registry.coverage());
        let mut members = page.members.as_slice();
        loop {
            let mut bytes = 0;
            let fitting = members.iter().take_while(|member| {
                bytes += member.record.as_bytes().len();
                bytes <= MESSAGE_BYTES
            });
            // One alone is never too large to be sent.
            let (now, rest) = members.split_at(fitting.count().max(1).min(members.len()));
            members = rest;
            let next_cursor = if members.is_empty() { next_cursor.clone() } else { String::new() };
            let sockets = now.iter().map(|member| socket(member, for_admin)).collect();
            let answer = FilterSocketsResponse { sockets, next_cursor, view: Some(view.clone()) };
            if answers.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
            if members.is_empty() {
                break;
            }
        }
        if is_last {
            return Ok(());
        }
        after = page.next;
    }
}

/// A session id is as good as a login: nobody is given a list of them.
fn group_path(text: &str, caller: &Caller) -> Result<Path, Status> {
    let path = expression::path(text).map_err(|error| invalid("group_by", error))?;
    if path.root == Root::Socket(SocketField::SessionId) {
        return Err(invalid("group_by", "nobody groups by session_id, which is as good as a login"));
    }
    if path.root == Root::Socket(SocketField::RemoteAddress) {
        caller.is_admin_for("group_by: socket.remote_address")?;
    }
    Ok(path)
}

fn ended(ended: Ended) -> Status {
    match ended {
        Ended::OutOfRange(_) => Status::out_of_range(ended.to_string()),
        Ended::TooMany => retry::soon(&ended.to_string()),
        Ended::Unavailable(_) | Ended::NotRead => Status::unavailable(ended.to_string()),
    }
}

fn watched(seen: &Seen, for_admin: bool) -> watch_sockets_response::Event {
    match seen {
        Seen::Opened(member) => watch_sockets_response::Event::Opened(socket(member, for_admin)),
        Seen::Closed(member, reason) => watch_sockets_response::Event::Closed(WatchedSocketClosed {
            socket: Some(socket(member, for_admin)),
            reason: convert::reason(*reason).into(),
        }),
        Seen::Checkpoint(coverage) => watch_sockets_response::Event::Checkpoint(sockets::view(coverage)),
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;

    fn owned(
        work: impl Future<Output = ()> + Send + 'static,
        receiver: mpsc::Receiver<Result<u8, Status>>,
    ) -> Owned<u8> {
        Owned { worker: Some(task::owned(work)), receiver: ReceiverStream::new(receiver) }
    }

    #[tokio::test]
    async fn an_answer_that_a_fault_broke_off_is_not_taken_for_whole() {
        let (sender, receiver) = mpsc::channel(4);
        let mut answers = owned(
            async move {
                sender.send(Ok(1)).await.unwrap();
                panic!("a fault of this program");
            },
            receiver,
        );
        assert_eq!(answers.next().await.unwrap().unwrap(), 1);
        assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_is_whole_ends_without_a_word() {
        let (sender, receiver) = mpsc::channel(4);
        let mut answers = owned(async move { sender.send(Ok(1)).await.unwrap() }, receiver);
        assert_eq!(answers.next().await.unwrap().unwrap(), 1);
        assert!(answers.next().await.is_none());
    }
}
