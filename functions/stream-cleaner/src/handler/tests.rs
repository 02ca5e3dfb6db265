mod silence;

use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lake::quarantine::read_quarantine;
use lake::reader::read_positions;
use lambda_runtime::{Context, Diagnostic};

use cleaning::Tally;
use serde_json::json;

use super::*;
use crate::Metrics;
use crate::event::EventRecord;

/// The function over mocked rules of S3, and the summaries that it publishes.
fn app(rules: &[&Rule]) -> (App, Arc<Mutex<Vec<BatchSummary>>>) {
    let s3 = mock_client!(aws_sdk_s3, RuleMode::MatchAny, rules);
    let summaries = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::clone(&summaries);
    let publish =
        Arc::new(move |summary: &BatchSummary| published.lock().unwrap().push(summary.clone()));
    let clock = Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    (
        App::new(
            s3,
            Config::new("lake", model::Model::load_from(None).unwrap()),
            clock,
            publish,
        ),
        summaries,
    )
}

fn is_written() -> Rule {
    mock!(Client::put_object)
        .match_requests(|put| put.bucket() == Some("lake"))
        .then_output(|| PutObjectOutput::builder().build())
}

/// S3 refuses the keys that start with `prefix`.
fn is_refused(prefix: &'static str) -> Rule {
    mock!(Client::put_object)
        .match_requests(move |put| put.key().is_some_and(|key| key.starts_with(prefix)))
        .then_error(|| {
            PutObjectError::generic(
                aws_sdk_s3::error::ErrorMetadata::builder()
                    .code("SlowDown")
                    .build(),
            )
        })
}

fn event(json: &str) -> LambdaEvent<KinesisEvent> {
    LambdaEvent::new(serde_json::from_str(json).unwrap(), Context::default())
}

fn record(shard: &str, sequence: &str, payload: &str) -> serde_json::Value {
    serde_json::json!({
        "eventID": format!("{shard}:{sequence}"),
        "kinesis": {
            "partitionKey": "any", "sequenceNumber": sequence, "data": STANDARD.encode(payload),
            "approximateArrivalTimestamp": 1_598_586_767.5,
        },
    })
}

/// An event of these payloads, with the sequence numbers 11, 12, and so on.
fn event_of(payloads: &[&str]) -> LambdaEvent<KinesisEvent> {
    let records: Vec<_> = payloads
        .iter()
        .enumerate()
        .map(|(index, payload)| record("shardId-000000000000", &(11 + index).to_string(), payload))
        .collect();
    event(&serde_json::json!({ "Records": records }).to_string())
}

const USER: &str = r#"{"ind": 1, "first_name": "Ada", "last_name": "Lovelace", "age": "thirty"}"#;
const PIN: &str = r#"{"index": 1, "category": "art"}"#;

fn failures(response: &KinesisEventResponse) -> Vec<&str> {
    response
        .batch_item_failures
        .iter()
        .filter_map(|failure| failure.item_identifier.as_deref())
        .collect()
}

#[tokio::test]
async fn a_batch_that_is_written_is_acknowledged_whole() {
    let written = is_written();
    let (app, summaries) = app(&[&written]);
    let response = app
        .handle(event_of(&[USER, PIN, "nonsense", USER]))
        .await
        .unwrap();
    assert_eq!(
        serde_json::to_string(&response).unwrap(),
        r#"{"batchItemFailures":[]}"#
    );
    assert_eq!(written.num_calls(), 3);
    let summary = summaries.lock().unwrap().remove(0);
    assert_eq!(
        (
            summary.records,
            summary.tally.total_rows(),
            summary.tally.total_lost(),
            summary.objects
        ),
        (4, 3, 1, 3)
    );
}

#[tokio::test]
async fn the_first_record_of_the_first_object_that_is_not_written_is_reported() {
    let refused = is_refused("clean/pin/");
    let written = is_written();
    let (app, summaries) = app(&[&refused, &written]);
    let response = app
        .handle(event_of(&[USER, "nonsense", PIN, USER, PIN]))
        .await
        .unwrap();
    assert_eq!(failures(&response), ["13"]);
    let summary = summaries.lock().unwrap().remove(0);
    assert_eq!(summary.retried_from.as_deref(), Some("13"));
    assert_eq!(
        (summary.tally.total_rows(), summary.tally.total_lost()),
        (1, 1),
        "only what is not delivered again is counted"
    );
}

#[tokio::test]
async fn a_day_with_retries_adds_up_to_one_without() {
    let records = [USER, "nonsense", PIN, USER, PIN, USER, "nonsense", PIN];
    let written = is_written();
    let (calm, expected) = app(&[&written]);
    calm.handle(event_of(&records)).await.unwrap();
    let expected = expected.lock().unwrap().remove(0);

    let mut event = event_of(&records);
    let mut sum = BatchSummary::default();
    for refused in ["", "clean/pin/", "quarantine/", "clean/user/", "none"] {
        let refused = is_refused(refused);
        let written = is_written();
        let (app, summaries) = app(&[&refused, &written]);
        let response = app.handle(event.clone()).await.unwrap();
        let summary = summaries.lock().unwrap().remove(0);
        sum.records += summary.records;
        sum.user_records += summary.user_records;
        sum.bytes_in += summary.bytes_in;
        sum.tally += &summary.tally;
        let again = failures(&response);
        let Some(first) = again.first() else { break };
        let mut rest = KinesisEvent::default();
        let from_first = event
            .payload
            .records()
            .skip_while(|record| record.sequence != *first);
        from_first.for_each(|record| rest.push(&record));
        event.payload = rest;
    }
    assert_eq!(
        (sum.records, sum.user_records, sum.bytes_in, sum.tally),
        (
            expected.records,
            expected.user_records,
            expected.bytes_in,
            expected.tally
        )
    );
}

#[tokio::test]
async fn a_batch_of_which_nothing_is_written_is_retried_whole() {
    let refused = is_refused("");
    let (app, summaries) = app(&[&refused]);
    let response = app.handle(event_of(&[USER, PIN])).await.unwrap();
    assert_eq!(failures(&response), ["11"]);
    let summary = summaries.lock().unwrap().remove(0);
    assert_eq!((summary.objects, summary.objects_failed), (0, 2));
    assert!(
        summary
            .to_emf(Metrics::All)
            .contains("\"objects_failed\":2")
    );
}

#[tokio::test]
async fn a_record_without_a_position_fails_the_invocation_with_its_place() {
    let (app, _) = app(&[]);
    let mut event = event_of(&[USER, USER]);
    let mut changed = KinesisEvent::default();
    for (index, record) in event.payload.records().enumerate() {
        let shard = if index == 1 { "" } else { record.shard };
        changed.push(&EventRecord { shard, ..record });
    }
    event.payload = changed;
    let diagnostic = Diagnostic::from(app.handle(event).await.unwrap_err());
    assert_eq!(diagnostic.error_type, "MalformedEvent");
    assert_eq!(
        diagnostic.error_message,
        "record 1 of the event is not a Kinesis record: `` is not a shard's name (up to 128 of A-Z a-z 0-9 _ . -)"
    );
}

#[tokio::test]
async fn the_metrics_line_is_in_the_embedded_metric_format() {
    let written = is_written();
    let (app, summaries) = app(&[&written]);
    let mut event = event_of(&[USER, "nonsense"]);
    let mut lambda = lambda_runtime::Config::default();
    "dev-stream-cleaner".clone_into(&mut lambda.function_name);
    event.context.env_config = Arc::new(lambda);
    app.handle(event).await.unwrap();
    let mut summary = summaries.lock().unwrap().remove(0);
    summary.bytes_written = 2048;
    let lines: Vec<serde_json::Value> = summary
        .to_emf(Metrics::All)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&lines).unwrap());

    // With fewer metrics, the lines have the same numbers.
    let few = summary.to_emf(Metrics::Alarms);
    let few: Vec<serde_json::Value> = few
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let members = |lines: &[serde_json::Value]| -> Vec<serde_json::Value> {
        let lines = lines.iter().cloned().map(|mut line| {
            line.as_object_mut().unwrap().remove("_aws");
            line
        });
        lines.collect()
    };
    assert_eq!(members(&few), members(&lines));
    assert_eq!(
        few[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"],
        json!([{"Name": "user_records_in", "Unit": "Count"}, {"Name": "rejected", "Unit": "Count"}])
    );
    assert!(few[1..].iter().all(|line| line.get("_aws").is_none()));
}

/// What each sample event comes to: rows, rejected records, objects.
const SAMPLES: &[(&str, [u64; 3])] = &[
    ("clean", [3, 0, 3]),
    ("compressed", [7, 2, 4]),
    ("dirty", [4, 0, 3]),
    ("duplicate", [3, 0, 1]),
    ("empty", [0, 0, 0]),
    ("encodings", [4, 0, 1]),
    ("kpl-aggregate", [5, 1, 4]),
    ("kpl-damaged", [1, 2, 2]),
    ("new-year", [2, 2, 4]),
    ("odd-values", [5, 0, 3]),
    ("packed", [9, 3, 4]),
    ("poisonous", [2, 7, 3]),
];

const SAMPLE_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/stream-cleaner");

fn sample(name: &str) -> KinesisEvent {
    let json = std::fs::read_to_string(format!("{SAMPLE_FOLDER}/{name}.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

#[test]
fn a_position_that_no_row_can_keep_costs_its_own_record_alone() {
    let long = "9".repeat(129);
    let event: KinesisEvent = serde_json::from_str(
        &serde_json::json!({ "Records": [record("shard.of-another_name", &long, PIN), record("shard.of-another_name", "7", PIN)] })
            .to_string(),
    )
    .unwrap();
    let shards = shards(&event).unwrap();
    let records = records(&event, &shards).unwrap();
    let batch = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap();
    let [quarantine, clean] = batch.objects.as_slice() else {
        panic!("{:?}", batch.objects)
    };
    let lines = read_quarantine(&quarantine.body).unwrap();
    assert_eq!(
        (lines.len(), lines[0].sequence_number.as_str()),
        (1, long.as_str())
    );
    assert_eq!(lines[0].shard, "shard.of-another_name");
    assert_eq!(lines[0].payload().unwrap(), PIN.as_bytes());
    insta::assert_snapshot!(format!("{}: {}", lines[0].code, lines[0].message), @"too_large: the record's sequence number has 129 digits; a row's has at most 192 bits");
    let positions = read_positions(clean.body.clone()).unwrap();
    assert_eq!(
        positions,
        [event_model::Position::new("shard.of-another_name", "7")]
    );
    for object in [quarantine, clean] {
        let key = object.key.to_string();
        assert_eq!(key.parse::<lake::ObjectKey>().unwrap(), object.key, "{key}");
    }
}

/// The aggregates of the samples were made by `aws-kinesis-agg` 1.2.3, the Python library.
#[test]
fn an_aggregate_of_the_published_library_becomes_rows_of_their_own() {
    let event = sample("kpl-aggregate");
    let shards = shards(&event).unwrap();
    let records = records(&event, &shards).unwrap();
    let [aggregate, plain] = [records[0].sequence, records[1].sequence];
    let batch = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap();
    assert_eq!(batch.user_records, 6);
    let mut found = Vec::new();
    for object in &batch.objects {
        let folder = object.key.to_string();
        let folder = folder.split("/date=").next().unwrap().to_owned();
        if folder == "quarantine" {
            for line in read_quarantine(&object.body).unwrap() {
                assert_eq!(line.partition_key, "pin/303");
                assert_eq!(line.payload().unwrap(), br#"{"index": 303, "title": "#);
                found.push((folder.clone(), line.sequence_number));
            }
        } else {
            let positions = read_positions(object.body.clone()).unwrap();
            found.extend(
                positions
                    .into_iter()
                    .map(|position| (folder.clone(), position.sequence)),
            );
        }
    }
    let expected = [
        ("clean/pin", format!("{aggregate}:0")),
        ("clean/pin", format!("{aggregate}:3")),
        ("clean/geo", format!("{aggregate}:1")),
        ("clean/user", format!("{aggregate}:2")),
        ("clean/user", plain.to_owned()),
        ("quarantine", format!("{aggregate}:4")),
    ];
    assert_eq!(
        found,
        expected.map(|(folder, sequence)| (folder.to_owned(), sequence))
    );
}

#[test]
fn a_damaged_aggregate_goes_to_quarantine_whole() {
    let event = sample("kpl-damaged");
    let shards = shards(&event).unwrap();
    let records = records(&event, &shards).unwrap();
    let batch = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap();
    let lines = read_quarantine(&batch.objects[0].body).unwrap();
    assert_eq!(lines.len(), 2);
    for (line, record) in lines.iter().zip(&records) {
        assert_eq!(line.code, "damaged_aggregate");
        assert_eq!(
            line.message,
            "the payload is a damaged KPL aggregate: its MD5 checksum does not fit its contents"
        );
        assert_eq!(line.sequence_number, record.sequence);
        assert_eq!(line.partition_key, record.partition_key);
        assert_eq!(line.payload().unwrap(), record.data);
    }
}

#[tokio::test]
async fn a_retry_starts_at_the_aggregate_not_inside_it() {
    let refused = is_refused("clean/user/");
    let written = is_written();
    let (app, summaries) = app(&[&refused, &written]);
    let event = LambdaEvent::new(sample("kpl-aggregate"), Context::default());
    let sequence = event.payload.records().next().unwrap().sequence.to_owned();
    let response = app.handle(event).await.unwrap();
    assert_eq!(failures(&response), [sequence.as_str()]);
    let summary = summaries.lock().unwrap().remove(0);
    // What was written of it is written again, and counted then.
    assert_eq!((summary.objects, summary.objects_failed), (3, 1));
    assert_eq!((summary.records, summary.user_records), (0, 0));
    assert_eq!(summary.tally, Tally::default());
}

#[tokio::test]
async fn every_sample_event_comes_to_what_its_name_says() {
    let files = std::fs::read_dir(SAMPLE_FOLDER).unwrap();
    assert_eq!(files.count(), SAMPLES.len(), "samples that no test reads");
    for (name, expected) in SAMPLES {
        let written = is_written();
        let (app, summaries) = app(&[&written]);
        let event = LambdaEvent::new(sample(name), Context::default());
        let response = app.handle(event).await.unwrap();
        assert!(response.batch_item_failures.is_empty());
        let summary = summaries.lock().unwrap().remove(0);
        assert_eq!(
            &[
                summary.tally.total_rows(),
                summary.tally.total_lost(),
                summary.objects
            ],
            expected,
            "{name}"
        );
        let user_records = summary.tally.total_rows() + summary.tally.total_rejected();
        assert_eq!(summary.user_records, user_records, "{name}");
        if *name == "poisonous" {
            let codes: Vec<_> = summary
                .tally
                .rejected
                .iter()
                .map(|(code, count)| (code.as_str(), *count))
                .collect();
            let once = [
                "not_utf8",
                "not_json",
                "not_an_object",
                "unknown_kind",
                "wrong_kind",
                "missing_key",
                "bad_type",
            ];
            assert_eq!(codes, once.map(|code| (code, 1)));
        }
    }
}
