//! Parses the command line and runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use socketpass::cli::{self, Cli};

/// A decision makes and drops a few dozen small values, and each on whichever thread it goes on: glibc's allocator took a
/// fifth of its time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
