//! Filters over twelve users, with the answers that CEL gives.

use serde_json::Value as Json;

use super::{Socket, bound};

#[test]
fn filters_match_and_fail_where_they_should() {
    let users: Vec<String> =
        serde_json::from_str(include_str!("../../../tests/vectors/data/filter_users.json")).unwrap();
    let sockets: Vec<Socket> =
        users.iter().map(|user| Socket::of(&serde_json::from_str(user).unwrap())).collect();
    let cases = include_str!("../../../tests/vectors/data/filter.jsonl");
    let mut count = 0;
    for case in cases.lines() {
        let case: Json = serde_json::from_str(case).unwrap();
        let filter = bound(case["cel"].as_str().unwrap(), &Json::Null);
        let mut matched = vec![];
        let mut failed = vec![];
        for (index, socket) in sockets.iter().enumerate() {
            let outcome = filter.evaluate(&socket);
            assert_eq!(filter.matches(&socket), outcome == Ok(true));
            match outcome {
                Ok(true) => matched.push(format!("s{index}")),
                Ok(false) => {}
                Err(_) => failed.push(format!("s{index}")),
            }
        }
        assert_eq!(serde_json::json!(matched), case["expect"]["cel_socket_ids"], "{}", case["cel"]);
        assert_eq!(serde_json::json!(failed), case["expect"]["cel_error_ids"], "{}", case["cel"]);
        count += 1;
    }
    assert_eq!(count, 69);
}
