//! A small socket server for `clients/conformance`, built with the client as an application would.
//! `clients/conformance/SUBJECT.md` says what it is told, says and hears.

mod orders;
mod says;
mod servers;
mod settings;

use std::{error::Error, net::SocketAddr, process::ExitCode};

use opentelemetry::global;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{says::say, settings::Settings};

/// What is resident is what is live, but for little: the system's own leaves holes as large as what is measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let mut terminate = signal(SignalKind::terminate())?;

    let settings: Settings = serde_json::from_str(&std::env::var("SUBJECT")?)?;
    let pass = match settings.connect().await {
        Ok(pass) => pass,
        Err(error) => {
            say(&json!({"event": "error", "message": error.to_string()}));
            return Ok(ExitCode::FAILURE);
        }
    };

    let router = match (settings.kind.as_str(), &pass) {
        ("socketioxide", Some(pass)) => servers::socket_io(pass),
        ("socketioxide", None) => servers::bare_socket_io(),
        (_, Some(pass)) => servers::web_sockets(pass, settings.reject_after_upgrade),
        (_, None) => servers::bare_web_sockets(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&json!({"event": "listening", "port": listener.local_addr()?.port()}));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, service) => served?,
        () = orders::follow(pass.as_ref()) => {}
        _ = terminate.recv() => {}
    }
    if let Some(pass) = pass {
        pass.close().await;
    }
    Ok(ExitCode::SUCCESS)
}
