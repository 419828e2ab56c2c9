//! The audit log: who was let in where, who was not, whose sockets were ended, and who looked at or changed what is not
//! theirs. A JSON object a line.
//!
//! Lines hold no cookies, no secrets and no content of sessions: users are named by their identity alone, and session ids
//! are shortened. They are handed to a thread that writes them, so that no decision waits for a disk; what the thread
//! cannot take is counted.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::Serialize;
use serde_json::Value;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use self::sink::AppendedFile;
use super::metrics::code_name;
use crate::{
    authorize::{Decision, Handshake},
    config::telemetry::{Audit as Settings, AuditSink},
    expression::{packed, path::Path},
    logout::{self, Taken},
    reason::Reason,
    session_store::SessionId,
};

mod masked;
mod sink;

use self::masked::Asked;

/// Lines that may wait for the disk: some megabytes.
const LINES: usize = 16_384;

/// A longer text from outside is cut: it would be one line's and take the place of many.
const TEXT: usize = 256;

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
#[error(
    "audit.sink: {path} cannot be opened: {source}; is its directory there, and may this user write to it?"
)]
pub struct CannotOpen {
    /// The file.
    path: String,
    /// The system's words.
    source: io::Error,
}

/// The audit log.
#[derive(Debug)]
pub struct Audit {
    out: Option<Out>,
    /// Where in a user its identity is.
    identity: Path,
}

#[derive(Debug)]
struct Out {
    writer: NonBlocking,
    lines: AtomicU64,
    failed: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    /// Writes what still waits when it is dropped, if that takes no longer than a second. `None`: it was.
    guard: Mutex<Option<WorkerGuard>>,
}

/// Which call a line is about.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    /// The call's `x-request-id`.
    pub request_id: &'c str,
    /// The name of who called, `anonymous` where callers need no credentials; `None`: nobody whom the service knows.
    pub caller: Option<&'c str>,
}

#[derive(Serialize)]
struct DecisionLine<'l> {
    time: String,
    event: &'static str,
    request_id: &'l str,
    caller: Option<&'l str>,
    gateway_id: &'l str,
    accepted: bool,
    reason: &'static str,
    user: Option<Value>,
    session_id: Option<String>,
    remote_address: &'l str,
    origin: Option<&'l str>,
    namespace: &'l str,
}

impl Audit {
    /// Opens what the settings name. `identity` is where in a user its identity is.
    pub fn open(settings: &Settings, identity: Path) -> Result<Self, CannotOpen> {
        let failed = Arc::new(AtomicU64::new(0));
        let reopen = Arc::new(AtomicBool::new(false));
        let builder =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("audit");
        let (writer, guard) = match &settings.sink {
            AuditSink::Off => return Ok(Self { out: None, identity }),
            AuditSink::Stdout => builder.finish(sink::Stdout::new(Arc::clone(&failed))),
            AuditSink::File(path) => {
                let file = AppendedFile::open(path, Arc::clone(&failed), Arc::clone(&reopen));
                builder
                    .finish(file.map_err(|source| CannotOpen { path: path.display().to_string(), source })?)
            }
        };
        let out = Out { writer, lines: AtomicU64::new(0), failed, reopen, guard: Mutex::new(Some(guard)) };
        Ok(Self { out: Some(out), identity })
    }

    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.out.is_some()
    }

    /// The file was moved away: the next line goes to a new one.
    pub fn reopen(&self) {
        if let Some(out) = &self.out {
            out.reopen.store(true, Ordering::Relaxed);
        }
    }

    /// Writes what still waits, and nothing any more: at the end of the process nobody would wait for it.
    pub fn close(&self) {
        if let Some(out) = &self.out {
            drop(out.guard.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// Lines that the writer was given, and lines that were lost.
    pub fn counts(&self) -> (u64, u64) {
        self.out.as_ref().map_or((0, 0), |out| {
            let dropped = u64::try_from(out.writer.error_counter().dropped_lines()).unwrap_or(u64::MAX);
            let lines = out.lines.load(Ordering::Relaxed);
            (lines.saturating_sub(dropped), dropped.saturating_add(out.failed.load(Ordering::Relaxed)))
        })
    }

    /// A decision on a handshake.
    pub fn decision(&self, call: Call<'_>, gateway_id: &str, handshake: &Handshake, decision: &Decision) {
        let Some(out) = &self.out else { return };
        out.write(&DecisionLine {
            time: now(),
            event: "decision",
            request_id: call.request_id,
            caller: call.caller,
            gateway_id: cut(gateway_id),
            accepted: decision.accepted,
            reason: decision.reason.name(),
            user: self.identity_of(decision),
            session_id: decision.session_id.as_ref().map(|id| id.shortened()),
            remote_address: cut(&handshake.remote_address),
            origin: handshake.headers.get("origin").map(cut),
            // Of a path with its query, only the path: a session id may be in the query.
            namespace: cut(handshake.namespace.split('?').next().unwrap_or_default()),
        });
    }

    /// Neither somebody who is nobody, nor what is no scalar, is an identity.
    fn identity_of(&self, decision: &Decision) -> Option<Value> {
        let (first, rest) = self.identity.names.split_first()?;
        let mut value = decision.user.fields().get(&**first)?;
        for name in rest {
            value = value.as_object()?.get(&**name)?;
        }
        match value {
            Value::String(text) => Some(Value::from(cut(text))),
            // Every number of a session is a double; an identity is mostly a whole one.
            Value::Number(number) => {
                let whole = number
                    .as_f64()
                    .map(|number| format!("{number}"))
                    .and_then(|text| text.parse::<i64>().ok());
                Some(whole.map_or_else(|| value.clone(), Value::from))
            }
            Value::Bool(_) => Some(value.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

#[derive(Serialize)]
struct EndedLine<'l> {
    time: String,
    event: &'static str,
    gateway_id: &'l str,
    reason: &'static str,
    user: Option<Value>,
    session_id: Option<String>,
    sockets: usize,
}

impl Audit {
    /// A gateway has closed so many sockets of a session because it was told to. `user` is whose they were.
    pub fn sockets_ended(
        &self,
        gateway_id: &str,
        reason: Reason,
        user: packed::Map<'_>,
        session_id: &str,
        sockets: usize,
    ) {
        let Some(out) = &self.out else { return };
        let identity = user.at(self.identity.names.iter().map(|name| name.as_bytes()));
        out.write(&EndedLine {
            time: now(),
            event: "sockets_ended",
            gateway_id: cut(gateway_id),
            reason: reason.name(),
            user: identity.and_then(|identity| match identity {
                packed::Value::Text(text) => Some(Value::from(cut(text.as_str()))),
                packed::Value::Int(number) => Some(Value::from(number)),
                packed::Value::Double(number) => Some(Value::from(number)),
                packed::Value::Bool(flag) => Some(Value::from(flag)),
                packed::Value::Null | packed::Value::List(_) | packed::Value::Map(_) => None,
            }),
            session_id: SessionId::new(session_id.to_owned()).map(|id| id.shortened()),
            sockets,
        });
    }
}

#[derive(Serialize)]
struct LogoutLine {
    time: String,
    event: &'static str,
    kind: &'static str,
    outcome: &'static str,
    sockets: u64,
    remote_address: String,
}

impl Audit {
    /// A token that was taken; whom it is about is the identity provider's to tell.
    pub fn logout_token(&self, kind: logout::Kind, taken: Taken, remote_address: IpAddr) {
        let Some(out) = &self.out else { return };
        out.write(&LogoutLine {
            time: now(),
            event: "logout_token",
            kind: kind.name(),
            outcome: logout::Outcome::from(taken).name(),
            sockets: taken.sockets(),
            remote_address: remote_address.to_string(),
        });
    }
}

impl Out {
    fn write(&self, line: &impl Serialize) {
        let Ok(mut bytes) = serde_json::to_vec(line) else { return };
        bytes.push(b'\n');
        self.lines.fetch_add(1, Ordering::Relaxed);
        // It never waits, and what it drops it counts itself.
        let _ = self.writer.clone().write_all(&bytes);
    }
}

/// How far a command for many sockets has come.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Settled {
    /// Sockets that matched.
    pub matched: u64,
    /// It was done.
    pub done: u64,
    /// Their gateway could not.
    pub failed: u64,
    /// Their gateway did not answer.
    pub unreachable: u64,
}

/// What came of ending sessions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ended {
    /// Sockets that matched.
    pub matched: u64,
    /// Those of them that have no session, and stay.
    pub without_session: u64,
    /// Sessions that the store has destroyed.
    pub sessions_destroyed: u64,
    /// Sessions that it has not.
    pub sessions_left: u64,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum CameOf {
    Command(Settled),
    EndSessions(Ended),
}

#[derive(Debug, Serialize)]
struct AdminLine<'l> {
    time: &'l str,
    event: &'static str,
    request_id: &'l str,
    caller: Option<&'l str>,
    method: &'static str,
    code: &'static str,
    #[serde(flatten)]
    details: &'l Details,
}

/// What else is known of an admin's call.
#[derive(Debug, Default, Serialize)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Value>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    outcome: Option<CameOf>,
}

/// A call of a method that is admins' alone, also one that is refused.
#[derive(Debug)]
pub struct AdminCall {
    audit: Arc<Audit>,
    begun: String,
    method: &'static str,
    details: Details,
}

impl AdminCall {
    /// It begins.
    pub fn begin(audit: Arc<Audit>, method: &'static str) -> Self {
        Self { audit, begun: now(), method, details: Details::default() }
    }

    /// What it asks for. What is not written need not be masked.
    pub fn asks(&mut self, filter: &str, params: impl FnOnce() -> Option<Value>) {
        if self.audit.is_on() {
            let masked = Asked { filter: Some(filter), params: params() }.masked();
            self.details.filter = masked.filter;
            self.details.params = masked.params;
        }
    }

    /// How far it is.
    pub fn is_so_far(&mut self, settled: Settled) {
        self.details.outcome = Some(CameOf::Command(settled));
    }

    /// It has ended these sessions.
    pub fn has_ended(&mut self, ended: Ended) {
        self.details.outcome = Some(CameOf::EndSessions(ended));
    }

    /// It explained this decision.
    pub fn explained(&mut self, gateway_id: &str, decision: &Decision) {
        self.details.gateway_id = Some(cut(gateway_id).to_owned());
        self.details.session_id = decision.session_id.as_ref().map(|id| id.shortened());
        self.details.reason = Some(decision.reason.name());
        self.details.user = self.audit.identity_of(decision);
    }

    /// It has ended with the status of this number.
    pub fn ended(self, call: Call<'_>, code: i32) {
        let Self { audit, begun, method, details } = self;
        let (code, request_id) = (code_name(code), call.request_id);
        match details.outcome {
            Some(CameOf::Command(Settled { matched, done, failed, unreachable })) => tracing::info!(
                request_id,
                method,
                code,
                matched,
                done,
                failed,
                unreachable,
                "an admin's call has ended"
            ),
            Some(CameOf::EndSessions(Ended {
                matched,
                without_session,
                sessions_destroyed,
                sessions_left,
            })) => tracing::info!(
                request_id,
                method,
                code,
                matched,
                without_session,
                sessions_destroyed,
                sessions_left,
                "an admin's call has ended"
            ),
            None => tracing::debug!(request_id, method, code, "an admin's call has ended"),
        }
        if let Some(out) = &audit.out {
            out.write(&AdminLine {
                time: &begun,
                event: "admin_call",
                request_id,
                caller: call.caller,
                method,
                code,
                details: &details,
            });
        }
    }
}

/// RFC 3339, in UTC.
fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

/// Closes the audit log when it is dropped.
#[derive(Debug)]
pub struct ToTheEnd(pub Arc<Audit>);

impl Drop for ToTheEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let time = now();
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{time}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("é"), "é");
        assert_eq!(cut(&"é".repeat(1000)).chars().count(), TEXT);
    }
}
