//! Those who ask the registry: what they ask, in few words.

use std::time::Duration;

use prost_types::Struct;
use serde_json::{Value, json};
use socketpass::grpc::{
    convert::reason_name,
    pb::{
        CountSocketsRequest, CountSocketsResponse, EndSessionsRequest, FilterSocketsRequest,
        FilterSocketsResponse, Gateway, GatewayState, ListGatewaysRequest, Socket, View, WatchSocketsRequest,
        WatchSocketsResponse, watch_sockets_response::Event,
    },
};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::{
    PATIENCE,
    gateway::{self, Registry, hello, object, registry, socket},
    until,
};

/// Somebody who asks one replica.
#[derive(Clone)]
pub struct Caller(pub Registry);

impl Caller {
    pub async fn of(url: &str) -> Self {
        Self(registry(url).await)
    }

    /// The messages of an answer.
    pub async fn messages(
        &mut self,
        request: FilterSocketsRequest,
    ) -> Result<Vec<FilterSocketsResponse>, Status> {
        let mut answers = self.0.filter_sockets(request).await?.into_inner();
        let mut messages = Vec::new();
        while let Some(message) = answers.message().await? {
            messages.push(message);
        }
        Ok(messages)
    }

    pub async fn sockets(&mut self, filter: &str) -> Vec<Socket> {
        let messages = self.messages(asked(filter)).await.unwrap();
        messages.into_iter().flat_map(|message| message.sockets).collect()
    }

    /// The matching sockets' ids, `gateway/socket`.
    pub async fn ids(&mut self, filter: &str) -> Vec<String> {
        self.sockets(filter).await.iter().map(id).collect()
    }

    pub async fn view(&mut self) -> View {
        self.0.list_gateways(ListGatewaysRequest {}).await.unwrap().into_inner().view.unwrap()
    }

    pub async fn gateways(&mut self) -> Vec<Gateway> {
        self.0.list_gateways(ListGatewaysRequest {}).await.unwrap().into_inner().gateways
    }

    /// `None`: it is not listed.
    pub async fn state(&mut self, gateway_id: &str) -> Option<GatewayState> {
        let gateways = self.gateways().await;
        gateways.iter().find(|gateway| gateway.gateway_id == gateway_id).map(Gateway::state)
    }

    pub async fn is(&mut self, gateway_id: &str, state: Option<GatewayState>) {
        until(&format!("{gateway_id} is {state:?}"), async || self.clone().state(gateway_id).await == state)
            .await;
    }

    pub async fn count(&mut self, filter: &str, group_by: &str) -> Result<CountSocketsResponse, Status> {
        let request =
            CountSocketsRequest { filter: filter.to_owned(), params: None, group_by: group_by.to_owned() };
        Ok(self.0.count_sockets(request).await?.into_inner())
    }

    pub async fn total(&mut self, filter: &str) -> u64 {
        self.count(filter, "").await.unwrap().total
    }

    /// Waits until so many match.
    pub async fn counts(&mut self, filter: &str, total: u64) {
        until(&format!("{total} match {filter}"), async || self.clone().total(filter).await == total).await;
    }

    /// Ends the sessions behind the matching sockets, and says how many matched.
    pub async fn end_sessions(&mut self, filter: &str) -> Result<u64, Status> {
        let request = EndSessionsRequest { filter: filter.to_owned(), params: None };
        Ok(self.0.end_sessions(request).await?.into_inner().matched)
    }

    pub async fn watch(&mut self, filter: &str) -> Watcher {
        self.try_watch(filter, "").await.unwrap()
    }

    pub async fn try_watch(&mut self, filter: &str, from_revision: &str) -> Result<Watcher, Status> {
        let request = WatchSocketsRequest {
            filter: filter.to_owned(),
            params: None,
            from_revision: from_revision.to_owned(),
        };
        let answers = self.0.watch_sockets(request).await?.into_inner();
        Ok(Watcher { answers, revision: from_revision.to_owned() })
    }
}

pub fn asked(filter: &str) -> FilterSocketsRequest {
    FilterSocketsRequest { filter: filter.to_owned(), ..FilterSocketsRequest::default() }
}

pub fn params(json: Value) -> Option<Struct> {
    Some(object(json))
}

pub fn id(socket: &Socket) -> String {
    format!("{}/{}", socket.gateway_id, socket.socket_id)
}

/// A watch.
pub struct Watcher {
    answers: Streaming<WatchSocketsResponse>,
    /// Of the last message that had one.
    pub revision: String,
}

impl Watcher {
    pub async fn next(&mut self) -> Result<Event, Status> {
        let message = timeout(PATIENCE, self.answers.message()).await.expect("a message")?;
        let WatchSocketsResponse { event, revision } = message.ok_or_else(|| Status::ok("the end"))?;
        if !revision.is_empty() {
            self.revision = revision;
        }
        Ok(event.expect("an event"))
    }

    /// What is told until the next checkpoint, in words: `+ gateway/socket`, `- gateway/socket CLOSED`.
    pub async fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            match self.next().await.unwrap() {
                Event::Checkpoint(_) => return told,
                event => told.push(words(&event)),
            }
        }
    }

    /// What is told of everything that the replica at this URL, the watch's own, has seen until now. A checkpoint does not
    /// say that: one may come right before. A socket is opened, and closed once it has been told of, and whatever else is
    /// told until then is given. The filter has to match it.
    pub async fn told_until_now(&mut self, url: &str) -> Vec<String> {
        let id = format!("marker-{:x}", rand::random::<u64>());
        let marker = gateway::Gateway::list(url, hello(&id, "one"), vec![socket("here", json!({}))]).await;
        let (opened, closed) = (format!("+ {id}/here"), format!("- {id}/here CLOSED"));
        let mut told = self.told_before(&opened).await;
        marker.goodbye().await;
        told.extend(self.told_before(&closed).await);
        told
    }

    async fn told_before(&mut self, last: &str) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            match words(&self.event().await) {
                event if event == last => return told,
                event => told.push(event),
            }
        }
    }

    /// What is told next that is no checkpoint.
    pub async fn event(&mut self) -> Event {
        loop {
            match self.next().await.unwrap() {
                Event::Checkpoint(_) => {}
                event => return event,
            }
        }
    }

    pub async fn tells(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(words(&self.event().await), *expected);
        }
    }

    /// How the watch ends.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }

    /// Whether something comes within this time.
    pub async fn hears_within(&mut self, time: Duration) -> bool {
        timeout(time, self.answers.message()).await.is_ok()
    }
}

pub fn words(event: &Event) -> String {
    match event {
        Event::Opened(socket) => format!("+ {}", id(socket)),
        Event::Closed(closed) => {
            format!("- {} {}", id(closed.socket.as_ref().unwrap()), reason_name(closed.reason()))
        }
        Event::Checkpoint(_) => "checkpoint".to_owned(),
    }
}
