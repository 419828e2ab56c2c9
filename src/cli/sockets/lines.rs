//! A watch as lines, for programs and for logs.

use std::{
    io::{self, Write as _},
    time::SystemTime,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{json, people, view, watch::Show};
use crate::{
    cli::style::{BAD, DIM, GOOD, HINT, plain, plain_json},
    grpc::{
        convert,
        pb::{Socket, View, WatchSocketsResponse, WatchedSocketClosed, watch_sockets_response::Event},
    },
};

pub(super) struct Lines {
    json: bool,
    /// Within the snapshot sockets are told that have been open for long.
    in_snapshot: bool,
    /// What was said about the view, so that it is said once.
    warned: Vec<String>,
}

impl Lines {
    pub(super) fn new(json: bool) -> Self {
        Self { json, in_snapshot: true, warned: Vec::new() }
    }

    fn warn(&mut self, view: &View) {
        let warnings = view::warnings(view);
        if warnings != self.warned {
            view::warn(Some(view));
            self.warned = warnings;
        }
    }
}

impl Show for Lines {
    fn told(&mut self, message: WatchSocketsResponse) -> io::Result<()> {
        let WatchSocketsResponse { event, revision } = message;
        // Of a newer service.
        let Some(event) = event else { return Ok(()) };
        if let Event::Checkpoint(view) = &event {
            self.in_snapshot = false;
            self.warn(view);
        } else if !revision.is_empty() {
            self.in_snapshot = false;
        }
        if self.json {
            let mut line = as_json(&event);
            line.extend([("revision".to_owned(), Value::from(revision))]);
            return writeln!(io::stdout(), "{}", plain_json(&Value::Object(line).to_string()));
        }
        let now = Timestamp::try_from(SystemTime::now()).map_or(String::new(), |now| format!("{now:.0}"));
        let mut out = anstream::stdout().lock();
        let (style, word, socket, reason) = match &event {
            Event::Opened(socket) if self.in_snapshot => (DIM, "open  ", socket, None),
            Event::Opened(socket) => (GOOD, "opened", socket, None),
            Event::Closed(WatchedSocketClosed { socket: Some(socket), reason }) => {
                (BAD, "closed", socket, Some(*reason))
            }
            Event::Closed(_) | Event::Checkpoint(_) => return Ok(()),
        };
        let reason = reason.map_or(String::new(), |reason| format!("  {}", reason_name(reason)));
        writeln!(out, "{now}  {style}{word}{style:#}  {}{reason}", words(socket))
    }

    fn afresh(&mut self) -> io::Result<()> {
        self.in_snapshot = true;
        if self.json {
            writeln!(io::stdout(), "{}", json!({"event": "afresh"}))?;
        }
        Ok(())
    }

    fn note(&mut self, note: Option<&str>) -> io::Result<()> {
        let note = note.unwrap_or("connected again");
        writeln!(anstream::stderr(), "{HINT}note:{HINT:#} {}", plain(note))
    }

    fn tick(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

fn as_json(event: &Event) -> serde_json::Map<String, Value> {
    let line = match event {
        Event::Opened(socket) => json!({"event": "opened", "socket": json::socket(socket)}),
        Event::Closed(WatchedSocketClosed { socket, reason }) => json!({
            "event": "closed",
            "socket": socket.as_ref().map(json::socket),
            "reason": reason_name(*reason),
        }),
        Event::Checkpoint(view) => json!({"event": "checkpoint", "view": json::view(view)}),
    };
    match line {
        Value::Object(line) => line,
        _ => serde_json::Map::new(),
    }
}

/// A reason's name; of one that a newer service knows, its number's.
pub(in crate::cli) fn reason_name(reason: i32) -> String {
    crate::grpc::pb::Reason::try_from(reason)
        .map_or_else(|_unknown| reason.to_string(), |reason| convert::reason_name(reason).into_owned())
}

/// A socket in one line.
fn words(socket: &Socket) -> String {
    let user = people::user(&json::object(socket.user.as_ref()));
    let words = [&socket.gateway_id, &socket.socket_id, &socket.namespace, &user];
    let words: Vec<_> = words
        .iter()
        .filter(|word| !word.is_empty())
        .map(|word| plain(word).replace('\n', "\\u{a}"))
        .collect();
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::pb::Reason;

    #[test]
    fn changes_as_json() {
        let socket = Socket { gateway_id: "gateway-1".to_owned(), ..Socket::default() };
        let closed = WatchedSocketClosed { socket: Some(socket), reason: Reason::LeftFilter.into() };
        let line = as_json(&Event::Closed(closed));
        assert_eq!((&line["event"], &line["reason"]), (&json!("closed"), &json!("LEFT_FILTER")));
        assert_eq!(line["socket"]["gateway_id"], "gateway-1");
        assert_eq!(reason_name(1_000), "1000");
    }

    #[test]
    fn a_socket_is_one_line() {
        let socket = Socket {
            gateway_id: "gateway-1".to_owned(),
            socket_id: "a\nb\u{1b}".to_owned(),
            ..Socket::default()
        };
        assert_eq!(words(&socket), r"gateway-1  a\u{a}b\u{1b}");
    }
}
