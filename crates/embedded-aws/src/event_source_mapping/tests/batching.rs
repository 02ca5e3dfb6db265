//! What makes a batch.

use super::*;

#[tokio::test]
async fn a_batch_has_at_most_its_size() {
    let config = EventSourceMappingConfig {
        batch_size: 2,
        ..config()
    };
    let setup = set_up(config, 1, vec![], &THREE).await;
    setup.mapping.drained().await;
    assert_eq!(*setup.seen.lock().unwrap(), [vec!["1", "2"], vec!["3"]]);
    assert_eq!(checkpoint(&setup.store), 3);
}

#[tokio::test]
async fn a_batch_stays_below_the_payload_limit() {
    let large = "x".repeat(1024 * 1024 - 1);
    let records: Vec<_> = (0..6).map(|_| ("a", large.as_str())).collect();
    let setup = set_up(config(), 1, vec![], &records).await;
    setup.mapping.drained().await;
    let sizes: Vec<_> = setup.seen.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 2], "four records of 1 MiB are 5.3 MiB in base64");
}

#[tokio::test]
async fn a_window_gathers_what_comes_within_it() {
    let config = EventSourceMappingConfig {
        maximum_batching_window: Duration::from_mins(5),
        ..config()
    };
    let setup = set_up(config, 1, vec![], &THREE).await;
    put(&setup.store, &[("d", "4")]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(
        setup.seen.lock().unwrap().is_empty(),
        "the window is not over"
    );
    setup.mapping.drained().await;
    assert_eq!(*setup.seen.lock().unwrap(), [["1", "2", "3", "4"]]);
}

#[tokio::test]
async fn a_window_that_is_over_hands_out_what_there_is() {
    let config = EventSourceMappingConfig {
        maximum_batching_window: Duration::from_millis(10),
        ..config()
    };
    let setup = set_up(config, 1, vec![], &THREE).await;
    let done = setup
        .mapping
        .done
        .clone()
        .wait_for(|done| done.iter().any(|(_, counter)| *counter == 3))
        .await
        .map(|_| ());
    assert_eq!(done.ok(), Some(()));
    assert_eq!(*setup.seen.lock().unwrap(), [["1", "2", "3"]]);
}
