//! Entry point of the command line: installs the log and the clock, and runs the command.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use event_model::Clock;
use tracing_subscriber::EnvFilter;

use pinflow::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    // What the embedded S3 cannot do is in its answers, and in the log of whoever asked.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,s3s::service=off"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    let log = log.with_ansi(stderr().is_terminal());
    log.with_writer(stderr).init();

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    let get = |name: &str| std::env::var(name).ok();
    if let Err(error) = pinflow::proxy::keep_loopback_direct(get) {
        tracing::warn!(%error, "Requests to this machine go through the proxy of the environment");
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the real clock comes from"
    )]
    let clock = Clock::new(SystemTime::now);
    pinflow::run(Cli::parse(), clock).await
}
