//! What passport.socketio's `filterSocketsByUser` finds, asked of `FilterSockets`: of one service that looks at every
//! user, and of one that answers from indexes.

use serde_json::Value;
use socketpass::grpc::pb::FilterSocketsRequest;

use super::{
    case::{Case, Door},
    report::Report,
};
use crate::support::{
    gateway::{Gateway, Registry, hello, registry, socket},
    service::Service,
};

const INDEXES: &str = r#"["user.gender", "user.age", "user.name", "user.active", "user.score", "user.email", "user.plan",
    "user.roles", "user.address", "user.address.city", "user.address.geo.lat", "user.nested.a.b.c", "user.tags.vip",
    "user.logged_in"]"#;

pub async fn run(report: &mut Report) {
    let users = std::fs::read_to_string("tests/vectors/data/filter_users.json").unwrap();
    let users: Vec<String> = serde_json::from_str(&users).unwrap();
    let services = [Service::start(&[]).await, Service::start(&[("REGISTRY_INDEXES", INDEXES)]).await];
    let mut asked = Vec::new();
    for service in &services {
        let sockets = users
            .iter()
            .enumerate()
            .map(|(number, user)| socket(&format!("s{number}"), serde_json::from_str(user).unwrap()));
        let gateway = Gateway::list(&service.grpc, hello("gateway", "one"), sockets.collect()).await;
        asked.push((registry(&service.grpc).await, gateway));
    }
    for case in Case::read_all("filter") {
        let mut failure = None;
        for (how, (registry, _)) in ["one by one", "indexed"].into_iter().zip(&mut asked) {
            failure = failure.or(ask(&case.0, registry).await.map(|what| format!("{how}: {what}")));
        }
        report.add_plain_case("filter", case.id(), Door::Grpc, failure);
    }
    drop(asked);
    for service in services {
        service.stop().await;
    }
}

async fn ask(case: &Value, registry: &mut Registry) -> Option<String> {
    let filter = case["cel"].as_str().unwrap().to_owned();
    let request = FilterSocketsRequest { filter, ..FilterSocketsRequest::default() };
    let mut answers = match registry.filter_sockets(request).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return Some(format!("{status:?}")),
    };
    let mut found = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        found.extend(answer.sockets.into_iter().map(|socket| socket.socket_id));
    }
    let mut expected: Vec<_> =
        case["expect"]["cel_socket_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    expected.sort_unstable();
    (found != expected).then(|| format!("{}: expected {expected:?}, got {found:?}", case["cel"]))
}
