//! A watch on a terminal: counts and the last changes, painted over and over until Ctrl-C.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    io::{self, Write},
    time::{Instant, SystemTime},
};

use anstream::{AutoStream, ColorChoice, StripStream};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    json,
    lines::reason_name,
    pager, people,
    table::{self, Cell, Column, Table},
    view,
    watch::Show,
};
use crate::{
    cli::style::{BAD, COPY, DIM, GOOD, HEADING, HINT, plain},
    grpc::pb::{Socket, WatchSocketsResponse, WatchedSocketClosed, watch_sockets_response::Event},
};

/// The other screen, so that what was on the terminal comes back; and no cursor in the middle of it.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
const TO_THE_TOP: &str = "\u{1b}[H";
const CLEAR_REST_OF_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// Changes that are kept: more than the tallest terminal has lines.
const KEPT: usize = 200;

/// A terminal that cannot say how large it is.
const SMALLEST: (usize, usize) = (80, 24);

/// The columns of the last changes, and from which width of the terminal on there is room for them.
const LAST: [(&str, usize); 7] = [
    ("last changes", 0),
    ("", 0),
    ("gateway_id", 90),
    ("socket_id", 70),
    ("namespace", 110),
    ("user", 0),
    ("reason", 0),
];

/// Paints itself.
pub(super) struct Live {
    seen: Seen,
    /// The other screen is on.
    entered: bool,
}

impl Live {
    pub(super) fn new(filter: String) -> io::Result<Self> {
        let mut live = Self { seen: Seen::new(filter), entered: false };
        live.entered = true;
        write!(io::stdout(), "{ENTER}")?;
        Ok(live)
    }

    /// Leaves the screen, and says in a line what was seen.
    pub(super) fn end(mut self) -> io::Result<String> {
        self.leave()?;
        Ok(self.seen.summary())
    }

    fn leave(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.entered) {
            write!(io::stdout(), "{LEAVE}")?;
            io::stdout().flush()?;
        }
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = self.leave();
    }
}

impl Show for Live {
    fn told(&mut self, message: WatchSocketsResponse) -> io::Result<()> {
        self.seen.told(message, SystemTime::now());
        Ok(())
    }

    fn afresh(&mut self) -> io::Result<()> {
        self.seen.afresh();
        Ok(())
    }

    fn note(&mut self, note: Option<&str>) -> io::Result<()> {
        self.seen.note = note.map(plain);
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        let (width, height) = pager::terminal().unwrap_or(SMALLEST);
        let mut frame = Vec::new();
        self.seen.paint(&mut frame, width, height)?;
        // The commands to the terminal are not colours, and stay where colours are not wanted.
        if AutoStream::choice(&io::stdout()) == ColorChoice::Never {
            let mut stripped = StripStream::new(Vec::new());
            stripped.write_all(&frame)?;
            frame = stripped.into_inner();
        }
        let frame = String::from_utf8_lossy(&frame);
        let lines: Vec<_> = frame.lines().take(height).collect();
        let lines = lines.join(&format!("{CLEAR_REST_OF_LINE}\n"));
        let mut out = io::stdout().lock();
        write!(out, "{TO_THE_TOP}{lines}{CLEAR_REST_OF_LINE}{CLEAR_BELOW}")?;
        out.flush()
    }
}

/// What a watch has told so far.
struct Seen {
    filter: String,
    since: Instant,
    open: BTreeMap<String, HashSet<Box<str>>>,
    total: u64,
    in_snapshot: bool,
    opened: u64,
    changed: u64,
    closed: u64,
    last: VecDeque<Vec<Cell>>,
    warnings: Vec<String>,
    note: Option<String>,
}

impl Seen {
    fn new(filter: String) -> Self {
        Self {
            filter,
            since: Instant::now(),
            open: BTreeMap::new(),
            total: 0,
            in_snapshot: true,
            opened: 0,
            changed: 0,
            closed: 0,
            last: VecDeque::new(),
            warnings: Vec::new(),
            note: None,
        }
    }

    fn afresh(&mut self) {
        self.open.clear();
        (self.total, self.in_snapshot) = (0, true);
    }

    fn told(&mut self, message: WatchSocketsResponse, now: SystemTime) {
        let WatchSocketsResponse { event, revision } = message;
        if !revision.is_empty() {
            self.in_snapshot = false;
        }
        match event {
            Some(Event::Opened(socket)) => {
                let ids = self.open.entry(socket.gateway_id.clone()).or_default();
                let is_new = ids.insert(socket.socket_id.as_str().into());
                self.total += u64::from(is_new);
                if self.in_snapshot {
                    return;
                }
                let word = if is_new {
                    self.opened += 1;
                    Cell::styled("opened", GOOD)
                } else {
                    self.changed += 1;
                    Cell::styled("changed", COPY)
                };
                self.remember(word, &socket, "", now);
            }
            Some(Event::Closed(WatchedSocketClosed { socket: Some(socket), reason })) => {
                if let Some(ids) = self.open.get_mut(&socket.gateway_id) {
                    self.total -= u64::from(ids.remove(socket.socket_id.as_str()));
                    if ids.is_empty() {
                        self.open.remove(&socket.gateway_id);
                    }
                }
                self.closed += 1;
                self.remember(Cell::styled("closed", BAD), &socket, &reason_name(reason), now);
            }
            Some(Event::Checkpoint(view)) => {
                self.in_snapshot = false;
                self.warnings = view::warnings(&view);
            }
            // Of a newer service.
            Some(Event::Closed(_)) | None => {}
        }
    }

    fn remember(&mut self, word: Cell, socket: &Socket, reason: &str, now: SystemTime) {
        let user = people::user(&json::object(socket.user.as_ref()));
        let row = vec![
            Cell::styled(&clock(now), DIM),
            word,
            Cell::new(&socket.gateway_id),
            Cell::new(&socket.socket_id),
            Cell::new(&socket.namespace),
            Cell::new(&user),
            Cell::new(reason),
        ];
        self.last.truncate(KEPT - 1);
        self.last.push_front(row);
    }

    fn summary(&self) -> String {
        let Self { since, total, opened, changed, closed, .. } = self;
        let [opened, changed, closed] = [opened, changed, closed].map(|count| people::number(*count));
        let (total, span) = (people::sockets(*total), people::span(since.elapsed()));
        format!("{total}; in {span} {opened} opened, {changed} changed, {closed} closed")
    }

    /// One frame, at most as large as the terminal.
    fn paint(&self, out: &mut impl Write, width: usize, height: usize) -> io::Result<()> {
        const END: &str = "Ctrl-C ends it";
        let filter = plain(&self.filter).replace('\n', " ");
        let filter = table::cut(&filter, width.saturating_sub(END.len() + 2).max(1));
        writeln!(out, "{HEADING}{filter}{HEADING:#}  {DIM}{END}{DIM:#}")?;
        writeln!(out, "{}", table::cut(&self.summary(), width))?;
        let mut used = 2;
        let state: Vec<&String> = self.note.iter().chain(&self.warnings).collect();
        for line in &state {
            writeln!(out, "{HINT}{}{HINT:#}", table::cut(line, width))?;
        }
        if state.is_empty() {
            let state = if self.in_snapshot { "listing what is open" } else { "up to date" };
            writeln!(out, "{GOOD}{state}{GOOD:#}")?;
        }
        used += state.len().max(1);

        let mut gateways: Vec<_> = self.open.iter().map(|(id, ids)| (id, ids.len())).collect();
        gateways.sort_by_key(|(id, count)| (std::cmp::Reverse(*count), *id));
        // A third of the screen at most: the changes are what one looks at.
        let shown = gateways.len().min((height / 3).saturating_sub(2));
        if shown > 0 {
            writeln!(out)?;
            let rows: Vec<_> =
                gateways.iter().take(shown).map(|(id, count)| self.gateway_row(id, *count)).collect();
            let columns = vec![Column::text("gateway_id"), Column::figure("sockets"), Column::text("")];
            Table::print(out, columns, &rows, Some(width))?;
            used += shown + 2;
        }
        let room = height.saturating_sub(used + 2);
        if room > 0 && !self.last.is_empty() {
            writeln!(out)?;
            let shown = |cells: &[Cell]| -> Vec<Cell> {
                let fitting = cells.iter().zip(LAST).filter(|(_, (_, from))| width >= *from);
                fitting.map(|(cell, _)| cell.clone()).collect()
            };
            let rows: Vec<_> = self.last.iter().take(room).map(|row| shown(row)).collect();
            let columns = LAST.iter().filter(|(_, from)| width >= *from);
            let columns = columns.map(|(heading, _)| Column::text(heading)).collect();
            Table::print(out, columns, &rows, Some(width))?;
        }
        Ok(())
    }

    fn gateway_row(&self, id: &str, count: usize) -> Vec<Cell> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let bar = people::bar(count, self.total, 24);
        vec![Cell::new(id), Cell::new(&people::number(count)), Cell::styled(&bar, COPY)]
    }
}

/// The time of day, in UTC: those who read it may be anywhere.
fn clock(now: SystemTime) -> String {
    let now = Timestamp::try_from(now).unwrap_or_default().to_zoned(TimeZone::UTC);
    now.strftime("%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::grpc::pb::{Reason, View};

    fn socket(gateway: &str, id: &str) -> Socket {
        Socket { gateway_id: gateway.to_owned(), socket_id: id.to_owned(), ..Socket::default() }
    }

    fn opened(gateway: &str, id: &str, revision: &str) -> WatchSocketsResponse {
        let event = Some(Event::Opened(socket(gateway, id)));
        WatchSocketsResponse { event, revision: revision.to_owned() }
    }

    fn closed(gateway: &str, id: &str) -> WatchSocketsResponse {
        let reason = Reason::Closed.into();
        let closed = WatchedSocketClosed { socket: Some(socket(gateway, id)), reason };
        WatchSocketsResponse { event: Some(Event::Closed(closed)), revision: "9".to_owned() }
    }

    fn checkpoint(view: View) -> WatchSocketsResponse {
        WatchSocketsResponse { event: Some(Event::Checkpoint(view)), revision: "1".to_owned() }
    }

    fn seen(messages: Vec<WatchSocketsResponse>) -> Seen {
        let mut seen = Seen::new("true".to_owned());
        for message in messages {
            seen.told(message, SystemTime::UNIX_EPOCH + Duration::from_secs(3_600));
        }
        seen
    }

    fn painted(seen: &Seen, width: usize, height: usize) -> Vec<String> {
        let mut out = StripStream::new(Vec::new());
        seen.paint(&mut out, width, height).expect("into memory");
        String::from_utf8(out.into_inner())
            .expect("text")
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    #[test]
    fn a_snapshot_is_no_change_and_a_repeated_socket_is_one() {
        let seen = seen(vec![
            opened("g1", "a", ""),
            opened("g1", "b", ""),
            opened("g2", "c", ""),
            checkpoint(View::default()),
            opened("g2", "d", "2"),
            opened("g1", "a", "3"),
            closed("g1", "b"),
        ]);
        assert!(seen.summary().starts_with("3 sockets; in 0s 1 opened, 1 changed, 1 closed"));
        let painted = painted(&seen, 80, 24);
        assert_eq!(painted[2], "up to date");
        assert!(painted[5].starts_with("g2                2  ████████████████"), "{painted:#?}");
        assert_eq!(painted[6], "g1                1  ████████");
        assert_eq!(painted[9], "01:00:00Z     closed   b                CLOSED");
    }

    #[test]
    fn what_starts_afresh_is_counted_afresh() {
        let mut seen = seen(vec![opened("g1", "a", ""), opened("g1", "b", ""), checkpoint(View::default())]);
        seen.afresh();
        seen.told(opened("g1", "b", ""), SystemTime::UNIX_EPOCH);
        assert!(seen.summary().starts_with("1 socket; in 0s 0 opened"), "{}", seen.summary());
        assert_eq!(painted(&seen, 80, 24)[2], "listing what is open");
    }

    #[test]
    fn a_frame_is_never_larger_than_the_terminal() {
        let mut messages: Vec<_> =
            (0..50).map(|number| opened(&format!("gateway-{number}"), "a", "")).collect();
        messages.push(checkpoint(View { warming_up: true, ..View::default() }));
        messages.extend((0..300).map(|number| opened("gateway-1", &format!("socket-{number}"), "2")));
        let seen = seen(messages);
        for (width, height) in [(80, 24), (200, 60), (60, 10), (40, 4)] {
            let painted = painted(&seen, width, height);
            assert!(painted.len() <= height.max(3), "{height}: {}", painted.len());
            assert!(painted.iter().all(|line| line.chars().count() <= width), "{width}: {painted:#?}");
        }
        assert_eq!(painted(&seen, 80, 24).len(), 24);
    }
}
