//! A handshake put together from text: headers of which some may be repeated, and a raw HTTP request.

use std::collections::BTreeMap;

use crate::grpc::pb::Handshake;

/// Headers as a gateway passes them on: names in lower case, repeated ones joined.
#[derive(Debug, Default)]
pub(super) struct Headers(BTreeMap<String, String>);

impl Headers {
    pub(super) fn add(&mut self, name: &str, value: String) {
        let name = name.to_ascii_lowercase();
        // RFC 9110, 5.3, and for Cookie RFC 9113, 8.2.3.
        let separator = if name == "cookie" { "; " } else { ", " };
        self.0
            .entry(name)
            .and_modify(|earlier| {
                earlier.push_str(separator);
                earlier.push_str(&value);
            })
            .or_insert(value);
    }

    /// Adds `Name: value`; `None` when there is no colon behind a name.
    pub(super) fn add_line(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(':')?;
        // RFC 9110, 5.6.2: what else has a colon in it is no header.
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return None;
        }
        self.add(name, value.trim_matches([' ', '\t']).to_owned());
        Some(())
    }

    pub(super) fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// Reads a request as it goes over the wire or as developer tools show it, HTTP/2's pseudo-headers included. `None`: it
/// is none.
pub(super) fn parse(text: &str) -> Option<Handshake> {
    let mut lines =
        text.lines().map(|line| line.trim_end_matches('\r')).skip_while(|line| line.trim().is_empty());
    let mut headers = Headers::default();
    let mut url = None;
    let first = lines.next()?;
    match first.split(' ').collect::<Vec<_>>().as_slice() {
        [_method, target, version] if version.starts_with("HTTP/") => url = Some((*target).to_owned()),
        _ => add_header(first, &mut headers, &mut url)?,
    }
    for line in lines.take_while(|line| !line.is_empty()) {
        add_header(line, &mut headers, &mut url)?;
    }
    Some(Handshake { headers: headers.into_map(), url: url.unwrap_or_default(), ..Handshake::default() })
}

fn add_header(line: &str, headers: &mut Headers, url: &mut Option<String>) -> Option<()> {
    match line.strip_prefix(':') {
        None => headers.add_line(line),
        Some(pseudo) => {
            let (name, value) = pseudo.split_once(':')?;
            if name == "path" {
                *url = Some(value.trim().to_owned());
            }
            Some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_over_the_wire() {
        let text = "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\nX-A:1\r\nX-A: 2\r\n\r\nbody: x";
        let handshake = parse(text).expect("a request");
        assert_eq!(handshake.url, "/socket.io/?EIO=4");
        let headers: Vec<_> =
            handshake.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(headers, ["cookie: a=1; b=2", "host: a", "x-a: 1, 2"]);
    }

    #[test]
    fn a_request_as_developer_tools_show_it() {
        let handshake = parse(":authority: a\n:method: GET\n:path: /x?y\ncookie: a=1\n").expect("a request");
        assert_eq!((handshake.url.as_str(), handshake.headers.len()), ("/x?y", 1));
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "\n\n", "hello", "fetch('https://a')", "GET / HTTP/1.1\nno colon here"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
