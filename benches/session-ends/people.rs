//! Sessions in Redis, as connect-redis writes them.

use redis::{aio::MultiplexedConnection, cmd, pipe};
use serde_json::{Value, json};

/// Long enough that none expires by itself.
const LIFETIME_SECONDS: u64 = 24 * 60 * 60;

/// Sessions that are written together.
const TOGETHER: usize = 1_000;

pub fn key(session_id: &str) -> String {
    format!("sess:{session_id}")
}

/// A session of somebody with as many fields as applications keep.
pub fn session(number: usize) -> String {
    let user = json!({
        "id": format!("u{number}"), "name": format!("Person {number}"), "email": format!("p{number}@example.com"),
        "role": "member", "team": "payments", "locale": "en",
    });
    with_passport(&json!({"user": user}))
}

/// What is left of it when Passport before 0.6 has logged out.
pub fn logged_out() -> String {
    with_passport(&json!({}))
}

fn with_passport(passport: &Value) -> String {
    let cookie = json!({"originalMaxAge": 86_400_000, "expires": "2099-01-01T00:00:00.000Z", "httpOnly": true, "path": "/"});
    json!({"cookie": cookie, "passport": passport}).to_string()
}

/// Ids of new sessions, which are in Redis now.
pub async fn log_in(redis: &mut MultiplexedConnection, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|_| format!("{:032x}", rand::random::<u128>())).collect();
    for (part, ids) in ids.chunks(TOGETHER).enumerate() {
        let mut together = pipe();
        for (place, id) in ids.iter().enumerate() {
            let session = session(part * TOGETHER + place);
            together.cmd("SET").arg(key(id)).arg(session).arg("EX").arg(LIFETIME_SECONDS).ignore();
        }
        let () = together.query_async(redis).await.unwrap();
    }
    ids
}

/// How often Redis was asked this since it began.
pub async fn calls(redis: &mut MultiplexedConnection, command: &str) -> u64 {
    let stats: String = cmd("INFO").arg("commandstats").query_async(redis).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}
