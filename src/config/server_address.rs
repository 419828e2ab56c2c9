//! What URLs of servers have in common: `scheme://user:password@host:port/path?parameters`.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// A URL, taken apart and not yet understood. Only the password is certain to be out of what is left.
pub(super) struct ServerAddress<'u> {
    pub(super) scheme: &'u str,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    /// One or several, with ports.
    pub(super) hosts: &'u str,
    /// What follows the first `/`.
    pub(super) path: &'u str,
    /// What follows the first `?`.
    pub(super) parameters: Option<&'u str>,
}

impl<'u> ServerAddress<'u> {
    /// Takes it apart. The error repeats nothing of it.
    pub(super) fn parse(url: &'u str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no `://` after its scheme")?;
        if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return Err("its scheme has characters that no scheme has".to_owned());
        }
        let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(authority_ends);
        if behind.contains('@') {
            // The password may be on either side of the mark, so that what seems to be a host or a path is a part of it.
            return Err(
                "it has an `@` behind a `/`, `?` or `#`; in a user or password these are written %2F, %3F and %23, and \
                 an `@` elsewhere %40"
                    .to_owned(),
            );
        }
        if behind.contains('#') {
            return Err("it takes no `#`".to_owned());
        }
        let (path, parameters) = match behind.split_once('?') {
            Some((path, parameters)) => (path, Some(parameters)),
            None => (behind, None),
        };
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let (username, password) = credentials.map_or(Ok((None, None)), user_and_password)?;
        let path = path.strip_prefix('/').unwrap_or(path);
        Ok(Self { scheme, username, password, hosts, path, parameters })
    }
}

fn user_and_password(credentials: &str) -> Result<(Option<String>, Option<SecretString>), String> {
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let filled = |text: &str| decode(text).map(|text| (!text.is_empty()).then_some(text));
    Ok((filled(username)?, filled(password)?.map(SecretString::from)))
}

/// What is percent-encoded, as it was meant.
pub(super) fn decode(text: &str) -> Result<String, String> {
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| "it is not UTF-8 when percent-decoded")?;
    Ok(decoded.into_owned())
}

/// One host; where it names no port there is a usual one.
pub(super) fn host_and_port(text: &str, usual_port: u16) -> Result<(String, u16), String> {
    let wrong_port = |_| "one of its ports is no number up to 65535".to_owned();
    // The brackets of an IPv6 address are the URL's, not the address's.
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => {
            (host, Some(port.strip_prefix(':').ok_or("after the `]` of a host comes a `:` or nothing")?))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("one of its hosts is empty".to_owned());
    }
    Ok((host.to_owned(), port.map_or(Ok(usual_port), |port| port.parse().map_err(wrong_port))?))
}
