//! A gateway of the test's own: it speaks `Report` by hand.

use std::{collections::VecDeque, time::Duration};

use prost_types::Struct;
use serde_json::Value;
use socketpass::grpc::{
    convert::structs,
    pb::{
        self, Batch, Event, Goodbye, Hello, ReportRequest, ReportResponse, Socket, SocketClosed, event,
        registry_service_client::RegistryServiceClient, report_request, report_response,
    },
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{PATIENCE, service::channel};

pub type Registry = RegistryServiceClient<Channel>;

pub async fn registry(url: &str) -> Registry {
    RegistryServiceClient::new(channel(url).await).max_decoding_message_size(usize::MAX)
}

/// An open stream.
pub struct Gateway {
    sender: mpsc::Sender<ReportRequest>,
    answers: Streaming<ReportResponse>,
    sequence: u64,
    commands: VecDeque<pb::Command>,
}

pub fn hello(gateway_id: &str, incarnation: &str) -> Hello {
    Hello { gateway_id: gateway_id.to_owned(), incarnation: incarnation.to_owned(), ..Hello::default() }
}

pub fn object(json: Value) -> Struct {
    let Value::Object(members) = json else { panic!("an object") };
    structs::object(members)
}

pub fn socket(socket_id: &str, user: Value) -> Socket {
    Socket {
        socket_id: socket_id.to_owned(),
        user: Some(object(user)),
        namespace: "/".to_owned(),
        ..Socket::default()
    }
}

pub fn opened(socket: Socket) -> Event {
    Event { event: Some(event::Event::Opened(socket)) }
}

pub fn closed(socket_id: &str) -> Event {
    Event { event: Some(event::Event::Closed(SocketClosed { socket_id: socket_id.to_owned() })) }
}

impl Gateway {
    /// Says hello and is welcome.
    pub async fn open(url: &str, hello: Hello) -> Self {
        Self::try_open(url, hello).await.unwrap()
    }

    pub async fn try_open(url: &str, hello: Hello) -> Result<Self, Status> {
        let mut this = Self::connect(url).await;
        this.say(report_request::Message::Hello(hello)).await;
        match this.answer().await? {
            report_response::Message::Welcome(_) => Ok(this),
            other => panic!("{other:?}"),
        }
    }

    /// A stream that says nothing yet.
    pub async fn connect(url: &str) -> Self {
        let (sender, receiver) = mpsc::channel(1024);
        let answers = registry(url).await.report(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Self { sender, answers, sequence: 0, commands: VecDeque::new() }
    }

    /// Says hello, and lists these.
    pub async fn list(url: &str, hello: Hello, sockets: Vec<Socket>) -> Self {
        let mut this = Self::open(url, hello).await;
        let events = sockets.into_iter().map(opened).collect();
        this.report(events, true).await.unwrap();
        this
    }

    pub async fn say(&self, message: report_request::Message) {
        // A stream that the service has ended says so in its answers.
        let _ = self.sender.send(ReportRequest { message: Some(message) }).await;
    }

    pub async fn answer(&mut self) -> Result<report_response::Message, Status> {
        let answer = timeout(PATIENCE, self.answers.message()).await.expect("an answer")?;
        let answer = answer.ok_or_else(|| Status::ok("the end"))?;
        Ok(answer.message.expect("a message"))
    }

    /// Sends a batch and waits for its ack; commands that come first are kept.
    pub async fn report(&mut self, events: Vec<Event>, complete: bool) -> Result<pb::Ack, Status> {
        self.send(events, complete).await;
        self.acked().await
    }

    pub async fn send(&mut self, events: Vec<Event>, complete: bool) {
        self.sequence += 1;
        let batch = Batch { sequence: self.sequence, events, complete };
        self.say(report_request::Message::Batch(batch)).await;
    }

    pub async fn acked(&mut self) -> Result<pb::Ack, Status> {
        loop {
            match self.answer().await? {
                report_response::Message::Ack(ack) => {
                    if ack.sequence >= self.sequence {
                        return Ok(ack);
                    }
                }
                report_response::Message::Command(command) => self.commands.push_back(command),
                other @ report_response::Message::Welcome(_) => panic!("{other:?}"),
            }
        }
    }

    pub async fn opens(&mut self, sockets: Vec<Socket>) {
        let ack = self.report(sockets.into_iter().map(opened).collect(), false).await.unwrap();
        assert_eq!(ack.rejected, []);
    }

    pub async fn closes(&mut self, socket_id: &str) {
        self.report(vec![closed(socket_id)], false).await.unwrap();
    }

    pub async fn command(&mut self) -> pb::Command {
        if let Some(command) = self.commands.pop_front() {
            return command;
        }
        match self.answer().await.unwrap() {
            report_response::Message::Command(command) => command,
            other => panic!("{other:?}"),
        }
    }

    /// How many commands have come beside the answers, which are forgotten.
    pub fn waiting_commands(&mut self) -> usize {
        self.commands.drain(..).count()
    }

    pub async fn done(&self, command: &pb::Command, done: &[&str]) {
        let result = pb::CommandResult {
            command_id: command.command_id.clone(),
            done: done.iter().map(|id| (*id).to_owned()).collect(),
        };
        self.say(report_request::Message::CommandResult(result)).await;
    }

    /// Says goodbye and sees the stream end well.
    pub async fn goodbye(mut self) {
        self.say(report_request::Message::Goodbye(Goodbye {})).await;
        let end = self.end().await;
        assert_eq!(end.code(), Code::Ok, "{end:?}");
    }

    /// How the stream ends.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.answer().await {
                return status;
            }
        }
    }

    /// Gives signs of life until it is dropped.
    pub fn live(mut self, every: Duration) -> tokio::task::JoinHandle<Status> {
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(status) = self.report(Vec::new(), false).await {
                    return status;
                }
            }
        })
    }
}
