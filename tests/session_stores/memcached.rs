//! memcached.

use std::sync::Arc;

use async_trait::async_trait;
use socketpass::session_store::{Health, SessionId, SessionStore};

use super::contract::{Backend, contract};
use crate::support::{
    ANA, ANA_ID,
    memcached::Memcached,
    store::{becomes, finds_ana, found, load, open},
};

/// What the `memcached` package marks JSON with.
const JSON: u32 = 2;

struct OnMemcached(Memcached);

#[async_trait]
impl Backend for OnMemcached {
    fn store(&self) -> Arc<dyn SessionStore> {
        open(&self.0.url(), &[])
    }

    async fn put(&self, id: &str, session: &[u8]) {
        self.0.set(id, JSON, session).await;
    }

    async fn remove(&self, id: &str) {
        assert_eq!(self.0.tell(format!("delete {id}\r\n").as_bytes()).await, "DELETED");
    }

    fn place(&self, id: &str) -> String {
        format!("key `{id}`")
    }

    fn takes_id(&self, id: &str) -> bool {
        id.len() <= 250 && !id.chars().any(|c| c.is_whitespace() || c.is_control())
    }
}

contract!(OnMemcached(Memcached::start().await));

#[tokio::test]
async fn what_is_kept_is_what_javascript_makes_of_it() {
    let memcached = Memcached::start().await;
    let store = open(&memcached.url(), &[]);
    let (text, number, bytes) = (0, 8, 4);
    for (flags, value, expected) in [
        (JSON, ANA, found(ANA)),
        (JSON, "not JSON", found("not JSON")),
        // A text that looks like a session is a text.
        (text, ANA, found("\"a text\"")),
        (text, "", Ok(None)),
        (number, "12", found("12")),
        (bytes, ANA, found("{}")),
        (77, ANA, found("\"a text\"")),
    ] {
        memcached.set(ANA_ID, flags, value.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, expected, "{flags} {value}");
    }
}

#[tokio::test]
async fn a_restart_is_noticed_and_bridged() {
    let mut memcached = Memcached::start().await;
    let store = open(&memcached.url(), &[]);
    memcached.set(ANA_ID, JSON, ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    memcached.kill().await;
    becomes(&*store, Health::Down).await;
    memcached.restart().await;
    memcached.set(ANA_ID, JSON, ANA.as_bytes()).await;
    finds_ana(&*store).await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn an_item_that_is_not_read_to_its_end_costs_a_connection_and_no_doubt() {
    let memcached = Memcached::start().await;
    let store = open(&memcached.url(), &[]);
    memcached.set(ANA_ID, JSON, ANA.as_bytes()).await;
    finds_ana(&*store).await;
    becomes(&*store, Health::Up).await;
    let (id, before) = (SessionId::new(ANA_ID.to_owned()).unwrap(), store.connection());
    for _ in 0..3 {
        assert_eq!(store.load(&id, 10).await, found(&ANA[..11]));
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    }
    assert_eq!(store.connection(), before);
}
