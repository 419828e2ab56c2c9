//! `bench authorize`.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use serde_json::json;

use super::{
    load::{self, Load, Measured, Progress},
    milliseconds,
};
use crate::{
    cli::{
        Error, SettingArgs,
        explain::{HandshakeArgs, cookie_name},
        service::{self, CallerArgs},
        style::{BAD, HEADING},
    },
    grpc::pb::{AuthorizeRequest, Handshake},
    task,
};

/// Measure Authorize: throughput and latency of one handshake, asked over and over.
#[derive(Debug, Args)]
pub struct Authorize {
    #[command(flatten)]
    handshake: HandshakeArgs,
    /// Whom to call [default: grpc.addr of the settings].
    #[arg(long, value_name = "ADDRESS:PORT")]
    addr: Option<String>,
    /// HTTP/2 connections.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Calls under way at any time, over all connections.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// How long to measure.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = crate::cli::duration)]
    duration: Duration,
    /// How long to call without counting, first.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = crate::cli::duration)]
    warmup: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caller: CallerArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

impl Authorize {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { handshake, addr, connections, concurrency, duration, warmup, json, caller, settings } =
            self;
        let layers = settings.layers();
        let url = service::url_or_settings(addr, &settings)?;
        if url.starts_with("https://") {
            return Err(Error::Input(format!("--addr {url}: this measures without TLS only")));
        }
        let handshake = handshake.add_to(Handshake::default(), &cookie_name(&layers))?;
        let load = Load {
            url,
            connections: connections.into(),
            concurrency: concurrency.into(),
            warmup,
            duration,
            authorization: caller.bearer()?.header(),
            request: AuthorizeRequest {
                handshake: Some(handshake),
                gateway_id: "socketpass bench".to_owned(),
            },
        };
        let progress = Arc::new(Progress::default());
        let progress_line = task::owned(show_progress(Arc::clone(&progress), warmup, duration));
        let measured = load::run(&load, progress).await.map_err(Error::Call)?;
        progress_line.abort();
        // The line may be half written.
        let _ = progress_line.await;
        if json {
            print_json(&load, &measured)?;
        } else {
            print_text(&load, &measured)?;
        }
        match measured.errors.values().sum::<u64>() {
            0 => Ok(()),
            errors => Err(Error::Call(format!("{errors} calls got no answer"))),
        }
    }
}

/// A line that is written over and over, on a terminal only.
async fn show_progress(progress: Arc<Progress>, warmup: Duration, duration: Duration) {
    if !stderr().is_terminal() {
        return;
    }
    let mut last = 0;
    let started = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        let answers = progress.answers();
        let seconds = started.elapsed().saturating_sub(warmup).as_secs_f64();
        let rate = (answers - last) * 2;
        last = answers;
        let line = format!(
            "\r{seconds:5.1} s of {:.1} s  {answers:>10} answers  {rate:>8}/s",
            duration.as_secs_f64()
        );
        let _ = write!(anstream::stderr(), "{line}");
    }
}

const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

fn print_text(load: &Load, measured: &Measured) -> Result<(), Error> {
    if stderr().is_terminal() {
        let _ = write!(anstream::stderr(), "\r{:70}\r", "");
    }
    let mut out = anstream::stdout().lock();
    let Load { url, connections, concurrency, .. } = load;
    let Measured { elapsed, latency, reasons, errors } = measured;
    writeln!(
        out,
        "{HEADING}{url}{HEADING:#}: {connections} connections, {concurrency} calls at a time, {elapsed:.1?}"
    )?;
    writeln!(out, "throughput  {:.0} answers/s", measured.throughput())?;
    write!(out, "latency    ")?;
    for percentile in PERCENTILES {
        write!(out, "  p{percentile} {:.3} ms", milliseconds(latency.value_at_percentile(percentile)))?;
    }
    writeln!(out, "  max {:.3} ms", milliseconds(latency.max()))?;
    for (reason, count) in reasons {
        writeln!(out, "answers     {reason} {count}")?;
    }
    for (code, count) in errors {
        writeln!(out, "{BAD}errors{BAD:#}      {code} {count}")?;
    }
    Ok(())
}

fn print_json(load: &Load, measured: &Measured) -> Result<(), Error> {
    let Measured { elapsed, latency, reasons, errors } = measured;
    let percentiles: serde_json::Map<_, _> = PERCENTILES
        .iter()
        .map(|percentile| {
            (format!("p{percentile}"), json!(milliseconds(latency.value_at_percentile(*percentile))))
        })
        .chain([("max".to_owned(), json!(milliseconds(latency.max())))])
        .collect();
    let report = json!({
        "url": load.url,
        "connections": load.connections,
        "concurrency": load.concurrency,
        "seconds": elapsed.as_secs_f64(),
        "answers": latency.len(),
        "answers_per_second": measured.throughput(),
        "latency_milliseconds": percentiles,
        "reasons": reasons,
        "errors": errors,
    });
    Ok(writeln!(anstream::stdout(), "{report}")?)
}
