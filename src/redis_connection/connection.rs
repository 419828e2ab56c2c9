//! One connection, whatever the servers behind it are to each other.

use std::fmt;

use redis::{
    Cmd, RedisResult, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cluster_async::ClusterConnection,
};

/// A connection whose clones share it: what they ask is answered in the order in which it was asked, within a server.
#[derive(Clone)]
pub enum Connection {
    /// To one server, which may be a node of a cluster.
    Server(MultiplexedConnection),
    /// To the server that the Sentinels took for the primary.
    Primary(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Asks a command, however long the answer takes.
    pub async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answer = match self {
            Self::Server(connection) | Self::Primary(connection) => {
                connection.req_packed_command(command).await
            }
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        // At this level the driver takes a server's error for a value like any other.
        answer?.extract_error()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Primary(_) => "Primary",
            Self::Cluster(_) => "Cluster",
        })
    }
}
