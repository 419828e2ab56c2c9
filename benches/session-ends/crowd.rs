//! Clients: many WebSockets in one process, each of which behaves as a browser's does that comes back when its connection
//! breaks. Standard input says who comes (`CLIENT ADDRESS COOKIE`), standard output what became of them.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, stdin, stdout},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
        protocol::WebSocketConfig,
    },
};

use crate::told::{Told, What, now};

/// Handshakes of this process at once.
const HANDSHAKES: usize = 64;

/// Of each socket.
const READ_BUFFER: usize = 512;

/// Longer than a gateway takes that has been asked.
const ANSWER: Duration = Duration::from_secs(10);

/// From this close code on a client need not come back.
const FOR_GOOD: u16 = 4_500;

/// Runs until standard input ends.
pub async fn run() {
    let (tell, told) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(write(told));
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [client, address, cookie] = fields[..] else { panic!("{line}") };
        let client = Client {
            number: client.parse().unwrap(),
            address: address.to_owned(),
            cookie: cookie.to_owned(),
            places: Arc::clone(&places),
            tell: tell.clone(),
        };
        tasks.spawn(client.live());
    }
}

/// What is told together is written together.
async fn write(mut told: mpsc::UnboundedReceiver<Told>) {
    let mut out = stdout();
    let mut together = Vec::new();
    while told.recv_many(&mut together, 1_000).await > 0 {
        let lines: String = together.drain(..).map(|told| format!("{told}\n")).collect();
        out.write_all(lines.as_bytes()).await.unwrap();
        out.flush().await.unwrap();
    }
}

struct Client {
    number: usize,
    address: String,
    cookie: String,
    places: Arc<Semaphore>,
    tell: mpsc::UnboundedSender<Told>,
}

impl Client {
    fn tell(&self, what: What) {
        let _ = self.tell.send(Told { client: self.number, what, at: now() });
    }

    async fn live(self) {
        loop {
            match self.open().await {
                Some(Ok(socket)) => {
                    if matches!(self.stay(socket).await, What::Closed(FOR_GOOD..)) {
                        return;
                    }
                }
                Some(Err(status @ (401 | 403))) => return self.tell(What::Rejected(status)),
                // Nobody could say.
                Some(Err(_)) | None => {}
            }
            sleep(Duration::from_millis(rand::random_range(100..500))).await;
        }
    }

    /// A socket, the status with which it was refused, or nothing.
    async fn open(&self) -> Option<Result<WebSocketStream<TcpStream>, u16>> {
        let _place = self.places.acquire().await.unwrap();
        let mut request = format!("ws://{}/", self.address).into_client_request().unwrap();
        request.headers_mut().append(header::COOKIE, HeaderValue::from_str(&self.cookie).unwrap());
        let opened = timeout(ANSWER, async {
            let stream = TcpStream::connect(&self.address).await.map_err(Error::Io)?;
            let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
            client_async_with_config(request, stream, Some(config)).await
        });
        match opened.await {
            Ok(Ok((socket, _))) => {
                self.tell(What::Opened);
                Some(Ok(socket))
            }
            Ok(Err(Error::Http(answer))) => Some(Err(answer.status().as_u16())),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Until the socket ends.
    async fn stay(&self, mut socket: WebSocketStream<TcpStream>) -> What {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                let end = What::Closed(frame.map_or(0, |frame| frame.code.into()));
                // At once: what follows is the answer to the server, which is not waited for.
                self.tell(end);
                let _ = timeout(ANSWER, socket.next()).await;
                return end;
            }
        }
        self.tell(What::Lost);
        What::Lost
    }
}
