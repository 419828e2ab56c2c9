//! The URL of a memcached.

use super::server_url::{Parameters, ServerUrl};

/// It speaks no TLS here: [`parse`] takes no parameter.
const MEMCACHED: Parameters =
    Parameters { scheme: "memcache", port: 11211, mode: "tls", off: &["off"], on: &[], authority: "tls-ca" };

/// Reads `memcache://host:11211`.
pub(super) fn parse(url: &str) -> Result<ServerUrl, String> {
    if url.contains('?') {
        return Err("it takes no parameters, since memcached is spoken to without TLS here; it is written memcache://host:11211"
            .to_owned());
    }
    let server = ServerUrl::parse(url, &MEMCACHED)?;
    if server.username.is_some() || server.password.is_some() {
        return Err(
            "memcached has no users and passwords here; it is written memcache://host:11211".to_owned()
        );
    }
    if server.host.contains(',') {
        return Err(
            "it names several servers, over which connect-memcached spreads sessions: only one can be read"
                .to_owned(),
        );
    }
    if !server.database.is_empty() {
        return Err("memcached has no databases; it is written memcache://host:11211".to_owned());
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_and_nothing_else() {
        assert_eq!(parse("memcache://h").map(|url| url.to_string()).as_deref(), Ok("memcache://h:11211"));
        assert_eq!(
            parse("memcache://[::1]:1/").map(|url| url.to_string()).as_deref(),
            Ok("memcache://[::1]:1")
        );
        for url in [
            "memcache:h",
            "memcache://",
            "memcache://u:hunter2@h",
            "memcache://a,b",
            "memcache://h/x",
            "memcache://h?x=1",
            "memcache://h?tls=off",
            "memcache://h?tls-ca=/ca.pem",
        ] {
            let problem = parse(url).expect_err(url);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
