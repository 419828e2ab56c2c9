//! The Cookie header as npm `cookie` 0.7.2 reads it, the version that express-session pins.
//!
//! The `cookie` crate agrees on what browsers send and differs beyond it: it decodes names, so that `%63onnect.sid`
//! could pose as the session's cookie, drops values that it cannot decode, and trims Unicode space.

use std::borrow::Cow;

/// One name and its value, the value trimmed and unquoted but not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The name, never decoded.
    pub name: &'a str,
    /// The value as it stands in the header.
    pub raw: &'a str,
}

impl<'a> Pair<'a> {
    /// The value after `decodeURIComponent`; one that does not decode stays as it is.
    pub fn value(&self) -> Cow<'a, str> {
        decode_uri_component(self.raw).unwrap_or(Cow::Borrowed(self.raw))
    }
}

/// The value of the first cookie of that name: npm `cookie` keeps the first of several.
pub fn find<'a>(header: &'a str, name: &str) -> Option<Pair<'a>> {
    pairs(header).find(|pair| pair.name == name)
}

/// Every name and value in the header, in its order, repeated names included.
pub fn pairs(header: &str) -> impl Iterator<Item = Pair<'_>> {
    // npm `cookie` takes a header of one character for no cookie at all.
    let at = if header.len() < 2 { header.len() } else { 0 };
    Pairs { header, at }.filter(|pair| pair.name != "__proto__")
}

struct Pairs<'a> {
    header: &'a str,
    at: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        loop {
            let rest = self.header.get(self.at..)?;
            let equals = rest.find('=')?;
            let semicolon = rest.find(';');
            if semicolon.is_some_and(|semicolon| semicolon < equals) {
                // Words without `=` before this pair are passed over, all of them at once.
                self.at += rest.get(..equals)?.rfind(';')? + 1;
                continue;
            }
            let end = semicolon.unwrap_or(rest.len());
            self.at += end + 1;
            let name = trim(rest.get(..equals)?);
            let raw = unquote(trim(rest.get(equals + 1..end)?));
            return Some(Pair { name, raw });
        }
    }
}

/// Space and tab only: other white space is part of a cookie's name or value.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A lone quote begins and ends at the same place in npm `cookie`: it is an empty value.
fn unquote(value: &str) -> &str {
    if value == "\"" {
        return "";
    }
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// ECMA-262's `decodeURIComponent`: `None` where it throws, which is at a `%` without two hex digits and at bytes that
/// are not UTF-8.
fn decode_uri_component(text: &str) -> Option<Cow<'_, str>> {
    if !text.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = after;
            }
            (b'%', _) => return None,
            (plain, after) => {
                decoded.push(*plain);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(header: &str) -> Option<String> {
        find(header, "sid").map(|pair| pair.value().into_owned())
    }

    #[test]
    fn names_are_taken_as_they_stand() {
        assert_eq!(value("%73id=a; sid=b").as_deref(), Some("b"));
        assert_eq!(value("SID=a"), None);
        assert_eq!(value("\u{a0}sid=a"), None);
    }

    #[test]
    fn the_first_of_a_name_decides_even_when_it_is_empty() {
        assert_eq!(value("sid=; sid=b").as_deref(), Some(""));
        assert_eq!(value("sid; sid=b").as_deref(), Some("b"));
    }

    #[test]
    fn what_does_not_decode_stays() {
        for raw in ["%", "%2", "%zz", "a%E0%A4%A", "%ED%A0%80", "%C0%AF"] {
            assert_eq!(value(&format!("sid={raw}")).as_deref(), Some(raw));
        }
        assert_eq!(value("sid=%C5%BC").as_deref(), Some("ż"));
    }

    #[test]
    fn quotes_come_off_before_decoding() {
        assert_eq!(value("sid=\"a%22b\"").as_deref(), Some("a\"b"));
        assert_eq!(value("sid=\"").as_deref(), Some(""));
        assert_eq!(value("sid=\"\"").as_deref(), Some(""));
        assert_eq!(value("sid=\"a").as_deref(), Some("\"a"));
    }

    #[test]
    fn a_name_no_javascript_object_can_hold_is_no_cookie() {
        assert_eq!(find("__proto__=x", "__proto__"), None);
    }

    proptest! {
        /// Where a header is one that browsers write, the `cookie` crate reads the same.
        #[test]
        fn agrees_with_the_cookie_crate_on_plain_headers(
            cookies in prop::collection::vec(("[a-zA-Z0-9._-]{1,12}", "[a-zA-Z0-9._~!-]{0,24}"), 0..8)
        ) {
            let header = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            let ours: Vec<_> =
                pairs(&header).map(|pair| (pair.name.to_owned(), pair.value().into_owned())).collect();
            let theirs: Vec<_> = ::cookie::Cookie::split_parse_encoded(header.as_str())
                .filter_map(Result::ok)
                .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
                .collect();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn never_fails_on_anything(header in any::<String>()) {
            for pair in pairs(&header) {
                let _ = pair.value();
            }
        }
    }
}
