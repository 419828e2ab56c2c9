//! `serve`.

use std::sync::Arc;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{Error, SettingArgs};
use crate::{
    config::{Config, reload, session::StoreUrl},
    server::Server,
    task,
    telemetry::{self, audit::Audit},
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: SettingArgs,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Error> {
        let layers = self.settings.layers();
        let before = reload::Contents::of(&layers);
        let config = Config::load(&layers)?;
        let _telling = telemetry::start(&config.log, &config.telemetry)?;
        let signals = Signals::catch()?;
        config.log_warnings();
        match config.session.store {
            StoreUrl::Memory => {
                tracing::warn!("session.store is memory: this service has no sessions, so nobody can log in");
            }
            StoreUrl::CookieSession => tracing::warn!(
                "session.store is cookie-session: nothing tells that somebody has logged out, so open sockets do not end \
                 with their session"
            ),
            _ => {}
        }
        take_descriptors(config.limits.max_connections);
        let server = Server::bind(&config).await?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            grpc_addr = server.grpc_addr().map(tracing::field::display),
            http_addr = server.http_addr().map(tracing::field::display),
            session_store = %config.session.store,
            "serving"
        );
        let (nudge, nudged) = mpsc::channel(1);
        let in_force = server.in_force();
        let settings = self.settings;
        let apply = move |config: &Config| {
            in_force.exchange(config)?;
            telemetry::log::refilter(&config.log);
            Ok(())
        };
        let reload = reload::watch(move || settings.layers(), before, nudged, apply);
        let _reload = task::owned(reload);
        let shutdown = CancellationToken::new();
        let _signals = task::owned(signals.obey(shutdown.clone(), nudge, server.audit()));
        server.serve(shutdown).await?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Connections need file descriptors: as many as the system lets this process have.
fn take_descriptors(max_connections: usize) {
    /// For stores, files and the other door.
    const OTHERS: u64 = 512;
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most = if raised.is_ok() { limit.maximum } else { limit.current };
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    // None is no limit.
    if let Some(most) = most.filter(|most| *most < needed) {
        tracing::warn!(
            most,
            needed,
            "there are fewer file descriptors (ulimit -n) than limits.max_connections takes: with all of them taken \
             probes are not answered either"
        );
    }
}

/// The signals that a service obeys.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn catch() -> Result<Self, Error> {
        let catch =
            |kind| signal(kind).map_err(|error| Error::Call(format!("signals cannot be caught: {error}")));
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// SIGTERM and Ctrl-C begin the drain, and a second one ends it; SIGHUP reads files of settings
    /// again and opens the audit log anew.
    pub(super) async fn obey(
        mut self,
        shutdown: CancellationToken,
        nudge: mpsc::Sender<()>,
        audit: Arc<Audit>,
    ) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    audit.reopen();
                    // Full: a look is due already.
                    let _ = nudge.try_send(());
                    continue;
                }
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            if shutdown.is_cancelled() {
                tracing::warn!("told to stop twice: calls that were still running are cut off");
                std::process::exit(1);
            }
            shutdown.cancel();
        }
    }
}
