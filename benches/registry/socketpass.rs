//! socketpass' side: the service in a process of its own, with the registry in its memory, and a fleet that reports to it.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Map, Value};
use socketpass::{
    cli::bench::gateways::{Fleet, FleetOptions, Stop},
    grpc::{
        convert,
        pb::{CountSocketsRequest, FilterSocketsRequest, registry_service_client::RegistryServiceClient},
    },
};
use tonic::transport::Channel;

use crate::{PAGE, PART, TEAM, peer::Peer};

pub struct Figures {
    /// Nanoseconds an answer took, from the call to its last message.
    pub page: Histogram<u64>,
    pub count: Histogram<u64>,
    pub contains: Histogram<u64>,
    pub bytes_a_socket: f64,
    pub matched: u64,
    pub matched_unindexed: u64,
    pub listing: Duration,
    pub events_a_second: f64,
    pub cpu_microseconds: f64,
}

type Client = RegistryServiceClient<Channel>;

const INDEXED: &str = "user.team == params.team";
const UNINDEXED: &str = "user.name.contains(params.part)";

pub async fn measure(fleet: &FleetOptions, seconds: Duration) -> Figures {
    let indexes = r#"["user.team","user.role"]"#;
    let peer = Peer::socketpass(&[("REGISTRY_STORE", "memory:"), ("REGISTRY_INDEXES", indexes)]).await;
    let mut client = Client::connect(peer.url.clone()).await.unwrap();
    assert_eq!(count(&mut client, "true", "", "").await, 0);
    let empty = peer.resident_bytes();
    let options = FleetOptions { urls: vec![peer.url.clone()], ..fleet.clone() };
    let fleet = Fleet::start(&options).unwrap();
    let listing = fleet.filled().await.unwrap();
    assert_eq!(count(&mut client, "true", "", "").await, u64::from(options.sockets));

    let often = (20_000_000 / options.sockets).clamp(20, 500);
    let mut page_of = client.clone();
    let page = times(often, async || page(&mut page_of).await).await.1;
    let (matched, indexed) = times(often, async || count(&mut client, INDEXED, "team", TEAM).await).await;
    let (matched_unindexed, contains) =
        times(often.min(100), async || count(&mut client, UNINDEXED, "part", PART).await).await;
    // What the listing needed besides goes back to the system within seconds.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let bytes_a_socket = (peer.resident_bytes() - empty) / f64::from(options.sockets);

    // More than can be taken in.
    fleet.set_rate(1e8);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, cpu, started) = (fleet.counts().acked_events, peer.cpu_time(), Instant::now());
    tokio::time::sleep(seconds).await;
    let events = (fleet.counts().acked_events - before) as f64;
    let (elapsed, cpu) = (started.elapsed(), peer.cpu_time() - cpu);
    let counts = fleet.counts();
    assert_eq!((counts.reopened, counts.rejected), (0, 0), "{:?}", fleet.problem());
    fleet.stop(Stop::Goodbye).await;
    Figures {
        page,
        count: indexed,
        contains,
        bytes_a_socket,
        matched,
        matched_unindexed,
        listing,
        events_a_second: events / elapsed.as_secs_f64(),
        cpu_microseconds: cpu.as_secs_f64() * 1e6 / events,
    }
}

/// The last answer, and how many nanoseconds each took.
async fn times(often: u32, mut ask: impl AsyncFnMut() -> u64) -> (u64, Histogram<u64>) {
    let mut times = Histogram::new(3).unwrap();
    for _ in 0..3 {
        ask().await;
    }
    let mut answer = 0;
    for _ in 0..often {
        let started = Instant::now();
        answer = ask().await;
        times.record(u64::try_from(started.elapsed().as_nanos()).unwrap()).unwrap();
    }
    (answer, times)
}

fn params(name: &str, value: &str) -> Option<prost_types::Struct> {
    Some(convert::object(Map::from_iter([(name.to_owned(), Value::from(value))])))
}

async fn count(client: &mut Client, filter: &str, name: &str, value: &str) -> u64 {
    let request = CountSocketsRequest {
        filter: filter.to_owned(),
        params: params(name, value),
        ..CountSocketsRequest::default()
    };
    client.count_sockets(request).await.unwrap().into_inner().total
}

async fn page(client: &mut Client) -> u64 {
    let request = FilterSocketsRequest {
        filter: INDEXED.to_owned(),
        params: params("team", TEAM),
        limit: PAGE,
        ..FilterSocketsRequest::default()
    };
    let mut answers = client.filter_sockets(request).await.unwrap().into_inner();
    let mut sockets = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        sockets += answer.sockets.len();
    }
    assert_eq!(sockets, PAGE as usize);
    PAGE.into()
}
