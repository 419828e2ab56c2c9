//! Which columns a table of sockets has, and what of a socket stands in them.

use std::{str::FromStr, time::SystemTime};

use serde_json::{Map, Value};

use super::{
    json, people,
    table::{self, Cell},
};
use crate::{cli::style::DIM, grpc::pb::Socket};

/// What fits on most terminals and says who is where.
pub(super) const DEFAULT: &str = "gateway_id,socket_id,user,namespace,remote_address,connected_at";

/// One column of a table of sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// As it was typed.
    name: String,
    of: Of,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    GatewayId,
    SocketId,
    Namespace,
    RemoteAddress,
    Origin,
    ConnectedAt,
    /// The user in a few words.
    User,
    /// What is at a path within the user.
    InUser(Vec<String>),
    Data,
    InData(Vec<String>),
}

impl FromStr for Column {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        // As filters spell them.
        let of = match name.strip_prefix("socket.").unwrap_or(name) {
            "gateway_id" => Of::GatewayId,
            "socket_id" => Of::SocketId,
            "namespace" => Of::Namespace,
            "remote_address" => Of::RemoteAddress,
            "origin" => Of::Origin,
            "connected_at" => Of::ConnectedAt,
            "user" => Of::User,
            "data" => Of::Data,
            path => match path.split_once('.') {
                Some(("user", path)) => Of::InUser(parts(path)?),
                Some(("data", path)) => Of::InData(parts(path)?),
                _ => {
                    return Err(
                        "a column is gateway_id, socket_id, namespace, remote_address, origin, connected_at, user, \
                         user.PATH, data or data.PATH"
                            .to_owned(),
                    );
                }
            },
        };
        Ok(Self { name: name.to_owned(), of })
    }
}

fn parts(path: &str) -> Result<Vec<String>, String> {
    let parts: Vec<_> = path.split('.').map(str::to_owned).collect();
    if parts.iter().any(String::is_empty) {
        return Err("a path is names with one `.` between each two: user.address.city".to_owned());
    }
    Ok(parts)
}

/// The table's headings.
pub(super) fn headings(columns: &[Column]) -> Vec<table::Column> {
    columns.iter().map(|column| table::Column::text(&column.name)).collect()
}

/// A socket's row.
pub(super) fn row(columns: &[Column], socket: &Socket, now: SystemTime) -> Vec<Cell> {
    columns.iter().map(|column| cell(&column.of, socket, now)).collect()
}

fn cell(of: &Of, socket: &Socket, now: SystemTime) -> Cell {
    match of {
        Of::GatewayId => Cell::new(&socket.gateway_id),
        Of::SocketId => Cell::new(&socket.socket_id),
        Of::Namespace => Cell::new(&socket.namespace),
        Of::RemoteAddress => Cell::new(&socket.remote_address),
        Of::Origin => Cell::new(&socket.origin),
        Of::ConnectedAt => {
            let at = socket.connected_at.as_ref();
            Cell::styled(&at.map_or(String::new(), |at| people::ago(at.seconds, at.nanos, now)), DIM)
        }
        Of::User => Cell::new(&people::user(&json::object(socket.user.as_ref()))),
        Of::InUser(path) => Cell::new(&inside(json::object(socket.user.as_ref()), path)),
        Of::Data => Cell::new(
            &socket
                .data
                .as_ref()
                .map_or(String::new(), |data| people::value(&Value::Object(json::object(Some(data))))),
        ),
        Of::InData(path) => Cell::new(&inside(json::object(socket.data.as_ref()), path)),
    }
}

fn inside(object: Map<String, Value>, path: &[String]) -> String {
    let object = Value::Object(object);
    let found = path.iter().try_fold(&object, |value, name| value.get(name));
    found.map_or(String::new(), people::value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::grpc::convert;

    fn socket() -> Socket {
        let user = json!({"id": 7, "name": "Ana", "address": {"city": "Łódź", "floors": [1, 2]}});
        let Value::Object(user) = user else { unreachable!("it is an object") };
        Socket {
            gateway_id: "gateway-1".to_owned(),
            socket_id: "Nqx8v2LkPzAAAAAB".to_owned(),
            namespace: "/chat".to_owned(),
            user: Some(convert::object(user)),
            ..Socket::default()
        }
    }

    #[test]
    fn a_column_for_each_field_and_path() {
        for (name, expected) in [
            ("gateway_id", "gateway-1"),
            ("socket.socket_id", "Nqx8v2LkPzAAAAAB"),
            ("namespace", "/chat"),
            ("user", "7 Ana"),
            ("user.address.city", "Łódź"),
            ("user.address.floors", "[1,2]"),
            ("user.address.floors.x", ""),
            ("user.absent", ""),
            ("data", ""),
            ("data.room", ""),
            ("connected_at", ""),
        ] {
            let column: Column = name.parse().expect(name);
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
            let cell = row(&[column], &socket(), now).pop();
            let expected = if name == "connected_at" { Cell::styled("", DIM) } else { Cell::new(expected) };
            assert_eq!(cell, Some(expected), "{name}");
        }
    }

    #[test]
    fn another_is_refused() {
        for name in ["", "session_id", "user.", "user..a", "gateway.labels.zone", "users"] {
            assert!(name.parse::<Column>().is_err(), "{name}");
        }
        assert!(DEFAULT.split(',').all(|name| name.parse::<Column>().is_ok()));
    }
}
