//! How things look on a terminal. anstream takes the colours out where there is none, and where NO_COLOR is set.

use anstyle::{AnsiColor, Style};

/// Text from elsewhere, without what a terminal would obey or a reader cannot see: control characters and those that turn
/// the direction of writing are written as their codes.
pub(super) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push('\n'),
            c if c.is_control() || turns(c) => plain.extend(c.escape_unicode()),
            c => plain.push(c),
        }
    }
    plain
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
    }
}
