//! MongoDB, as connect-mongo and connect-mongodb-session write it: one document a session.

use std::fmt;

use async_trait::async_trait;
use mongodb::{
    Client, Collection,
    bson::{DateTime, RawBsonRef, RawDocumentBuf, doc},
    options::ClientOptions,
};
use secrecy::ExposeSecret as _;
use tokio::sync::{OnceCell, watch};

use super::{Fault, Health, SessionId, SessionStore, told};
use crate::{
    config::{layout::Layout, mongo_url::MongoUrl},
    remote::{Failure, Kept, Patience, Remote},
};

mod json;

/// Reads sessions from MongoDB.
#[derive(Debug)]
pub struct MongoStore {
    collection: String,
    mongo: Kept<Mongo>,
}

impl MongoStore {
    /// Opens the store and starts to connect.
    pub fn open(url: MongoUrl, layout: Layout, patience: Patience) -> Self {
        let told = told(&url);
        let collection = layout.table.name.clone();
        let mongo = Mongo { url, layout, patience, client: OnceCell::new() };
        // Nobody has the empty id.
        let probe = Find { id: String::new(), max_bytes: 0 };
        Self { collection, mongo: Kept::open(mongo, patience, told, probe) }
    }
}

#[async_trait]
impl SessionStore for MongoStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        let find = Find { id: id.expose().to_owned(), max_bytes };
        match self.mongo.ask(&find).await? {
            Found::Nothing => Ok(None),
            Found::Session(session) => Ok((!session.is_empty()).then_some(session)),
            Found::Other(what) => Err(Fault::NotASession(what.to_owned())),
        }
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
}

/// Asks for one session.
struct Find {
    id: String,
    max_bytes: usize,
}

/// What is under an id.
enum Found {
    Nothing,
    /// JSON; of more than was asked for, one byte more.
    Session(Vec<u8>),
    /// What is there instead of a session.
    Other(&'static str),
}

impl Mongo {
    async fn client(&self) -> mongodb::error::Result<Client> {
        let mut options = ClientOptions::parse(self.url.url.expose_secret()).await?;
        options.app_name.get_or_insert_with(|| "socketpass".to_owned());
        options.connect_timeout = Some(self.patience.connect);
        options.server_selection_timeout = Some(self.patience.connect);
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

    fn found(&self, document: &RawDocumentBuf, find: &Find) -> mongodb::bson::error::Result<Found> {
        let Layout { id, session, expiry, .. } = &self.layout;
        // A collation of the collection may take other letters for the same, and then one id would open another's session.
        if document.get(id)?.and_then(|id| id.as_str()) != Some(&find.id) {
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
        session.truncate(find.max_bytes.saturating_add(1));
        Ok(Found::Session(session))
    }
}

#[async_trait]
impl Remote for Mongo {
    type Connection = Collection<RawDocumentBuf>;
    type Question = Find;
    type Answer = Found;

    async fn connect(&self) -> Result<Self::Connection, String> {
        let client =
            self.client.get_or_try_init(|| self.client()).await.map_err(|error| self.words(&error))?;
        Ok(client.database(&self.url.database).collection(&self.layout.table.name))
    }

    async fn ask(&self, collection: &mut Self::Connection, find: &Find) -> Result<Found, Failure> {
        let Layout { id, session, expiry, .. } = &self.layout;
        let mut wanted = doc! { id: 1, session: 1 };
        if let Some(expiry) = expiry {
            wanted.insert(&expiry.column, 1);
        }
        let asked = collection.find_one(doc! { id: &find.id }).projection(wanted);
        let document = asked.max_time(self.patience.of_server()).await;
        let document = document.map_err(|error| Failure::Refused(self.words(&error)))?;
        document.map_or(Ok(Found::Nothing), |document| {
            self.found(&document, find).map_err(|_| Failure::Refused("what it answers is no BSON".to_owned()))
        })
    }
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mongo").field(&self.url).finish()
    }
}
