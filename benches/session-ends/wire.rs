//! A network: passes connections on to whoever is there, in turn, as slowly as it is told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use socketpass::task;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

/// One address in front of servers that come and go.
pub struct Wire {
    pub address: String,
    state: Arc<Mutex<State>>,
    _passing: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct State {
    servers: Vec<String>,
    next: usize,
    delay: Duration,
}

impl Wire {
    pub async fn new(servers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { servers, ..State::default() }));
        let passing = task::owned(pass(listener, Arc::clone(&state)));
        Self { address, state, _passing: passing }
    }

    /// New connections go to these.
    pub fn leads_to(&self, servers: Vec<String>) {
        self.state.lock().unwrap().servers = servers;
    }

    /// From now on whatever a server says arrives so much later.
    pub fn delays(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }
}

async fn pass(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        connections.spawn(connect(client, Arc::clone(&state)));
    }
}

/// To the next server that takes it; to none: the client is turned away.
async fn connect(client: TcpStream, state: Arc<Mutex<State>>) {
    let servers = {
        let mut state = state.lock().unwrap();
        state.next += 1;
        let mut servers = state.servers.clone();
        let count = servers.len().max(1);
        servers.rotate_left(state.next % count);
        servers
    };
    for address in servers {
        if let Ok(server) = TcpStream::connect(&address).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let mut ways = JoinSet::new();
            ways.spawn(flow(from_client, to_server, None));
            ways.spawn(flow(from_server, to_client, Some(state)));
            // One way's end is the other's, too.
            ways.join_next().await;
            return;
        }
    }
}

/// Reads on while what was read before waits, so that what is slow is not narrow.
async fn flow(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, slowed: Option<Arc<Mutex<State>>>) {
    let (queue, mut queued) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let delay = slowed.as_ref().map_or(Duration::ZERO, |state| state.lock().unwrap().delay);
            if queue.send((Instant::now() + delay, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((at, bytes)) = queued.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}
