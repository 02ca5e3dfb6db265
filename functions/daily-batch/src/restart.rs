//! The function starts itself again.

use anyhow::ensure;
use aws_request::AwsRequest;
use serde_json::Value;

/// Invokes a function asynchronously: Lambda queues the event and answers with 202 at once.
///
/// # Errors
///
/// When Lambda cannot be reached, or answers with anything else.
pub async fn restart(lambda: AwsRequest, function: String, event: Value) -> anyhow::Result<()> {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let headers = [
        ("content-type", "application/json"),
        ("x-amz-invocation-type", "Event"),
    ];
    let answer = lambda
        .post("lambda", &path, &headers, event.to_string().into_bytes())
        .await?;
    ensure!(
        answer.status == 202,
        "Lambda answered {} to the invocation: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use aws_config::{Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use event_model::Clock;
    use serde_json::json;
    use test_server::TestServer;

    use super::*;

    async fn invoke(status: u16) -> anyhow::Result<()> {
        let server = TestServer::start(move |request| {
            let path = "/2015-03-31/functions/dev-daily-batch/invocations";
            assert_eq!(request.uri().path(), path);
            assert_eq!(request.headers()["x-amz-invocation-type"], "Event");
            assert!(
                request.headers()["authorization"]
                    .to_str()
                    .unwrap()
                    .contains("/lambda/")
            );
            assert_eq!(request.body(), r#"{"from":"2026-03-01"}"#);
            (status, "throttled".to_owned())
        });
        let server = server.await.unwrap();
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .region(Region::from_static("us-east-1"))
            .endpoint_url(server.url())
            .build();
        let lambda = AwsRequest::new(&config, Clock::new(|| UNIX_EPOCH)).unwrap();
        let event = json!({"from": "2026-03-01"});
        restart(lambda, "dev-daily-batch".to_owned(), event).await
    }

    #[tokio::test]
    async fn the_event_is_queued_or_the_answer_is_in_the_error() {
        invoke(202).await.unwrap();
        assert_eq!(
            invoke(429).await.unwrap_err().to_string(),
            "Lambda answered 429 to the invocation: throttled"
        );
    }
}
