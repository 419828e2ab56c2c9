//! What the keeper asks a connection, to learn how the servers are.

use std::time::Duration;

use redis::{
    Cmd, FromRedisValue as _, Value,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
};
use tokio::time::timeout;

use super::{Connection, Failure};

impl Connection {
    /// Asks whether the server answers, of a cluster every node, and behind Sentinels whether it is still the primary.
    pub(super) async fn check(&mut self, within: Duration) -> Result<(), String> {
        match self {
            Self::Server(_) | Self::Cluster(_) => self.answer(&redis::cmd("PING"), within).await.map(drop),
            Self::Primary(_) => match self.answer(&redis::cmd("ROLE"), within).await? {
                Some(Value::Array(role)) if role.first() != Some(&Value::BulkString(b"master".into())) => {
                    Err("the server is not the primary any more".to_owned())
                }
                _ => Ok(()),
            },
        }
    }

    /// The answer to a command that has to come in time. Why there is none is for the log alone.
    pub(super) async fn ask_within(&mut self, command: &Cmd, within: Duration) -> Result<Value, Failure> {
        match timeout(within, self.ask(command)).await {
            Err(_elapsed) => Err(Failure::NoAnswer(within)),
            Ok(answer) => Ok(answer?),
        }
    }

    /// The answer to a command of the keeper's; `None` when the server refuses this one, and answers all the same.
    async fn answer(&mut self, command: &Cmd, within: Duration) -> Result<Option<Value>, String> {
        match timeout(within, self.ask(command)).await {
            Err(_elapsed) => Err(format!("no answer within {within:?}")),
            Ok(Ok(value)) => Ok(Some(value)),
            // An ACL that allows GET alone refuses the others, a server that cannot save reads on, and a key of another
            // type was read.
            Ok(Err(error)) if matches!(error.code(), Some("NOPERM" | "MISCONF" | "WRONGTYPE")) => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
        }
    }

    /// Whether what answers also does what it is asked.
    pub(super) async fn serves(&mut self, probe: &Cmd, within: Duration) -> Result<(), String> {
        let cluster = match self {
            Self::Cluster(cluster) => cluster,
            Self::Server(_) | Self::Primary(_) => {
                return match timeout(within, self.ask(probe)).await {
                    Ok(Err(error)) if error.code() != Some("WRONGTYPE") => Err(error.to_string()),
                    Ok(_) => Ok(()),
                    Err(_elapsed) => Err(format!("no answer within {within:?}")),
                };
            }
        };
        // A cluster is not asked for a key: that could be on a node that hangs, and while the driver looks for that one
        // the reads of the others wait. Its user may be one that must not ask for this either.
        let mut info = redis::cmd("CLUSTER");
        info.arg("INFO");
        match ask_any(cluster, info, within).await {
            Some(info) if info.contains("cluster_state:fail") => {
                Err("the cluster is down: it lacks slots, and so refuses every read".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Whether at least one node of a cluster answers.
pub(super) async fn any_answers(cluster: &mut ClusterConnection, within: Duration) -> bool {
    ask_any(cluster, redis::cmd("PING"), within).await.is_some()
}

/// The first answer of any of a cluster's nodes, as text.
async fn ask_any(cluster: &mut ClusterConnection, command: Cmd, within: Duration) -> Option<String> {
    let one_of_all = (MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::OneSucceeded));
    let answer = cluster.route_command(command, RoutingInfo::MultiNode(one_of_all));
    let answer = timeout(within, answer).await.ok()?.ok()?;
    String::from_redis_value(answer).ok()
}
