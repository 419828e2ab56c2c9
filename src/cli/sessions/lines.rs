//! An ended session in a line, for people or for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{
        sockets::{json, lines::reason_name, people},
        style::{BAD, DIM, plain, plain_json},
    },
    grpc::pb::WatchSessionEndsResponse,
};

/// As JSON, the session's id with it.
pub(super) fn as_json(end: &WatchSessionEndsResponse) -> String {
    let WatchSessionEndsResponse { session_id, user, reason, sockets, at, revision } = end;
    if session_id.is_empty() {
        return plain_json(&json!({"event": "checkpoint", "revision": revision}).to_string());
    }
    let line: Value = json!({
        "event": "ended",
        "session_id": session_id,
        "user": json::object(user.as_ref()),
        "reason": reason_name(*reason),
        "sockets": sockets,
        "at": at.as_ref().map(json::time),
        "revision": revision,
    });
    plain_json(&line.to_string())
}

/// For people, the session's id shortened: for as long as it lives it is as good as a login.
pub(super) fn words(end: &WatchSessionEndsResponse) -> String {
    let WatchSessionEndsResponse { session_id, user, reason, sockets, at, revision: _ } = end;
    let at = at.as_ref().and_then(|at| Timestamp::new(at.seconds, 0).ok());
    let mut line = String::new();
    if let Some(at) = at {
        let _ = write!(line, "{at}  ");
    }
    let id: String = session_id.chars().take(SHOWN).collect();
    let user = plain(&people::user(&json::object(user.as_ref()))).replace('\n', "\\u{a}");
    let (reason, sockets) = (reason_name(*reason), people::sockets(*sockets));
    let _ = write!(line, "{BAD}{reason}{BAD:#}  {user}  {sockets}  {DIM}{}…{DIM:#}", plain(&id));
    line
}

/// Enough of a session's id to tell two apart.
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use prost_types::Timestamp as At;

    use super::*;
    use crate::grpc::{convert, pb::Reason};

    fn end() -> WatchSessionEndsResponse {
        let user = json!({"id": 4711, "name": "Ana\nB"});
        WatchSessionEndsResponse {
            session_id: "Zk3q9vWmT1n8yLxR".to_owned(),
            user: user.as_object().cloned().map(convert::object),
            reason: Reason::SessionNotFound.into(),
            sockets: 3,
            at: Some(At { seconds: 1_700_000_000, nanos: 5_000_000 }),
            revision: "r-1".to_owned(),
        }
    }

    #[test]
    fn a_checkpoint_is_no_end() {
        let checkpoint = WatchSessionEndsResponse { revision: "r-1".to_owned(), ..Default::default() };
        assert_eq!(as_json(&checkpoint), r#"{"event":"checkpoint","revision":"r-1"}"#);
    }

    #[test]
    fn people_do_not_see_the_whole_id() {
        let line = words(&end());
        assert!(line.contains("2023-11-14T22:13:20Z") && line.contains("Zk3…"), "{line}");
        assert!(line.contains(r"4711 Ana\u{a}B") && line.contains("3 sockets"), "{line}");
        assert!(!line.contains("Zk3q"), "{line}");
    }

    #[test]
    fn programs_do() {
        let line: Value = serde_json::from_str(&as_json(&end())).expect("JSON");
        assert_eq!(
            line,
            json!({
                "event": "ended", "session_id": "Zk3q9vWmT1n8yLxR", "user": {"id": 4711, "name": "Ana\nB"},
                "reason": "SESSION_NOT_FOUND", "sockets": 3, "at": "2023-11-14T22:13:20.005Z", "revision": "r-1",
            })
        );
    }
}
