//! Session stores as tests see them, and the way past them to Redis.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection, cmd};
use socketpass::session_store::{self, Fault, Health, SessionId, SessionStore};
use tokio::time::timeout;

use super::{ANA, ANA_ID, PATIENCE, redis::Redis, service, until};

pub type Answer = Result<Option<Vec<u8>>, Fault>;

/// Opens a store as the service does.
pub fn open(url: &str, settings: &[(&str, &str)]) -> Arc<dyn SessionStore> {
    let settings: Vec<_> = [("SESSION_STORE", url)].iter().chain(settings).copied().collect();
    session_store::open(&service::config(&settings).unwrap().session)
}

pub async fn load(store: &dyn SessionStore, id: &str) -> Answer {
    store.load(&SessionId::new(id.to_owned()).unwrap(), 4 << 20).await
}

/// How long a session lives that is there, if nobody touches it.
pub async fn ends_in(store: &dyn SessionStore, id: &str) -> Option<Duration> {
    let loaded = store.load_with_end(&SessionId::new(id.to_owned()).unwrap(), 4 << 20).await;
    loaded.unwrap().expect("it is there").ends_in
}

/// It ends so many seconds from now, give or take what a busy machine takes and what packages round.
pub async fn ends_in_seconds(store: &dyn SessionStore, id: &str, seconds: u64) {
    let left = ends_in(store, id).await.expect("it has an end");
    let expected = Duration::from_secs(seconds);
    let around = expected - Duration::from_secs(6)..=expected + Duration::from_millis(1_100);
    assert!(around.contains(&left), "{left:?}, not {expected:?}");
}

pub async fn destroy(store: &dyn SessionStore, id: &str) -> Result<(), Fault> {
    store.destroy(&SessionId::new(id.to_owned()).unwrap()).await
}

pub fn found(session: impl Into<Vec<u8>>) -> Answer {
    Ok(Some(session.into()))
}

/// Waits for a state of health.
pub async fn becomes(store: &dyn SessionStore, health: Health) {
    let mut changes = store.health();
    let reached = timeout(PATIENCE, changes.wait_for(|now| *now == health)).await;
    reached.unwrap_or_else(|_| panic!("never {health:?}: {store:?}")).unwrap();
}

/// Waits until the store finds Ana's session.
pub async fn finds_ana(store: &dyn SessionStore) {
    until("the session is found", || async { load(store, ANA_ID).await == found(ANA) }).await;
}

/// Asserts that the store does not answer and how long it takes to say so; gives the cause.
pub async fn is_unavailable_within(bound: Duration, store: &dyn SessionStore) -> String {
    let start = Instant::now();
    let answer = load(store, ANA_ID).await;
    let took = start.elapsed();
    assert!(took < bound, "{answer:?} took {took:?}");
    match answer {
        Err(Fault::Unavailable(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

/// A connection of the test's own. By default the driver gives up after half a second, which a busy machine may take.
pub async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let patient = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    Client::open(url)?.get_multiplexed_async_connection_with_config(&patient).await
}

/// Stores Ana's session under connect-redis' default prefix.
pub async fn put_ana(redis: &Redis) {
    let mut connection = connect(&redis.url()).await.unwrap();
    let () = cmd("SET").arg(format!("sess:{ANA_ID}")).arg(ANA).query_async(&mut connection).await.unwrap();
}
