//! Clients of WebSockets and of Socket.IO.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::soon;

/// A WebSocket of a client.
pub struct Browser(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// An upgrade that was refused.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}

impl Browser {
    pub async fn connect(server: SocketAddr, path: &str) -> Result<Self, Refused> {
        Self::connect_with(server, path, &[]).await
    }

    pub async fn connect_with(
        server: SocketAddr,
        path: &str,
        headers: &[(&'static str, &[u8])],
    ) -> Result<Self, Refused> {
        let mut request = format!("ws://{server}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        match soon("the server answers", connect_async(request)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(Refused {
                status: response.status().as_u16(),
                body: serde_json::from_slice(response.body().as_deref().unwrap_or_default())
                    .unwrap_or_default(),
            }),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message that is no ping.
    async fn next(&mut self) -> Option<Message> {
        soon("the server says something", self.0.next()).await.and_then(Result::ok)
    }

    pub async fn hears(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            message => panic!("a text, not {message:?}"),
        }
    }

    /// How it is closed.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            message => panic!("a close, not {message:?}"),
        }
    }

    /// When the connection has ended without a close.
    pub async fn ended(&mut self) {
        if let Some(message) = self.next().await {
            panic!("nothing, not {message:?}");
        }
    }

    /// Goes away without a word.
    pub fn leave(self) {}
}

/// The next packet that is no ping.
async fn packet(browser: &mut Browser) -> String {
    loop {
        match browser.hears().await.as_str() {
            "2" => browser.say("3").await,
            packet => return packet.to_owned(),
        }
    }
}

/// A Socket.IO client with one namespace, over a WebSocket.
pub struct SocketIo {
    browser: Browser,
    namespace: String,
    pub id: String,
}

impl SocketIo {
    /// What `connect_error` says if the server refuses.
    pub async fn connect(server: SocketAddr, namespace: &str, auth: Value) -> Result<Self, Value> {
        let mut browser = Browser::connect(server, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(browser.hears().await.starts_with('0'));
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        browser.say(&format!("40{prefix}{auth}")).await;
        let answer = packet(&mut browser).await;
        let (kind, payload) = answer.split_at(2);
        let payload: Value = serde_json::from_str(payload.strip_prefix(&prefix).unwrap()).unwrap();
        match kind {
            "40" => Ok(Self { browser, namespace: prefix, id: payload["sid"].as_str().unwrap().to_owned() }),
            "44" => Err(payload),
            _ => panic!("{answer}"),
        }
    }

    pub async fn emit(&mut self, event: &str) {
        self.browser.say(&format!("42{}{}", self.namespace, json!([event]))).await;
    }

    /// The next event, with its arguments.
    pub async fn hears(&mut self) -> Value {
        let packet = packet(&mut self.browser).await;
        let event = packet.strip_prefix(&format!("42{}", self.namespace));
        serde_json::from_str(event.unwrap_or_else(|| panic!("an event, not {packet}"))).unwrap()
    }

    pub async fn is_disconnected(&mut self) {
        assert_eq!(packet(&mut self.browser).await, format!("41{}", self.namespace));
    }

    /// Leaves the namespace.
    pub async fn disconnect(&mut self) {
        self.browser.say(&format!("41{}", self.namespace)).await;
    }

    pub fn leave(self) {}
}
