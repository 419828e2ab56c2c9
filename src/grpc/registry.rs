//! `RegistryService`.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming, metadata::AsciiMetadataValue};

use super::{
    answers::{Answers, Stop, Teller, answers},
    callers::Caller,
    context::CallContext,
    convert::{
        self, commands, invalid,
        sockets::{self, socket},
        structs,
    },
    pb::{
        CountSocketsRequest, CountSocketsResponse, DisconnectSocketsRequest, DisconnectSocketsResponse,
        EndSessionsRequest, EndSessionsResponse, ExplainFilterRequest, ExplainFilterResponse,
        FilterSocketsRequest, FilterSocketsResponse, FilterStep, Gateway, GatewayState, Group,
        ListGatewaysRequest, ListGatewaysResponse, ReportRequest, ReportResponse, SendToSocketsRequest,
        SendToSocketsResponse, WatchSessionEndsRequest, WatchSessionEndsResponse, WatchSocketsRequest,
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
        scope::{GatewayField, SocketField},
    },
    registry::{
        BrokenOff, Registry,
        mass::{Progress, Work},
        query::{Query, page::Place},
        token::{Cursor, Revision},
        watch_session_ends::SeenEnd,
        watch_sockets::{Ended, Seen},
    },
    session_end::{CannotEnd, EndedSessions, Ender},
    telemetry::{
        audit::{Ended as Counted, Settled},
        metrics::door::{DoorMetrics, Limit},
    },
};

/// Sockets in one message, and roughly their bytes: as a message for others it takes ten times as much.
const SOCKETS: usize = 500;
const MESSAGE_BYTES: usize = 256 << 10;

/// A session id is as good as a login, where somebody is, is nobody's business, and with a gateway's incarnation another can
/// take its place. Part by part a filter finds out what it may ask for, so who is not answered a field does not filter by
/// it either.
const FOR_ADMINS: [(Root, &str); 3] = [
    (Root::Socket(SocketField::SessionId), "socket.session_id"),
    (Root::Socket(SocketField::RemoteAddress), "socket.remote_address"),
    (Root::Gateway(GatewayField::Incarnation), "gateway.incarnation"),
];

/// The metadata in which a watch of session ends says where it begins.
const REVISION: &str = "socketpass-revision";

/// Messages that wait for a caller to read them, and pages.
const AHEAD: usize = 4;
const PAGES_AHEAD: usize = 1;

/// The service.
#[derive(Clone, Debug)]
pub struct RegistryDoor {
    registry: Arc<Registry>,
    ender: Arc<Ender>,
    metrics: Arc<DoorMetrics>,
}

impl RegistryDoor {
    /// Answers from this registry, and ends sessions by this; who does not fit in is counted.
    pub fn new(registry: Arc<Registry>, ender: Arc<Ender>, metrics: Arc<DoorMetrics>) -> Self {
        Self { registry, ender, metrics }
    }

    /// Why a watch does not begin, or ends.
    fn ended(&self, why: Ended) -> Status {
        if matches!(why, Ended::TooMany) {
            self.metrics.shed(Limit::Watches);
        }
        ended(why)
    }

    /// The question of a call, if its caller may ask it.
    async fn query(
        &self,
        call: &CallContext,
        filter: String,
        params: Option<prost_types::Struct>,
    ) -> Result<Arc<Query>, Status> {
        call.keep(|kept| kept.asks(&filter, || params.as_ref().map(structs::json_object)));
        let mut packer = Packer::default();
        if let Some(params) = &params {
            structs::pack(params, &mut packer).map_err(|unfit| invalid("params", unfit))?;
        }
        let query = self.registry.query(filter.clone(), packer.into_bytes()).await.map_err(broken_off)?;
        let query = query.map_err(|error| invalid("filter", error))?;
        for (field, name) in FOR_ADMINS {
            if query.asks_for(field) {
                call.is_for_admins();
                call.keep(|kept| kept.asks(&filter, || params.as_ref().map(structs::json_object)));
                caller(call)?.is_admin_for(&format!("filter: {name}"))?;
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
        answers(AHEAD, move |answers| async move {
            let (progress, mut told) = mpsc::channel(1);
            let tell = async {
                while let Some(progress) = told.recv().await {
                    call.keep(|kept| kept.is_so_far(settled(progress)));
                    let view = sockets::view(&registry.coverage());
                    answers.tell(message(progress, view)).await?;
                }
                Ok(())
            };
            let order = async {
                let ordered = registry.order(query, work, progress).await;
                ordered.map_err(|broken| Stop::from(broken_off(broken)))
            };
            tokio::try_join!(order, tell).map(|_| ())
        })
    }
}

/// Who calls. The way in asks for one before each of these methods.
fn caller(call: &CallContext) -> Result<&Caller, Status> {
    call.caller().ok_or_else(|| Status::internal("the caller is not known"))
}

fn settled(progress: Progress) -> Settled {
    let Progress { matched, done, failed, unreachable } = progress;
    Settled { matched, done, failed, unreachable }
}

fn counted(ended: &EndedSessions) -> Counted {
    let EndedSessions { matched, without_session, destroyed, left, coverage: _ } = *ended;
    Counted { matched, without_session, sessions_destroyed: destroyed, sessions_left: left }
}

fn broken_off(broken: BrokenOff) -> Status {
    Status::internal(broken.to_string())
}

#[tonic::async_trait]
impl RegistryService for RegistryDoor {
    type ReportStream = Answers<ReportResponse>;
    type FilterSocketsStream = Answers<FilterSocketsResponse>;
    type WatchSocketsStream = Answers<WatchSocketsResponse>;
    type WatchSessionEndsStream = Answers<WatchSessionEndsResponse>;
    type DisconnectSocketsStream = Answers<DisconnectSocketsResponse>;
    type SendToSocketsStream = Answers<SendToSocketsResponse>;

    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let registry = Arc::clone(&self.registry);
        let caller = caller(&CallContext::of(&request)?)?.clone();
        let messages = request.into_inner();
        let metrics = Arc::clone(&self.metrics);
        let work = |answers| report::run(registry, caller, messages, answers, metrics);
        Ok(Response::new(answers(AHEAD, work)))
    }

    async fn filter_sockets(
        &self,
        request: Request<FilterSocketsRequest>,
    ) -> Result<Response<Self::FilterSocketsStream>, Status> {
        let call = CallContext::of(&request)?;
        let FilterSocketsRequest { filter, params, limit, cursor } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
        let after = place(&cursor, &query)?;
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let registry = Arc::clone(&self.registry);
        let for_admin = caller(&call)?.is_admin();
        Ok(Response::new(answers(PAGES_AHEAD, move |answers| {
            filter_sockets(registry, query, after, limit, for_admin, answers)
        })))
    }

    async fn count_sockets(
        &self,
        request: Request<CountSocketsRequest>,
    ) -> Result<Response<CountSocketsResponse>, Status> {
        let call = CallContext::of(&request)?;
        let CountSocketsRequest { filter, params, group_by } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
        let (total, groups) = if group_by.is_empty() {
            (self.registry.count(&query).await.map_err(broken_off)?, Vec::new())
        } else {
            let path = group_path(&group_by, &call)?;
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
        let call = CallContext::of(&request)?;
        let WatchSocketsRequest { filter, params, from_revision } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
        let from = revision(&from_revision)?;
        let watch = self.registry.watch(&query, from.as_ref()).await;
        let mut watch = watch.map_err(|why| self.ended(why))?;
        let for_admin = caller(&call)?.is_admin();
        Ok(Response::new(answers(AHEAD, move |answers| async move {
            loop {
                for (seen, revision) in watch.next().await.map_err(ended)? {
                    let event = Some(watched(&seen, for_admin));
                    answers.tell(WatchSocketsResponse { event, revision }).await?;
                }
            }
        })))
    }

    async fn disconnect_sockets(
        &self,
        request: Request<DisconnectSocketsRequest>,
    ) -> Result<Response<Self::DisconnectSocketsStream>, Status> {
        let call = CallContext::of(&request)?;
        let DisconnectSocketsRequest { filter, params, close, max_per_second } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
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
        let call = CallContext::of(&request)?;
        let SendToSocketsRequest { filter, params, event, args } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
        let work = Work { task: commands::send(event, &args)?, max_per_second: None };
        let message = |progress, view| {
            let Progress { matched, done, failed, unreachable } = progress;
            SendToSocketsResponse { matched, done, failed, unreachable, view: Some(view) }
        };
        Ok(Response::new(self.order(query, work, call, message)))
    }

    async fn end_sessions(
        &self,
        request: Request<EndSessionsRequest>,
    ) -> Result<Response<EndSessionsResponse>, Status> {
        let call = CallContext::of(&request)?;
        let EndSessionsRequest { filter, params } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
        let ended = self.ender.end(&query).await;
        if let Ok(ended) | Err(CannotEnd::Store(ended) | CannotEnd::Refused(ended)) = &ended {
            call.keep(|kept| kept.has_ended(counted(ended)));
        }
        let EndedSessions { matched, without_session, coverage, .. } = ended.map_err(|why| match why {
            CannotEnd::TooMany => retry::soon(&why.to_string()),
            CannotEnd::InCookies | CannotEnd::Refused(_) => Status::failed_precondition(why.to_string()),
            CannotEnd::Store(_) => Status::unavailable(why.to_string()),
            CannotEnd::BrokenOff(broken) => broken_off(broken),
        })?;
        let view = Some(sockets::view(&coverage));
        Ok(Response::new(EndSessionsResponse { matched, view, without_session }))
    }

    async fn watch_session_ends(
        &self,
        request: Request<WatchSessionEndsRequest>,
    ) -> Result<Response<Self::WatchSessionEndsStream>, Status> {
        let WatchSessionEndsRequest { from_revision, checkpoints } = request.into_inner();
        let from = revision(&from_revision)?;
        let watch = self.registry.watch_session_ends(from.as_ref()).await;
        let mut watch = watch.map_err(|why| self.ended(why))?;
        let begins_at = AsciiMetadataValue::try_from(watch.revision())
            .map_err(|_| Status::internal("a revision that is no text"))?;
        let mut response = Response::new(answers(AHEAD, move |answers| async move {
            loop {
                for (seen, revision) in watch.next().await.map_err(ended)? {
                    let message = match seen {
                        SeenEnd::Ended(end) => sockets::session_end(&end, revision),
                        SeenEnd::Checkpoint if checkpoints => {
                            WatchSessionEndsResponse { revision, ..WatchSessionEndsResponse::default() }
                        }
                        SeenEnd::Checkpoint => continue,
                    };
                    answers.tell(message).await?;
                }
            }
        }));
        response.metadata_mut().insert(REVISION, begins_at);
        Ok(response)
    }

    async fn explain_filter(
        &self,
        request: Request<ExplainFilterRequest>,
    ) -> Result<Response<ExplainFilterResponse>, Status> {
        let call = CallContext::of(&request)?;
        let ExplainFilterRequest { filter, params } = request.into_inner();
        let query = self.query(&call, filter, params).await?;
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

/// Where a watch goes on from; `None`: it begins anew.
fn revision(token: &str) -> Result<Option<Revision>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let problem = "it is no revision of this registry's; start afresh, without it";
    Revision::decode(token).map(Some).ok_or_else(|| invalid("from_revision", problem))
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
    answers: Teller<FilterSocketsResponse>,
) -> Result<(), Stop> {
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
            answers.tell(answer).await?;
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
fn group_path(text: &str, call: &CallContext) -> Result<Path, Status> {
    let path = expression::path(text).map_err(|error| invalid("group_by", error))?;
    if path.root == Root::Socket(SocketField::SessionId) {
        return Err(invalid("group_by", "nobody groups by session_id, which is as good as a login"));
    }
    for (field, name) in FOR_ADMINS {
        if path.root == field {
            call.is_for_admins();
            caller(call)?.is_admin_for(&format!("group_by: {name}"))?;
        }
    }
    Ok(path)
}

fn ended(ended: Ended) -> Status {
    match ended {
        Ended::OutOfRange(_) => Status::out_of_range(ended.to_string()),
        Ended::TooMany => retry::soon(&ended.to_string()),
        Ended::Unavailable(_) => Status::unavailable(ended.to_string()),
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
