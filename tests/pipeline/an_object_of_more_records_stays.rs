use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::{Clock, Kind};
use lambda_runtime::{Context, LambdaEvent};
use stream_cleaner::event::KinesisEvent;
use stream_cleaner::{App, BatchSummary, Config, Metrics};

use crate::support::TestStack;

/// An event of user rows, and of one record that no row can be made of, at these sequence numbers.
fn event(sequences: &[u32]) -> LambdaEvent<KinesisEvent> {
    let records = sequences.iter().flat_map(|sequence| {
        let row = format!(r#"{{"ind": {sequence}, "first_name": "Ada"}}"#);
        [
            (format!("{sequence}0"), row),
            (format!("{sequence}1"), "odd".to_owned()),
        ]
    });
    let records: Vec<_> = records
        .map(|(sequence, data)| {
            serde_json::json!({
                "eventID": format!("shardId-000000000000:{sequence}"),
                "kinesis": {
                    "partitionKey": "any", "sequenceNumber": sequence, "data": STANDARD.encode(data),
                    "approximateArrivalTimestamp": 1_598_586_767.5,
                },
            })
        })
        .collect();
    let event = serde_json::json!({ "Records": records }).to_string();
    LambdaEvent::new(serde_json::from_str(&event).unwrap(), Context::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_fewer_records_between_the_same_bounds_takes_nothing_away() {
    let stack = TestStack::start().await;
    let summaries = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::clone(&summaries);
    let app = App::new(
        aws_sdk_s3::Client::new(&stack.stack.sdk_config()),
        Config::new("pinflow-lake", model::Model::load_from(None).unwrap()),
        Clock::new(|| UNIX_EPOCH),
        Arc::new(move |summary: &BatchSummary| published.lock().unwrap().push(summary.clone())),
    );
    // What a filter, or two batches of a shard at a time, leave of the same bounds; then one that found more.
    for (sequences, kept, rows) in [
        (&[1, 3, 5][..], 0, 3),
        (&[1, 2, 3, 4, 5], 0, 5),
        (&[1, 3, 5], 2, 5),
        (&[1, 2, 3, 4, 5], 0, 5),
    ] {
        let response = app.handle(event(sequences)).await.unwrap();
        assert_eq!(response.batch_item_failures, []);
        let summary = summaries.lock().unwrap().pop().unwrap();
        assert_eq!(
            (summary.objects_kept, summary.objects),
            (kept, 2 - kept),
            "{sequences:?}"
        );
        assert_eq!(
            summary.to_emf(Metrics::All).contains(r#""objects_kept":2"#),
            kept == 2
        );
        let lake = stack.lake();
        assert_eq!(
            lake.clean[&Kind::named("user")].len(),
            rows,
            "{sequences:?}"
        );
        assert_eq!(lake.quarantine.len(), rows, "{sequences:?}");
        assert_eq!(lake.objects.len(), 2, "{sequences:?}");
    }
}
