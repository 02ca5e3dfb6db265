//! Lambda entry point: reads the configuration, builds the client once, serves invocations.

use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::BehaviorVersion;
use event_model::Clock;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn, tracing};
use serde::de::IgnoredAny;
use stream_cleaner::event::KinesisEvent;
use stream_cleaner::{App, BatchSummary, CleanerError, Config, Payload, timeouts};

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
    let metrics = config.metrics;
    let publish = Arc::new(move |summary: &BatchSummary| {
        let _ = writeln!(std::io::stdout(), "{}", summary.to_emf(metrics));
    });
    let s3 = aws_sdk_s3::config::Builder::from(&aws).timeout_config(timeouts());
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());
    let app = App::new(s3, config, clock, publish);

    let payload = Payload::default();
    let handler = service_fn(|event: LambdaEvent<IgnoredAny>| async {
        let records = KinesisEvent::from_json(&payload.take()).map_err(CleanerError::from)?;
        let records = LambdaEvent::new(records, event.context);
        app.handle(records).await
    });
    let runtime = Runtime::new(handler).layer(payload.clone());
    runtime.layer(TracingLayer::new()).run().await
}
