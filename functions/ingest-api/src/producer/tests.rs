use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::Region;
use aws_sdk_kinesis::operation::put_records::{PutRecordsInput, PutRecordsOutput};
use aws_sdk_kinesis::types::PutRecordsResultEntry;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use event_model::{Kind, PartitionKey};
use proptest::prelude::*;
use test_server::TestServer;

use super::*;

fn entry(ind: i64, data: &str) -> Entry<'_> {
    Entry {
        key: PartitionKey::new(Some(Kind::named("pin")), Some(&ind.into()), b""),
        data: Cow::Borrowed(data.as_bytes()),
    }
}

fn entry_of_any(data: String) -> Entry<'static> {
    Entry {
        key: PartitionKey::new(Some(Kind::named("pin")), None, data.as_bytes()),
        data: Cow::Owned(data.into_bytes()),
    }
}

/// The data of the records of each call.
type Calls = Arc<Mutex<Vec<Vec<String>>>>;

/// A stream that notes its calls and answers as `answer` says, given the number of the call and the record's data.
fn stream(
    answer: impl Fn(usize, &str) -> Option<Failure> + Send + Sync + 'static,
) -> (Producer, Calls) {
    let calls = Calls::default();
    let noted = Arc::clone(&calls);
    let rule = mock!(Client::put_records).then_compute_output(move |input: &PutRecordsInput| {
        let data = input
            .records()
            .iter()
            .map(|record| String::from_utf8(record.data().as_ref().to_vec()).unwrap());
        let data: Vec<_> = data.collect();
        let mut calls = noted.lock().unwrap();
        calls.push(data.clone());
        let result = |data: &String| match answer(calls.len(), data) {
            Some(failure) => PutRecordsResultEntry::builder()
                .error_code(failure.code())
                .build(),
            None => PutRecordsResultEntry::builder()
                .shard_id("s")
                .sequence_number(data)
                .build(),
        };
        PutRecordsOutput::builder()
            .set_records(Some(data.iter().map(result).collect()))
            .build()
            .unwrap()
    });
    (
        Producer::new(&mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule])),
        calls,
    )
}

async fn put_within(producer: &Producer, entries: &[Entry<'_>], limit: Duration) -> Vec<Outcome> {
    put(
        producer,
        "events",
        entries,
        Until {
            tries: Instant::now() + limit,
            answers: Instant::now() + Duration::from_secs(25),
        },
        &Jitter::new(7),
    )
    .await
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of the outcomes that it is listed with"
)]
fn stored(sequence_number: &str) -> Outcome {
    Ok(event_model::Position::new("s", sequence_number))
}

#[tokio::test(start_paused = true)]
async fn only_the_failed_records_are_sent_again() {
    let (producer, calls) =
        stream(|call, data| (call < 3 && data != "a").then_some(Failure::Internal));
    let entries = [entry(1, "a"), entry(2, "b"), entry(3, "c")];
    let outcomes = put_within(&producer, &entries, Duration::from_secs(25)).await;
    assert_eq!(outcomes, [stored("a"), stored("b"), stored("c")]);
    assert_eq!(
        *calls.lock().unwrap(),
        [vec!["a", "b", "c"], vec!["b", "c"], vec!["b", "c"]]
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_stream_is_tried_for_the_patience_and_each_row_says_why_it_is_not_stored() {
    let (producer, calls) = stream(|_, data| match data {
        "a" => None,
        "b" => Some(Failure::Internal),
        _ => Some(Failure::Throttled),
    });
    let entries = [entry(1, "a"), entry(2, "b"), entry(3, "c"), entry(3, "d")];
    let started = Instant::now();
    let outcomes = put_within(&producer, &entries, Duration::from_secs(3)).await;
    let expected = [
        stored("a"),
        Err(Failure::Internal),
        Err(Failure::Throttled),
        Err(Failure::Throttled),
    ];
    assert_eq!(outcomes, expected);
    assert!(started.elapsed() <= Duration::from_secs(3));
    assert!(calls.lock().unwrap().len() > 2);
    // Without patience, each row is tried once.
    let (producer, calls) = stream(|_, _| Some(Failure::Throttled));
    let outcomes = put_within(&producer, &entries, Duration::ZERO).await;
    assert_eq!(outcomes, vec![Err(Failure::Throttled); 4]);
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rows_versions_reach_the_stream_in_order_whatever_fails() {
    let (producer, calls) =
        stream(|call, data| (call == 1 && data == "1a").then_some(Failure::Throttled));
    let entries = [
        entry(1, "1a"),
        entry(1, "1b"),
        entry(2, "2a"),
        entry(1, "1c"),
    ];
    let outcomes = put_within(&producer, &entries, Duration::from_secs(25)).await;
    assert_eq!(outcomes, ["1a", "1b", "2a", "1c"].map(stored));
    assert_eq!(
        *calls.lock().unwrap(),
        [vec!["1a", "1b", "2a", "1c"], vec!["1a", "1b", "1c"]],
        "what was stored behind the failed version is sent again behind it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_version_on_the_stream_is_the_requests_last_whatever_fails() {
    for seed in 0..200_u64 {
        // Each record of each call fails or not by a mixture of the call, the record and the seed.
        let (producer, calls) = stream(move |call, data| {
            let mixed = (seed + call as u64 * 7 + data.bytes().map(u64::from).sum::<u64>() * 13)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (call < 6 && mixed >> 62 == 0).then_some(Failure::Internal)
        });
        let versions: Vec<String> = (0..12).map(|version| format!("{version:02}")).collect();
        let entries: Vec<_> = versions
            .iter()
            .enumerate()
            .map(|(index, data)| entry(i64::try_from(index % 3).unwrap(), data))
            .collect();
        let outcomes = put_within(&producer, &entries, Duration::from_secs(25)).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let calls = calls.lock().unwrap();
        for key in 0..3 {
            let last = calls
                .iter()
                .flatten()
                .rfind(|data| data.parse::<u64>().unwrap() % 3 == key);
            assert_eq!(
                last.unwrap(),
                &format!("{:02}", 9 + key),
                "seed {seed}: {calls:?}"
            );
        }
    }
}

#[tokio::test]
async fn many_versions_of_one_key_take_one_pass() {
    let (producer, calls) = stream(|_, _| None);
    let versions: Vec<String> = (0..20_000).map(|version| version.to_string()).collect();
    let entries: Vec<_> = versions.iter().map(|data| entry(1, data)).collect();
    let outcomes = put_within(&producer, &entries, Duration::from_secs(25)).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(calls.lock().unwrap().concat(), versions);
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_is_not_sent_again_and_holds_nothing_up() {
    let rule = mock!(Client::put_records).then_error(|| {
        aws_sdk_kinesis::operation::put_records::PutRecordsError::InvalidArgumentException(
            aws_sdk_kinesis::types::error::InvalidArgumentException::builder()
                .meta(
                    aws_sdk_kinesis::error::ErrorMetadata::builder()
                        .code("InvalidArgumentException")
                        .build(),
                )
                .build(),
        )
    });
    let producer = Producer::new(&mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule]));
    let entries = [entry(1, "a"), entry(1, "b")];
    let outcomes = put_within(&producer, &entries, Duration::from_secs(25)).await;
    assert_eq!(outcomes, [Err(Failure::Refused), Err(Failure::Refused)]);
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn tries_end_at_the_deadline_and_what_failed_is_told() {
    let (producer, calls) = stream(|_, data| (data != "b").then_some(Failure::Throttled));
    let entries = [entry(1, "a"), entry(2, "b"), entry(1, "never sent")];
    let started = Instant::now();
    let outcomes = put_within(&producer, &entries, Duration::from_secs(10)).await;
    assert_eq!(
        outcomes,
        [
            Err(Failure::Throttled),
            stored("b"),
            Err(Failure::Throttled)
        ]
    );
    assert!(
        started.elapsed() <= Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let calls = calls.lock().unwrap().len();
    assert!((8..40).contains(&calls), "{calls} calls: pauses that grow");
}

#[tokio::test]
async fn a_deadline_that_has_passed_sends_nothing() {
    let (producer, calls) = stream(|_, _| None);
    let until = Until {
        tries: Instant::now(),
        answers: Instant::now(),
    };
    let outcomes = put(
        &producer,
        "events",
        &[entry(1, "a")],
        until,
        &Jitter::new(7),
    )
    .await;
    assert_eq!(outcomes, [Err(Failure::TimedOut)]);
    assert!(calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn many_records_are_split_at_the_limit_of_a_call() {
    let (producer, calls) = stream(|_, _| None);
    let entries: Vec<_> = (0..1201)
        .map(|number| entry_of_any(number.to_string()))
        .collect();
    let outcomes = put_within(&producer, &entries, Duration::from_secs(25)).await;
    let expected: Vec<_> = (0..1201)
        .map(|number| stored(&number.to_string()))
        .collect();
    assert_eq!(outcomes, expected);
    let sizes: Vec<_> = calls.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [500, 500, 201]);
}

#[tokio::test]
async fn a_call_is_made_once_whatever_the_client_was_to_do() {
    let server = TestServer::start(|_| (500, r#"{"__type": "InternalFailure"}"#.to_owned()));
    let server = server.await.unwrap();
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version_latest()
        .credentials_provider(credentials)
        .region(Region::from_static("us-east-1"))
        .endpoint_url(server.url())
        .retry_config(RetryConfig::standard());
    let producer = Producer::new(&Client::from_conf(config.build()));
    let outcomes = put_within(&producer, &[entry(1, "a")], Duration::ZERO).await;
    assert!(outcomes[0].is_err());
    assert_eq!(server.calls(), 1);
}

proptest! {
    #[test]
    fn calls_keep_order_and_limits(sizes in prop::collection::vec(1_usize..=1024 * 1024, 0..40), repeat in 1_usize..40) {
        let longest = "x".repeat(1024 * 1024);
        let entries: Vec<_> = sizes
            .iter()
            .cycle()
            .take(sizes.len() * repeat)
            .map(|&size| entry(1, longest.get(..size).unwrap_or_default()))
            .collect();
        let indices: Vec<usize> = (0..entries.len()).collect();
        let calls = calls(&indices, &entries);
        prop_assert_eq!(calls.concat(), indices);
        for call in calls {
            prop_assert!(!call.is_empty() && call.len() <= PUT_RECORDS_MAX_RECORDS);
            let bytes: usize = call.iter().map(|&index| entries[index].size()).sum();
            prop_assert!(bytes <= PUT_RECORDS_MAX_BYTES);
        }
    }
}
