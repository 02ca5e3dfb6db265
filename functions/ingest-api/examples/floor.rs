//! A function that puts one record for each request, and neither reads the request nor checks, packs, tries again or logs anything:
//! what the runtime and the SDK take by themselves. `make bench` sets it beside ingest-api.

use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// Bytes of the record: those of a generated pin.
const RECORD_BYTES: usize = 560;

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "as in a function's main.rs; it has no configuration beside"
)]
async fn main() -> Result<(), Error> {
    let stream = env::var("STREAM_NAME")?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let kinesis = Client::new(&aws);
    run(service_fn(|_: LambdaEvent<IgnoredAny>| {
        put(&kinesis, &stream)
    }))
    .await
}

async fn put(kinesis: &Client, stream: &str) -> Result<Value, Error> {
    let record = PutRecordsRequestEntry::builder()
        .partition_key("pin/1")
        .data(Blob::new(vec![b' '; RECORD_BYTES]))
        .build()?;
    let request = kinesis.put_records().stream_name(stream).records(record);
    request.send().await?;
    Ok(json!({"statusCode": 200}))
}
