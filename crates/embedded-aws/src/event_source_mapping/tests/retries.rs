//! Batches that fail, in whole or in part, until they are given up.

use super::*;

#[tokio::test]
async fn a_failed_batch_is_delivered_again_and_blocks_its_shard() {
    let setup = set_up(
        EventSourceMappingConfig {
            batch_size: 2,
            ..config()
        },
        1,
        vec![Err("boom"), Err("boom")],
        &THREE,
    )
    .await;
    setup.mapping.drained().await;
    assert_eq!(
        *setup.seen.lock().unwrap(),
        [vec!["1", "2"], vec!["1", "2"], vec!["1", "2"], vec!["3"]]
    );
    assert_eq!(
        (
            setup.mapping.progress().retries(),
            setup.mapping.progress().dropped()
        ),
        (2, 0)
    );
}

#[tokio::test]
async fn a_partial_response_delivers_again_from_the_record_it_names() {
    let setup = set_up(config(), 1, vec![Ok("fail:2"), Ok("fail:3")], &THREE).await;
    setup.mapping.drained().await;
    assert_eq!(
        *setup.seen.lock().unwrap(),
        [vec!["1", "2", "3"], vec!["2", "3"], vec!["3"]]
    );
    assert_eq!(checkpoint(&setup.store), 3);
}

#[tokio::test]
async fn without_report_batch_item_failures_an_answer_is_a_success() {
    let config = EventSourceMappingConfig {
        report_batch_item_failures: false,
        ..config()
    };
    let setup = set_up(config, 1, vec![Ok("fail:2")], &THREE).await;
    setup.mapping.drained().await;
    assert_eq!(*setup.seen.lock().unwrap(), [["1", "2", "3"]]);
}

#[tokio::test]
async fn after_the_last_retry_the_batch_is_given_up_and_told() {
    let config = EventSourceMappingConfig {
        maximum_retry_attempts: Some(1),
        batch_size: 2,
        ..config()
    };
    let setup = set_up(config, 1, vec![Err("boom"), Err("boom")], &THREE).await;
    setup.mapping.drained().await;
    assert_eq!(
        *setup.seen.lock().unwrap(),
        [vec!["1", "2"], vec!["1", "2"], vec!["3"]]
    );
    assert_eq!(
        (
            setup.mapping.progress().retries(),
            setup.mapping.progress().dropped()
        ),
        (1, 2)
    );
    let delivered = batches(&setup.delivered);
    assert_eq!(
        delivered,
        [(
            "RetryAttemptsExhausted".to_owned(),
            2,
            vec!["1".to_owned(), "2".to_owned()]
        )]
    );
}

#[tokio::test]
async fn progress_within_a_batch_starts_the_count_of_retries_again() {
    let config = EventSourceMappingConfig {
        maximum_retry_attempts: Some(1),
        ..config()
    };
    let setup = set_up(
        config,
        1,
        vec![Err("boom"), Ok("fail:2"), Ok("fail:3"), Err("boom")],
        &THREE,
    )
    .await;
    setup.mapping.drained().await;
    assert_eq!(
        *setup.seen.lock().unwrap(),
        [
            vec!["1", "2", "3"],
            vec!["1", "2", "3"],
            vec!["2", "3"],
            vec!["3"]
        ]
    );
    assert_eq!(
        setup.mapping.progress().dropped(),
        1,
        "only record 3 failed twice in a row at the front"
    );
}

/// Reason, number of invocations and data of each batch that the destination was delivered of.
fn batches(delivered: &Delivered) -> Vec<(String, u64, Vec<String>)> {
    let delivered = delivered.lock().unwrap();
    let batch = |invocation: &FailedInvocation| {
        let whole: Value = serde_json::from_str(&invocation.whole).unwrap();
        let context = &whole["requestContext"];
        let reason = context["condition"].as_str().unwrap().to_owned();
        (
            reason,
            context["approximateInvokeCount"].as_u64().unwrap(),
            data(whole["payload"].as_str().unwrap()),
        )
    };
    delivered.iter().map(batch).collect()
}

/// `BisectBatchOnFunctionError`: a split does not count as a retry, and isolates the bad record.
#[tokio::test]
async fn bisect_halves_a_failing_batch_until_the_bad_record_is_alone() {
    let config = EventSourceMappingConfig {
        bisect_batch_on_function_error: true,
        maximum_retry_attempts: Some(1),
        ..config()
    };
    let four = [("a", "1"), ("b", "2"), ("c", "bad"), ("d", "4")];
    // 1-4, then 1-2, then bad-4, then bad twice, then 4.
    let script = vec![
        Err("boom"),
        Ok("{}"),
        Err("boom"),
        Err("boom"),
        Err("boom"),
        Ok("{}"),
    ];
    let setup = set_up(config, 1, script, &four).await;
    setup.mapping.drained().await;
    let seen = [
        vec!["1", "2", "bad", "4"],
        vec!["1", "2"],
        vec!["bad", "4"],
        vec!["bad"],
        vec!["bad"],
        vec!["4"],
    ];
    assert_eq!(*setup.seen.lock().unwrap(), seen);
    assert_eq!(
        batches(&setup.delivered),
        [(
            "RetryAttemptsExhausted".to_owned(),
            4,
            vec!["bad".to_owned()]
        )]
    );
    assert_eq!(checkpoint(&setup.store), 4);
}

/// With both settings on, the batch is cut at the record that the answer names, and not halved.
#[tokio::test]
async fn bisect_with_a_partial_response_cuts_at_the_record_it_names() {
    let config = EventSourceMappingConfig {
        bisect_batch_on_function_error: true,
        ..config()
    };
    let setup = set_up(config, 1, vec![Ok("fail:2")], &THREE).await;
    setup.mapping.drained().await;
    assert_eq!(
        *setup.seen.lock().unwrap(),
        [vec!["1", "2", "3"], vec!["2", "3"]]
    );
}

/// `MaximumRecordAgeInSeconds`: what is older is given up before the function sees it.
#[tokio::test]
async fn a_record_over_the_age_limit_is_given_up_unseen() {
    let setup = set_up(config(), 1, vec![], &[]).await;
    setup.mapping.stop().await;
    put(&setup.store, &THREE).await;
    let config = EventSourceMappingConfig {
        maximum_record_age: Some(Duration::from_mins(1)),
        ..config()
    };
    let later = Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_000_000_061));
    let (mapping, seen, delivered) = start(&setup.store, config, vec![], later).await;
    mapping.drained().await;
    assert!(seen.lock().unwrap().is_empty());
    let all = ["1", "2", "3"].map(str::to_owned).to_vec();
    assert_eq!(
        batches(&delivered),
        [("RecordAgeExceeded".to_owned(), 0, all)]
    );
    assert_eq!(
        (checkpoint(&setup.store), mapping.progress().dropped()),
        (3, 3)
    );
}

#[tokio::test]
async fn a_destination_that_fails_is_told_again_before_the_batch_is_passed_over() {
    let setup = set_up(config(), 1, vec![], &[]).await;
    setup.mapping.stop().await;
    put(&setup.store, &THREE).await;
    let tries = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&tries);
    let deliver = move |_| {
        let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if is_first {
                Err("down".to_owned())
            } else {
                Ok(())
            }
        }
    };
    let config = EventSourceMappingConfig {
        maximum_retry_attempts: Some(0),
        ..config()
    };
    let function = |_| async { Err("boom".to_owned()) };
    tokio::time::pause();
    let mapping = EventSourceMapping::start(
        setup.store.clone(),
        "arn".to_owned(),
        config,
        clock(),
        function,
        deliver,
    )
    .await
    .unwrap();
    mapping.drained().await;
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}
