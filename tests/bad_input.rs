//! Whatever comes in: a clear answer, and nothing breaks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use socketpass::{
    grpc::{
        convert::reason_name,
        pb::{AuthorizeRequest, ExplainRequest, Handshake},
    },
    session_store::MemoryStore,
};
use tonic::{
    Code, Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::support::{
    ANA, ANA_ID, cookie,
    redis::Redis,
    service::{Client, Service, authorize, explain, request, with_cookie, with_headers},
};

async fn start() -> (Service, Client) {
    let store = MemoryStore::new();
    store.insert(ANA_ID, ANA);
    let service = Service::start_on(&[], Arc::new(store)).await;
    let client = service.client().await;
    (service, client)
}

#[tokio::test]
async fn an_absent_handshake_is_named() {
    let (_service, mut client) = start().await;
    let status = client.authorize(AuthorizeRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "handshake: it is required"));
    let status = client.explain(ExplainRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "handshake: it is required"));
}

#[tokio::test]
async fn headers_that_differ_only_in_case_are_refused() {
    let (_service, mut client) = start().await;
    let status =
        client.authorize(request(with_headers(&[("Cookie", "a"), ("cookie", "b")]))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "handshake.headers: the header `cookie` is there twice, in different case");
}

#[tokio::test]
async fn a_gateway_id_is_bounded() {
    let (_service, mut client) = start().await;
    let asked = AuthorizeRequest { gateway_id: "x".repeat(10_000), ..request(Handshake::default()) };
    let status = client.authorize(asked).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "gateway_id: it is longer than 256 bytes")
    );
}

#[tokio::test]
async fn a_megabyte_of_headers_is_decided_on() {
    let (_service, mut client) = start().await;
    let mut handshake = with_cookie(&cookie(ANA_ID));
    for number in 0..1024 {
        handshake.headers.insert(format!("x-{number}"), "v".repeat(1024));
    }
    assert!(authorize(&mut client, handshake).await.accepted);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_the_connection_lives_on() {
    let (_service, mut client) = start().await;
    let status = client.authorize(request(with_cookie(&"x".repeat(5 << 20)))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("limits.max_message_bytes"), "{status:?}");
    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
}

#[tokio::test]
async fn ten_thousand_cookies_cost_little() {
    let (_service, mut client) = start().await;
    let many: String = (0..10_000).map(|number| format!("c{number}=%41; ")).collect();
    let started = Instant::now();
    assert!(authorize(&mut client, with_cookie(&format!("{many}{}", cookie(ANA_ID)))).await.accepted);
    let explained = explain(&mut client, with_cookie(&many)).await;
    assert!(explained.steps.iter().any(|step| step.found.ends_with("and 9990 more")), "{explained:?}");
    for header in
        [";".repeat(1 << 20), "=;".repeat(1 << 19), "a".repeat(1 << 20), "a;".repeat(1 << 19) + "b=c"]
    {
        let answer = authorize(&mut client, with_cookie(&header)).await;
        assert_eq!(reason_name(answer.reason()), "NO_SESSION_ID");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn binary_and_malformed_cookies_are_refused() {
    let (_service, mut client) = start().await;
    for value in [
        "\u{ff}\u{fe}\u{80}",
        "\u{0}\u{1}\u{1b}[31m",
        "%",
        "%s%3A",
        "s%3",
        "s%3A%ED%A0%80.x",
        "s%3A.",
        "s%3A..",
        "s:",
    ] {
        let answer = authorize(&mut client, with_cookie(&format!("connect.sid={value}"))).await;
        assert!(!answer.accepted, "{value:?}");
        assert!(
            matches!(reason_name(answer.reason()).as_ref(), "NO_SESSION_ID" | "BAD_SIGNATURE"),
            "{value:?}"
        );
        let explained = explain(&mut client, with_cookie(&format!("{value}=x"))).await;
        let text = format!("{explained:?}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'), "{text}");
    }
}

#[tokio::test]
async fn large_and_deep_sessions_are_bounded() {
    let redis = Redis::start().await;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let user = |levels: usize| {
        format!(r#"{{"passport":{{"user":{}1{}}}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels))
    };
    redis
        .put(
            "sixteen-megabytes",
            format!(r#"{{"x":"{}","passport":{{"user":1}}}}"#, "x".repeat(16 << 20)).as_bytes(),
        )
        .await;
    redis
        .put("ten-thousand-deep", format!(r#"{{"x":{},"passport":{{"user":1}}}}"#, nested(10_000)).as_bytes())
        .await;
    redis.put("deepest", format!(r#"{{"x":{},"passport":{{"user":1}}}}"#, nested(127)).as_bytes()).await;
    redis.put("too-deep", format!(r#"{{"x":{},"passport":{{"user":1}}}}"#, nested(128)).as_bytes()).await;
    redis.put("deepest-user", user(24).as_bytes()).await;
    redis.put("too-deep-user", user(25).as_bytes()).await;
    let mut connection = redis.connection().await;
    let () = redis::cmd("SADD").arg("sess:a-set").arg("x").query_async(&mut connection).await.unwrap();
    let service = Service::start(&[("SESSION_STORE", &redis.url())]).await;
    let mut client = service.client().await;
    for (id, reason, words) in [
        ("sixteen-megabytes", "SESSION_MALFORMED", "limits.max_session_bytes"),
        ("ten-thousand-deep", "SESSION_MALFORMED", "128 levels"),
        ("too-deep", "SESSION_MALFORMED", "128 levels"),
        ("deepest", "AUTHORIZED", ""),
        ("too-deep-user", "USER_SOURCE_FAILED", ""),
        ("deepest-user", "AUTHORIZED", ""),
        ("a-set", "SESSION_MALFORMED", "not a session"),
    ] {
        let answer = authorize(&mut client, with_cookie(&cookie(id))).await;
        assert_eq!(reason_name(answer.reason()), reason, "{id}");
        assert!(answer.message.contains(words), "{id}: {}", answer.message);
    }
}

#[tokio::test]
async fn a_deep_auth_payload_is_named() {
    let (service, _client) = start().await;
    for (levels, accepted) in [(24, true), (25, false), (60, false), (5_000, false)] {
        let status = ask_raw(&service, with_auth(levels)).await;
        match status {
            Ok(()) => assert!(accepted, "{levels}"),
            Err(status) => {
                assert!(!accepted, "{levels}");
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
                assert!(status.message().contains("auth"), "{status:?}");
            }
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let (service, mut client) = start().await;
    for bytes in [&b"\xff\xff\xff"[..], b"\x0a\x05\x0a", b"\x0a\x04\x12\x02\xff\xfe"] {
        let status = ask_raw(&service, Bytes::copy_from_slice(bytes)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
}

/// A request whose `handshake.auth` nests that deep, as bytes: prost would not read its own message back.
fn with_auth(levels: usize) -> Bytes {
    let field = |number: u8, content: Vec<u8>| {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(content.len() as u64, &mut bytes);
        bytes.extend(content);
        bytes
    };
    let mut object = vec![];
    for _ in 1..levels {
        // fields { key: "a", value { struct_value } }
        let entry = [field(1, b"a".to_vec()), field(2, field(5, object))].concat();
        object = field(1, entry);
    }
    field(1, field(3, object)).into()
}

/// Sends these bytes as the message.
async fn ask_raw(service: &Service, message: Bytes) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(service.channel().await);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/socketpass.v1.AuthorizationService/Authorize");
    client.unary(tonic::Request::new(message), path, Raw).await.map(drop)
}

/// Bytes out, nothing in.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(buffer, item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        bytes::Buf::advance(buffer, bytes::Buf::remaining(buffer));
        Ok(Some(()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
