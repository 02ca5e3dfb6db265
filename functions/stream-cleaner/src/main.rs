//! Lambda entry point: reads the configuration, builds the client once, serves invocations.

use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::BehaviorVersion;
use event_model::Clock;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use stream_cleaner::event::KinesisEvent;
use stream_cleaner::{App, BatchSummary, Config, timeouts};

// One thread: an invocation is one task, which waits for nothing but its writes, and with the workers' own heaps the largest
// batches need a fifth more memory.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();

    let config = Config::from_env()?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the real clock comes from"
    )]
    let clock = Clock::new(SystemTime::now);
    // CloudWatch makes metrics of the lines on standard output that are in its embedded metric format.
    let publish = Arc::new(|summary: &BatchSummary| {
        let _ = writeln!(std::io::stdout(), "{}", summary.to_emf());
    });
    let s3 = aws_sdk_s3::config::Builder::from(&aws).timeout_config(timeouts());
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());
    let app = App::new(s3, config, clock, publish);

    run(service_fn(|event: LambdaEvent<KinesisEvent>| {
        app.handle(event)
    }))
    .await
}
