//! Two replicas on one Redis: how long until a watcher at one sees a socket that was reported to the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use socketpass::{
    cli::bench::gateways::{Fleet, FleetOptions, Stop},
    grpc::pb::{
        WatchSocketsRequest, registry_service_client::RegistryServiceClient, watch_sockets_response::Event,
    },
};
use tonic::Streaming;

use crate::{
    peer::{Peer, Redis},
    table::milliseconds,
};

/// Opens and closes.
const EVENTS_A_SECOND: f64 = 10_000.0;

pub async fn measure(seconds: Duration) {
    let redis = Redis::start().await;
    let settings = [("REGISTRY_STORE", redis.url.as_str())];
    let (reported_to, watched) = (Peer::socketpass(&settings).await, Peer::socketpass(&settings).await);
    let fleet = Fleet::start(&FleetOptions { gateways: 20, ..FleetOptions::new(&reported_to.url) }).unwrap();
    fleet.filled().await.unwrap();
    let mut client = RegistryServiceClient::connect(watched.url.clone()).await.unwrap();
    let request = WatchSocketsRequest { filter: "true".to_owned(), ..WatchSocketsRequest::default() };
    let mut changes = client.watch_sockets(request).await.unwrap().into_inner();
    while !matches!(changes.message().await.unwrap().unwrap().event, Some(Event::Checkpoint(_))) {}

    fleet.set_rate(EVENTS_A_SECOND);
    seen(&mut changes, Duration::from_secs(1)).await;
    let (before, _) = (fleet.counts().acked_events, fleet.take_latency());
    let cpu = [&reported_to, &watched].map(Peer::cpu_time);
    let seen = seen(&mut changes, seconds).await;
    let events = (fleet.counts().acked_events - before) as f64;
    let acks = fleet.take_latency();
    let cpu: Vec<_> = [&reported_to, &watched]
        .iter()
        .zip(cpu)
        .map(|(peer, before)| (peer.cpu_time() - before).as_secs_f64() * 1e6 / events)
        .collect();
    fleet.stop(Stop::Goodbye).await;

    println!("\n| two replicas on one Redis | p50 | p99 | aim |\n|---|---|---|---|");
    println!(
        "| an open is seen at the other replica | {:.2} ms | {:.2} ms | p99 under 50 ms |",
        milliseconds(&seen, 0.5),
        milliseconds(&seen, 0.99)
    );
    let microseconds = |quantile| acks.value_at_quantile(quantile) as f64 / 1e3;
    println!("| a batch is acked | {:.2} ms | {:.2} ms | |", microseconds(0.5), microseconds(0.99));
    println!(
        "\n{:.0} events/s were taken in of {EVENTS_A_SECOND:.0}/s; CPU an event: {:.1} us where they are reported, \
         {:.1} us at the other, with a watcher of all",
        events / seconds.as_secs_f64(),
        cpu[0],
        cpu[1]
    );
}

/// Nanoseconds from when a gateway put an open into a batch, which its `connected_at` says to a tenth of a millisecond.
async fn seen(
    changes: &mut Streaming<socketpass::grpc::pb::WatchSocketsResponse>,
    span: Duration,
) -> Histogram<u64> {
    let mut times = Histogram::new(3).unwrap();
    let watch = async {
        loop {
            let message = changes.message().await.unwrap().expect("the watch goes on");
            if let Some(Event::Opened(socket)) = message.event {
                let at = socket.connected_at.unwrap();
                let at = Duration::new(u64::try_from(at.seconds).unwrap(), u32::try_from(at.nanos).unwrap());
                let after = SystemTime::now().duration_since(UNIX_EPOCH + at).unwrap_or_default();
                times.record(u64::try_from(after.as_nanos()).unwrap()).unwrap();
            }
        }
    };
    let _over = tokio::time::timeout(span, watch).await;
    assert!(!times.is_empty(), "no open was seen");
    times
}
