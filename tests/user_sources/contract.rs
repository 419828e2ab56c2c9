//! What holds of every source alike.

use redis::aio::MultiplexedConnection;
use std::time::Duration;

use serde_json::{Value, json};

use super::Asked;
use crate::support::{
    ANA_ID,
    redis::Redis,
    redis_cluster::{RedisCluster, ask},
    sentinel::{Sentinels, connection},
    users::{Entry, Sources},
};

/// A table that a test fills, and the URL that the service asks.
enum Source {
    Json(MultiplexedConnection, String),
    Hash(MultiplexedConnection, String),
    Http(Sources),
    Grpc(Sources),
}

impl Source {
    fn url(&self) -> String {
        match self {
            Self::Json(_, url) | Self::Hash(_, url) => url.clone(),
            Self::Http(sources) => sources.http(),
            Self::Grpc(sources) => sources.grpc(),
        }
    }

    async fn put(&self, id: &str, user: Value) {
        let mut command = match self {
            Self::Http(sources) | Self::Grpc(sources) => return sources.table.put(id, Entry::Has(user)),
            Self::Json(..) => redis::cmd("SET"),
            Self::Hash(..) => redis::cmd("HSET"),
        };
        command.arg(format!("user:{id}"));
        if let Self::Hash(..) = self {
            for (name, value) in user.as_object().unwrap() {
                command.arg(name).arg(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
        } else {
            command.arg(user.to_string());
        }
        let (Self::Json(connection, _) | Self::Hash(connection, _)) = self else { unreachable!() };
        let () = command.query_async(&mut connection.clone()).await.unwrap();
    }

    async fn remove(&self, id: &str) {
        match self {
            Self::Http(sources) | Self::Grpc(sources) => sources.table.remove(id),
            Self::Json(connection, _) | Self::Hash(connection, _) => {
                let mut command = redis::cmd("DEL");
                let () =
                    command.arg(format!("user:{id}")).query_async(&mut connection.clone()).await.unwrap();
            }
        }
    }
}

async fn every_source(redis: &Redis) -> Vec<Source> {
    vec![
        Source::Json(redis.connection().await, redis.url()),
        Source::Hash(redis.connection().await, redis.url()),
        Source::Http(Sources::start().await),
        Source::Grpc(Sources::start().await),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_found_by_an_id_of_every_kind() {
    let redis = Redis::start().await;
    for source in every_source(&redis).await {
        let asked = Asked::of(&source.url(), &[("USER_CACHE_TTL", "0s")], &json!(null)).await;
        for (passport_user, id) in [
            (json!(7), "7"),
            (json!(-0.0), "0"),
            (json!(0.1 + 0.2), "0.30000000000000004"),
            (json!(1e21), "1e+21"),
            (json!("ana@app.example"), "ana@app.example"),
            (json!("a/../b?c#d%20 e"), "a/../b?c#d%20 e"),
            (json!("żółć 日本 😀"), "żółć 日本 😀"),
            (json!({"id": 7, "name": "of the session"}), "7"),
            (json!({"id": "x:y"}), "x:y"),
        ] {
            source.put(id, json!({"id": id, "name": "Ana"})).await;
            asked.log_in(&passport_user).await;
            assert_eq!(
                asked.user().await,
                json!({"id": id, "name": "Ana", "logged_in": true}),
                "{}",
                source.url()
            );
            source.remove(id).await;
            assert_eq!(asked.reason().await, "USER_NOT_FOUND", "{}: {id}", source.url());
        }
        for nobody in
            [json!(true), json!([7]), json!({}), json!({"id": null}), json!({"id": {"id": 7}}), json!(null)]
        {
            asked.log_in(&nobody).await;
            assert_eq!(asked.reason().await, "USER_NOT_FOUND", "{}: {nobody}", source.url());
        }
        asked.service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_found_in_a_cluster_and_behind_sentinels() {
    let users = |id: &str| json!({ "id": id });
    let cluster = RedisCluster::start(&[]).await;
    for id in ["1", "2", "3"] {
        cluster.put(&format!("user:{id}"), users(id).to_string().as_bytes()).await;
    }
    let mut hash = redis::cmd("HSET");
    hash.arg("user:4").arg("id").arg("4");
    let mut kept = 0;
    for node in &cluster.nodes {
        kept += usize::from(ask::<()>(node, &hash).await.is_ok());
    }
    assert_eq!(kept, 1);
    let sentinels = Sentinels::start().await;
    let mut primary = connection(&sentinels.first).await;
    for id in ["1", "2", "3"] {
        let mut set = redis::cmd("SET");
        let () =
            set.arg(format!("user:{id}")).arg(users(id).to_string()).query_async(&mut primary).await.unwrap();
    }
    let () = hash.query_async(&mut primary).await.unwrap();
    for url in [cluster.url(), sentinels.url(0)] {
        let asked = Asked::of(&url, &[("USER_CACHE_TTL", "0s"), ("USER_TIMEOUT", "5s")], &json!(null)).await;
        for id in ["1", "2", "3", "4"] {
            asked.log_in(&json!(id)).await;
            assert_eq!(asked.user().await["id"], id, "{url}");
        }
        asked.log_in(&json!("5")).await;
        assert_eq!(asked.reason().await, "USER_NOT_FOUND");
    }
}

/// Numbers of every magnitude, as JSON and as JavaScript's `String` writes them.
const NUMBERS: &str = "
const bytes = new DataView(new ArrayBuffer(8))
const numbers = [0, -0, 1e21, 1e-7, 123456789012345680000, 2 ** 53 + 2, 5e-324, Number.MAX_VALUE]
while (numbers.length < 500) {
  for (const offset of [0, 4]) bytes.setUint32(offset, Math.random() * 2 ** 32)
  if (Number.isFinite(bytes.getFloat64(0))) numbers.push(bytes.getFloat64(0))
  numbers.push((Math.random() - 0.5) * 10 ** (numbers.length % 30 - 8))
}
for (const number of numbers) console.log(`${Object.is(number, -0) ? '-0' : JSON.stringify(number)} ${String(number)}`)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_the_id_that_node_makes_of_it() {
    let output = tokio::process::Command::new("node").args(["-e", NUMBERS]).output().await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let sources = Sources::start().await;
    let asked = Asked::of(&sources.grpc(), &[("USER_CACHE_TTL", "0s")], &json!(null)).await;
    assert!(lines.lines().count() >= 500, "{lines}");
    for line in lines.lines() {
        let (json, id) = line.split_once(' ').unwrap();
        let session = format!(r#"{{"passport":{{"user":{json}}}}}"#);
        asked.sessions.put(ANA_ID, session.as_bytes()).await;
        assert_eq!(asked.reason().await, "USER_NOT_FOUND");
        assert_eq!(sources.table.asked().last().unwrap(), id, "{json}");
    }
}

/// A message of megabytes takes its time in a debug build.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_an_object_that_a_message_can_carry() {
    let redis = Redis::start().await;
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    for source in every_source(&redis).await {
        let asked = Asked::of(&source.url(), &[("USER_CACHE_TTL", "0s")], &json!("7")).await;
        source.put("7", json!({"logged_in": "x"})).await;
        assert_eq!(asked.user().await, json!({"logged_in": true}));
        source.put("7", json!({"blob": "x".repeat(2 << 20)})).await;
        assert_eq!(asked.reason().await, "USER_SOURCE_FAILED", "{}", source.url());
        source.remove("7").await;
        if let Source::Hash(..) = source {
            continue;
        }
        source.put("7", nested(24)).await;
        assert_eq!(asked.reason().await, "AUTHORIZED", "{}", source.url());
        for user in
            [nested(25), nested(200), json!(null), json!(false), json!(7), json!("x"), json!([{"id": 7}])]
        {
            source.put("7", user.clone()).await;
            assert_eq!(asked.reason().await, "USER_SOURCE_FAILED", "{}: {user}", source.url());
        }
        // Two bytes of JSON each, and eleven of a message.
        source.put("7", json!({"numbers": vec![7; 300_000]})).await;
        let hint = asked.fails(IN_TIME).await;
        assert!(hint.contains("larger than"), "{}: {hint}", source.url());
        source.remove("7").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_where_it_looked_and_what_came_of_it() {
    let redis = Redis::start().await;
    for (source, name, place, missing) in [
        (Source::Json(redis.connection().await, redis.url()), "redis", "user:7", "is user.lookup right?"),
        (Source::Http(Sources::start().await), "http", "/users/7", "the app answered 404"),
        (Source::Grpc(Sources::start().await), "grpc", "7", "the app answered NOT_FOUND"),
    ] {
        source.put("7", json!({"id": 7, "name": "Ana"})).await;
        let asked = Asked::of(&source.url(), &[("USER_CACHE_TTL", "10m")], &json!(7)).await;
        let (input, found, hint) = asked.step().await;
        assert_eq!(input, format!("the user source `{name}`: `{place}`"));
        assert_eq!((found.as_str(), hint.as_str()), ("a user with 2 fields, as it said just now", ""));
        let (_, found, _) = asked.step().await;
        assert!(found.ends_with(" ago (user.cache_ttl)"), "{found}");
        asked.log_in(&json!(8)).await;
        let (_, found, hint) = asked.step().await;
        assert!(found.starts_with("no such user") && hint.contains(missing), "{found} {hint}");
        asked.log_in(&json!({"name": "no id"})).await;
        let (_, found, hint) = asked.step().await;
        assert!(
            found.starts_with("nobody: `passport.user` is neither") && hint.contains("user.id_field"),
            "{found}"
        );
    }
}
