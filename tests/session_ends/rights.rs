//! What the store's user has to be allowed, as docs/redis.md says it.

use serde_json::json;

use super::{are_asked, delete, ends, gateway, session_of, socket_of, start};
use crate::support::redis::Redis;

#[tokio::test]
async fn these_are_enough_to_hear_of_ends() {
    let means: [(&[&str], &[&str]); 2] = [
        (&[], &["+client|tracking"]),
        (&["--notify-keyspace-events", "Kg$x"], &["+psubscribe", "+config|get", "&__keyspace@0__:sess:*"]),
    ];
    for (server, rights) in means {
        let redis = Redis::start_with(server).await;
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "reader", "on", ">x", "resetchannels", "~sess:*", "+getrange", "+pttl"]);
        let _: () = user.arg(rights).query_async(&mut redis.connection().await).await.unwrap();
        let ana = json!({"id": 1});
        redis.put("one", &session_of(&ana)).await;
        let url = format!("redis://reader:x@127.0.0.1:{}", redis.port);
        let service = start(&redis, &[("SESSION_STORE", &url)]).await;
        let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
        are_asked(&service, 1).await;
        delete(&redis, "one").await;
        ends(&mut chat, &["a"], 4500, "session_not_found").await;
        service.stop().await;
    }
}
