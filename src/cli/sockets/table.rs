//! Tables for people: aligned, as wide as the terminal, what does not fit is cut with `…`.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::cli::style::{self, HEADING};

/// Between columns.
const GAP: usize = 2;

/// No column is cut to less: an id of which less is seen says nothing.
const NARROWEST: usize = 6;

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text from anywhere, on one line.
    pub(super) fn new(text: &str) -> Self {
        Self::styled(text, Style::new())
    }

    /// The same with a colour.
    pub(super) fn styled(text: &str, style: Style) -> Self {
        Self { text: style::plain(text).replace('\n', "\\u{a}"), style }
    }

    fn width(&self) -> usize {
        self.text.width()
    }
}

/// One column's heading and how it stands.
#[derive(Clone, Debug)]
pub(super) struct Column {
    heading: Cell,
    to_the_right: bool,
}

impl Column {
    /// Text stands at the left.
    pub(super) fn text(heading: &str) -> Self {
        Self { heading: Cell::styled(heading, HEADING), to_the_right: false }
    }

    /// Figures stand at the right.
    pub(super) fn figure(heading: &str) -> Self {
        Self { heading: Cell::styled(heading, HEADING), to_the_right: true }
    }
}

/// A table whose columns have their widths.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    /// Whether what is wider than its column is cut.
    cut: bool,
}

impl Table {
    /// Takes the columns' widths from these rows and the terminal's width; without a terminal nothing is cut.
    pub(super) fn fit(columns: Vec<Column>, rows: &[Vec<Cell>], terminal: Option<usize>) -> Self {
        let natural = columns.iter().enumerate().map(|(index, column)| {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(Cell::width);
            cells.max().unwrap_or(0).max(column.heading.width())
        });
        let mut widths: Vec<usize> = natural.collect();
        if let Some(terminal) = terminal {
            let gaps = GAP * widths.len().saturating_sub(1);
            let room = terminal.saturating_sub(gaps);
            narrow(&mut widths, room);
            // Later rows may be wider than these; the last column takes what is left.
            let used: usize = widths.iter().sum();
            if let (Some(width), Some(Column { to_the_right: false, .. })) =
                (widths.last_mut(), columns.last())
            {
                *width += room.saturating_sub(used);
            }
        }
        Self { columns, widths, cut: terminal.is_some() }
    }

    pub(super) fn headings(&self, out: &mut impl Write) -> io::Result<()> {
        let headings: Vec<Cell> = self.columns.iter().map(|column| column.heading.clone()).collect();
        self.row(out, &headings)
    }

    pub(super) fn row(&self, out: &mut impl Write, row: &[Cell]) -> io::Result<()> {
        let last = self.widths.len().saturating_sub(1);
        for (index, ((cell, width), column)) in row.iter().zip(&self.widths).zip(&self.columns).enumerate() {
            let text = if self.cut { cut(&cell.text, *width) } else { cell.text.clone() };
            let space = width.saturating_sub(text.width());
            let (before, after) = if column.to_the_right { (space, 0) } else { (0, space) };
            // Nothing stands behind the last column.
            let after = if index == last { 0 } else { after + GAP };
            let style = cell.style;
            write!(out, "{:before$}{style}{text}{style:#}{:after$}", "", "")?;
        }
        writeln!(out)
    }

    /// The whole of a small table.
    pub(super) fn print(
        out: &mut impl Write,
        columns: Vec<Column>,
        rows: &[Vec<Cell>],
        terminal: Option<usize>,
    ) -> io::Result<()> {
        let table = Self::fit(columns, rows, terminal);
        table.headings(out)?;
        rows.iter().try_for_each(|row| table.row(out, row))
    }
}

/// Takes from the widest columns until all fit.
fn narrow(widths: &mut [usize], room: usize) {
    loop {
        let all: usize = widths.iter().sum();
        let Some(widest) = widths.iter().copied().max() else { return };
        if all <= room || widest <= NARROWEST {
            return;
        }
        let next = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(0);
        let many = widths.iter().filter(|width| **width == widest).count();
        // As much as is needed, spread over the widest, and not beyond the next in width.
        let narrower = widest.saturating_sub((all - room).div_ceil(many)).max(next).max(NARROWEST);
        for width in widths.iter_mut().filter(|width| **width == widest) {
            *width = narrower;
        }
    }
}

/// The text as far as it fits, with `…` for what does not.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rows: &[[&str; 3]], terminal: Option<usize>) -> String {
        let columns = vec![Column::text("gateway_id"), Column::figure("sockets"), Column::text("labels")];
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|text| Cell::new(text)).collect()).collect();
        let mut out = anstream::StripStream::new(Vec::new());
        Table::print(&mut out, columns, &rows, terminal).expect("into memory");
        String::from_utf8(out.into_inner()).expect("text")
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        assert_eq!(
            shown(&[["a", "1", "zone=eu"], ["gateway-of-eu", "12,000", ""]], None),
            "gateway_id     sockets  labels\n\
             a                    1  zone=eu\n\
             gateway-of-eu   12,000  \n"
        );
    }

    #[test]
    fn the_widest_are_cut_first() {
        let long = "x".repeat(60);
        let shown = shown(&[["gateway-7", "1", &long], [&"y".repeat(50), "2", "short"]], Some(60));
        let widths: Vec<_> = shown.lines().map(unicode_width::UnicodeWidthStr::width).collect();
        assert_eq!(widths, [41, 60, 40], "{shown}");
        assert!(shown.contains(&format!("{}…", "x".repeat(24))) && shown.contains("gateway-7"), "{shown}");
    }

    #[test]
    fn a_terminal_that_is_too_narrow_gets_what_there_is() {
        let shown = shown(&[["gateway-7", "1", "zone=eu"]], Some(3));
        assert_eq!(shown, "gatew…  socke…  labels\ngatew…       1  zone=…\n");
    }

    #[test]
    fn widths_are_those_of_a_terminal() {
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 8), "漢字漢字");
        assert_eq!(cut("Zoe\u{308} Ana", 5), "Zoe\u{308} …");
        assert_eq!(cut("abc", 0), "…");
    }

    #[test]
    fn a_cell_is_one_line() {
        assert_eq!(Cell::new("a\nb\u{1b}[2J").text, r"a\u{a}b\u{1b}[2J");
    }
}
