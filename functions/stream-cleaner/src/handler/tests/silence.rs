//! A bucket that takes a request and never answers.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use tokio::net::TcpListener;

use super::*;

/// A client of S3 whose server accepts connections, reads nothing and says nothing.
async fn silent() -> (Client, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
        .force_path_style(true)
        .timeout_config(timeouts())
        .build();
    (Client::from_conf(config), listener)
}

#[tokio::test]
async fn a_silent_bucket_ends_as_a_partial_answer_before_the_deadline() {
    let (s3, listener) = silent().await;
    let summaries = Arc::<Mutex<Vec<BatchSummary>>>::default();
    let published = Arc::clone(&summaries);
    let publish =
        Arc::new(move |summary: &BatchSummary| published.lock().unwrap().push(summary.clone()));
    let clock = Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let app = App::new(
        s3,
        Config::new("lake", model::Model::load_from(None).unwrap()),
        clock,
        publish,
    );
    let mut event = event_of(&[USER, PIN]);
    // Two seconds are left for the writes.
    event.context.deadline = 1_700_000_007_000;
    let started = std::time::Instant::now();
    let response = app.handle(event).await.unwrap();
    assert_eq!(failures(&response), ["11"]);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(summaries.lock().unwrap()[0].objects_failed, 2);
    drop(listener);
}
