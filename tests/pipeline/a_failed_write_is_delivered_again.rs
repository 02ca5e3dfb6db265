use std::collections::BTreeSet;

use event_model::Kind;
use serde_json::json;

use crate::support::{TIME_LIMIT, TestStack};

/// The fault is real: there is a file where the folder of the pins must be, so S3 cannot write one.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_bucket_refused_is_delivered_again_until_it_is_written() {
    let stack = TestStack::start().await;
    let clean = stack.folder.path().join("pinflow-lake/clean");
    std::fs::create_dir_all(&clean).unwrap();
    std::fs::write(clean.join("pin"), "in the way").unwrap();

    let mut accepted = stack
        .post(
            Kind::named("user"),
            &[json!({"ind": 1, "first_name": "Ada"})],
        )
        .await;
    accepted.extend(
        stack
            .post(
                Kind::named("pin"),
                &[json!({"index": 1, "category": "art"})],
            )
            .await,
    );
    accepted.extend(
        stack
            .post(
                Kind::named("user"),
                &[json!({"ind": 2, "first_name": "Grace"})],
            )
            .await,
    );
    tokio::time::timeout(TIME_LIMIT, async {
        while stack.stack.totals().retries() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a failed write is reported and tried again");

    std::fs::remove_file(clean.join("pin")).unwrap();
    stack.drain().await;
    let lake = stack.lake();
    assert_eq!(lake.clean[&Kind::named("pin")].len(), 1);
    let found: BTreeSet<_> = lake.clean_positions().into_iter().collect();
    assert_eq!(found, accepted.into_iter().collect());
    stack.stop().await;
}
