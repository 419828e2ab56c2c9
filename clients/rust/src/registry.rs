//! Asking the registry who is connected in the whole fleet, and acting on them.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tonic::Status;

use crate::{
    client::SocketPass,
    decision::Close,
    proto,
    user::User,
    values::{from_struct, from_value, to_struct, to_value},
};

/// A socket somewhere in the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetSocket {
    /// Its process.
    pub gateway_id: String,
    /// Its name within its process.
    pub socket_id: String,
    /// The Socket.IO namespace, or the path of a WebSocket.
    pub namespace: String,
    /// The client's address; empty for callers who are no admins.
    pub remote_address: String,
    /// The handshake's `Origin`.
    pub origin: String,
    /// Who is behind it.
    pub user: User,
    /// What its application gave.
    pub data: Map<String, Value>,
    /// When it was opened.
    pub connected_at: Option<SystemTime>,
}

impl From<proto::Socket> for FleetSocket {
    fn from(socket: proto::Socket) -> Self {
        Self {
            gateway_id: socket.gateway_id,
            socket_id: socket.socket_id,
            namespace: socket.namespace,
            remote_address: socket.remote_address,
            origin: socket.origin,
            user: User::from(from_struct(socket.user.unwrap_or_default())),
            data: from_struct(socket.data.unwrap_or_default()),
            connected_at: socket.connected_at.and_then(|time| time.try_into().ok()),
        }
    }
}

/// How much an answer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How old it may be.
    pub age: Duration,
    /// Processes whose sockets may not be as listed.
    pub incomplete_gateways: Vec<String>,
    /// The registry began without data less than a lease ago.
    pub warming_up: bool,
}

impl From<proto::View> for View {
    fn from(view: proto::View) -> Self {
        Self {
            age: view.age.and_then(|age| age.try_into().ok()).unwrap_or_default(),
            incomplete_gateways: view.incomplete_gateways,
            warming_up: view.warming_up,
        }
    }
}

/// The sockets that match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Ordered by gateway id and socket id.
    pub sockets: Vec<FleetSocket>,
    /// How much the answer knows.
    pub view: View,
}

/// How many sockets match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// All that match.
    pub total: u64,
    /// By the value at the path that was asked for, the largest first; null where there is none.
    pub groups: Vec<(Value, u64)>,
    /// How much the answer knows.
    pub view: View,
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Sockets that matched.
    pub matched: u64,
    /// Those of them for which it was done.
    pub done: u64,
    /// Those whose gateway could not.
    pub failed: u64,
    /// Those whose gateway did not answer.
    pub unreachable: u64,
    /// How much the answer knows.
    pub view: View,
}

macro_rules! settled {
    ($last:expr) => {
        Settled {
            matched: $last.matched,
            done: $last.done,
            failed: $last.failed,
            unreachable: $last.unreachable,
            view: $last.view.unwrap_or_default().into(),
        }
    };
}

impl SocketPass {
    /// The sockets of the fleet that match a filter, `user.team == params.team`. Values go into `params`, never into the
    /// text.
    ///
    /// # Errors
    ///
    /// The service's status: `InvalidArgument` names what is wrong with the filter.
    pub async fn filter_sockets(&self, filter: &str, params: &Map<String, Value>) -> Result<Found, Status> {
        let request = proto::FilterSocketsRequest {
            filter: filter.into(),
            params: Some(to_struct(params)),
            ..Default::default()
        };
        let mut answers = self.registry_stub().filter_sockets(request).await?.into_inner();
        let mut found = Found::default();
        while let Some(answer) = answers.message().await? {
            found.sockets.extend(answer.sockets.into_iter().map(FleetSocket::from));
            found.view = answer.view.unwrap_or_default().into();
        }
        Ok(found)
    }

    /// How many sockets of the fleet match, by the value at a path (`user.team`) if one is given.
    ///
    /// # Errors
    ///
    /// The service's status.
    pub async fn count_sockets(
        &self,
        filter: &str,
        params: &Map<String, Value>,
        group_by: Option<&str>,
    ) -> Result<Counted, Status> {
        let request = proto::CountSocketsRequest {
            filter: filter.into(),
            params: Some(to_struct(params)),
            group_by: group_by.unwrap_or_default().into(),
        };
        let answer = self.registry_stub().count_sockets(request).await?.into_inner();
        let group = |group: proto::Group| (group.key.map_or(Value::Null, from_value), group.count);
        Ok(Counted {
            total: answer.total,
            groups: answer.groups.into_iter().map(group).collect(),
            view: answer.view.unwrap_or_default().into(),
        })
    }

    /// Sends an event to the sockets of the fleet that match, each once or never.
    ///
    /// # Errors
    ///
    /// The service's status. What was done until then is done.
    pub async fn send_to_sockets(
        &self,
        filter: &str,
        params: &Map<String, Value>,
        event: &str,
        args: &[Value],
    ) -> Result<Settled, Status> {
        let request = proto::SendToSocketsRequest {
            filter: filter.into(),
            params: Some(to_struct(params)),
            event: event.into(),
            args: args.iter().map(to_value).collect(),
        };
        let mut answers = self.registry_stub().send_to_sockets(request).await?.into_inner();
        let mut settled = Settled::default();
        while let Some(answer) = answers.message().await? {
            settled = settled!(answer);
        }
        Ok(settled)
    }

    /// Disconnects the sockets of the fleet that match; without a `close` with `{4505, "disconnected"}`. Needs the role
    /// `admin`.
    ///
    /// # Errors
    ///
    /// The service's status. What was done until then is done.
    pub async fn disconnect_sockets(
        &self,
        filter: &str,
        params: &Map<String, Value>,
        close: Option<&Close>,
    ) -> Result<Settled, Status> {
        let request = proto::DisconnectSocketsRequest {
            filter: filter.into(),
            params: Some(to_struct(params)),
            close: close.map(proto::Close::from),
            max_per_second: 0,
        };
        let mut answers = self.registry_stub().disconnect_sockets(request).await?.into_inner();
        let mut settled = Settled::default();
        while let Some(answer) = answers.message().await? {
            settled = settled!(answer);
        }
        Ok(settled)
    }
}
