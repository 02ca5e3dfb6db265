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
