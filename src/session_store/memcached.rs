//! memcached, as connect-memcached writes it: one item a session under `prefix` + id, which memcached itself forgets when
//! it ends.
//!
//! No client is used: what is needed of the protocol is two commands.

use std::io;

use async_trait::async_trait;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpStream,
    sync::watch,
};

use super::{Fault, Health, SessionId, SessionStore, told};
use crate::{
    config::server_url::ServerUrl,
    remote::{Failure, Kept, Patience, Remote},
};

/// The longest key that memcached takes.
const LONGEST_KEY: usize = 250;

/// A line of an answer: `VALUE`, a key and two numbers, or an error in words.
const LONGEST_LINE: u64 = 1024;

/// What the `memcached` package marks values with, by their JavaScript type.
mod flags {
    pub(super) const JSON: u32 = 1 << 1;
    pub(super) const BINARY: u32 = 1 << 2;
    pub(super) const NUMERIC: u32 = 1 << 3;
}

/// Reads sessions from memcached, and ends them there.
#[derive(Debug)]
pub struct MemcachedStore {
    prefix: String,
    server: Kept<Memcached>,
}

impl MemcachedStore {
    /// Opens the store and starts to connect.
    pub fn open(url: ServerUrl, prefix: String, patience: Patience) -> Self {
        let told = told(&url);
        let probe = Command::Get { key: "socketpass".to_owned(), max_bytes: 0 };
        Self { prefix, server: Kept::open(Memcached { url }, patience, told, probe) }
    }
}

#[async_trait]
impl SessionStore for MemcachedStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        let Some(key) = key(&self.prefix, id.expose()) else { return Ok(None) };
        let item = self.server.ask(&Command::Get { key, max_bytes }).await?;
        Ok(item.and_then(as_json))
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        let Some(key) = key(&self.prefix, id.expose()) else { return Ok(()) };
        self.server.ask(&Command::Delete { key }).await?;
        Ok(())
    }

    fn connection(&self) -> u64 {
        self.server.connection()
    }

    fn place(&self, id: &str) -> String {
        format!("key `{}{id}`", self.prefix)
    }

    fn question(&self) -> &'static str {
        "is session.store the memcached of the web app, and session.prefix the `prefix` of its connect-memcached?"
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.server.health()
    }
}

/// The key under which the npm package keeps an id; `None`: it refuses to.
fn key(prefix: &str, id: &str) -> Option<String> {
    let key = format!("{prefix}{id}");
    let is_taken = key.len() <= LONGEST_KEY && !key.chars().any(|c| c.is_whitespace() || c.is_control());
    is_taken.then_some(key)
}

/// What JavaScript makes of an item, as JSON. Only an object can have somebody in it.
fn as_json(item: Item) -> Option<Vec<u8>> {
    match item.flags {
        flags::JSON | flags::NUMERIC => Some(item.bytes).filter(|bytes| !bytes.is_empty()),
        flags::BINARY => Some(b"{}".to_vec()),
        // A text, whatever is in it: also one that looks like a session.
        _ => (!item.bytes.is_empty()).then(|| b"\"a text\"".to_vec()),
    }
}

/// A memcached.
#[derive(Debug)]
struct Memcached {
    url: ServerUrl,
}

/// What it is told.
enum Command {
    /// Give one item.
    Get { key: String, max_bytes: usize },
    /// Forget one.
    Delete { key: String },
}

/// What is kept under a key; of more than was asked for, one byte more.
struct Item {
    flags: u32,
    bytes: Vec<u8>,
}

/// A connection, and whether something of an answer may still be on its way.
struct Connection {
    stream: BufStream<TcpStream>,
    is_spoiled: bool,
}

#[async_trait]
impl Remote for Memcached {
    type Connection = Connection;
    type Question = Command;
    type Answer = Option<Item>;

    async fn connect(&self) -> Result<Connection, String> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        // Waiting for more to send (Nagle) would only add to each answer.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Connection { stream: BufStream::new(stream), is_spoiled: false })
    }

    async fn ask(&self, connection: &mut Connection, command: &Command) -> Result<Option<Item>, Failure> {
        connection.is_spoiled = true;
        let stream = &mut connection.stream;
        let (answer, is_read) = match command {
            Command::Get { key, max_bytes } => {
                say(stream, &format!("get {key}\r\n")).await?;
                item(stream, key, *max_bytes).await?
            }
            Command::Delete { key } => {
                say(stream, &format!("delete {key}\r\n")).await?;
                (forgotten(&line(stream).await?).map(|()| None)?, true)
            }
        };
        connection.is_spoiled = !is_read;
        Ok(answer)
    }

    fn is_usable(&self, connection: &Connection) -> bool {
        !connection.is_spoiled
    }
}

async fn say(stream: &mut BufStream<TcpStream>, command: &str) -> Result<(), Failure> {
    stream.write_all(command.as_bytes()).await.map_err(|error| broken(&error))?;
    stream.flush().await.map_err(|error| broken(&error))
}

/// The item that is answered, and whether that was read to its end.
async fn item(
    stream: &mut BufStream<TcpStream>,
    key: &str,
    max_bytes: usize,
) -> Result<(Option<Item>, bool), Failure> {
    let line = line(stream).await?;
    if line == "END" {
        return Ok((None, true));
    }
    let (flags, length) = value(&line, key)?;
    let mut bytes = vec![0; length.min(max_bytes.saturating_add(1))];
    stream.read_exact(&mut bytes).await.map_err(|error| broken(&error))?;
    let is_whole = bytes.len() == length;
    if is_whole {
        let mut end = *b"\r\nEND\r\n";
        stream.read_exact(&mut end).await.map_err(|error| broken(&error))?;
        if &end != b"\r\nEND\r\n" {
            return Err(no_memcached());
        }
    }
    Ok((Some(Item { flags, bytes }), is_whole))
}

/// Whether the item is not there any more.
fn forgotten(line: &str) -> Result<(), Failure> {
    match line {
        "DELETED" | "NOT_FOUND" => Ok(()),
        other => Err(other.strip_prefix(SERVER_ERROR).map_or_else(no_memcached, server_error)),
    }
}

/// How memcached begins to say that it cannot do what it is told.
const SERVER_ERROR: &str = "SERVER_ERROR ";

fn server_error(words: &str) -> Failure {
    Failure::Broken(format!("memcached: {words}"))
}

/// One line, without its end.
async fn line(stream: &mut BufStream<TcpStream>) -> Result<String, Failure> {
    let mut line = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut line).await.map_err(|error| broken(&error))?;
    let line = line.strip_suffix(b"\r\n").ok_or_else(|| match line.is_empty() {
        true => Failure::Broken("the connection was closed".to_owned()),
        false => no_memcached(),
    })?;
    String::from_utf8(line.to_vec()).map_err(|_| no_memcached())
}

/// Flags and length of `VALUE key flags length`.
fn value(line: &str, key: &str) -> Result<(u32, usize), Failure> {
    if let Some(words) = line.strip_prefix(SERVER_ERROR) {
        return Err(server_error(words));
    }
    let read = || {
        let (flags, length) =
            line.strip_prefix("VALUE ")?.strip_prefix(key)?.strip_prefix(' ')?.split_once(' ')?;
        Some((flags.parse().ok()?, length.parse().ok()?))
    };
    read().ok_or_else(no_memcached)
}

fn broken(error: &io::Error) -> Failure {
    Failure::Broken(error.to_string())
}

fn no_memcached() -> Failure {
    Failure::Broken("what answers is no memcached".to_owned())
}
