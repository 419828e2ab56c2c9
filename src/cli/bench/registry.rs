//! `bench registry`.

use std::{
    convert::Infallible,
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    gateways::{Counts, Fleet, FleetOptions, Stop},
    milliseconds,
};
use crate::cli::{
    Error, SettingArgs,
    service::{self, CallerArgs},
    style::{BAD, HEADING, HINT, plain},
};

/// Simulate gateways: report sockets of realistic users, open and close them at a rate, and measure how the service keeps
/// up.
#[derive(Debug, Args)]
pub struct Registry {
    /// Where to report; given several times, gateways are spread over these replicas and move on when one is away
    /// [default: grpc.addr of the settings].
    #[arg(long, value_name = "ADDRESS:PORT")]
    addr: Vec<String>,
    /// Gateways, each with a stream of its own.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    gateways: u32,
    /// Sockets in all that are open from the start.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=100_000_000))]
    sockets: u32,
    /// Opens and closes a second, in all, once all sockets are listed; more than the service takes shows how much it takes.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    rate: u32,
    /// How long to go on after that [default: 10s; with --hold until Ctrl-C].
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration)]
    duration: Option<Duration>,
    /// Events a batch at most.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: u32,
    /// HTTP/2 connections that the gateways share [default: one each].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,
    /// Which sockets and users: the same number, the same ones.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What gateway ids begin with.
    #[arg(long, value_name = "TEXT", default_value = "gateway")]
    name: String,
    /// Stay connected and answer commands, without opening or closing anything.
    #[arg(long, conflicts_with = "rate")]
    hold: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caller: CallerArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

/// What came of it.
struct Measured {
    /// How long all first listings took.
    listing: Duration,
    /// How long was measured after that.
    elapsed: Duration,
    counts: Counts,
    /// Of those, in the time that was measured.
    events: u64,
    batches: u64,
    latency: Histogram<u64>,
    problem: Option<String>,
}

impl Measured {
    fn events_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let events = self.events as f64;
        events / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Registry {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self {
            addr,
            gateways,
            sockets,
            rate,
            duration,
            batch,
            connections,
            seed,
            name,
            hold,
            json,
            caller,
            settings,
        } = self;
        let urls = match addr.as_slice() {
            [] => vec![service::url_of(&settings.layers())?],
            addrs => addrs.iter().map(|addr| service::url(addr)).collect::<Result<_, _>>()?,
        };
        let options = FleetOptions { urls, gateways, sockets, batch, seed, connections, name, caller };
        let rate = if hold { 0 } else { rate };
        let duration = duration.or((!hold).then_some(Duration::from_secs(10)));
        let catch =
            |kind| signal(kind).map_err(|error| Error::Call(format!("signals cannot be caught: {error}")));
        let mut signals = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
        let fleet = Fleet::start(&options).map_err(Error::Input)?;
        let measured = measure(&fleet, &options, rate.into(), duration, &mut signals).await;
        clear_line();
        let measured = measured.map_err(Error::Call)?;
        if json {
            print_json(&options, rate, &measured)?;
        } else {
            print_text(&options, &measured)?;
        }
        fleet.stop(Stop::Goodbye).await;
        match measured.counts.rejected {
            0 => Ok(()),
            rejected => Err(Error::Call(format!(
                "{rejected} fields were not taken: {}",
                measured.problem.unwrap_or_default()
            ))),
        }
    }
}

async fn measure(
    fleet: &Fleet,
    options: &FleetOptions,
    rate: f64,
    duration: Option<Duration>,
    (interrupt, terminate): &mut (Signal, Signal),
) -> Result<Measured, String> {
    let listing = tokio::select! {
        listing = fleet.filled() => listing.map_err(|problem| format!("{}: {problem}", options.urls.join(", ")))?,
        never = show_listing(fleet, options) => match never {},
        never = tell_if_taken(fleet) => match never {},
        _ = interrupt.recv() => return Err(unfinished(fleet)),
        _ = terminate.recv() => return Err(unfinished(fleet)),
    };
    let before = fleet.counts();
    // What follows is measured apart from the listing.
    let _ = fleet.take_latency();
    fleet.set_rate(rate);
    let started = Instant::now();
    let hold = rate <= 0.0;
    tokio::select! {
        () = async {
            match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        } => {}
        never = show_changes(fleet, started) => match never {},
        never = tell_losses(fleet), if hold => match never {},
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let (elapsed, counts) = (started.elapsed(), fleet.counts());
    Ok(Measured {
        listing,
        elapsed,
        counts,
        events: counts.acked_events.saturating_sub(before.acked_events),
        batches: counts.acked_batches.saturating_sub(before.acked_batches),
        latency: fleet.take_latency(),
        problem: fleet.problem(),
    })
}

fn unfinished(fleet: &Fleet) -> String {
    let problem =
        fleet.problem().map_or(String::new(), |problem| format!("; the last problem was {problem}"));
    format!("stopped before all gateways had listed their sockets{problem}")
}

const SHOW_EVERY: Duration = Duration::from_millis(500);

/// A line that is written over and over, on a terminal only; what it shows is never over.
async fn show_listing(fleet: &Fleet, options: &FleetOptions) -> Infallible {
    show(|| {
        let Counts { acked_events, streams, .. } = fleet.counts();
        let problem =
            fleet.problem().map_or(String::new(), |problem| format!("  {HINT}{}{HINT:#}", plain(&problem)));
        format!(
            "listing: {acked_events} of {} sockets, {} of {} gateways done, {streams} connected{problem}",
            options.sockets,
            fleet.listed(),
            options.gateways
        )
    })
    .await
}

async fn show_changes(fleet: &Fleet, started: Instant) -> Infallible {
    let mut last = fleet.counts().acked_events;
    show(|| {
        let Counts { acked_events, open_sockets, commands, reopened, .. } = fleet.counts();
        let rate = acked_events.saturating_sub(std::mem::replace(&mut last, acked_events)) * 2;
        format!(
            "{:5.1} s  {rate:>8} events/s  {open_sockets:>9} open  {commands} commands  {reopened} streams reopened",
            started.elapsed().as_secs_f64()
        )
    })
    .await
}

async fn show(mut line: impl FnMut() -> String) -> Infallible {
    if !stderr().is_terminal() {
        return std::future::pending().await;
    }
    let mut ticks = tokio::time::interval(SHOW_EVERY);
    loop {
        ticks.tick().await;
        let _ = write!(anstream::stderr(), "\r{}\u{1b}[K", line());
    }
}

/// Two fleets of one name would wait for each other without a word.
async fn tell_if_taken(fleet: &Fleet) -> Infallible {
    let gateway_id = fleet.taken().await;
    clear_line();
    let gateway_id = plain(&gateway_id);
    tell(&format!("{HINT}{gateway_id} is reported by another process: give --name{HINT:#}"));
    std::future::pending().await
}

/// What happens to a fleet that is held, where nobody sees the line that is written over and over.
async fn tell_losses(fleet: &Fleet) -> Infallible {
    if stderr().is_terminal() {
        return std::future::pending().await;
    }
    let mut ticks = tokio::time::interval(SHOW_EVERY);
    let mut whole = false;
    loop {
        ticks.tick().await;
        match (whole, fleet.is_whole()) {
            (false, true) => tell(&format!("{} sockets listed", fleet.counts().open_sockets)),
            (true, false) => {
                tell(&format!("lost the service: {}", plain(&fleet.problem().unwrap_or_default())));
            }
            _ => continue,
        }
        whole = !whole;
    }
}

/// A line on standard error.
fn tell(line: &str) {
    // Where even this cannot be written, there is nobody to be told.
    let _ = writeln!(anstream::stderr(), "{line}");
}

fn clear_line() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\u{1b}[K");
    }
}

const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

fn print_text(options: &FleetOptions, measured: &Measured) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    let FleetOptions { urls, gateways, sockets, .. } = options;
    let Measured { listing, elapsed, counts, events, batches, latency, problem: _ } = measured;
    let Counts { open_sockets, commands, reopened, rejected, .. } = counts;
    writeln!(out, "{HEADING}{}{HEADING:#}: {gateways} gateways", urls.join(", "))?;
    writeln!(out, "listing     {sockets} sockets in {listing:.2?}")?;
    writeln!(
        out,
        "taken in    {:.0} events/s ({events} in {batches} batches, {elapsed:.1?})",
        measured.events_per_second()
    )?;
    if !latency.is_empty() {
        write!(out, "acked after")?;
        for percentile in PERCENTILES {
            write!(out, "  p{percentile} {:.3} ms", milliseconds(latency.value_at_percentile(percentile)))?;
        }
        writeln!(out, "  max {:.3} ms", milliseconds(latency.max()))?;
    }
    writeln!(out, "at the end  {open_sockets} sockets open, {commands} commands answered")?;
    if *reopened > 0 {
        writeln!(out, "{HINT}streams{HINT:#}     {reopened} ended and were opened again")?;
    }
    if *rejected > 0 {
        writeln!(out, "{BAD}rejected{BAD:#}    {rejected} fields")?;
    }
    Ok(())
}

fn print_json(options: &FleetOptions, rate: u32, measured: &Measured) -> Result<(), Error> {
    let FleetOptions { urls, gateways, sockets, batch, seed, connections, name: _, caller: _ } = options;
    let Measured { listing, elapsed, counts, events, batches, latency, problem } = measured;
    let percentile = |at: &f64| (format!("p{at}"), json!(milliseconds(latency.value_at_percentile(*at))));
    let max = ("max".to_owned(), json!(milliseconds(latency.max())));
    let percentiles: serde_json::Map<_, _> = PERCENTILES.iter().map(percentile).chain([max]).collect();
    let report = json!({
        "urls": urls,
        "gateways": gateways,
        "sockets": sockets,
        "rate": rate,
        "batch": batch,
        "seed": seed,
        "connections": connections.unwrap_or(*gateways),
        "listing_seconds": listing.as_secs_f64(),
        "seconds": elapsed.as_secs_f64(),
        "events": events,
        "batches": batches,
        "events_per_second": measured.events_per_second(),
        "ack_latency_milliseconds": percentiles,
        "open_sockets": counts.open_sockets,
        "commands": counts.commands,
        "streams_reopened": counts.reopened,
        "rejected": counts.rejected,
        "problem": problem,
    });
    Ok(writeln!(anstream::stdout(), "{report}")?)
}
