//! Whether what is said to a server can be read on the way there.

use std::net::IpAddr;

/// The way out for what speaks no TLS here at all.
pub(super) const TUNNEL: &str = "a tunnel, or a network that nobody else listens in";

/// Names and addresses of this machine, and its sockets in the file system.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
        || host.starts_with("%2f")
}

/// What to tell whoever set it.
pub(super) fn warning(what: &str, way_out: &str) -> String {
    format!(
        "{what} to another machine in plaintext, for whoever listens on the way: {way_out} keeps it from them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_many_names() {
        for host in [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "::2", "redis", "127.0.0.1.example", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
