//! Who has come, when their sessions ended, and what their clients saw.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use crate::{
    figures::seconds,
    told::{Told, What},
};

/// A client, its session and its socket.
#[derive(Clone, Debug)]
pub struct Entry {
    pub session_id: String,
    /// When its session ended.
    pub ended: Option<u64>,
    /// When Redis' own push about the end was there.
    pub pushed: Option<u64>,
    pub socket: Socket,
    /// How often the connection broke.
    pub losses: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// It has not been opened yet, or is being opened again.
    Coming,
    Open(u64),
    /// Since when it was open, when it was closed, and the code.
    Closed(u64, u64, u16),
    /// At the door.
    Rejected,
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coming => f.write_str("on its way in"),
            Self::Open(since) => write!(f, "open since {}", seconds(*since)),
            Self::Closed(since, at, code) => {
                write!(f, "open from {} to {}, closed with {code}", seconds(*since), seconds(*at))
            }
            Self::Rejected => f.write_str("turned away"),
        }
    }
}

/// All of them. Clients are known by their number.
#[derive(Debug, Default)]
pub struct Book(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    by_session: HashMap<String, usize>,
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Somebody comes; gives their number.
    pub fn add(&self, session_id: String) -> usize {
        let mut inner = self.lock();
        let client = inner.entries.len();
        inner.by_session.insert(session_id.clone(), client);
        let socket = Socket::Coming;
        inner.entries.push(Entry { session_id, ended: None, pushed: None, socket, losses: 0 });
        client
    }

    pub fn tell(&self, told: Told) {
        let mut inner = self.lock();
        let entry = &mut inner.entries[told.client];
        match told.what {
            What::Opened => entry.socket = Socket::Open(told.at),
            What::Closed(code) => {
                let Socket::Open(since) = entry.socket else { panic!("{told} of what is not open") };
                entry.socket = Socket::Closed(since, told.at, code);
            }
            What::Rejected(_) => entry.socket = Socket::Rejected,
            What::Lost => {
                entry.losses += 1;
                entry.socket = Socket::Coming;
            }
        }
    }

    /// Their session ends at this time.
    pub fn ends(&self, client: usize, at: u64) {
        self.lock().entries[client].ended = Some(at);
    }

    /// Redis has told that this session changed. The first time after its end counts.
    pub fn is_pushed(&self, session_id: &str, at: u64) {
        let mut inner = self.lock();
        let Some(&client) = inner.by_session.get(session_id) else { return };
        let entry = &mut inner.entries[client];
        if entry.ended.is_some_and(|ended| ended <= at) {
            entry.pushed.get_or_insert(at);
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    pub fn entry(&self, client: usize) -> Entry {
        self.lock().entries[client].clone()
    }

    /// How many sockets are so.
    pub fn count(&self, is_so: impl Fn(&Entry) -> bool) -> usize {
        self.lock().entries.iter().filter(|entry| is_so(entry)).count()
    }
}

impl Entry {
    /// It is on its way in.
    pub fn is_coming(&self) -> bool {
        matches!(self.socket, Socket::Coming)
    }

    pub fn is_open(&self) -> bool {
        matches!(self.socket, Socket::Open(_))
    }

    /// The session has ended and the socket has not, or not yet.
    pub fn is_left(&self) -> bool {
        self.ended.is_some() && matches!(self.socket, Socket::Open(_) | Socket::Coming)
    }

    /// It was ended although its session lives.
    pub fn is_wronged(&self) -> bool {
        self.ended.is_none()
            && (matches!(self.socket, Socket::Rejected) || self.code().is_some_and(|code| code >= 4_500))
    }

    /// Something about it is not as it should be.
    pub fn is_amiss(&self, bound: Duration, broke: &[u64]) -> bool {
        self.is_left() || self.is_wronged() || self.outlived_since(broke).is_some_and(|time| time > bound)
    }

    pub fn code(&self) -> Option<u16> {
        match self.socket {
            Socket::Closed(_, _, code) => Some(code),
            _ => None,
        }
    }

    /// From the end of the session, or from when the socket was opened if that was later, to its close.
    pub fn outlived(&self) -> Option<Duration> {
        let Socket::Closed(opened, closed, _) = self.socket else { return None };
        let from = self.ended?.max(opened);
        Some(Duration::from_nanos(closed.saturating_sub(from)))
    }

    /// The same, or from when something broke for the last time that was about to close it.
    pub fn outlived_since(&self, broke: &[u64]) -> Option<Duration> {
        let Socket::Closed(_, closed, _) = self.socket else { return None };
        let last = broke.iter().filter(|at| **at <= closed).max();
        let since = last.map_or(Duration::MAX, |last| Duration::from_nanos(closed - last));
        Some(self.outlived()?.min(since))
    }

    /// From the end of the session to Redis' own push.
    pub fn push(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.pushed?.saturating_sub(self.ended?)))
    }
}
