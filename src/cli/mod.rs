//! The commands.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser, Subcommand};

pub mod bench;
mod config;
mod demo;
mod explain;
mod healthcheck;
mod policy;
mod serve;
pub mod service;
mod sessions;
mod settings;
mod sockets;
mod style;
mod token;

pub use self::settings::SettingArgs;
use crate::{config::Faults, server, telemetry::TracesFailed};

/// The passport for sockets: tells any socket server who stands behind a handshake.
#[derive(Debug, Parser)]
#[command(name = "socketpass", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: gateways ask over gRPC, probes and Prometheus over HTTP.
    Serve(serve::Serve),
    /// Try it out: the service and three people's sessions in this process, nothing to install.
    Demo(demo::Demo),
    #[command(long_about = explain::LONG_ABOUT)]
    /// Explain why a handshake is accepted or refused, step by step.
    Explain(Box<explain::Explain>),
    /// Ask who is connected, in the whole fleet, and act on it.
    #[command(subcommand, long_about = sockets::LONG_ABOUT)]
    Sockets(Box<sockets::Sockets>),
    /// End the sessions behind open sockets, and hear which end.
    #[command(subcommand, long_about = sessions::LONG_ABOUT)]
    Sessions(Box<sessions::Sessions>),
    /// List the gateways, and whether they are heard of.
    Gateways(sockets::Gateways),
    /// Test who may come in, before it is in force.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Make a bearer token for a caller, and the settings that let it in.
    Token(token::TokenCommand),
    /// Ask a running service whether it is healthy; exit 0 when it is.
    Healthcheck(healthcheck::Healthcheck),
    /// Print the settings in force, or the reference of all settings.
    Config(config::ConfigCommand),
    /// Measure a running service.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Print completions for a shell, to be sourced or saved where it looks for them.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Why a command failed. The text is for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are wrong.
    #[error("{0}")]
    Settings(#[from] Faults),
    /// Traces have nowhere to go.
    #[error("{0}")]
    Traces(#[from] TracesFailed),
    /// The service could not start, or stopped.
    #[error("{0}")]
    Server(#[from] server::Error),
    /// Nothing can be written to standard output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// What was given makes no sense.
    #[error("{0}")]
    Input(String),
    /// A running service did not answer, or not as hoped.
    #[error("{0}")]
    Call(String),
    /// What was tested is not so.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    fn exit_code(&self) -> ExitCode {
        match self {
            // As clap does for a command line that makes no sense.
            Self::Settings(_) | Self::Input(_) | Self::Traces(_) => ExitCode::from(2),
            // `socketpass config | head` is done when head is.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Server(_) | Self::Output(_) | Self::Call(_) | Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Error::Call(format!("threads cannot be started: {error}"))),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Explain(explain) => explain.run().await,
            Command::Sockets(sockets) => sockets.run().await,
            Command::Sessions(sessions) => sessions.run().await,
            Command::Gateways(gateways) => gateways.run().await,
            Command::Policy(policy) => policy.run().await,
            Command::Token(token) => token.run(),
            Command::Healthcheck(healthcheck) => healthcheck.run().await,
            Command::Config(config) => config.run(),
            Command::Bench(bench) => bench.run().await,
            Command::Completions { shell } => completions(shell),
        }
    });
    // What still runs is a read of standard input or a name being looked up: neither is worth waiting for.
    runtime.shutdown_background();
    done.map_or_else(|error| report(&error), |()| ExitCode::SUCCESS)
}

fn report(error: &Error) -> ExitCode {
    let code = error.exit_code();
    if code != ExitCode::SUCCESS {
        let style = style::BAD;
        // Where even this cannot be written, the exit code has to do.
        let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {}", style::plain(&error.to_string()));
    }
    code
}

fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "socketpass", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// A span of time on the command line.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_no_span| "it should be a number and a unit, for example 2s or 500ms".to_owned())
}

/// How to reach a service of this machine that listens on `addr`: a wildcard is everywhere, also on loopback.
fn reachable(scheme: &str, addr: SocketAddr) -> String {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, addr.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_help_break_where_the_terminal_ends() {
        for about in [explain::LONG_ABOUT, sockets::LONG_ABOUT, sessions::LONG_ABOUT] {
            assert!(about.split("\n\n").all(|paragraph| !paragraph.contains('\n')), "{about}");
        }
    }
}
