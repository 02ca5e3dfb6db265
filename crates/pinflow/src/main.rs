//! Entry point of the command line: installs the log and the clock, and runs the command.

use std::io::stderr;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use event_model::Clock;
use tracing_subscriber::EnvFilter;

use pinflow::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    log.with_writer(stderr).init();

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the real clock comes from"
    )]
    let clock = Clock::new(SystemTime::now);
    pinflow::run(Cli::parse(), clock).await
}
