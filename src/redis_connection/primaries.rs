//! Which nodes of a cluster are its primaries.

use redis::{FromRedisValue as _, RedisResult, Value};

use super::{Connection, Connector};

/// A node's host and port.
pub(super) type Address = (String, u16);

/// Asks a cluster, over one connection as long as its node answers.
#[derive(Debug)]
pub(super) struct Primaries {
    connector: Connector,
    /// A node's host and the connection to it.
    asked: Option<(String, Connection)>,
}

impl Primaries {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, asked: None }
    }

    /// The primaries now; `None`: no node says. Asked is the node that was asked before, else those of the URL, and then
    /// those that were primaries: of a cluster that goes on, all of the URL may be gone.
    pub(super) async fn ask(&mut self, before: impl Iterator<Item = Address>) -> Option<Vec<Address>> {
        if let Some((host, mut connection)) = self.asked.take()
            && let Some(primaries) = self.answer(&mut connection, &host).await
        {
            self.asked = Some((host, connection));
            return Some(primaries);
        }
        for (host, port) in self.connector.url().nodes.iter().cloned().chain(before) {
            if let Ok(mut connection) = self.connector.connect_to_node(&host, port).await
                && let Some(primaries) = self.answer(&mut connection, &host).await
            {
                self.asked = Some((host, connection));
                return Some(primaries);
            }
        }
        None
    }

    /// A node that knows of none belongs to no cluster any more, or not yet.
    async fn answer(&self, connection: &mut Connection, host: &str) -> Option<Vec<Address>> {
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let slots = connection.ask_within(&slots, self.connector.timeout()).await.ok()?;
        read(slots, host).ok().filter(|primaries| !primaries.is_empty())
    }
}

/// What `CLUSTER SLOTS` names first in each range, which is the primary; an empty host is that of whoever answered.
fn read(slots: Value, asked: &str) -> RedisResult<Vec<Address>> {
    type Node = (Option<String>, u16);
    let mut primaries = Vec::new();
    for range in Vec::<Vec<Value>>::from_redis_value(slots)? {
        let Some(Value::Array(node)) = range.into_iter().nth(2) else { continue };
        let node = Value::Array(node.into_iter().take(2).collect());
        let (host, port) = Node::from_redis_value(node)?;
        let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.to_owned());
        if !primaries.contains(&(host.clone(), port)) {
            primaries.push((host, port));
        }
    }
    Ok(primaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_come_first_in_each_range() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: &str, port| Value::Array(vec![text(host), Value::Int(port), text("id")]);
        let range = |nodes: Vec<Value>| {
            Value::Array([Value::Int(0), Value::Int(100)].into_iter().chain(nodes).collect())
        };
        let slots = Value::Array(vec![
            range(vec![node("a", 1), node("b", 2)]),
            range(vec![node("", 3)]),
            range(vec![node("a", 1)]),
        ]);
        let found = read(slots, "asked").expect("nodes");
        assert_eq!(found, [("a".to_owned(), 1), ("asked".to_owned(), 3)]);
    }
}
