//! The registry beside passport.socketio's `filterSocketsByUser`, which it carries on for a fleet: the same sockets in both,
//! the same questions. And over Redis: how long until another replica's watchers see a socket that was opened.
//! `docs/benchmarks.md` says how to read it.
//!
//! `cargo bench --bench registry`, with `-- --sizes 10000,100000 --seconds 10` for other sizes and longer rounds;
//! `--no-node` and `--no-redis` leave parts out.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that fails says where"
)]

mod node;
#[path = "../support/peer.rs"]
mod peer;
mod replicas;
mod socketpass;
mod table;

use std::time::Duration;

use ::socketpass::cli::bench::gateways::FleetOptions;

/// The same as the service's, so that the load has no worse.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Both are asked for this team; each of the 40 has as many sockets as the others.
const TEAM: &str = "payments";
/// Both are asked whose name has this in it, for which there is no index.
const PART: &str = "an";
/// Sockets on a page.
const PAGE: u32 = 100;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let position = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(position + 1).expect(name).as_str())
    };
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let sizes: Vec<u32> = value("--sizes")
        .unwrap_or("10000,100000,1000000")
        .split(',')
        .map(|size| size.parse().expect("--sizes"))
        .collect();
    let seconds = Duration::from_secs(value("--seconds").map_or(5, |text| text.parse().expect("--seconds")));

    for size in sizes {
        let fleet = FleetOptions { sockets: size, gateways: 20, seed: 1, ..FleetOptions::new("") };
        let ours = socketpass::measure(&fleet, seconds).await;
        let theirs = if has("--no-node") { None } else { Some(node::measure(&fleet).await) };
        if let Some(theirs) = &theirs {
            assert_eq!(
                (ours.matched, ours.matched_unindexed),
                (theirs.matched, theirs.matched_unindexed),
                "both hold the same sockets, and are asked the same"
            );
        }
        table::print(size, &ours, theirs.as_ref());
    }
    if !has("--no-redis") {
        replicas::measure(seconds).await;
    }
}
