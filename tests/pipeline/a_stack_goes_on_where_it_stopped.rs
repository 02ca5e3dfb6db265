use std::collections::BTreeSet;

use event_model::Kind;
use serde_json::json;

use crate::support::TestStack;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stack_on_the_same_folder_goes_on_and_writes_nothing_twice() {
    let first = TestStack::start().await;
    let mut accepted = first
        .post(
            Kind::named("user"),
            &[json!({"ind": 1, "first_name": "Ada"})],
        )
        .await;
    first.drain().await;
    let second = TestStack::start_in(first.stop().await, |_| {}).await;
    accepted.extend(
        second
            .post(
                Kind::named("user"),
                &[json!({"ind": 1, "first_name": "Ada", "age": 36})],
            )
            .await,
    );
    second.drain().await;
    let lake = second.lake();
    assert_eq!(
        lake.clean_positions().into_iter().collect::<BTreeSet<_>>(),
        accepted.into_iter().collect()
    );
    assert_eq!(lake.clean_positions().len(), 2);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_stop_is_cleaned_after_it() {
    // The first stack waits for a batch that does not fill, and is stopped before.
    let window = std::time::Duration::from_mins(5);
    let folder = tempfile::tempdir().unwrap();
    let first = TestStack::start_in(folder, |config| {
        config.event_source_mapping.maximum_batching_window = window;
    })
    .await;
    let accepted = first
        .post(
            Kind::named("user"),
            &[json!({"ind": 1, "first_name": "Ada"})],
        )
        .await;
    let second = TestStack::start_in(first.stop().await, |_| {}).await;
    second.drain().await;
    assert_eq!(second.lake().clean_positions(), accepted);
    second.stop().await;
}
