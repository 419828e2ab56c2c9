//! What every session store promises, asked of each.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use socketpass::session_store::{Health, SessionId, SessionStore};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    session_ends::{are_asked, gateway, is_told_that_it_ended, socket_of},
    support::{
        ANA, ANA_ID,
        callers::Caller,
        service::Service,
        store::{becomes, destroy, found, load},
        until,
    },
};

/// A store, and the way in that the web app has.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The store under test.
    fn store(&self) -> Arc<dyn SessionStore>;

    /// Stores raw bytes.
    async fn put(&self, id: &str, session: &[u8]);

    /// Removes what is stored.
    async fn remove(&self, id: &str);

    /// Gives the store the rights that it needs to destroy sessions, if it has only those to read.
    async fn lets_end(&self) {}

    /// Where `put` puts it, in words.
    fn place(&self, id: &str) -> String;

    /// Whether something can be stored under the id at all.
    fn takes_id(&self, _id: &str) -> bool {
        true
    }

    /// Whether this can be stored.
    fn takes(&self, _session: &[u8]) -> bool {
        true
    }
}

/// Each check as a test of a kind of store: a module `contract` of it.
macro_rules! contract {
    ($backend:expr) => {
        mod contract {
            use super::*;
            use crate::session_stores::contract::contract_checks;

            contract_checks!($backend);
        }
    };
}

macro_rules! contract_checks {
    ($backend:expr) => {
        contract_checks!(
            $backend,
            a_session_comes_back_byte_for_byte,
            an_id_is_taken_to_the_letter,
            ids_are_case_sensitive,
            no_id_matches_a_part_of_another,
            an_absent_session_is_none,
            an_empty_session_is_none,
            no_more_is_read_than_is_taken,
            a_removed_session_is_none,
            a_destroyed_session_is_none,
            only_the_very_id_is_destroyed,
            an_ended_session_takes_its_sockets_along_and_does_not_come_back,
            a_replaced_session_is_seen_at_once,
            loads_at_the_same_time_each_get_their_own_answer,
            a_load_that_is_given_up_leaves_the_others_their_own_answers,
            health_becomes_up,
            the_place_tells_where_a_session_is,
        );
    };
    ($backend:expr, $($check:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $check() {
                crate::session_stores::contract::$check(&$backend).await;
            }
        )+
    };
}

pub(super) use {contract, contract_checks};

pub async fn an_empty_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("empty", b"").await;
    assert_eq!(load(&*store, "empty").await, Ok(None));
}

pub async fn no_more_is_read_than_is_taken(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("ten", b"0123456789").await;
    let id = SessionId::new("ten".to_owned()).unwrap();
    for (max_bytes, read) in
        [(usize::MAX, "0123456789"), (10, "0123456789"), (9, "0123456789"), (8, "012345678"), (0, "0")]
    {
        assert_eq!(store.load(&id, max_bytes).await, found(read), "{max_bytes}");
    }
}

pub async fn a_session_comes_back_byte_for_byte(backend: &dyn Backend) {
    let store = backend.store();
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let megabyte: Vec<u8> =
        (0..1_u32 << 18).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    assert_eq!(megabyte.len(), 1 << 20);
    let large = format!("[\"{}\"]", "漢".repeat(1 << 18));
    for session in [
        ANA.as_bytes(),
        b"\0",
        b"nil",
        b"$-1\r\n",
        b"+OK\r\n*2\r\n",
        b"\xff\xfe \xc3\x28",
        &every_byte,
        &megabyte,
        large.as_bytes(),
    ] {
        if !backend.takes(session) {
            continue;
        }
        backend.put(ANA_ID, session).await;
        let answer = load(&*store, ANA_ID).await;
        let shown = String::from_utf8_lossy(&session[..session.len().min(32)]);
        assert!(answer == found(session), "{} bytes: {shown:?}", session.len());
    }
}

pub async fn an_id_is_taken_to_the_letter(backend: &dyn Backend) {
    let store = backend.store();
    let long = "long".repeat(10_000);
    let ids = [
        "plain",
        " plain",
        "plain ",
        "two words",
        "  ",
        "zero\0zero",
        "\0",
        "line\nline",
        "line\r\nGET sess:plain\r\n",
        "\"quoted\"",
        "'quoted'",
        "back\\slash",
        "\\n",
        "../../x",
        "../",
        "%2e%2e%2fx",
        "{tag}",
        "{}",
        "}{",
        "sess:plain",
        ":",
        "*",
        "pl?in",
        "pl[a-z]in",
        "${plain}",
        "\u{feff}plain",
        "ключ",
        "鍵\u{202e}🔑",
        // Composed and decomposed: one to a person, two to a store.
        "\u{e9}",
        "e\u{301}",
        &long,
    ];
    for id in ids.into_iter().filter(|id| backend.takes_id(id)) {
        backend.put(id, format!("of {id}").as_bytes()).await;
    }
    for id in ids {
        let expected = if backend.takes_id(id) { found(format!("of {id}")) } else { Ok(None) };
        assert!(load(&*store, id).await == expected, "{id:?}");
    }
}

pub async fn ids_are_case_sensitive(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("CaseÄ", b"its own").await;
    for other in ["casEÄ", "caseä", "CASEÄ", "Caseä"] {
        assert_eq!(load(&*store, other).await, Ok(None), "{other:?}");
    }
    backend.put("caseä", b"another").await;
    assert_eq!(load(&*store, "CaseÄ").await, found("its own"));
    assert_eq!(load(&*store, "caseä").await, found("another"));
}

pub async fn no_id_matches_a_part_of_another(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("abcdef", b"whole").await;
    for part in [
        "a",
        "abc",
        "abcde",
        "def",
        "bcdef",
        "abcdefg",
        "xabcdef",
        "abcdef ",
        " abcdef",
        "abcdef\0",
        "abcdef\n",
        "abc*",
        "*",
        "abcde?",
        "abcde[f]",
        "abcdef/",
        "./abcdef",
        "abcdef.json",
    ] {
        assert_eq!(load(&*store, part).await, Ok(None), "{part:?}");
    }
    assert_eq!(load(&*store, "abcdef").await, found("whole"));
}

pub async fn an_absent_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    backend.put("somebody-elses", ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
}

pub async fn a_removed_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    backend.put(ANA_ID, ANA.as_bytes()).await;
    backend.put("another", ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    backend.remove(ANA_ID).await;
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    assert_eq!(load(&*store, "another").await, found(ANA));
}

pub async fn a_destroyed_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    backend.lets_end().await;
    backend.put("another", ANA.as_bytes()).await;
    assert_eq!(destroy(&*store, "nobodys").await, Ok(()));
    for _ in 0..2 {
        backend.put(ANA_ID, ANA.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
        assert_eq!(destroy(&*store, ANA_ID).await, Ok(()));
        assert_eq!(load(&*store, ANA_ID).await, Ok(None));
        // One that is not there is no fault.
        assert_eq!(destroy(&*store, ANA_ID).await, Ok(()));
    }
    assert_eq!(load(&*store, "another").await, found(ANA));
}

pub async fn only_the_very_id_is_destroyed(backend: &dyn Backend) {
    let store = backend.store();
    backend.lets_end().await;
    backend.put("abcdef", ANA.as_bytes()).await;
    let long = "long".repeat(10_000);
    for other in [
        "a",
        "abc",
        "abcdefg",
        "ABCDEF",
        "abcdéf",
        "abcdef ",
        " abcdef",
        "abcdef\0",
        "abcdef\n",
        "x\r\ndelete abcdef",
        "*",
        "abc*",
        "abcde?",
        "%",
        "abcde_",
        "' OR ''='",
        "{\"$gt\": \"\"}",
        "./abcdef",
        "abcdef/",
        "abcdef.json",
        "鍵\u{202e}🔑",
        &long,
    ] {
        assert_eq!(destroy(&*store, other).await, Ok(()), "{other:?}");
    }
    assert_eq!(load(&*store, "abcdef").await, found(ANA));
}

pub async fn an_ended_session_takes_its_sockets_along_and_does_not_come_back(backend: &dyn Backend) {
    let store = backend.store();
    backend.lets_end().await;
    backend.put(ANA_ID, ANA.as_bytes()).await;
    backend.put("another", ANA.as_bytes()).await;
    becomes(&*store, Health::Up).await;
    let service = Service::start_on(&[("REVALIDATE_INTERVAL", "1h")], Arc::clone(&store)).await;
    let ana = json!({"id": 1, "name": "Ana"});
    let sockets = vec![socket_of("a", ANA_ID, &ana), socket_of("b", "another", &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 2).await;
    let mut admin = Caller::of(&service.grpc).await;
    assert_eq!(admin.end_sessions("socket.socket_id == 'a'").await.unwrap(), 1);
    // A request that was under way.
    backend.put(ANA_ID, ANA.as_bytes()).await;
    is_told_that_it_ended(&mut chat, "a").await;
    until("it is destroyed again", || async { load(&*store, ANA_ID).await == Ok(None) }).await;
    assert_eq!(load(&*store, "another").await, found(ANA));
    service.stop().await;
}

pub async fn a_replaced_session_is_seen_at_once(backend: &dyn Backend) {
    let store = backend.store();
    for revision in 0..100 {
        let session = format!("{{\"revision\":{revision}}}");
        backend.put(ANA_ID, session.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, found(session));
    }
}

/// Sessions of different sizes, some of which are absent: what an answer that went to somebody else would show.
fn session_number(number: usize) -> Option<String> {
    (!number.is_multiple_of(5)).then(|| format!("{number} ").repeat(1 + number * 37 % 1000))
}

async fn put_numbered_sessions(backend: &dyn Backend) {
    for number in 0..200 {
        if let Some(session) = session_number(number) {
            backend.put(&number.to_string(), session.as_bytes()).await;
        }
    }
}

async fn assert_own_answers(store: &Arc<dyn SessionStore>) {
    let mut loads = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(store);
        loads.spawn(async move { (number, load(&*store, &number.to_string()).await) });
    }
    let answers = loads.join_all().await;
    assert_eq!(answers.len(), 200);
    for (number, answer) in answers {
        assert!(answer == Ok(session_number(number).map(String::into_bytes)), "{number}");
    }
}

pub async fn loads_at_the_same_time_each_get_their_own_answer(backend: &dyn Backend) {
    let store = backend.store();
    put_numbered_sessions(backend).await;
    assert_own_answers(&store).await;
}

pub async fn a_load_that_is_given_up_leaves_the_others_their_own_answers(backend: &dyn Backend) {
    let store = backend.store();
    put_numbered_sessions(backend).await;
    becomes(&*store, Health::Up).await;
    for number in 0..200 {
        // Polled once, so that it is on its way when nobody wants it any more.
        let _ = timeout(Duration::ZERO, load(&*store, &number.to_string())).await;
    }
    assert_own_answers(&store).await;
}

pub async fn health_becomes_up(backend: &dyn Backend) {
    let store = backend.store();
    becomes(&*store, Health::Up).await;
}

pub async fn the_place_tells_where_a_session_is(backend: &dyn Backend) {
    let store = backend.store();
    for id in [ANA_ID, "Zk3…", "two words", ""] {
        assert_eq!(store.place(id), backend.place(id));
    }
}
