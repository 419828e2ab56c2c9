//! What an admin asked for, fit to be kept: anything in it that could be a session id is shortened.

use serde_json::Value;

use super::cut;
use crate::session_store::SessionId;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked<'a> {
    /// The filter, if the method takes one.
    pub(super) filter: Option<&'a str>,
    /// Its params, an object.
    pub(super) params: Option<Value>,
}

pub(super) struct Masked {
    pub(super) filter: Option<String>,
    pub(super) params: Option<Value>,
}

/// Of a longer text three characters are shown. Session ids are longer; what is shorter names rooms, roles and people.
const SHORT: usize = 12;

impl Asked<'_> {
    pub(super) fn masked(&self) -> Masked {
        // Where a session id is asked for, it may be one that the web app has made shorter.
        let about_sessions = self.filter.is_some_and(|filter| filter.contains("session_id"));
        Masked {
            filter: self.filter.map(|filter| cut(&filter_masked(filter, about_sessions)).to_owned()),
            params: self.params.as_ref().map(|params| bounded(value_masked(params, about_sessions))),
        }
    }
}

/// Params may be as large as a message.
fn bounded(params: Value) -> Value {
    const BYTES: usize = 2 << 10;
    let text = params.to_string();
    if text.len() <= BYTES { params } else { Value::String(format!("{}…", cut(&text))) }
}

fn text_masked(text: &str, about_sessions: bool) -> String {
    if text.chars().nth(SHORT).is_none() && !about_sessions {
        return text.to_owned();
    }
    SessionId::new(text.to_owned()).map(|id| id.shortened()).unwrap_or_default()
}

fn value_masked(value: &Value, about_sessions: bool) -> Value {
    match value {
        Value::String(text) => Value::String(text_masked(text, about_sessions)),
        Value::Array(values) => values.iter().map(|value| value_masked(value, about_sessions)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (text_masked(name, false), value_masked(value, about_sessions)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A filter with its texts shortened, and without comments: an apostrophe in one would look like the beginning of a text.
fn filter_masked(filter: &str, about_sessions: bool) -> String {
    let mut masked = String::with_capacity(filter.len());
    let mut rest = filter;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or("");
            continue;
        }
        if c != '"' && c != '\'' {
            masked.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or("");
            continue;
        }
        let triple: String = [c; 3].iter().collect();
        let quote = if rest.starts_with(&triple) { triple } else { c.to_string() };
        let is_raw = masked.ends_with(['r', 'R']);
        let inner = rest.get(quote.len()..).unwrap_or("");
        let end = end_of_text(inner, &quote, is_raw);
        let text = inner.get(..end).unwrap_or("");
        masked.push_str(&format!("{quote}{}{quote}", text_masked(text, about_sessions)));
        rest = inner.get(end + quote.len()..).unwrap_or("");
    }
    masked
}

/// Where the quote is that ends it; everything, if none does.
fn end_of_text(inner: &str, quote: &str, is_raw: bool) -> usize {
    let mut is_escaped = false;
    for (index, c) in inner.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' && !is_raw {
            is_escaped = true;
        } else if inner.get(index..).is_some_and(|rest| rest.starts_with(quote)) {
            return index;
        }
    }
    inner.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa";

    fn masked(filter: &str) -> String {
        Asked { filter: Some(filter), params: None }.masked().filter.unwrap_or_default()
    }

    #[test]
    fn what_could_be_a_session_id_is_shortened() {
        for (filter, kept) in [
            (r#"user.role == "admin""#, r#"user.role == "admin""#),
            ("user.id in ['a', \"b\\\"c\"]", "user.id in ['a', \"b\\\"c\"]"),
            ("socket.session_id == 'short'", "socket.session_id == '…'"),
            ("user.x == 'it\\'s' || user.y == 'z'", "user.x == 'it\\'s' || user.y == 'z'"),
            ("user.id == 7 // don't\n&& true", "user.id == 7 \n&& true"),
            (r"user.x == r'\' || user.y == 'z'", r"user.x == r'\' || user.y == 'z'"),
        ] {
            assert_eq!(masked(filter), kept, "{filter}");
        }
        for filter in [
            format!("socket.session_id == '{ID}'"),
            format!("socket.session_id in [\"a\", '''{ID}''']"),
            format!("// don't\n user.x == r\"{ID}\""),
            format!("user.x == b'{ID}' || 'unfinished"),
            format!("'{ID}"),
            format!("'\\'{ID}'"),
            format!("\"\"\"a\"{ID}\"\"\""),
            format!("true // {ID}"),
        ] {
            let masked = masked(&filter);
            assert!(!masked.contains("q9vWmT1n8yLxR4sPb7"), "{masked}");
        }
    }

    #[test]
    fn so_it_is_in_params() {
        let params = Some(json!({"ids": [ID], "id": 7, "role": "admin", "deep": {"x": ID}}));
        let masked = Asked { filter: Some("true"), params }.masked().params;
        assert_eq!(masked, Some(json!({"ids": ["Zk3…"], "id": 7, "role": "admin", "deep": {"x": "Zk3…"}})));
    }
}
