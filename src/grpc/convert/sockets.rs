//! Sockets between messages and records. What cannot be taken of a socket is left out and told, and the socket is listed
//! without it: it still has to end with its session.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use prost_types::{Struct, Timestamp};
use tonic::Status;

use super::{
    GATEWAY_ID_BYTES, invalid, pb,
    structs::{self, Unfit},
};
use crate::{
    expression::packed::{Packer, Text, Value},
    expression::scope::SocketField,
    reason::Reason,
    registry::{
        change::GatewayInfo,
        ledger::Event,
        record::{Builder, Record, Socket},
        session_ended::SessionEnded,
        streams::stream::Batch,
        view::{Coverage, member::Member},
    },
};

/// A batch's events at most.
pub(in crate::grpc) const EVENTS: usize = 1_000;
/// Of an incarnation, in characters.
const INCARNATION: usize = 64;
/// Labels of a gateway, and the bytes of their names and values.
const LABELS: usize = 32;
const LABEL_NAME: usize = 63;
const LABEL_VALUE: usize = 256;
/// Of a socket's id, in bytes.
const SOCKET_ID: usize = SocketField::SocketId.most_bytes();
/// Of a user, and of data: far more than anybody filters by, and a million such would not fit anywhere.
const OBJECT: usize = 64 << 10;

/// From the year 1 to 9999, as the Timestamp's own definition has it, in seconds since 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Who speaks.
pub(in crate::grpc) fn hello(hello: &pb::Hello) -> Result<GatewayInfo, Status> {
    let pb::Hello { gateway_id, incarnation, labels } = hello;
    if gateway_id.is_empty() || gateway_id.len() > GATEWAY_ID_BYTES {
        return Err(invalid("hello.gateway_id", "it should have 1 to 256 bytes"));
    }
    if gateway_id.chars().any(char::is_control) {
        return Err(invalid("hello.gateway_id", "it has a control character"));
    }
    if incarnation.is_empty() || incarnation.chars().count() > INCARNATION {
        return Err(invalid("hello.incarnation", "it should have 1 to 64 characters"));
    }
    if incarnation.chars().any(char::is_control) {
        return Err(invalid("hello.incarnation", "it has a control character"));
    }
    if labels.iter().any(|(name, value)| name.chars().chain(value.chars()).any(char::is_control)) {
        return Err(invalid("hello.labels", "one has a control character"));
    }
    if labels.len() > LABELS {
        return Err(invalid("hello.labels", "there are more than 32"));
    }
    for (name, value) in labels {
        if name.is_empty() || name.len() > LABEL_NAME {
            return Err(invalid("hello.labels", "a name should have 1 to 63 bytes"));
        }
        if value.len() > LABEL_VALUE {
            return Err(invalid("hello.labels", "a value has more than 256 bytes"));
        }
    }
    Ok(GatewayInfo::new(gateway_id, incarnation, labels))
}

/// What a batch is read by.
pub(in crate::grpc) struct Known<'k> {
    /// When a socket was opened that is listed already, in microseconds since 1970.
    pub connected_at: &'k dyn Fn(&str) -> Option<i64>,
    /// How many more sockets the gateway may have listed.
    pub room: usize,
    /// Microseconds since 1970.
    pub now: i64,
}

/// A batch, and what of it could not be taken.
pub(in crate::grpc) fn batch(
    batch: pb::Batch,
    known: &Known<'_>,
) -> Result<(Batch, Vec<pb::Rejection>), Status> {
    let pb::Batch { sequence, events, complete } = batch;
    if events.len() > EVENTS {
        return Err(invalid("batch.events", "there are more than 1,000"));
    }
    let mut rejected = Vec::new();
    let mut room = known.room;
    let is_tight = room < events.len();
    let events = events
        .into_iter()
        .filter_map(|event| match event.event {
            Some(pb::event::Event::Opened(socket)) => {
                let listed = if is_tight || socket.connected_at.is_none() {
                    (known.connected_at)(&socket.socket_id)
                } else {
                    None
                };
                if is_tight && listed.is_none() {
                    let Some(less) = room.checked_sub(1) else {
                        let problem =
                            "the gateway has as many as limits.max_gateway_sockets allows: it is not listed";
                        rejected.push(rejection(&socket.socket_id, "socket_id", problem));
                        return None;
                    };
                    room = less;
                }
                record(&socket, listed.unwrap_or(known.now), &mut rejected).map(Event::Opened)
            }
            Some(pb::event::Event::Closed(pb::SocketClosed { socket_id })) => {
                // An id that no socket can have is one that is not open.
                Some(Event::Closed { socket_id, reason: Reason::Closed })
            }
            None => {
                rejected.push(rejection("", "event", "it is neither opened nor closed"));
                None
            }
        })
        .collect();
    Ok((Batch { sequence, events, complete }, rejected))
}

fn rejection(socket_id: &str, field: &str, message: impl std::fmt::Display) -> pb::Rejection {
    let end = socket_id.floor_char_boundary(SOCKET_ID);
    pb::Rejection {
        socket_id: socket_id.get(..end).unwrap_or_default().to_owned(),
        field: field.to_owned(),
        message: message.to_string(),
    }
}

fn record(socket: &pb::Socket, opened: i64, rejected: &mut Vec<pb::Rejection>) -> Option<Record> {
    let pb::Socket {
        gateway_id: _,
        socket_id,
        namespace,
        session_id,
        remote_address,
        origin,
        user,
        data,
        connected_at,
    } = socket;
    if socket_id.is_empty() || socket_id.len() > SOCKET_ID {
        rejected.push(rejection(
            socket_id,
            "socket_id",
            "it should have 1 to 256 bytes: the socket is not listed",
        ));
        return None;
    }
    let mut reject = |field: &str, message: &dyn std::fmt::Display| {
        rejected.push(rejection(socket_id, field, message));
    };
    let mut fit = |field: SocketField, text| {
        let text: &str = text;
        let at_most = field.most_bytes();
        if text.len() <= at_most {
            return text;
        }
        reject(field.name(), &format_args!("it is longer than {at_most} bytes"));
        ""
    };
    let namespace = fit(SocketField::Namespace, namespace);
    let session_id = fit(SocketField::SessionId, session_id);
    let remote_address = fit(SocketField::RemoteAddress, remote_address);
    let origin = fit(SocketField::Origin, origin);
    let connected_at = match connected_at {
        None => opened,
        Some(timestamp) => microseconds(timestamp).unwrap_or_else(|| {
            reject("connected_at", &"it is not between the years 1 and 9999");
            opened
        }),
    };
    let mut builder = Builder::default();
    for (field, object) in [("user", user), ("data", data)] {
        let packed = object.as_ref().map_or(Ok(Packer::default()), fit_object);
        let packed = packed.unwrap_or_else(|unfit| {
            reject(field, &unfit);
            Packer::default()
        });
        builder.add_object(&packed.into_bytes());
    }
    let socket = Socket { socket_id, namespace, session_id, remote_address, origin, connected_at };
    Some(builder.finish(&socket))
}

fn fit_object(object: &Struct) -> Result<Packer, Unfit> {
    if object.encoded_len() > OBJECT {
        return Err(Unfit::TooLarge(OBJECT));
    }
    let mut packer = Packer::default();
    structs::pack(object, &mut packer)?;
    Ok(packer)
}

fn microseconds(timestamp: &Timestamp) -> Option<i64> {
    let Timestamp { seconds, nanos } = timestamp;
    (SECONDS.contains(seconds) && (0..1_000_000_000).contains(nanos))
        .then(|| seconds * 1_000_000 + i64::from(*nanos / 1_000))
}

fn timestamp(microseconds: i64) -> Timestamp {
    let nanos = microseconds.rem_euclid(1_000_000) * 1_000;
    Timestamp { seconds: microseconds.div_euclid(1_000_000), nanos: i32::try_from(nanos).unwrap_or_default() }
}

/// A socket as it is answered: without its session id, which is as good as a login.
///
/// The remote address is for admins alone.
pub(in crate::grpc) fn socket(member: &Member, for_admin: bool) -> pb::Socket {
    let Member { info, record } = member;
    let text = |field| match record.field(field) {
        Some(Value::Text(text)) => Text::as_str(text).to_owned(),
        _ => String::new(),
    };
    pb::Socket {
        gateway_id: info.gateway_id.to_string(),
        socket_id: text(SocketField::SocketId),
        namespace: text(SocketField::Namespace),
        session_id: String::new(),
        remote_address: if for_admin { text(SocketField::RemoteAddress) } else { String::new() },
        origin: text(SocketField::Origin),
        user: Some(structs::unpack(record.user())),
        data: Some(structs::unpack(record.data())),
        connected_at: Some(timestamp(record.connected_at())),
    }
}

/// A session that has ended.
pub(in crate::grpc) fn session_end(ended: &SessionEnded, revision: String) -> pb::WatchSessionEndsResponse {
    pb::WatchSessionEndsResponse {
        session_id: ended.session_id().to_owned(),
        user: Some(structs::unpack(ended.user())),
        reason: super::reason(ended.reason()).into(),
        sockets: ended.sockets(),
        at: Some(timestamp(ended.at())),
        revision,
    }
}

/// How much an answer knows.
pub(in crate::grpc) fn view(coverage: &Coverage) -> pb::View {
    let Coverage { age, incomplete_gateways, warming_up } = coverage;
    pb::View {
        age: Some(duration(*age)),
        incomplete_gateways: incomplete_gateways.iter().map(ToString::to_string).collect(),
        warming_up: *warming_up,
    }
}

/// A length of time.
pub(in crate::grpc) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A gateway's labels.
pub(in crate::grpc) fn labels(info: &GatewayInfo) -> BTreeMap<String, String> {
    let labels = crate::expression::packed::Map::of(&info.labels);
    labels
        .iter()
        .map(|(name, value)| {
            let value = if let Value::Text(value) = value { value.as_str() } else { "" };
            (name.as_str().to_owned(), value.to_owned())
        })
        .collect()
}
