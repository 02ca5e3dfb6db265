use std::time::Duration;

use event_model::Kind;
use lake::Sequence;
use lake::reader::read_arrivals;
use serde_json::json;

use crate::support::{TestStack, files};

#[tokio::test(flavor = "multi_thread")]
async fn versions_whose_arrivals_jump_back_are_counted_and_one_of_them_stays() {
    let folder = tempfile::tempdir().unwrap();
    let stack = TestStack::start_in(folder, |config| config.arrival_jitter_ms = 20).await;
    let versions: Vec<_> = (0..50)
        .map(|age| json!({"ind": 1, "first_name": "Ada", "age": 20 + age}))
        .collect();
    stack.post(Kind::named("user"), &versions).await;
    stack
        .post(
            Kind::named("user"),
            &[json!({"ind": 2, "first_name": "Ada"})],
        )
        .await;
    stack.drain().await;

    // What Kinesis says of the versions disagrees: of the latest arrival, a later number has an earlier one.
    let clean = stack.folder.path().join("pinflow-lake/clean/user");
    let objects = files(&clean).into_iter();
    let rows = objects.flat_map(|path| read_arrivals(std::fs::read(path).unwrap().into()).unwrap());
    let mut rows: Vec<(i64, Sequence)> = rows
        .map(|(sequence, arrival)| (arrival, sequence.parse().unwrap()))
        .collect();
    assert_eq!(rows.len(), 51);
    rows.sort_by_key(|(_, sequence)| sequence.number);
    rows.pop();
    let latest = rows.iter().max().unwrap();
    assert!(
        rows.iter()
            .any(|row| row.0 < latest.0 && row.1.number > latest.1.number)
    );

    let summary = stack.run_today(Duration::ZERO).await;
    assert_eq!(summary["merges"]["user"]["order_undecided"], 1);
    assert_eq!(summary["order_undecided_examples"]["user"], json!(["1"]));
    assert_eq!(summary["tables"]["user"]["rows"], 2);
    stack.stop().await;
}
