//! `[limits]` and `[log]`: what is too much, and what is told.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};

/// `[limits]`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A larger session is malformed, in bytes.
    pub max_session_bytes: usize,
    /// A larger gRPC message is refused, in bytes.
    pub max_message_bytes: usize,
    /// How long a call may take, its message's arrival included.
    pub call_timeout: Duration,
    /// A handshake with more headers is refused.
    pub max_headers: usize,
    /// How many connections may be open to `grpc.addr`.
    pub max_connections: usize,
    /// How many calls a connection may have open at once, streams among them.
    pub max_connection_calls: usize,
    /// How many calls may wait for their answer at once.
    pub max_calls: usize,
    /// How many streams may be open at once.
    pub max_streams: usize,
    /// How much memory requests may take until they are answered, in bytes.
    pub max_inflight_bytes: usize,
    /// How old a connection gets.
    pub connection_age: Duration,
    /// A connection that is silent for so long is asked whether it is there.
    pub keepalive_interval: Duration,
    /// How long a connection has to say so, and a new one to say anything.
    pub keepalive_timeout: Duration,
    /// How long calls that run when the service is told to stop may go on.
    pub drain_timeout: Duration,
    /// How many sockets a gateway may have listed.
    pub max_gateway_sockets: usize,
    /// How many gateways there may be.
    pub max_gateways: usize,
    /// Open sockets of one person; `None`: as many as they like.
    pub max_sockets_per_user: Option<u64>,
    /// One more than that takes the place of the oldest.
    pub evict_oldest: bool,
    /// How many watches may be open in one replica.
    pub max_watches: usize,
}

const MAX_SESSION_BYTES: Setting = Setting {
    name: "limits.max_session_bytes",
    kind: Kind::Bytes,
    default: Some("4MiB"),
    about: "How large a stored session may be; a larger one is SESSION_MALFORMED.",
};

const MAX_MESSAGE_BYTES: Setting = Setting {
    name: "limits.max_message_bytes",
    kind: Kind::Bytes,
    default: Some("4MiB"),
    about: "How large a gRPC request may be; a larger one is refused before it is read.",
};

const CALL_TIMEOUT: Setting = Setting {
    name: "limits.call_timeout",
    kind: Kind::Duration,
    default: Some("10s"),
    about: "How long a call may take until its answer begins, the arrival of its message included; longer is \
            DEADLINE_EXCEEDED. It should be longer than `session.store_timeout`.",
};

const MAX_HEADERS: Setting = Setting {
    name: "limits.max_headers",
    kind: Kind::Count,
    default: Some("2000"),
    about: "How many headers a handshake may have; one with more is INVALID_ARGUMENT. Node takes 2000 too.",
};

const MAX_CONNECTIONS: Setting = Setting {
    name: "limits.max_connections",
    kind: Kind::Count,
    default: Some("10000"),
    about: "How many connections may be open to `grpc.addr`; one more is closed at once. The process needs a file \
            descriptor for each.",
};

const MAX_CONNECTION_CALLS: Setting = Setting {
    name: "limits.max_connection_calls",
    kind: Kind::Count,
    default: Some("256"),
    about: "How many calls one connection may have open at once, streams among them. It is told to clients as HTTP/2's \
            SETTINGS_MAX_CONCURRENT_STREAMS, and they wait.",
};

const MAX_CALLS: Setting = Setting {
    name: "limits.max_calls",
    kind: Kind::Count,
    default: Some("4096"),
    about: "How many calls may wait for their answer at once; one more is RESOURCE_EXHAUSTED, with the time after which to \
            try again. Of n addresses that have calls waiting each may have 1/(n+1) of it, so that there is always room for \
            another.",
};

const MAX_STREAMS: Setting = Setting {
    name: "limits.max_streams",
    kind: Kind::Count,
    default: Some("20000"),
    about: "How many answers that are streams (Report, WatchSockets and the like) may be open at once; one more is \
            RESOURCE_EXHAUSTED.",
};

const MAX_INFLIGHT_BYTES: Setting = Setting {
    name: "limits.max_inflight_bytes",
    kind: Kind::Bytes,
    default: Some("64MiB"),
    about: "How much memory requests may take that have no answer yet. Each message of more than 16 KiB is counted as soon \
            as its length is known, before it arrives; one that finds no room is RESOURCE_EXHAUSTED, and on a Report stream \
            it waits. No less than `limits.max_message_bytes`.",
};

const CONNECTION_AGE: Setting = Setting {
    name: "limits.connection_age",
    kind: Kind::Duration,
    default: Some("30m"),
    about: "How old a connection gets, give or take a tenth: then its client is told to open another, and its streams end \
            with UNAVAILABLE, so that clients spread over the replicas that there are now. Calls that run are finished.",
};

const KEEPALIVE_INTERVAL: Setting = Setting {
    name: "limits.keepalive_interval",
    kind: Kind::Duration,
    default: Some("30s"),
    about: "A connection that is silent for so long is asked whether it is there (HTTP/2's PING).",
};

const KEEPALIVE_TIMEOUT: Setting = Setting {
    name: "limits.keepalive_timeout",
    kind: Kind::Duration,
    default: Some("10s"),
    about: "How long a connection has to answer that, and a new one to say its first word, TLS included; then it is closed.",
};

const DRAIN_TIMEOUT: Setting = Setting {
    name: "limits.drain_timeout",
    kind: Kind::Duration,
    default: Some("20s"),
    about: "How long calls that run when the service is told to stop (SIGTERM) may go on before they are cut off.",
};

const MAX_GATEWAY_SOCKETS: Setting = Setting {
    name: "limits.max_gateway_sockets",
    kind: Kind::Count,
    default: Some("1000000"),
    about: "How many sockets one gateway may have listed; more are rejected in its acks, so that a gateway that has gone wrong \
            does not fill the registry.",
};

const MAX_GATEWAYS: Setting = Setting {
    name: "limits.max_gateways",
    kind: Kind::Count,
    default: Some("10000"),
    about: "How many gateways there may be in the fleet; the hello of one more is RESOURCE_EXHAUSTED. Answers name all that are \
            late, which has to fit into a message.",
};

const MAX_SOCKETS_PER_USER: Setting = Setting {
    name: "limits.max_sockets_per_user",
    kind: Kind::Count,
    default: None,
    about: "How many sockets one person may have open in the whole fleet, by what stands at `user.id_field`; a user who has \
            nothing there is not counted. A handshake for one more is TOO_MANY_SOCKETS. What slips past in a burst is ended \
            when it was reported. Not set: as many as they like.",
};

const EVICT_OLDEST: Setting = Setting {
    name: "limits.evict_oldest",
    kind: Kind::Flag,
    default: Some("false"),
    about: "With `limits.max_sockets_per_user`: one more socket is let in, and of that person's the one is ended with EVICTED \
            that the service has known for longest. With `cookie-session:` it has no effect: one more is refused.",
};

const MAX_WATCHES: Setting = Setting {
    name: "limits.max_watches",
    kind: Kind::Count,
    default: Some("1000"),
    about: "How many watches (WatchSockets, WatchSessionEnds) may be open in one replica; one more is \
            RESOURCE_EXHAUSTED. Each looks at every change.",
};

impl Limits {
    pub(super) const SETTINGS: &[&Setting] = &[
        &MAX_SESSION_BYTES,
        &MAX_MESSAGE_BYTES,
        &MAX_HEADERS,
        &MAX_CONNECTIONS,
        &MAX_CONNECTION_CALLS,
        &MAX_CALLS,
        &MAX_STREAMS,
        &MAX_INFLIGHT_BYTES,
        &CONNECTION_AGE,
        &KEEPALIVE_INTERVAL,
        &KEEPALIVE_TIMEOUT,
        &CALL_TIMEOUT,
        &DRAIN_TIMEOUT,
        &MAX_GATEWAY_SOCKETS,
        &MAX_GATEWAYS,
        &MAX_SOCKETS_PER_USER,
        &EVICT_OLDEST,
        &MAX_WATCHES,
    ];

    /// `has_store`: sessions are where they can be asked about.
    pub(super) fn read(reader: &mut Reader<'_>, has_store: bool) -> Self {
        let mut limits = Self {
            max_session_bytes: reader.bytes(&MAX_SESSION_BYTES),
            max_message_bytes: reader.bytes(&MAX_MESSAGE_BYTES),
            max_headers: reader.count(&MAX_HEADERS),
            max_connections: reader.count(&MAX_CONNECTIONS),
            max_connection_calls: reader.count(&MAX_CONNECTION_CALLS),
            max_calls: reader.count(&MAX_CALLS),
            max_streams: reader.count(&MAX_STREAMS),
            max_inflight_bytes: reader.bytes(&MAX_INFLIGHT_BYTES),
            connection_age: reader.duration(&CONNECTION_AGE),
            keepalive_interval: reader.duration(&KEEPALIVE_INTERVAL),
            keepalive_timeout: reader.duration(&KEEPALIVE_TIMEOUT),
            call_timeout: reader.duration(&CALL_TIMEOUT),
            drain_timeout: reader.duration(&DRAIN_TIMEOUT),
            max_gateway_sockets: reader.count(&MAX_GATEWAY_SOCKETS),
            max_gateways: reader.count(&MAX_GATEWAYS),
            max_sockets_per_user: (!reader.is_absent(&MAX_SOCKETS_PER_USER))
                .then(|| u64::try_from(reader.count(&MAX_SOCKETS_PER_USER)).unwrap_or(u64::MAX)),
            evict_oldest: reader.flag(&EVICT_OLDEST),
            max_watches: reader.count(&MAX_WATCHES),
        };
        if limits.max_inflight_bytes < limits.max_message_bytes && !reader.has_fault(&MAX_INFLIGHT_BYTES) {
            let problem = "it is less than limits.max_message_bytes: a message could have no room ever";
            reader.fault(&MAX_INFLIGHT_BYTES, problem);
        }
        if limits.evict_oldest && !has_store {
            reader.warn(
                &EVICT_OLDEST,
                "nothing uses it: with session.store = cookie-session: nobody can be asked whose an open socket is, so one more \
                 than limits.max_sockets_per_user is refused",
            );
            limits.evict_oldest = false;
        } else if limits.evict_oldest && limits.max_sockets_per_user.is_none() {
            reader.warn(
                &EVICT_OLDEST,
                "nothing uses it: limits.max_sockets_per_user is not set, so nobody has one socket too many",
            );
        }
        limits
    }
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// What lines look like.
    pub format: LogFormat,
    /// What is logged, in `tracing`'s directives.
    pub filter: String,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// A JSON object a line.
    Json,
    /// Text for people.
    Text,
}

const FORMAT: Setting = Setting {
    name: "log.format",
    kind: Kind::Choice(&["auto", "json", "text"]),
    default: Some("auto"),
    about: "What the log on standard error looks like. `auto`: text on a terminal, a JSON object a line elsewhere.",
};

const FILTER: Setting = Setting {
    name: "log.filter",
    kind: Kind::Text,
    default: Some("info,redis=error"),
    about: "What is logged: `error`, `warn`, `info` (refused handshakes among it), `debug` (accepted ones too), or \
            `tracing` directives such as `info,socketpass::session_store=debug`. `redis=error` keeps the Redis driver's own \
            lines out, which repeat what the service says itself. No level logs secrets, cookies or \
            whole session ids.",
};

impl Log {
    pub(super) const SETTINGS: &[&Setting] = &[&FORMAT, &FILTER];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let format = reader.choice(
            &FORMAT,
            &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)],
        );
        let filter = reader.parse(&FILTER, |text| {
            EnvFilter::try_new(text)
                .map(|_| text.to_owned())
                .map_err(|_| "it is not a log filter; for example info".to_owned())
        });
        Self { format: format.unwrap_or(LogFormat::Auto), filter: filter.unwrap_or_default() }
    }
}
