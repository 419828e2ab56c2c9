//! Figures, times and users as people read them.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

/// `1,234,567`
pub(in crate::cli) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 socket`, `1,234 sockets`
pub(in crate::cli) fn sockets(count: u64) -> String {
    format!("{} {}", number(count), if count == 1 { "socket" } else { "sockets" })
}

/// A span of time in its largest unit: `4s`, `12m`, `3h`, `5d`.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// How long ago; `now` for what this machine's clock has still to reach.
pub(super) fn ago(seconds: i64, nanos: i32, now: SystemTime) -> String {
    let then = jiff::Timestamp::new(seconds, nanos).map(SystemTime::from);
    match then.map(|then| now.duration_since(then)) {
        Ok(Ok(past)) if past >= Duration::from_secs(1) => format!("{} ago", span(past)),
        Ok(_) => "now".to_owned(),
        Err(_no_time) => String::new(),
    }
}

/// Where apps keep who somebody is, the likeliest first.
const IDENTITIES: [&str; 8] = ["id", "_id", "user_id", "userId", "sub", "username", "login", "email"];
const NAMES: [&str; 7] = ["name", "display_name", "displayName", "username", "login", "email", "nickname"];

/// A user in a few words, `4711 Ana Kowalska`; as JSON when nothing in it says who it is.
pub(in crate::cli) fn user(user: &Map<String, Value>) -> String {
    let first = |names: &[&str]| names.iter().find_map(|name| user.get(*name).and_then(scalar));
    match (first(&IDENTITIES), first(&NAMES)) {
        (Some(identity), Some(name)) if identity != name => format!("{identity} {name}"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) if user.get("logged_in") == Some(&Value::Bool(false)) => "not logged in".to_owned(),
        (None, None) if user.is_empty() => String::new(),
        (None, None) => Value::Object(user.clone()).to_string(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Any value in a table: text without quotes, the rest as JSON, nothing for null.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A bar for a part of the whole, in eighths of a character.
pub(super) fn bar(part: u64, whole: u64, width: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = u128::from(part) * u128::from(width) * 8 / u128::from(whole.max(1));
    let eighths = usize::try_from(eighths.min(u128::from(width) * 8)).unwrap_or(0);
    // What is there is seen, however little it is.
    let eighths = if part > 0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS.get(eighths % 8).unwrap_or(&""))
}

/// `12.3 %`
pub(super) fn share(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures() {
        let numbers = [0, 7, 999, 1_000, 12_345, 1_234_567].map(number);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!([sockets(1), sockets(2_000)], ["1 socket", "2,000 sockets"]);
        assert_eq!([share(1, 3), share(0, 0), share(5, 5)], ["33.3 %", "0.0 %", "100.0 %"]);
        assert_eq!([bar(0, 9, 4), bar(1, 1_000, 4), bar(9, 9, 4)], ["", "▏", "████"]);
        assert_eq!(bar(5, 8, 4), "██▌");
    }

    #[test]
    fn times() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ago = |seconds: i64| ago(1_000_000 - seconds, 0, now);
        assert_eq!(
            [0, -5, 1, 59, 60, 7_200, 500_000].map(ago),
            ["now", "now", "1s ago", "59s ago", "1m ago", "2h ago", "5d ago"]
        );
        assert_eq!(super::ago(i64::MAX, 0, now), "");
    }

    #[test]
    fn users() {
        for (fields, expected) in [
            (json!({"id": 4711, "name": "Ana Kowalska", "email": "a@b"}), "4711 Ana Kowalska"),
            (json!({"_id": "5f", "username": "ana"}), "5f ana"),
            (json!({"email": "a@b"}), "a@b"),
            (json!({"name": "Ana"}), "Ana"),
            (json!({"id": {"a": 1}, "name": ""}), r#"{"id":{"a":1},"name":""}"#),
            (json!({"logged_in": false}), "not logged in"),
            (json!({"logged_in": true}), r#"{"logged_in":true}"#),
            (json!({}), ""),
        ] {
            assert_eq!(user(fields.as_object().expect("an object")), expected);
        }
    }
}
