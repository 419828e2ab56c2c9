//! The names of the keys in Redis.

use crate::registry::{change::Shard, confirmation::Mark};

/// The names of a shard's keys. All share what stands between the braces, so that a cluster has them on one node, and a
/// script can write them at once.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    base: String,
}

impl Keys {
    /// Of a shard, behind the prefix that the settings give.
    pub(super) fn new(prefix: &str, shard: Shard) -> Self {
        Self { base: format!("{{{prefix}{}}}:", shard.number()) }
    }

    /// A hash: the epoch and what else there is once a shard.
    pub(super) fn meta(&self) -> String {
        self.named("meta")
    }

    /// A sorted set: gateways by their last sign of life, in microseconds.
    pub(super) fn seen(&self) -> String {
        self.named("seen")
    }

    /// A sorted set: gateways by when their lease ends, in milliseconds.
    fn leases(&self) -> String {
        self.named("leases")
    }

    /// A hash: gateways whose sockets are being closed, and why.
    fn ending(&self) -> String {
        self.named("ending")
    }

    /// A stream: the changes.
    pub(super) fn feed(&self) -> String {
        self.named("feed")
    }

    /// A text that means nothing, written to see whether that can be done.
    pub(super) fn probe(&self) -> String {
        self.named("probe")
    }

    /// A hash: who holds the gateway id.
    pub(super) fn holder(&self, gateway_id: &str) -> String {
        format!("{}{gateway_id}", self.holders())
    }

    /// A hash: a gateway's sockets, records by socket id.
    pub(super) fn sockets(&self, gateway_id: &str) -> String {
        format!("{}{gateway_id}", self.all_sockets())
    }

    /// A list: incarnations of a gateway that others have replaced, the latest first.
    fn retired(&self, gateway_id: &str) -> String {
        format!("{}retired:{gateway_id}", self.base)
    }

    /// A hash: the last ends that were told of a session, by kind.
    pub(super) fn told(&self, session: Mark) -> String {
        let mark: String = session.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}told:{mark}", self.base)
    }

    /// What every [`Keys::holder`] begins with.
    pub(super) fn holders(&self) -> String {
        self.named("holder:")
    }

    /// What every [`Keys::sockets`] begins with.
    pub(super) fn all_sockets(&self) -> String {
        self.named("sockets:")
    }

    /// Those that every script is given, in order.
    pub(super) fn of_shard(&self) -> Vec<String> {
        vec![self.meta(), self.seen(), self.leases(), self.ending(), self.feed()]
    }

    /// Those that a script about one gateway is given, in order.
    pub(super) fn of_gateway(&self, gateway_id: &str) -> Vec<String> {
        let mut keys = self.of_shard();
        keys.extend([self.holder(gateway_id), self.sockets(gateway_id), self.retired(gateway_id)]);
        keys
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shards_keys_are_on_one_node_of_a_cluster_whatever_the_gateway_is_called() {
        for prefix in ["socketpass:", "", "a b:"] {
            let shard = Shard::all().nth(3).expect("there are 16");
            let keys = Keys::new(prefix, shard);
            for gateway_id in ["chat-1", "{other}", "}{"] {
                for key in keys.of_gateway(gateway_id).into_iter().chain([keys.told(Mark::of(gateway_id))]) {
                    assert!(key.starts_with(&format!("{{{prefix}3}}:")), "{key}");
                }
            }
        }
    }
}
