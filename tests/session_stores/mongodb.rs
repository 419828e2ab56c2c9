//! MongoDB.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mongodb::{
    Client, Collection,
    bson::{Bson, DateTime, Document, doc},
};
use socketpass::{
    config::layout::Place,
    session_store::{Fault, Health, SessionStore},
};

use super::{
    contract::{Backend, contract},
    layouts,
};
use crate::support::{
    ANA, ANA_ID,
    mongodb::MongoDb,
    proxy::Proxy,
    store::{becomes, ends_in, ends_in_seconds, found, load, open},
};

struct OnMongoDb {
    package: &'static str,
    database: MongoDb,
    sessions: Collection<Document>,
}

impl OnMongoDb {
    async fn start() -> Self {
        Self::of("connect-mongo").await
    }

    async fn of(package: &'static str) -> Self {
        let database = MongoDb::start().await;
        let client = Client::with_uri_str(database.url()).await.unwrap();
        let sessions = client.default_database().unwrap().collection("sessions");
        Self { package, database, sessions }
    }

    async fn replace(&self, id: &str, document: Document) {
        let _ = self.sessions.delete_one(doc! { "_id": id }).await.unwrap();
        self.sessions.insert_one(document).await.unwrap();
    }
}

#[async_trait]
impl Backend for OnMongoDb {
    fn store(&self) -> Arc<dyn SessionStore> {
        // FerretDB over SQLite is slow beside the rest, and many tests run at once.
        let settings = [("SESSION_LAYOUT", self.package), ("SESSION_STORE_TIMEOUT", "10s")];
        open(&self.database.url(), &settings)
    }

    async fn put(&self, id: &str, session: &[u8]) {
        let session = std::str::from_utf8(session).unwrap();
        self.replace(id, doc! { "_id": id, "session": session, "expires": in_an_hour() }).await;
    }

    async fn remove(&self, id: &str) {
        assert_eq!(self.sessions.delete_one(doc! { "_id": id }).await.unwrap().deleted_count, 1);
    }

    fn place(&self, id: &str) -> String {
        format!("document `{id}` of collection `sessions`")
    }

    // FerretDB takes no more of an index than SQLite and JSON do.
    fn takes_id(&self, id: &str) -> bool {
        !id.contains('\0')
    }

    fn takes(&self, session: &[u8]) -> bool {
        std::str::from_utf8(session).is_ok() && !session.contains(&0)
    }
}

fn in_an_hour() -> DateTime {
    DateTime::from_system_time(std::time::SystemTime::now() + Duration::from_secs(3600))
}

mod connect_mongo {
    use super::*;

    contract!(OnMongoDb::of("connect-mongo").await);
}

mod connect_mongodb_session {
    use super::*;

    contract!(OnMongoDb::of("connect-mongodb-session").await);
}

#[test]
fn every_package_is_held_to_the_contract() {
    assert_eq!(layouts::packages(Place::Mongo), ["connect-mongo", "connect-mongodb-session"]);
}

#[tokio::test]
async fn a_document_is_read_as_the_json_that_it_is_to_javascript() {
    let backend = OnMongoDb::start().await;
    let store = backend.store();
    let session = doc! {
        "cookie": { "expires": DateTime::from_millis(1_796_588_000_123) },
        "passport": { "user": { "id": 1, "big": 9_007_199_254_740_991_i64, "half": 0.5, "none": null, "list": [true, "x"] } },
    };
    backend.replace(ANA_ID, doc! { "_id": ANA_ID, "session": session }).await;
    let json = r#"{"cookie":{"expires":"2026-12-06T20:13:20.123Z"},"passport":{"user":{"id":1,"big":9007199254740991,"half":0.5,"none":null,"list":[true,"x"]}}}"#;
    let read = load(&*store, ANA_ID).await.unwrap().unwrap();
    let (read, json): (serde_json::Value, serde_json::Value) =
        (serde_json::from_slice(&read).unwrap(), serde_json::from_str(json).unwrap());
    assert_eq!(read, json);
}

#[tokio::test]
async fn a_session_ends_as_each_package_looks_at_it() {
    let backend = OnMongoDb::start().await;
    let past = Bson::DateTime(DateTime::from_millis(1));
    let future = Bson::DateTime(in_an_hour());
    for (layout, null_lives) in [("connect-mongo", false), ("connect-mongodb-session", true)] {
        let store =
            open(&backend.database.url(), &[("SESSION_LAYOUT", layout), ("SESSION_STORE_TIMEOUT", "10s")]);
        for (expires, lives) in [
            (&future, true),
            (&past, false),
            (&Bson::Null, null_lives),
            (&Bson::String("2999".to_owned()), false),
        ] {
            backend.replace(ANA_ID, doc! { "_id": ANA_ID, "session": ANA, "expires": expires }).await;
            let expected = if lives { found(ANA) } else { Ok(None) };
            assert_eq!(load(&*store, ANA_ID).await, expected, "{layout} {expires}");
            match expires {
                Bson::DateTime(_) if lives => ends_in_seconds(&*store, ANA_ID, 3600).await,
                _ if lives => assert_eq!(ends_in(&*store, ANA_ID).await, None),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_another_connection() {
    let database = MongoDb::start().await;
    let proxy = Proxy::to(database.port).await;
    let url = database.url().replace(&database.port.to_string(), &proxy.port.to_string());
    let store = open(&url, &[("SESSION_STORE_TIMEOUT", "10s")]);
    becomes(&*store, Health::Up).await;
    assert_eq!(store.connection(), 1);
    proxy.cut();
    becomes(&*store, Health::Down).await;
    proxy.mend();
    becomes(&*store, Health::Up).await;
    assert!(store.connection() > 1);
}

#[tokio::test]
async fn what_is_neither_text_nor_document_is_not_a_session() {
    let backend = OnMongoDb::start().await;
    let store = backend.store();
    for session in [Bson::Int32(1), Bson::Boolean(true), Bson::Array(vec![])] {
        backend.replace(ANA_ID, doc! { "_id": ANA_ID, "session": &session }).await;
        assert!(matches!(load(&*store, ANA_ID).await, Err(Fault::NotASession(_))), "{session}");
    }
    backend.replace(ANA_ID, doc! { "_id": ANA_ID }).await;
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
}
