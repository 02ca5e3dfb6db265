//! Lambda entry point: reads the configuration, builds the client once, serves requests.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::BehaviorVersion;
use aws_request::AwsRequest;
use event_model::Clock;
use ingest_api::{ApiKeys, App, Config};
use lambda_http::{Error, Request, run, service_fn, tracing};

// One thread: a request is one task, which waits for nothing but the stream. Handing it from thread to thread takes longer than its work.
#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the real clock comes from"
)]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();

    let config = Config::from_env()?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let clock = Clock::new(SystemTime::now);
    // Environments that start together must not retry together.
    let seed = u64::from(clock.now().duration_since(UNIX_EPOCH)?.subsec_nanos());
    let kinesis = aws_sdk_kinesis::Client::new(&aws);
    let mut app = App::new(kinesis, config.clone(), clock.clone(), seed);
    if let Some(parameter) = &config.api_keys {
        let ssm = AwsRequest::new(&aws, clock.clone())?;
        let api_keys = ApiKeys::from_parameter(ssm, parameter, clock, seed).await?;
        app = app.with_api_keys(api_keys);
    }

    run(service_fn(|request: Request| app.handle(request))).await
}
