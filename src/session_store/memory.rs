//! `memory:`: the twin of express-session's MemoryStore, for the demo and for tests.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use async_trait::async_trait;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::Value;
use tokio::sync::watch;

use super::{Fault, Health, Lasting, SessionId, SessionStore, end::ends_in};

/// Sessions in this process. Like MemoryStore it keeps JSON text and takes a session for gone whose `cookie.expires` has
/// passed.
#[derive(Debug)]
pub struct MemoryStore {
    sessions: RwLock<HashMap<String, Vec<u8>>>,
    health: watch::Sender<Health>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { sessions: RwLock::default(), health: watch::Sender::new(Health::Up) }
    }

    /// Keeps a session, in place of one with the same id.
    pub fn insert(&self, id: impl Into<String>, session: impl Into<Vec<u8>>) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(id.into(), session.into());
    }

    /// Forgets a session.
    pub fn remove(&self, id: &str) {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.load_with_end(id, max_bytes).await?.map(|lasting| lasting.session))
    }

    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, Fault> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(id.expose()).filter(|session| !session.is_empty());
        let now = Timestamp::now().as_millisecond();
        Ok(session
            .map(|session| (session, end(session)))
            .filter(|(_, end)| end.is_none_or(|end| now < end))
            .map(|(session, end)| Lasting {
                session: session.iter().take(max_bytes.saturating_add(1)).copied().collect(),
                #[expect(clippy::cast_precision_loss, reason = "to the millisecond for a long time to come")]
                ends_in: end.and_then(|end| ends_in(end as f64, now as f64)),
            }))
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        self.remove(id.expose());
        Ok(())
    }

    fn place(&self, id: &str) -> String {
        format!("key `{id}`")
    }

    fn question(&self) -> &'static str {
        "is the prefix right (session.prefix), and session.store the store of the web app?"
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

/// From when on MemoryStore's `expires && expires <= Date.now()` is true, where a string is read with `new Date`. What cannot
/// be read has no end.
fn end(session: &[u8]) -> Option<i64> {
    let Ok(Value::Object(session)) = serde_json::from_slice(session) else { return None };
    match session.get("cookie").and_then(|cookie| cookie.get("expires")) {
        Some(Value::String(text)) => javascript_date(text).map(Timestamp::as_millisecond),
        // As a number `true` is 1, a millisecond after the epoch began.
        Some(Value::Bool(true)) => Some(1),
        #[expect(clippy::cast_possible_truncation, reason = "dates are far from the ends of an i64")]
        Some(Value::Number(number)) => {
            number.as_f64().filter(|number| *number != 0.0).map(|number| number as i64)
        }
        _ => None,
    }
}

/// The date formats that ECMA-262 prescribes, 21.4.1.32 and `toUTCString`: those that a session's cookie can hold.
fn javascript_date(text: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    // A date alone is UTC, a date and time without an offset is local time.
    let date_alone = text.len() == "2001-01-01".len();
    let zone = if date_alone { TimeZone::UTC } else { TimeZone::system() };
    let local: civil::DateTime =
        if date_alone { text.parse::<civil::Date>().ok()?.into() } else { text.parse().ok()? };
    zone.to_timestamp(local).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_as_memory_store_does() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
        for (expires, expected) in [
            (r#""2025-12-31T23:59:59.999Z""#, true),
            (r#""2026-01-01T00:00:00.001Z""#, false),
            (r#""2026-01-01T01:00:00+02:00""#, true),
            (r#""2025-12-31""#, true),
            (r#""2026-01-02""#, false),
            (r#""Mon, 01 Jan 2001 00:00:00 GMT""#, true),
            (r#""not a date""#, false),
            (r#""978307200000""#, false),
            (r#""""#, false),
            ("1", true),
            ("4102444800000", false),
            ("0", false),
            ("true", true),
            ("false", false),
            ("null", false),
        ] {
            let session = format!(r#"{{"cookie":{{"expires":{expires}}}}}"#);
            let has_expired = end(session.as_bytes()).is_some_and(|end| end <= now.as_millisecond());
            assert_eq!(has_expired, expected, "{expires}");
        }
    }
}
