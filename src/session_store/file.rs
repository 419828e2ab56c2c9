//! A folder, as session-file-store writes it: one file a session, `<id>.json`, in which `__lastAccess` and the age of the
//! cookie say when it ends.

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use rustix::{fs::OFlags, io::Errno};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::sync::watch;

use super::{Fault, Health, Lasting, SessionId, SessionStore, end::ends_in, not_destroyed, told};
use crate::{
    config::folder_url::FolderUrl,
    remote::{Failure, Kept, Patience, Readers, Remote},
};

const EXTENSION: &str = ".json";

/// What file systems allow.
const LONGEST_NAME: usize = 255;

/// Reads sessions from files, and removes these.
#[derive(Debug)]
pub struct FileStore {
    ttl: Duration,
    folder: Kept<Folder>,
}

impl FileStore {
    /// Opens the store.
    pub fn open(url: FolderUrl, patience: Patience) -> Self {
        let told = told(&url);
        let ttl = url.ttl;
        let folder = Folder { url, readers: Readers::default() };
        let probe = Question::Folder;
        Self { ttl, folder: Kept::open(folder, patience, told, probe) }
    }
}

#[async_trait]
impl SessionStore for FileStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.load_with_end(id, max_bytes).await?.map(|lasting| lasting.session))
    }

    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, Fault> {
        let Some(name) = file_name(id.expose()) else { return Ok(None) };
        let session = match self.folder.ask(&Question::File { name, max_bytes }).await? {
            Found::Nothing => return Ok(None),
            Found::NoFile => return Err(Fault::NotASession("it is no file".to_owned())),
            Found::Bytes(session) => session,
        };
        if session.len() > max_bytes || !is_object(&session) {
            return Ok((!session.is_empty()).then_some(Lasting { session, ends_in: None }));
        }
        let now = now();
        match end(&session, self.ttl) {
            Ok(Some(end)) if end < now => Ok(None),
            Ok(end) => Ok(Some(Lasting { session, ends_in: end.and_then(|end| ends_in(end, now)) })),
            Err(_) => Err(Fault::NotASession("what it says of its end cannot be read".to_owned())),
        }
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        let Some(name) = file_name(id.expose()) else { return Ok(()) };
        match self.folder.ask(&Question::Remove { name }).await {
            Ok(Found::NoFile) => Err(Fault::NotASession("it is no file".to_owned())),
            Ok(_) => Ok(()),
            Err(failure) => Err(not_destroyed(&failure, "to write to the folder")),
        }
    }

    fn connection(&self) -> u64 {
        self.folder.connection()
    }

    fn place(&self, id: &str) -> String {
        format!("file `{id}{EXTENSION}`")
    }

    fn question(&self) -> &'static str {
        "is session.store the folder of the web app's session-file-store, as it is mounted here?"
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.folder.health()
    }
}

/// The file of an id; `None`: no file of the folder can have that name.
fn file_name(id: &str) -> Option<String> {
    let name = format!("{id}{EXTENSION}");
    let stays = !id.contains(['/', '\\', '\0']) && name.len() <= LONGEST_NAME;
    stays.then_some(name)
}

/// Only an object can have somebody in it.
fn is_object(session: &[u8]) -> bool {
    session.trim_ascii_start().starts_with(b"{")
}

/// What counts of a session here.
#[derive(Deserialize)]
struct Stored {
    /// `None` when it is absent, which is something else than null.
    #[serde(rename = "__lastAccess", default, deserialize_with = "present")]
    last_access: Option<Value>,
    cookie: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(member).map(Some)
}

/// When session-file-store's `isExpired` begins to be true, in milliseconds since 1970. A session that was never accessed has
/// no end: `undefined + ttl < now` is false.
fn end(session: &[u8], ttl: Duration) -> serde_json::Result<Option<f64>> {
    let Stored { last_access, cookie } = serde_json::from_slice(session)?;
    let max_age = cookie.as_ref().and_then(|cookie| cookie.get("originalMaxAge")).and_then(Value::as_f64);
    let ttl = max_age.filter(|age| *age != 0.0).unwrap_or(ttl.as_secs_f64() * 1000.0);
    if ttl == 0.0 {
        return Ok(Some(f64::NEG_INFINITY));
    }
    Ok(last_access.map(|last_access| last_access.as_f64().unwrap_or(0.0) + ttl))
}

/// `Date.now()`
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

/// A folder of files.
#[derive(Debug)]
struct Folder {
    url: FolderUrl,
    readers: Readers,
}

/// What a folder is asked.
#[derive(Clone)]
enum Question {
    /// Whether it can be searched. One that is not there has nobody's file in it, either.
    Folder,
    /// What is in a file of it.
    File { name: String, max_bytes: usize },
    /// That a file of it is there no more.
    Remove { name: String },
}

/// What is under a name.
enum Found {
    Nothing,
    NoFile,
    /// Of more than was asked for, one byte more.
    Bytes(Vec<u8>),
}

#[async_trait]
impl Remote for Folder {
    /// On which device the folder is: where one was mounted that is gone, another may be that is empty.
    type Connection = Device;
    type Question = Question;
    type Answer = Found;

    async fn connect(&self) -> Result<Device, String> {
        let folder = self.url.path.clone();
        let device = self.readers.read(move || device(&folder).map_err(|error| failure(&error))).await;
        device.map_err(|failure| failure.to_string())
    }

    async fn ask(&self, known: &mut Device, question: &Question) -> Result<Found, Failure> {
        let (folder, question, known) = (self.url.path.clone(), question.clone(), *known);
        let ask = move || {
            if device(&folder).map_err(|error| failure(&error))? != known {
                return Err(Failure::Broken("another folder took its place".to_owned()));
            }
            let answer = match question {
                Question::Folder => Ok(Found::Nothing),
                Question::File { name, max_bytes } => read(&folder.join(name), max_bytes),
                Question::Remove { name } => remove(&folder.join(name)),
            };
            answer.map_err(|error| failure(&error))
        };
        self.readers.read(ask).await
    }
}

/// What a file system is on.
type Device = u64;

/// That of the folder that is there now.
fn device(folder: &Path) -> io::Result<Device> {
    Ok(fs::metadata(folder.join("."))?.dev())
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Failure::Denied(error.to_string())
        }
        _ => Failure::Refused(error.to_string()),
    }
}

/// Of a link the link itself is removed.
fn remove(path: &Path) -> io::Result<Found> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        // Unlinking a folder is refused with one error here and with another there.
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) => Ok(Found::NoFile),
        removed => removed.map(|()| Found::Nothing),
    }
}

/// Neither a link that leads out of the folder is followed, nor is waited for what is no file.
fn read(path: &Path, max_bytes: usize) -> io::Result<Found> {
    let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match fs::OpenOptions::new().read(true).custom_flags(careful.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Ok(Found::NoFile),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(Found::NoFile);
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Found::Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leaves_the_folder() {
        for id in ["../../etc/passwd", "/etc/passwd", "a/b", "..\\x", "a\0b"] {
            assert_eq!(file_name(id), None, "{id:?}");
        }
        assert_eq!(file_name(&"x".repeat(251)), None);
        assert_eq!(file_name("..").as_deref(), Some("...json"));
        assert_eq!(file_name("Zk3 q9").as_deref(), Some("Zk3 q9.json"));
    }

    #[test]
    fn expires_as_session_file_store_does() {
        let hour = Duration::from_secs(3600);
        for (session, expected) in [
            (r#"{"cookie":{"originalMaxAge":1000},"__lastAccess":999000}"#, false),
            (r#"{"cookie":{"originalMaxAge":999},"__lastAccess":999000}"#, true),
            (r#"{"cookie":{"originalMaxAge":-1},"__lastAccess":1000000}"#, true),
            (r#"{"cookie":{"originalMaxAge":null},"__lastAccess":0}"#, false),
            (r#"{"cookie":{"originalMaxAge":0},"__lastAccess":-2600001}"#, true),
            (r#"{"__lastAccess":999999}"#, false),
            (r#"{"cookie":{"originalMaxAge":1}}"#, false),
            (r#"{"cookie":{"originalMaxAge":1},"__lastAccess":null}"#, true),
            (r#"{"x":"\ud800","cookie":{"originalMaxAge":1},"__lastAccess":1}"#, true),
        ] {
            let end = end(session.as_bytes(), hour).expect("it can be read");
            assert_eq!(end.is_some_and(|end| end < 1_000_000.0), expected, "{session}");
        }
        assert!(end(br#"{"__lastAccess":1,"__lastAccess":2}"#, hour).is_err());
    }
}
