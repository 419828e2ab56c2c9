//! `session.allowed_origins`: whose pages may open sockets, to the letter or by pattern.

use std::fmt;

use url::Url;

/// One of the allowed origins. What is compared is what browsers send (RFC 6454, 6.2): lower case, names beyond ASCII in
/// their `xn--` form, the scheme's own port left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    text: String,
    /// `None`: it is compared to the letter.
    pattern: Option<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// `None`: http or https.
    scheme: Option<String>,
    host: Host,
    port: Port,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// This one.
    Is(String),
    /// Any name below this domain, however deep; never the domain itself.
    IsBelow(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Port {
    /// The scheme's own, which browsers leave out.
    Own,
    /// This one.
    Is(String),
    /// Any.
    Any,
}

/// Names that are nobody's to register (RFC 6761, RFC 6762, ICANN's `internal`): whoever is below one is at home.
const PRIVATE: [&str; 4] = ["internal", "local", "localhost", "test"];

const EXAMPLES: &str = "examples are https://app.example, https://*.app.example and http://localhost:*";

impl AllowedOrigin {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// If no browser would ever send what it allows, or anybody could: whoever wrote it would find out from their users,
    /// or never.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = if text.contains('*') { Some(Pattern::parse(text)?) } else { None };
        if pattern.is_none() {
            check_exact(text)?;
        }
        Ok(Self { text: text.to_owned(), pattern })
    }

    /// Whether pages of this origin, as the header names it, may open sockets.
    pub fn allows(&self, origin: &str) -> bool {
        match &self.pattern {
            None => self.text == origin,
            Some(pattern) => pattern.allows(origin),
        }
    }

    /// Whether this is the domain whose subdomains it allows, which is easily taken for one of them.
    pub fn is_for_names_below(&self, origin: &str) -> bool {
        let Some((_, host, _)) = parts(origin) else { return false };
        matches!(&self.pattern, Some(Pattern { host: Host::IsBelow(domain), .. }) if domain == host)
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (scheme, host, port) = parts(text).ok_or_else(|| format!("it is no origin; {EXAMPLES}"))?;
        let scheme = match scheme {
            "*" => None,
            "http" | "https" => Some(scheme.to_owned()),
            _ => return Err("a pattern's scheme is http, https, or `*` for both".to_owned()),
        };
        let host = Host::parse(host)?;
        let port = match port {
            None => Port::Own,
            Some("*") => Port::Any,
            Some(port) if !is_port(port) => return Err("its port is no number from 1 to 65535".to_owned()),
            Some(port) => Port::Is(port.to_owned()),
        };
        let own_ports: &[&str] = match scheme.as_deref() {
            Some("http") => &["80"],
            Some(_) => &["443"],
            None => &["80", "443"],
        };
        if let Port::Is(number) = &port
            && own_ports.contains(&number.as_str())
        {
            return Err(format!(
                "browsers leave a scheme's own port out, so `:{number}` would never match; leave it out too"
            ));
        }
        Ok(Self { scheme, host, port })
    }

    fn allows(&self, origin: &str) -> bool {
        let Some((scheme, host, port)) = parts(origin) else { return false };
        let scheme_is_allowed = match &self.scheme {
            Some(allowed) => allowed == scheme,
            None => matches!(scheme, "http" | "https"),
        };
        let port_is_allowed = match &self.port {
            Port::Own => port.is_none(),
            Port::Is(allowed) => port == Some(allowed),
            Port::Any => port.is_none_or(is_port),
        };
        scheme_is_allowed && port_is_allowed && self.host.allows(host)
    }
}

impl Host {
    fn parse(host: &str) -> Result<Self, String> {
        match host.strip_prefix("*.") {
            _ if host == "*" => {
                Err("it would let every site in; to check no origins leave the setting out".to_owned())
            }
            Some(domain) if !domain.contains('*') => {
                // As a name below it: `*.0.0.1` is no place for one.
                check_host(&format!("a.{domain}"))?;
                if domain.split('.').any(str::is_empty) {
                    return Err("its domain has a dot too many".to_owned());
                }
                if !domain.contains('.') && !PRIVATE.contains(&domain) {
                    return Err(format!(
                        "anybody can register a name below `{domain}`; name the domain that is yours, such as \
                         *.app.{domain}"
                    ));
                }
                Ok(Self::IsBelow(domain.to_owned()))
            }
            None if !host.contains('*') => {
                check_host(host)?;
                Ok(Self::Is(host.to_owned()))
            }
            _ => Err(format!(
                "a `*` stands for the scheme, for the names in front of a domain (`*.`) or for the port, whole; {EXAMPLES}"
            )),
        }
    }

    fn allows(&self, host: &str) -> bool {
        match self {
            Self::Is(allowed) => allowed == host,
            Self::IsBelow(domain) => host
                .strip_suffix(domain.as_str())
                .and_then(|names| names.strip_suffix('.'))
                .is_some_and(|names| names.split('.').all(is_label)),
        }
    }
}

/// Scheme, host and port. Nothing else is told apart from the host, which therefore is what it is compared with, or not.
fn parts(origin: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, authority) = origin.split_once("://")?;
    // The colons of an IPv6 address stand in brackets.
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((scheme, host, Some(port))),
        _ => Some((scheme, authority, None)),
    }
}

/// A number as browsers write it.
fn is_port(port: &str) -> bool {
    port.parse().is_ok_and(|number: u16| number > 0 && number.to_string() == port)
}

/// One of the names of a host as browsers write it.
fn is_label(label: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.bytes().all(is_fit)
}

/// Whether it is a host as browsers write it.
fn check_host(host: &str) -> Result<(), String> {
    let url = Url::parse(&format!("https://{host}"));
    let written = url.as_ref().ok().and_then(Url::host_str).ok_or("its host is none that a browser knows")?;
    if written == host {
        Ok(())
    } else {
        Err(format!("it would never match: browsers write {host:?} as {written:?}"))
    }
}

/// Whether it is an origin as browsers send it.
fn check_exact(origin: &str) -> Result<(), String> {
    let no_origin = || format!("it is no origin; {EXAMPLES}");
    let url = Url::parse(origin).map_err(|_| no_origin())?;
    let sent = match url.origin() {
        url::Origin::Opaque(_) if url.has_host() => format!("{}://{}", url.scheme(), url.authority()),
        url::Origin::Opaque(_) => return Err(no_origin()),
        tuple => tuple.ascii_serialization(),
    };
    if sent == origin { Ok(()) } else { Err(format!("it would never match: browsers send it as {sent}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> AllowedOrigin {
        AllowedOrigin::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn without_a_pattern_it_is_what_a_browser_sends() {
        for origin in [
            "https://app.example",
            "http://localhost:3000",
            "http://[::1]:8080",
            "chrome-extension://abcdef",
            "https://xn--bcher-kva.example",
        ] {
            assert!(allowed(origin).allows(origin), "{origin}");
            for other in
                ["null", "", "https://app.example.", "https://app.example:443", "https://a.app.example"]
            {
                assert!(!allowed(origin).allows(other), "{origin}: {other}");
            }
        }
        for origin in [
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "https://a/b",
            "https://bücher.example",
            "null",
            "",
            "a.b",
        ] {
            assert!(AllowedOrigin::parse(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn patterns_allow_what_they_say() {
        for (pattern, origins) in [
            (
                "https://*.app.example",
                &["https://a.app.example", "https://a-1.b_2.xn--bcher-kva.app.example"][..],
            ),
            ("https://*.app.example:8443", &["https://a.app.example:8443"]),
            ("*://app.example", &["https://app.example", "http://app.example"]),
            ("*://*.app.example:*", &["http://a.app.example", "https://a.b.app.example:65535"]),
            ("http://localhost:*", &["http://localhost", "http://localhost:3000"]),
            ("http://*.localhost:3000", &["http://a.localhost:3000"]),
            ("http://[::1]:*", &["http://[::1]", "http://[::1]:8080"]),
            ("http://127.0.0.1:*", &["http://127.0.0.1:8080"]),
        ] {
            for origin in origins {
                assert!(allowed(pattern).allows(origin), "{pattern}: {origin}");
            }
        }
    }

    #[test]
    fn patterns_allow_nothing_that_only_looks_like_it() {
        for (pattern, origins) in [
            (
                "https://*.app.example",
                &[
                    "null",
                    "",
                    "https://app.example",
                    "https://.app.example",
                    "https://a..app.example",
                    "http://a.app.example",
                    "wss://a.app.example",
                    "https://evilapp.example",
                    "https://a.app.example.evil.org",
                    "https://a.app.example.",
                    "https://a.app.example:8443",
                    "https://a.app.example:",
                    "https://A.app.example",
                    "https://a.APP.example",
                    "HTTPS://a.app.example",
                    "https://bücher.app.example",
                    "https://evil.org@a.app.example",
                    "https://evil.org/.app.example",
                    "https://evil.org?.app.example",
                    "https://evil.org#.app.example",
                    "https://evil.org\\.app.example",
                    "https://evil.org:80.app.example",
                    "https://[::1].app.example",
                    "https://evil.org, https://a.app.example",
                    "https://a.app.example, https://evil.org",
                    "https://a.app.example/",
                    " https://a.app.example",
                    "https://a.app.example ",
                    "https://%61.app.example",
                    "https://*.app.example",
                ][..],
            ),
            (
                "*://app.example",
                &[
                    "ftp://app.example",
                    "://app.example",
                    "app.example",
                    "https://app.example:8443",
                    "https://x://app.example",
                    "https://a@app.example",
                ],
            ),
            (
                "http://localhost:*",
                &[
                    "http://localhost:",
                    "http://localhost:0",
                    "http://localhost:080",
                    "http://localhost:+80",
                    "http://localhost:99999",
                    "http://localhost:80@evil.org",
                    "http://localhost:80.evil.org",
                    "http://localhost.evil.org",
                    "http://a.localhost",
                    "http://localhost:*",
                    "https://localhost:80",
                ],
            ),
            (
                "http://[::1]:*",
                &["http://[::1]evil.org", "http://[::1]:80]", "http://[::2]:80", "http://::1:80"],
            ),
        ] {
            for origin in origins {
                assert!(!allowed(pattern).allows(origin), "{pattern}: {origin}");
            }
        }
    }

    #[test]
    fn patterns_that_cannot_be_are_refused() {
        for (pattern, problem) in [
            ("*", "no origin"),
            ("*.app.example", "no origin"),
            ("https://*", "every site"),
            ("*://*:*", "every site"),
            ("https://*.com", "anybody can register"),
            ("https://*.", "a dot too many"),
            ("https://*.app.example.", "a dot too many"),
            ("https://*..app.example", "a dot too many"),
            ("https://*.App.example", "browsers write"),
            ("https://*.bücher.example", "xn--bcher-kva"),
            ("https://*.app.example/", "browsers write"),
            ("https://*.evil.org@app.example", "browsers write"),
            ("https://*.0.0.1", "browser"),
            ("https://*.[::1]", "browser"),
            ("https://app*.example", "stands for"),
            ("https://*app.example", "stands for"),
            ("https://a.*.example", "stands for"),
            ("https://*.*.example", "stands for"),
            ("https*://app.example", "scheme"),
            ("chrome-extension://*", "scheme"),
            ("https://*.app.example:443", "own port"),
            ("*://app.example:80", "own port"),
            ("https://*.app.example:0", "no number"),
            ("https://*.app.example:8*", "no number"),
        ] {
            let refused = AllowedOrigin::parse(pattern).expect_err(pattern);
            assert!(refused.contains(problem), "{pattern}: {refused}");
        }
    }

    #[test]
    fn the_domain_itself_is_told_from_its_subdomains() {
        assert!(allowed("https://*.app.example").is_for_names_below("https://app.example"));
        assert!(!allowed("https://*.app.example").is_for_names_below("https://example"));
        assert!(!allowed("https://app.example").is_for_names_below("https://app.example"));
    }
}
