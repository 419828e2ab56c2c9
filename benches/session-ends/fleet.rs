//! Replicas of socketpass, gateways that report to them, and the clients of these.

use std::{env, process::Stdio, sync::Arc, time::Duration};

use socketpass::task;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter},
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    book::{Book, Entry},
    support::{cookie, http, ports::lasting_port, process::Process, service::ServiceProcess, until},
    wire::Wire,
};

/// What a process has open besides its sockets, and to spare.
const OTHER_FILES: usize = 1_000;

/// Connections to one address that the system has ports for, and to spare.
const PORTS: usize = 25_000;

/// How many there are of each.
pub const REPLICAS: usize = 2;
pub const GATEWAYS: usize = 3;

pub struct Fleet {
    pub book: Arc<Book>,
    settings: Vec<(String, String)>,
    replicas: Vec<Option<ServiceProcess>>,
    /// The replicas' one address.
    service: Wire,
    gateways: Vec<Gateway>,
    crowds: Vec<Crowd>,
}

struct Gateway {
    address: String,
    process: Option<Process>,
}

/// A process of clients.
struct Crowd {
    _process: Child,
    orders: BufWriter<ChildStdin>,
    _hearing: AbortOnDropHandle<()>,
}

impl Fleet {
    /// With room for so many sockets, where a process may have so many files. These are the replicas' settings.
    pub async fn start(sockets: usize, files: usize, settings: &[(&str, &str)]) -> Self {
        let of_process = files.saturating_sub(OTHER_FILES).min(PORTS);
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let gateways = sockets.div_ceil(of_process).max(GATEWAYS);
        let gateway = |_| Gateway { address: format!("127.0.0.1:{}", lasting_port()), process: None };
        let book = Arc::new(Book::default());
        let mut fleet = Self {
            settings,
            replicas: (0..REPLICAS).map(|_| None).collect(),
            service: Wire::new(Vec::new()).await,
            gateways: (0..gateways).map(gateway).collect(),
            crowds: (0..sockets.div_ceil(of_process).max(1)).map(|_| Crowd::start(&book)).collect(),
            book,
        };
        for replica in 0..REPLICAS {
            fleet.start_replica(replica).await;
        }
        for gateway in 0..gateways {
            fleet.start_gateway(gateway).await;
        }
        fleet
    }

    pub fn gateways(&self) -> usize {
        self.gateways.len()
    }

    pub async fn start_replica(&mut self, replica: usize) {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let started = ServiceProcess::start(&settings).await;
        until("a replica is ready", || async { http::get(&started.http, "/readyz").await.status == 200 })
            .await;
        self.replicas[replica] = Some(started);
        self.lead();
    }

    /// Ends a replica by this signal.
    pub async fn end_replica(&mut self, replica: usize, signal: &str) {
        if let Some(mut running) = self.replicas[replica].take() {
            self.lead();
            running.process.signal(signal);
            running.process.exit_code().await;
        }
    }

    fn lead(&self) {
        let running = self.replicas.iter().flatten();
        self.service.leads_to(running.map(|replica| address(&replica.grpc)).collect());
    }

    pub async fn start_gateway(&mut self, gateway: usize) {
        let Gateway { address, process } = &mut self.gateways[gateway];
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg("gateway").envs([
            ("SOCKETPASS_ADDR", self.service.address.as_str()),
            ("GATEWAY_ID", &format!("gateway-{gateway}")),
            ("LISTEN", address),
        ]);
        let started = Process::start(&mut command);
        started.output().line("listening").await;
        *process = Some(started);
    }

    pub async fn kill_gateway(&mut self, gateway: usize) {
        if let Some(process) = self.gateways[gateway].process.take() {
            process.kill().await;
        }
    }

    /// Clients with these sessions come, spread over the gateways. Gives their numbers once all are let in.
    pub async fn open(&mut self, session_ids: Vec<String>) -> Vec<usize> {
        let mut clients = Vec::with_capacity(session_ids.len());
        for session_id in session_ids {
            let cookie = cookie(&session_id);
            let client = self.book.add(session_id);
            let gateway = &self.gateways[client % self.gateways.len()];
            let line = format!("{client} {} {cookie}\n", gateway.address);
            let crowd = client % self.crowds.len();
            self.crowds[crowd].orders.write_all(line.as_bytes()).await.unwrap();
            clients.push(client);
        }
        for crowd in &mut self.crowds {
            crowd.orders.flush().await.unwrap();
        }
        while self.book.count(Entry::is_coming) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        clients
    }

    /// The sum of a metric's series over the replicas.
    pub async fn metric(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for replica in self.replicas.iter().flatten() {
            let metrics = http::get(&replica.http, "/metrics").await.body;
            let values = metrics
                .lines()
                .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            sum += values.sum::<f64>();
        }
        sum
    }

    /// Waits until both replicas know all sockets and watch over their sessions, and as many questions were asked.
    pub async fn is_watched_over(&self) {
        let sockets = self.book.count(Entry::is_open) as f64;
        self.reaches("socketpass_registry_sockets", sockets * REPLICAS as f64).await;
        self.reaches("socketpass_sessions", sockets).await;
        self.reaches("socketpass_session_questions_total", sockets).await;
    }

    async fn reaches(&self, metric: &str, value: f64) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.metric(metric).await < value {
            assert!(Instant::now() < deadline, "{metric} does not become {value}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until all replicas hear of changed sessions.
    pub async fn hears(&self) {
        until("the replicas hear of changed sessions", || async {
            self.metric("socketpass_session_pushes_up").await >= REPLICAS as f64
        })
        .await;
    }

    /// What a replica has logged.
    pub fn log(&self, replica: usize) -> String {
        self.replicas[replica].as_ref().map_or_else(String::new, |running| running.process.output().text())
    }
}

impl Crowd {
    fn start(book: &Arc<Book>) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .arg("crowd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = BufWriter::new(process.stdin.take().unwrap());
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let book = Arc::clone(book);
        let hearing = task::owned(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                book.tell(line.parse().unwrap_or_else(|()| panic!("{line}")));
            }
        });
        Self { _process: process, orders, _hearing: hearing }
    }
}

fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}
