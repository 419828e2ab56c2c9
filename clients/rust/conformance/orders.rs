//! What the subject hears on standard input, and answers.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use http::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socketpass_client::{Close, Handshake, SocketPass};
use tokio::{sync::mpsc, task::JoinSet};

use crate::says::say;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Order {
    id: Value,
    r#do: String,
    calls: u64,
    concurrency: u64,
    cookie: String,
    filter: String,
    params: Map<String, Value>,
    name: String,
    args: Vec<Value>,
    socket_id: String,
    close: How,
    data: Map<String, Value>,
    namespace: Option<String>,
}

/// How sockets are to be closed.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct How {
    code: u16,
    reason: String,
}

/// Follows orders, one beside the other. It never ends: when nobody gives orders any more, the server goes on.
/// Without a client, in a bare server, it can be asked for its memory.
pub async fn follow(pass: Option<&SocketPass>) {
    let (hear, mut lines) = mpsc::channel(16);
    // Tokio's standard input would keep the process from ending.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let Ok(()) = hear.blocking_send(line) else { return };
        }
    });
    let mut under_way = JoinSet::new();
    while let Some(line) = lines.recv().await {
        let Ok(order) = serde_json::from_str::<Order>(&line) else { continue };
        let pass = pass.cloned();
        under_way.spawn(async move {
            let id = order.id.clone();
            let mut answer = json!({"event": "answer", "id": id});
            if let (Value::Object(answer), Value::Object(result)) =
                (&mut answer, carry_out(pass.as_ref(), order).await)
            {
                answer.extend(result);
            }
            say(&answer);
        });
    }
    std::future::pending::<()>().await;
}

async fn carry_out(pass: Option<&SocketPass>, order: Order) -> Value {
    if order.r#do == "memory" {
        return json!({"bytes": resident_bytes()});
    }
    let Some(pass) = pass else { return json!({"error": "there is no client"}) };
    let failed = |error: tonic::Status| json!({"error": error.message()});
    match order.r#do.as_str() {
        "authorize" => authorize(pass, order).await,
        "filter" => match pass.filter_sockets(&order.filter, &order.params).await {
            Ok(found) => {
                let socket = |socket: &socketpass_client::FleetSocket| {
                    json!({
                        "gateway_id": socket.gateway_id,
                        "socket_id": socket.socket_id,
                        "namespace": socket.namespace,
                        "user": socket.user,
                    })
                };
                json!({"sockets": found.sockets.iter().map(socket).collect::<Vec<_>>()})
            }
            Err(error) => failed(error),
        },
        "count" => match pass.count_sockets(&order.filter, &order.params, None).await {
            Ok(counted) => json!({"total": counted.total}),
            Err(error) => failed(error),
        },
        "send" => match pass.send_to_sockets(&order.filter, &order.params, &order.name, &order.args).await {
            Ok(settled) => json!({"done": settled.done}),
            Err(error) => failed(error),
        },
        "disconnect" => {
            let close = Close { code: order.close.code, reason: order.close.reason };
            match pass.disconnect_sockets(&order.filter, &order.params, Some(&close)).await {
                Ok(settled) => json!({"done": settled.done}),
                Err(error) => failed(error),
            }
        }
        "data" => match pass.socket(&order.socket_id).map(|socket| socket.set_data(order.data)) {
            Some(Ok(())) => json!({"ok": true}),
            Some(Err(error)) => json!({"error": error.to_string()}),
            None => json!({"error": "no such socket"}),
        },
        "local" => {
            let here = pass.sockets();
            let here = here
                .iter()
                .filter(|socket| {
                    order.namespace.as_deref().is_none_or(|namespace| namespace == socket.namespace())
                })
                .map(|socket| json!({"socket_id": socket.id(), "user": socket.user()}));
            json!({"sockets": here.collect::<Vec<_>>()})
        }
        other => json!({"error": format!("{other} is not known")}),
    }
}

/// So many calls, so many at once, without sockets.
async fn authorize(pass: &SocketPass, order: Order) -> Value {
    let (began, cpu_before) = (Instant::now(), cpu_ms());
    let left = Arc::new(AtomicU64::new(order.calls));
    let mut workers = JoinSet::new();
    for _ in 0..order.concurrency.max(1) {
        let (pass, left, cookie) = (pass.clone(), left.clone(), order.cookie.clone());
        workers.spawn(async move {
            let mut accepted = 0_u64;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                let request = Request::get("/").header("cookie", &cookie).body(()).unwrap_or_default();
                let handshake = Handshake::from_request(&request.into_parts().0);
                accepted += u64::from(pass.authorize(handshake).await.is_ok());
            }
            accepted
        });
    }
    let accepted: u64 = workers.join_all().await.into_iter().sum();
    let wall = began.elapsed().as_secs_f64() * 1_000.0;
    json!({"calls": order.calls, "accepted": accepted, "wall_ms": wall, "cpu_ms": cpu_ms() - cpu_before})
}

/// What the process has in memory, in bytes.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4096;
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE
}

/// CPU time of this process so far, from Linux' clock ticks of 10 ms.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may have spaces: the 12th and 13th fields are user and system time.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}
