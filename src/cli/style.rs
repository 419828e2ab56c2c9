//! How things look on a terminal. anstream takes the colours out where there is none, and where NO_COLOR is set.

use anstyle::{AnsiColor, Style};

/// Text from elsewhere, without what a terminal would obey or a reader cannot see: control characters and those that turn
/// the direction of writing are written as their codes.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push('\n'),
            c if c.is_control() || is_unseen(c) => plain.extend(c.escape_unicode()),
            c => plain.push(c),
        }
    }
    plain
}

/// JSON for a terminal or a program: what a terminal would obey is written as JSON's own escapes, which changes nothing for
/// a program.
pub(super) fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        // Within texts alone there can be such.
        if c != '\n' && (c.is_control() || is_unseen(c)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                plain.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Characters that turn the direction of writing, join or hide others, or take no place (Unicode's Cf, and fillers).
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}' | '\u{1160}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// It went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// It did not.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to look into.
pub(super) const HINT: Style = AnsiColor::Yellow.on_default();
/// What to copy.
pub(super) const COPY: Style = AnsiColor::Cyan.on_default();
/// Headings.
pub(super) const HEADING: Style = Style::new().bold();
/// What matters less.
pub(super) const DIM: Style = Style::new().dimmed();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_text_from_elsewhere() {
        assert_eq!(
            plain("José\n\u{1b}[2J\r\u{9b}\u{202e}"),
            r"José
\u{1b}[2J\u{d}\u{9b}\u{202e}"
        );
        let json = serde_json::json!({"name": "José\u{9b}2J\u{202e}\u{e0041}"});
        let printed = plain_json(&json.to_string());
        assert_eq!(printed, r#"{"name":"José\u009b2J\u202e\udb40\udc41"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), json);
    }
}
