//! How things look on a terminal. anstream takes the colours out where there is none, and where NO_COLOR is set.

use anstyle::{AnsiColor, Style};

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
