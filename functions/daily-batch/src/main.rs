//! Lambda entry point: reads the configuration, builds the clients once, serves invocations.

use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::BehaviorVersion;
use aws_request::AwsRequest;
use daily_batch::{App, Config, Lake, Stream, restart};
use event_model::Clock;
use futures::FutureExt as _;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use model::Model;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();

    let config = Config::from_env()?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the real clock comes from"
    )]
    let clock = Clock::new(SystemTime::now);
    let model = Model::load_from(config.model_dir.as_deref())?;
    let lake = Lake::from_bucket(&aws, &config.bucket_name, model)?;
    let stream = config
        .stream_name
        .as_ref()
        .map(|name| Stream::from_name(&aws, name, clock.clone()))
        .transpose()?;
    // CloudWatch makes metrics of the lines on standard output that are in its embedded metric format.
    let publish = Arc::new(|line: &str| {
        let _ = writeln!(std::io::stdout(), "{line}");
    });
    let lambda = AwsRequest::new(&aws, clock.clone())?;
    let restart = Arc::new(move |function, event| restart(lambda.clone(), function, event).boxed());
    let app = App::new(lake, stream, config, clock)
        .with_metrics(publish)
        .with_restart(restart);

    run(service_fn(|event: LambdaEvent<Value>| app.handle(event))).await
}
