mod replay;

use std::collections::{BTreeMap, BTreeSet};

use cleaning::{Rejection, RejectionCode};
use embedded_aws::OnFailure;
use event_model::Position;
use event_model::{Kind, ShardId};
use lake::quarantine::{QuarantineRecord, read_quarantine, write_quarantine};
use lake::reader::read_positions;
use lake::{ArrivalHour, ObjectKey, RejectedRecord, SequenceRange};
use serde_json::Value;

use crate::Exit;
use crate::test_stack::{Ran, TIME_LIMIT, TestStack, run};

/// 2026-03-01T10:59:59.5Z
const ARRIVAL: i64 = 1_772_362_799_500_000;
const HOUR_MICROS: i64 = 3_600_000_000;

/// A record that was quarantined, by its sequence, its code, its partition key and its payload.
type Quarantined<'a> = (&'a str, RejectionCode, &'a str, &'a [u8]);

/// Writes a quarantine object as stream-cleaner did under rules that rejected these records.
fn quarantine(stack: &TestStack, arrival_micros: i64, records: &[Quarantined<'_>]) -> String {
    let shard = ShardId::from_number(0);
    let line = |(sequence, code, partition_key, payload): &Quarantined<'_>| {
        let rejection = Rejection {
            kind: None,
            code: *code,
            message: "as the rules were then".to_owned(),
        };
        QuarantineRecord::of(&RejectedRecord {
            rejection: &rejection,
            shard: &shard,
            sequence,
            rules: 1,
            arrival_micros,
            partition_key,
            payload,
        })
        .unwrap()
    };
    let lines: Vec<_> = records.iter().map(line).collect();
    let number = |text: &str| text.split(':').next().unwrap().parse().unwrap();
    let key = ObjectKey::Quarantine {
        date: ArrivalHour::of(arrival_micros).date,
        range: SequenceRange {
            shard: shard.clone(),
            first: number(records[0].0),
            last: number(records[records.len() - 1].0),
        },
    };
    let key = key.to_string();
    let object = write_quarantine(&lines).unwrap();
    stack.write(&format!("pinflow-lake/{key}"), &object);
    key
}

/// Returns the position of every clean row, by kind, repeated rows twice.
fn clean_rows(stack: &TestStack) -> BTreeMap<Kind, Vec<Position>> {
    let mut rows = BTreeMap::<Kind, Vec<Position>>::new();
    for (key, object) in stack.objects("pinflow-lake/clean") {
        let key = key.strip_prefix("pinflow-lake/").unwrap();
        let ObjectKey::Clean { kind, .. } = key.parse().unwrap() else {
            panic!("{key}");
        };
        let positions = read_positions(object.into()).unwrap();
        rows.entry(kind).or_default().extend(positions);
    }
    for rows in rows.values_mut() {
        rows.sort();
    }
    rows
}

fn positions(sequences: &[&str]) -> Vec<Position> {
    let shard = ShardId::from_number(0).to_string();
    let position = |sequence: &&str| Position::new(shard.as_str(), *sequence);
    sequences.iter().map(position).collect()
}

fn ended(ran: &Ran, exit: Exit) -> &str {
    assert_eq!(ran.exit, Ok(exit), "{ran:?}");
    &ran.out
}

const PIN: &[u8] = b"{\"index\": 7, \"category\": \"art\"}";
const GEO: &[u8] = b"{\"ind\": 7, \"latitude\": 1, \"longitude\": 2}";

/// Two user records, pin and user, packed with the KPL's format.
const AGGREGATE: &str = "84mawgoFcGluLzEaIAgAGhx7ImluZGV4IjoxLCJjYXRlZ29yeSI6ImFydCJ9CgZ1c2VyLzIaIAgBGhx7ImluZCI6Miwi\
                         Zmlyc3RfbmFtZSI6IkFkYSJ92Jo05Ie/RumBeINpdJ+Zkg==";

#[tokio::test]
async fn a_record_is_shown_with_its_payload_and_todays_verdict() {
    let stack = TestStack::start().await;
    let body = "[{\"category\": \"caf\u{e9}\"}]";
    let url = format!("{}/events/pin", stack.stack.url());
    let http = reqwest::Client::new();
    let post = http.post(url).header("content-type", "application/json");
    let answer = post.body(body).send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let sequence = answer["results"][0]["sequence_number"].as_str().unwrap();
    stack.drain().await;

    let ran = stack.run(&format!("quarantine show {sequence}")).await;
    let by_sequence = ended(&ran, Exit::Success).to_owned();
    for part in [
        "rejected as     missing_key by version ",
        "replayed        no\n",
        "today           rejected, missing_key: ",
        "payload         21 bytes\n{\"category\": \"caf\u{e9}\"}\n",
    ] {
        assert!(by_sequence.contains(part), "{by_sequence}");
    }
    let key = by_sequence
        .lines()
        .next()
        .unwrap()
        .strip_prefix("key")
        .unwrap()
        .trim();
    let ran = stack.run(&format!("quarantine show {key}")).await;
    assert_eq!(ended(&ran, Exit::Success), by_sequence);

    for (what, message) in [
        (
            "7",
            "no record 7 is in quarantine; `pinflow quarantine list` lists",
        ),
        (
            "abc",
            "give the key of a quarantine object, or a record's sequence number",
        ),
        ("quarantine/x", "`quarantine/x` is not the key of"),
        (
            "clean/pin/date=2026-03-01/hour=10/shardId-000000000000-9-9.parquet",
            "is the key of a clean object",
        ),
        (
            "quarantine/date=2026-03-01/shardId-000000000000-1-2.ndjson.gz",
            "there is no object `quarantine/date=2026-03-01/",
        ),
    ] {
        let error = stack
            .run(&format!("quarantine show {what}"))
            .await
            .exit
            .unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[tokio::test]
async fn a_failed_invocation_is_cleaned_again_to_its_own_objects() {
    let stack = TestStack::start_with(|config| {
        config.event_source_mapping.maximum_retry_attempts = Some(0);
        config.event_source_mapping.on_failure = Some(OnFailure::Bucket("failures".to_owned()));
        config.shards = 1;
    })
    .await;
    std::fs::create_dir_all(stack.path("failures")).unwrap();
    // There are files where folders must be, so nothing can be written.
    stack.write("pinflow-lake/clean", b"in the way");
    stack.write("pinflow-lake/quarantine", b"in the way");
    let url = format!("{}/events/pin", stack.stack.url());
    let http = reqwest::Client::new();
    let post = http.post(url).header("content-type", "application/json");
    let body = "[{\"index\": 1}, {\"index\": 2}, {\"category\": \"art\"}]";
    let answer = post.body(body).send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let results = answer["results"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let accepted: BTreeSet<Position> = results
        .iter()
        .map(|result| Position::new(text(&result["shard"]), text(&result["sequence_number"])))
        .collect();
    let given_up = async {
        while stack.objects("failures").is_empty() {
            tokio::task::yield_now().await;
        }
        stack.drain().await;
    };
    tokio::time::timeout(TIME_LIMIT, given_up)
        .await
        .expect("it is given up");
    for prefix in ["pinflow-lake/clean", "pinflow-lake/quarantine"] {
        std::fs::remove_file(stack.path(prefix)).unwrap();
    }
    let damaged = "aws/lambda/0/shardId-000000000000/2019/11/14/2019-11-14T00.38.06-0";
    stack.write(&format!("failures/{damaged}"), b"{\"version\": \"1.0\"}");

    let command = "quarantine replay --failed --failed-bucket failures";
    let ran = stack
        .run(&format!("{command} --since 2026-01-01 --dry-run"))
        .await;
    let out = ended(&ran, Exit::Success);
    assert!(
        out.ends_with("with 3 records; nothing was written\n"),
        "{out}"
    );
    assert_eq!(stack.objects("pinflow-lake"), []);

    let ran = stack.run(command).await;
    let out = ended(&ran, Exit::Failure);
    let expected = " again: 3 records into 2 rows and 1 in quarantine, in 2 objects\n";
    assert!(
        out.starts_with("Cleaned ") && out.ends_with(expected),
        "{out}"
    );
    let expected =
        format!("error: `{damaged}` is passed over: it has the invocation's metadata alone");
    assert!(ran.notes.contains(&expected), "{}", ran.notes);
    let objects = stack.objects("pinflow-lake");
    let mut found: BTreeSet<_> = clean_rows(&stack).into_values().flatten().collect();
    assert_eq!(found.len(), 2);
    for (_, object) in stack.objects("pinflow-lake/quarantine") {
        let lines = read_quarantine(&object).unwrap();
        found.extend(lines.iter().map(QuarantineRecord::position));
    }
    assert_eq!(found, accepted);

    let ran = stack.run(&format!("{command} --since 2026-01-01")).await;
    ended(&ran, Exit::Success);
    assert_eq!(stack.objects("pinflow-lake"), objects);
    let ran = stack.run("quarantine replay --failed").await;
    let expected = "No failed invocation is in the bucket `pinflow-lake`\n";
    assert_eq!(ended(&ran, Exit::Success), expected);
}

#[tokio::test]
async fn a_lake_that_is_not_there_says_what_to_do() {
    let stack = TestStack::start().await;
    let ran = stack.run("quarantine list").await;
    assert_eq!(ended(&ran, Exit::Success), "Nothing is in quarantine\n");
    let error = stack
        .run("quarantine list --bucket other")
        .await
        .exit
        .unwrap_err();
    assert!(
        error.starts_with("there is no bucket `other` at http://127.0.0.1:"),
        "{error}"
    );
    stack.stack.shutdown().await.unwrap();
    let error = run("quarantine list --endpoint http://127.0.0.1:1")
        .await
        .exit
        .unwrap_err();
    assert_eq!(
        error,
        "could not connect to http://127.0.0.1:1; start a stack with `cargo pinflow local`, name another one with \
         --endpoint, or an AWS account with --profile"
    );
}
