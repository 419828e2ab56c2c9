//! A network between a client and a server that a test can cut.

use std::sync::{Arc, Mutex};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Passes on what comes in, until it is cut.
pub struct Proxy {
    pub port: u16,
    connections: Arc<Mutex<Option<JoinSet<()>>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// To a port of this machine.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(Mutex::new(Some(JoinSet::new())));
        let open = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                // Cut: whoever comes is turned away.
                if let Some(connections) = &mut *open.lock().unwrap() {
                    connections.spawn(async move {
                        let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    });
                }
            }
        });
        Self { port, connections, accepting }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Closes all connections, and takes no more.
    pub fn cut(&self) {
        *self.connections.lock().unwrap() = None;
    }

    /// Takes connections again.
    pub fn mend(&self) {
        *self.connections.lock().unwrap() = Some(JoinSet::new());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
