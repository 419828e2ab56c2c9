//! MongoDB, as connect-mongo and connect-mongodb-session write it: one document a session.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use mongodb::{
    Client, Collection, ServerType,
    bson::{Bson, DateTime, Document, RawBsonRef, RawDocumentBuf, doc},
    error::ErrorKind,
    event::{EventHandler, sdam::SdamEvent},
    options::ClientOptions,
};
use secrecy::ExposeSecret as _;
use tokio::sync::{OnceCell, watch};

use super::{Fault, Health, Lasting, SessionId, SessionStore, end::ends_in, not_destroyed, told};
use crate::{
    config::{layout::Layout, mongo_url::MongoUrl},
    remote::{Failure, Kept, Patience, Remote},
};

mod json;

/// What MongoDB answers to those who have no right to what they ask.
const UNAUTHORIZED: i32 = 13;

/// Reads sessions from MongoDB, and ends them there.
#[derive(Debug)]
pub struct MongoStore {
    collection: String,
    mongo: Kept<Mongo>,
    servers: Arc<AtomicU64>,
}

impl MongoStore {
    /// Opens the store and starts to connect.
    pub fn open(url: MongoUrl, layout: Layout, patience: Patience) -> Self {
        let told = told(&url);
        let collection = layout.table.name.clone();
        let servers = Arc::default();
        let mongo = Mongo { url, layout, patience, client: OnceCell::new(), servers: Arc::clone(&servers) };
        // Nobody has the empty id.
        let probe = Question::Find { id: String::new(), max_bytes: 0 };
        Self { collection, mongo: Kept::open(mongo, patience, told, probe), servers }
    }
}

#[async_trait]
impl SessionStore for MongoStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.load_with_end(id, max_bytes).await?.map(|lasting| lasting.session))
    }

    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, Fault> {
        let find = Question::Find { id: id.expose().to_owned(), max_bytes };
        match self.mongo.ask(&find).await? {
            Found::Nothing => Ok(None),
            Found::Session(lasting) => Ok((!lasting.session.is_empty()).then_some(lasting)),
            Found::Other(what) => Err(Fault::NotASession(what.to_owned())),
        }
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        let destroyed = self.mongo.ask(&Question::Destroy { id: id.expose().to_owned() }).await;
        destroyed.map(drop).map_err(|failure| {
            let collection = &self.collection;
            not_destroyed(&failure, format_args!("the right to `remove` from collection `{collection}`"))
        })
    }

    fn connection(&self) -> u64 {
        self.servers.load(Ordering::Relaxed)
    }

    fn place(&self, id: &str) -> String {
        format!("document `{id}` of collection `{}`", self.collection)
    }

    fn question(&self) -> &'static str {
        "is session.store the database of the web app, and are session.layout and session.table as the web app has them?"
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.mongo.health()
    }
}

/// A database of MongoDB. The driver has connections of its own, which all who ask share.
struct Mongo {
    url: MongoUrl,
    layout: Layout,
    patience: Patience,
    client: OnceCell<Client>,
    /// Counts how often a server came to be the one that is asked.
    servers: Arc<AtomicU64>,
}

/// What is asked of one session.
enum Question {
    /// It.
    Find { id: String, max_bytes: usize },
    /// That it is there no more.
    Destroy { id: String },
}

/// What is under an id.
enum Found {
    Nothing,
    /// JSON; of more than was asked for, one byte more.
    Session(Lasting),
    /// What is there instead of a session.
    Other(&'static str),
}

impl Mongo {
    async fn client(&self) -> mongodb::error::Result<Client> {
        let mut options = ClientOptions::parse(self.url.url.expose_secret()).await?;
        options.app_name.get_or_insert_with(|| "socketpass".to_owned());
        options.connect_timeout = Some(self.patience.connect);
        options.server_selection_timeout = Some(self.patience.connect);
        // The driver connects by itself, and says nothing to those who ask of a server that took another's place.
        let servers = Arc::clone(&self.servers);
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            if let SdamEvent::ServerDescriptionChanged(change) = event
                && is_asked(change.new_description.server_type())
                && !is_asked(change.previous_description.server_type())
            {
                servers.fetch_add(1, Ordering::Relaxed);
            }
        }));
        Client::with_options(options)
    }

    /// The driver repeats what it does not understand, which may be a password that is not percent-encoded.
    fn words(&self, error: &mongodb::error::Error) -> String {
        let words = error.kind.to_string();
        match &self.url.password {
            Some(password) if words.contains(password.expose_secret()) => {
                "the driver's words hold the password".to_owned()
            }
            _ => words,
        }
    }

    /// As the npm packages look whether a session still lives. MongoDB removes those that have ended, but only once a
    /// minute.
    fn lives(&self, expires: Option<RawBsonRef<'_>>) -> bool {
        let Some(expiry) = &self.layout.expiry else { return true };
        match expires {
            None => true,
            Some(RawBsonRef::DateTime(end)) => DateTime::now() < end,
            Some(RawBsonRef::Null) => expiry.null_is_forever,
            Some(_) => false,
        }
    }

    fn failure(&self, error: &mongodb::error::Error) -> Failure {
        match *error.kind {
            ErrorKind::Command(ref command) if command.code == UNAUTHORIZED => {
                Failure::Denied(self.words(error))
            }
            _ => Failure::Refused(self.words(error)),
        }
    }

    /// A collation of the collection may take other letters for the same, and then one id would open another's session.
    fn is_of(&self, document: &RawDocumentBuf, id: &str) -> mongodb::bson::error::Result<bool> {
        Ok(document.get(&self.layout.id)?.and_then(|id| id.as_str()) == Some(id))
    }

    fn found(
        &self,
        document: &RawDocumentBuf,
        id: &str,
        max_bytes: usize,
    ) -> mongodb::bson::error::Result<Found> {
        let Layout { session, expiry, .. } = &self.layout;
        if !self.is_of(document, id)? {
            return Ok(Found::Nothing);
        }
        let expires = match expiry {
            Some(expiry) => document.get(&expiry.column)?,
            None => None,
        };
        if !self.lives(expires) {
            return Ok(Found::Nothing);
        }
        let mut session = match document.get(session)? {
            None | Some(RawBsonRef::Null) => return Ok(Found::Nothing),
            Some(RawBsonRef::String(text)) => text.as_bytes().to_vec(),
            Some(RawBsonRef::Document(session)) => match json::of(session)? {
                Some(json) => json,
                None => return Ok(Found::Other("it is nested too deep")),
            },
            Some(_) => return Ok(Found::Other("it is neither a text nor a document")),
        };
        session.truncate(max_bytes.saturating_add(1));
        let ends_in = match expires {
            #[expect(clippy::cast_precision_loss, reason = "to the millisecond for a long time to come")]
            Some(RawBsonRef::DateTime(end)) => {
                ends_in(end.timestamp_millis() as f64, DateTime::now().timestamp_millis() as f64)
            }
            _ => None,
        };
        Ok(Found::Session(Lasting { session, ends_in }))
    }
}

#[async_trait]
impl Remote for Mongo {
    type Connection = Collection<RawDocumentBuf>;
    type Question = Question;
    type Answer = Found;

    async fn connect(&self) -> Result<Self::Connection, String> {
        let client =
            self.client.get_or_try_init(|| self.client()).await.map_err(|error| self.words(&error))?;
        Ok(client.database(&self.url.database).collection(&self.layout.table.name))
    }

    async fn ask(&self, collection: &mut Self::Connection, question: &Question) -> Result<Found, Failure> {
        match question {
            Question::Find { id, max_bytes } => {
                let Layout { session, expiry, .. } = &self.layout;
                let mut wanted = doc! { session: 1 };
                if let Some(expiry) = expiry {
                    wanted.insert(&expiry.column, 1);
                }
                let document = self.look(collection, id, wanted).await?;
                document.map_or(Ok(Found::Nothing), |document| {
                    self.found(&document, id, *max_bytes).map_err(|_| no_bson())
                })
            }
            Question::Destroy { id } => self.remove(collection, id).await.map(|()| Found::Nothing),
        }
    }
}

impl Mongo {
    /// What of a document is wanted beside its id.
    async fn look(
        &self,
        collection: &Collection<RawDocumentBuf>,
        id: &str,
        mut wanted: Document,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        let name = &self.layout.id;
        wanted.insert(name, 1);
        let asked = collection.find_one(doc! { name: id }).projection(wanted);
        asked.max_time(self.patience.of_server()).await.map_err(|error| self.failure(&error))
    }

    /// The packages' `deleteOne`, of a document that was seen to be the very one, by the id that MongoDB itself gives it.
    async fn remove(&self, collection: &Collection<RawDocumentBuf>, id: &str) -> Result<(), Failure> {
        let Some(document) = self.look(collection, id, doc! { "_id": 1 }).await? else { return Ok(()) };
        if !self.is_of(&document, id).map_err(|_| no_bson())? {
            return Ok(());
        }
        let Some(key) = document.get("_id").map_err(|_| no_bson())? else { return Ok(()) };
        let key = Bson::try_from(key).map_err(|_| no_bson())?;
        let mut this = doc! { "_id": key };
        this.insert(&self.layout.id, id);
        collection.delete_one(this).await.map(drop).map_err(|error| self.failure(&error))
    }
}

fn no_bson() -> Failure {
    Failure::Refused("what it answers is no BSON".to_owned())
}

/// Whether a server of this kind is asked: no other has the latest.
fn is_asked(kind: ServerType) -> bool {
    matches!(
        kind,
        ServerType::Standalone | ServerType::Mongos | ServerType::RsPrimary | ServerType::LoadBalancer
    )
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mongo").field(&self.url).finish()
    }
}
