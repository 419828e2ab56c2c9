//! How long a socket lives after its session: real gateways, real clients, real Redis. And that none ends before it, and
//! none is forgotten, whatever breaks meanwhile. README.md says what each run does.
//!
//! `cargo bench --bench session-ends -- measure --sockets 10000`, `-- faults --logouts 1000`
#![allow(
    missing_docs,
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a measurement that fails says where; of what the tests stand on it needs a part"
)]

mod apps;
mod book;
mod chaos;
mod crowd;
mod ends;
mod faults;
mod figures;
mod fleet;
mod gateway;
mod measure;
mod people;
#[path = "../../tests/support/mod.rs"]
mod support;
mod told;
mod wire;

use std::{str::FromStr, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// The same as the service's, so that gateways and clients have no worse.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // What ends it ends the processes that it started, too.
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    tokio::select! {
        () = run(&arguments) => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn run(arguments: &[String]) {
    let value = |name: &str| {
        let position = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(position + 1).expect(name).as_str())
    };
    let files = raise_limit_of_files();
    match arguments.get(1).map(String::as_str) {
        Some("gateway") => gateway::serve().await,
        Some("crowd") => crowd::run().await,
        Some("measure") => {
            let options = measure::Options {
                sockets: number(value("--sockets"), 10_000),
                ends: number(value("--ends"), 500),
                interval: Duration::from_secs(number(value("--interval"), 5)),
                files,
            };
            measure::run(&options).await;
        }
        Some("faults") => faults::run(number(value("--logouts"), 300), value("--only")).await,
        _ => panic!("measure or faults"),
    }
}

fn number<T: FromStr>(given: Option<&str>, default: T) -> T {
    given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{text:?} is no number")))
}

/// As many files as the system lets this process and those that it starts have.
fn raise_limit_of_files() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap())
}
