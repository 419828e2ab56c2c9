//! Answers as JSON: the messages' own field names, enums without their prefix, times and spans of time as protobuf writes
//! them in JSON.

use serde_json::{Map, Value, json};

use crate::grpc::{
    convert,
    pb::{FilterStep, Gateway, Group, Socket, View},
};

/// A message's user or data; absent: empty.
pub(in crate::cli) fn object(object: Option<&prost_types::Struct>) -> Map<String, Value> {
    match object.map(convert::json_object) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

pub(super) fn socket(socket: &Socket) -> Value {
    let Socket {
        gateway_id,
        socket_id,
        namespace,
        // Never answered.
        session_id: _,
        remote_address,
        origin,
        user,
        data,
        connected_at,
    } = socket;
    json!({
        "gateway_id": gateway_id,
        "socket_id": socket_id,
        "namespace": namespace,
        "remote_address": remote_address,
        "origin": origin,
        "user": object(user.as_ref()),
        "data": object(data.as_ref()),
        "connected_at": connected_at.as_ref().map(time),
    })
}

pub(in crate::cli) fn view(view: &View) -> Value {
    let View { age, incomplete_gateways, warming_up } = view;
    let age = age.as_ref().map(ToString::to_string);
    json!({"age": age, "incomplete_gateways": incomplete_gateways, "warming_up": warming_up})
}

pub(super) fn group(group: &Group) -> Value {
    let Group { key, count } = group;
    json!({"key": key.as_ref().map_or(Value::Null, convert::json), "count": count})
}

pub(super) fn gateway(gateway: &Gateway) -> Value {
    let Gateway { gateway_id, incarnation, labels, state: _, sockets, last_seen } = gateway;
    let state = gateway.state().as_str_name();
    json!({
        "gateway_id": gateway_id,
        "incarnation": incarnation,
        "labels": labels,
        "state": state.strip_prefix("GATEWAY_STATE_").unwrap_or(state),
        "sockets": sockets,
        "last_seen": last_seen.as_ref().map(time),
    })
}

pub(super) fn step(step: &FilterStep) -> Value {
    let FilterStep { expression, index, sockets } = step;
    json!({"expression": expression, "index": index, "sockets": sockets})
}

pub(in crate::cli) fn time(time: &prost_types::Timestamp) -> String {
    time.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_all_fields_but_its_session_id() {
        let connected_at = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5_000_000 });
        let sent = Socket { session_id: "secret".to_owned(), connected_at, ..Socket::default() };
        assert_eq!(
            socket(&sent),
            json!({
                "gateway_id": "", "socket_id": "", "namespace": "", "remote_address": "", "origin": "", "user": {},
                "data": {}, "connected_at": "2023-11-14T22:13:20.005Z",
            })
        );
    }

    #[test]
    fn a_view() {
        let age = Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 });
        let message = View { age, incomplete_gateways: vec!["gateway-1".to_owned()], warming_up: true };
        assert_eq!(
            view(&message),
            json!({"age": "1.500s", "incomplete_gateways": ["gateway-1"], "warming_up": true})
        );
    }
}
