use std::time::SystemTime;

use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use serde_json::{Value, json};

use super::*;
use crate::OnFailure;

fn clock() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "signatures hold for minutes of the real time"
    )]
    Clock::new(SystemTime::now)
}

struct Rig {
    folder: tempfile::TempDir,
    stack: Stack,
    kinesis: aws_sdk_kinesis::Client,
    s3: aws_sdk_s3::Client,
    http: reqwest::Client,
}

async fn rig_with(adjust: impl FnOnce(&mut StackConfig)) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let mut config = StackConfig::new(folder.path());
    adjust(&mut config);
    let stack = Stack::start(config, clock()).await.unwrap();
    let aws = stack.sdk_config();
    Rig {
        folder,
        kinesis: aws_sdk_kinesis::Client::new(&aws),
        s3: aws_sdk_s3::Client::new(&aws),
        http: reqwest::Client::new(),
        stack,
    }
}

async fn rig() -> Rig {
    rig_with(|_| {}).await
}

impl Rig {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack.url())
    }

    async fn iterator(&self, shard: &str, kind: ShardIteratorType, number: Option<&str>) -> String {
        let iterator = self
            .kinesis
            .get_shard_iterator()
            .stream_name("pinflow-events")
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_starting_sequence_number(number.map(str::to_owned));
        iterator
            .send()
            .await
            .unwrap()
            .shard_iterator()
            .unwrap()
            .to_owned()
    }

    /// Reads from an iterator on; returns the data and the next iterator.
    async fn read(&self, iterator: &str) -> (Vec<String>, String) {
        let output = self
            .kinesis
            .get_records()
            .shard_iterator(iterator)
            .send()
            .await
            .unwrap();
        let data = |record: &aws_sdk_kinesis::types::Record| {
            String::from_utf8(record.data().as_ref().to_vec()).unwrap()
        };
        (
            output.records().iter().map(data).collect(),
            output.next_shard_iterator().unwrap().to_owned(),
        )
    }
}

/// Bytes of the key of a clean object, with the longest sequence numbers.
const LONG_KEY: &str = "clean/user/date=2026-11-21/hour=07/shardId-000000000000-\
    49671626338112233445566778899001122334455667788990011223-49671626338112233445566778899001122334455667788990011224.parquet";

#[tokio::test]
async fn a_producer_and_a_consumer_meet_over_the_sdk() {
    let rig = rig_with(|config| config.shards = 1).await;
    let entry = |data: &str| {
        let data = aws_sdk_kinesis::primitives::Blob::new(data);
        PutRecordsRequestEntry::builder()
            .partition_key("k")
            .data(data)
            .build()
            .unwrap()
    };
    let put = rig
        .kinesis
        .put_records()
        .stream_name("pinflow-events")
        .records(entry("1"))
        .records(entry("2"));
    let put = put.send().await.unwrap();
    assert_eq!(put.failed_record_count(), Some(0));
    let second = put.records()[1].sequence_number().unwrap();

    let shards = rig
        .kinesis
        .list_shards()
        .stream_name("pinflow-events")
        .send()
        .await
        .unwrap();
    let shard = shards.shards()[0].shard_id();
    assert_eq!(put.records()[0].shard_id(), Some(shard));
    for (kind, number, data) in [
        (ShardIteratorType::TrimHorizon, None, vec!["1", "2"]),
        (ShardIteratorType::Latest, None, vec![]),
        (ShardIteratorType::AtSequenceNumber, Some(second), vec!["2"]),
        (ShardIteratorType::AfterSequenceNumber, Some(second), vec![]),
    ] {
        let iterator = rig.iterator(shard, kind.clone(), number).await;
        assert_eq!(rig.read(&iterator).await.0, data, "{kind}");
    }
    let (_, next) = rig
        .read(
            &rig.iterator(shard, ShardIteratorType::TrimHorizon, None)
                .await,
        )
        .await;
    rig.kinesis
        .put_record()
        .stream_name("pinflow-events")
        .partition_key("k")
        .data(aws_sdk_kinesis::primitives::Blob::new("3"))
        .send()
        .await
        .unwrap();
    assert_eq!(rig.read(&next).await.0, ["3"]);

    let streams = rig.kinesis.list_streams().send().await.unwrap();
    assert_eq!(streams.stream_names(), ["pinflow-events"]);
    let summary = rig
        .kinesis
        .describe_stream_summary()
        .stream_name("pinflow-events")
        .send()
        .await
        .unwrap();
    let summary = summary.stream_description_summary().unwrap();
    assert_eq!(
        (summary.open_shard_count(), summary.stream_status().as_str()),
        (1, "ACTIVE")
    );
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_shard_is_split_and_merged_over_the_sdk() {
    let rig = rig_with(|config| config.shards = 1).await;
    let stream = "pinflow-events";
    let split = rig
        .kinesis
        .split_shard()
        .stream_name(stream)
        .shard_to_split("shardId-000000000000");
    split
        .new_starting_hash_key((1_u128 << 127).to_string())
        .send()
        .await
        .unwrap();
    let shards = || async {
        rig.kinesis
            .list_shards()
            .stream_name(stream)
            .send()
            .await
            .unwrap()
            .shards
            .unwrap_or_default()
    };
    let listed = shards().await;
    let ids: Vec<_> = listed
        .iter()
        .map(|shard| (shard.shard_id(), shard.parent_shard_id()))
        .collect();
    let parent = Some("shardId-000000000000");
    assert_eq!(
        ids,
        [
            ("shardId-000000000000", None),
            ("shardId-000000000001", parent),
            ("shardId-000000000002", parent)
        ]
    );
    let is_closed = |shard: &aws_sdk_kinesis::types::Shard| {
        shard
            .sequence_number_range()
            .is_some_and(|range| range.ending_sequence_number().is_some())
    };
    assert_eq!(
        listed.iter().map(is_closed).collect::<Vec<_>>(),
        [true, false, false]
    );

    let iterator = rig
        .iterator("shardId-000000000000", ShardIteratorType::TrimHorizon, None)
        .await;
    let end = rig
        .kinesis
        .get_records()
        .shard_iterator(iterator)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (end.next_shard_iterator(), end.child_shards().len()),
        (None, 2)
    );

    let merge = rig
        .kinesis
        .merge_shards()
        .stream_name(stream)
        .shard_to_merge("shardId-000000000001");
    merge
        .adjacent_shard_to_merge("shardId-000000000002")
        .send()
        .await
        .unwrap();
    assert_eq!(shards().await.len(), 4);
    let again = rig
        .kinesis
        .split_shard()
        .stream_name(stream)
        .shard_to_split("shardId-000000000001");
    let error = again
        .new_starting_hash_key("1")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_in_use_exception(), "{error:?}");
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_lands_in_the_bucket_or_in_the_queue() {
    for on_failure in [
        OnFailure::Bucket("failures".to_owned()),
        OnFailure::Queue("clean-failures".to_owned()),
    ] {
        let rig = rig_with(|config| {
            config.mapping.maximum_retry_attempts = Some(0);
            config.mapping.on_failure = Some(on_failure.clone());
        })
        .await;
        let out = rig.folder.path();
        std::fs::create_dir(out.join("failures")).unwrap();
        // A file where a folder is to be: the lake takes nothing.
        std::fs::write(out.join("pinflow-lake/clean"), "").unwrap();
        let post = rig
            .http
            .post(rig.url("/events/user"))
            .body(r#"{"ind":1,"first_name":"Ada"}"#);
        assert_eq!(post.send().await.unwrap().status(), 200);
        rig.stack.drained().await;
        assert_eq!(rig.stack.totals().dropped(), 1);
        let is_bucket = matches!(on_failure, OnFailure::Bucket(_));
        let folder = if is_bucket {
            out.join("failures/aws/lambda")
        } else {
            out.join(".pinflow/queues/clean-failures")
        };
        let files = files(&folder);
        assert_eq!(files.len(), 1, "{files:?}");
        let told: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
        assert_eq!(
            told["requestContext"]["condition"],
            "RetryAttemptsExhausted"
        );
        assert_eq!(told["KinesisBatchInfo"]["batchSize"], 1);
        assert_eq!(told["payload"].is_string(), is_bucket);
        rig.stack.shutdown().await.unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test]
async fn kinesis_refuses_what_the_service_refuses() {
    let rig = rig().await;
    let stream = "pinflow-events";
    let records = |count: usize| vec![json!({"Data": "e30=", "PartitionKey": "k"}); count];
    let large = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        vec![0; 1024 * 1024],
    );
    for (operation, body, status, code) in [
        (
            "PutRecord",
            json!({"StreamName": "other", "Data": "e30=", "PartitionKey": "k"}),
            400,
            "ResourceNotFoundException",
        ),
        (
            "PutRecord",
            json!({"StreamName": stream, "Data": "e30=", "PartitionKey": ""}),
            400,
            "InvalidArgumentException",
        ),
        (
            "PutRecord",
            json!({"StreamName": stream, "Data": "?", "PartitionKey": "k"}),
            400,
            "SerializationException",
        ),
        (
            "PutRecord",
            json!({"StreamName": stream, "Data": large, "PartitionKey": "k"}),
            400,
            "InvalidArgumentException",
        ),
        (
            "PutRecord",
            json!({"Data": "e30=", "PartitionKey": "k"}),
            400,
            "InvalidArgumentException",
        ),
        (
            "PutRecords",
            json!({"StreamName": stream, "Records": records(501)}),
            400,
            "InvalidArgumentException",
        ),
        (
            "PutRecords",
            json!({"StreamName": stream, "Records": records(0)}),
            400,
            "InvalidArgumentException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": stream, "ShardId": "shardId-000000000009", "ShardIteratorType": "LATEST"}),
            400,
            "ResourceNotFoundException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "7"}),
            400,
            "InvalidArgumentException",
        ),
        (
            "GetRecords",
            json!({"ShardIterator": "AAAA"}),
            400,
            "InvalidArgumentException",
        ),
        (
            "StartStreamEncryption",
            json!({}),
            400,
            "UnknownOperationException",
        ),
    ] {
        let request = rig
            .http
            .post(rig.url("/"))
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"));
        let response = request.body(body.to_string()).send().await.unwrap();
        let answered = response.status().as_u16();
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(
            (answered, &answer["__type"]),
            (status, &json!(code)),
            "{operation}: {answer}"
        );
    }
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_object_is_a_plain_file_and_nothing_else() {
    let rig = rig().await;
    let put = || rig.s3.put_object().bucket("pinflow-lake").key(LONG_KEY);
    put()
        .body(ByteStream::from_static(b"rows"))
        .send()
        .await
        .unwrap();
    let bucket = rig.folder.path().join("pinflow-lake");
    assert_eq!(std::fs::read(bucket.join(LONG_KEY)).unwrap(), b"rows");
    let names: Vec<_> = std::fs::read_dir(rig.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(
        std::fs::read_dir(rig.folder.path().join(".pinflow/staging"))
            .unwrap()
            .count(),
        0
    );

    let got = rig
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"rows");
    let head = rig
        .s3
        .head_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(4));
    let part = rig
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .range("bytes=1-2")
        .send()
        .await
        .unwrap();
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"ow");
    let list = rig
        .s3
        .list_objects_v2()
        .bucket("pinflow-lake")
        .prefix("clean/user/")
        .send()
        .await
        .unwrap();
    assert_eq!(
        list.contents()
            .iter()
            .filter_map(|object| object.key())
            .collect::<Vec<_>>(),
        [LONG_KEY]
    );

    put()
        .body(ByteStream::from_static(b"newer"))
        .send()
        .await
        .unwrap();
    assert_eq!(std::fs::read(bucket.join(LONG_KEY)).unwrap(), b"newer");
    rig.s3
        .delete_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .send()
        .await
        .unwrap();
    assert!(!bucket.join(LONG_KEY).exists());
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_many_conditional_puts_one_wins() {
    let rig = rig().await;
    let put = |number: u8| {
        let put = rig
            .s3
            .put_object()
            .bucket("pinflow-lake")
            .key("log/00001.json")
            .if_none_match("*");
        put.body(ByteStream::from(vec![number; 10_000])).send()
    };
    let outcomes = futures::future::join_all((0..8).map(put)).await;
    let winner = outcomes.iter().position(Result::is_ok).unwrap();
    for (number, outcome) in outcomes.iter().enumerate() {
        if number != winner {
            let status = outcome
                .as_ref()
                .err()
                .and_then(|error| error.raw_response())
                .map(|raw| raw.status().as_u16());
            assert_eq!(status, Some(412));
        }
    }
    let written = std::fs::read(rig.folder.path().join("pinflow-lake/log/00001.json")).unwrap();
    assert_eq!(written, vec![u8::try_from(winner).unwrap(); 10_000]);
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_many_writes_on_one_version_one_wins() {
    let rig = rig().await;
    let put = |body: Vec<u8>| {
        let put = rig
            .s3
            .put_object()
            .bucket("pinflow-lake")
            .key("runs/1.json");
        put.body(ByteStream::from(body))
    };
    let e_tag = put(vec![0]).send().await.unwrap().e_tag.unwrap();
    let get = rig
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key("runs/1.json");
    assert_eq!(get.send().await.unwrap().e_tag(), Some(e_tag.as_str()));

    let puts = (1..8).map(|number| put(vec![number; 100]).if_match(&e_tag).send());
    let outcomes = futures::future::join_all(puts).await;
    let statuses = outcomes.iter().map(|outcome| match outcome {
        Ok(_) => 200,
        Err(error) => error.raw_response().unwrap().status().as_u16(),
    });
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412]);
    let absent = put(vec![9])
        .key("runs/2.json")
        .if_match(&e_tag)
        .send()
        .await;
    assert_eq!(
        absent
            .unwrap_err()
            .raw_response()
            .unwrap()
            .status()
            .as_u16(),
        404
    );
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_object_is_read_in_parts() {
    let rig = rig().await;
    // More than what is read from the file at once.
    let body: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
    let put = rig.s3.put_object().bucket("pinflow-lake").key("a");
    put.body(ByteStream::from(body.clone()))
        .send()
        .await
        .unwrap();
    let last = body.len() - 1;
    for (range, wanted) in [
        ("bytes=0-0", Some(0..1)),
        ("bytes=100-999999", Some(100..1_000_000)),
        ("bytes=-10", Some(last - 9..last + 1)),
        ("bytes=2399990-", Some(2_399_990..last + 1)),
        ("bytes=0-99999999", Some(0..last + 1)),
        ("bytes=2400000-", None),
    ] {
        let got = rig
            .s3
            .get_object()
            .bucket("pinflow-lake")
            .key("a")
            .range(range)
            .send()
            .await;
        match wanted {
            Some(wanted) => {
                let got = got.unwrap();
                let told = format!("bytes {}-{}/{}", wanted.start, wanted.end - 1, body.len());
                assert_eq!(got.content_range(), Some(told.as_str()));
                assert_eq!(
                    got.body.collect().await.unwrap().to_vec(),
                    body[wanted],
                    "{range}"
                );
            }
            None => assert_eq!(
                got.unwrap_err().raw_response().unwrap().status().as_u16(),
                416
            ),
        }
    }
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn s3_refuses_wrong_checksums_keys_and_unsigned_writes() {
    let rig = rig().await;
    let put = || {
        rig.s3
            .put_object()
            .bucket("pinflow-lake")
            .body(ByteStream::from_static(b"rows"))
    };
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Crc64Nvme,
    ] {
        put()
            .key("right")
            .checksum_algorithm(algorithm)
            .send()
            .await
            .unwrap();
    }
    let status = |error: aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::put_object::PutObjectError,
    >| { error.raw_response().map(|raw| raw.status().as_u16()) };
    assert_eq!(
        status(
            put()
                .key("wrong")
                .checksum_crc32("AAAAAA==")
                .send()
                .await
                .unwrap_err()
        ),
        Some(400)
    );
    assert_eq!(
        status(
            put()
                .key("wrong")
                .content_md5("AAAAAAAAAAAAAAAAAAAAAA==")
                .send()
                .await
                .unwrap_err()
        ),
        Some(400)
    );
    assert!(
        !rig.folder.path().join("pinflow-lake/wrong").exists(),
        "nothing of a refused object is there"
    );
    assert_eq!(
        status(put().key("a/../../escaped").send().await.unwrap_err()),
        Some(400)
    );
    let missing = rig
        .s3
        .put_object()
        .bucket("other")
        .key("a")
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(missing), Some(404));

    let url = rig.url("/pinflow-lake/right");
    assert_eq!(
        rig.http
            .get(&url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        "rows"
    );
    assert_eq!(
        rig.http.put(&url).body("x").send().await.unwrap().status(),
        403
    );
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_front_hands_bodies_over_as_api_gateway_does() {
    let rig = rig_with(|config| config.stage = "Dev".to_owned()).await;
    let post = |path: &str, content_type: &str, body: Vec<u8>| {
        rig.http
            .post(rig.url(path))
            .header("content-type", content_type)
            .body(body)
            .send()
    };
    let kafka = "application/vnd.kafka.json.v2+json";
    let rows = br#"{"records":[{"value":{"index":1,"title":"\u00e9"}}]}"#.to_vec();
    let large = vec![b' '; 10_000_001];
    let too_large_in_base64 = vec![b' '; 5_000_000];
    for (path, content_type, body, status) in [
        ("/Dev/topics/abc.pin", kafka, rows.clone(), 200),
        ("/Dev/topics/abc.pin", "application/json", rows, 200),
        (
            "/Dev/events/pin",
            "application/json",
            b"{\"index\":\"\xff\"}".to_vec(),
            400,
        ),
        ("/topics/abc.pin", kafka, b"{}".to_vec(), 404),
        ("/Dev/events/pin", "application/json", large, 413),
        (
            "/Dev/events/pin",
            "application/x-ndjson",
            too_large_in_base64,
            413,
        ),
    ] {
        let length = body.len();
        let response = post(path, content_type, body).await.unwrap();
        assert_eq!(
            response.status(),
            status,
            "{path}, {content_type}, {length} bytes"
        );
    }
    let health = rig
        .http
        .get(rig.url("/Dev/health?deep=1"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(health.headers()["content-type"], "application/json");
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stack_that_cannot_start_says_why() {
    let rig = rig().await;
    let same_folder = StackConfig::new(rig.folder.path());
    let other = tempfile::tempdir().unwrap();
    let mut same_port = StackConfig::new(other.path());
    same_port.port = rig.stack.url().rsplit(':').next().unwrap().parse().unwrap();
    let mut no_shards = StackConfig::new(other.path());
    no_shards.shards = 0;
    let mut long_window = StackConfig::new(other.path());
    long_window.mapping.maximum_batching_window = Duration::from_secs(301);
    let file = other.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (config, reason) in [
        (
            same_folder,
            "is in use: is another pinflow running on this folder?",
        ),
        (
            same_port,
            "is in use: stop the program that listens there, or choose another port",
        ),
        (no_shards, "the number of shards is 0; take 1 to 500"),
        (long_window, "the batching window is 301 s; take 0 to 300"),
        (StackConfig::new(&file), "cannot write to the folder"),
    ] {
        let error = Stack::start(config, clock()).await.err().unwrap();
        assert!(error.to_string().contains(reason), "{error}");
    }
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_posted_ends_in_the_bucket_and_in_the_totals() {
    let rig = rig().await;
    let post = rig
        .http
        .post(rig.url("/events/user"))
        .body(r#"[{"ind":1,"first_name":"Ada"},{"first_name":"Eve"}]"#);
    assert_eq!(post.send().await.unwrap().status(), 200);
    rig.stack.drained().await;
    let totals = rig.stack.totals();
    assert_eq!((totals.total_rows(), totals.total_rejected()), (1, 1));
    assert_eq!((totals.retries(), totals.dropped()), (0, 0));
    rig.stack.shutdown().await.unwrap();
}

/// Sends bytes as they are, and returns what comes back until the connection is closed.
async fn raw(rig: &Rig, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let address = rig.stack.url().strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes while the client still sends may reset the connection after its answer.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_and_long_winded_clients_are_sent_away() {
    let rig = rig_with(|config| config.client_timeout = Duration::from_millis(100)).await;
    let long = format!(
        "GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many = format!(
        "GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    let post = "POST /events/pin HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    for (request, status) in [
        (long.as_str(), "HTTP/1.1 431 "),
        (many.as_str(), "HTTP/1.1 431 "),
        (post, "HTTP/1.1 408 "),
        // Half a head gets no answer.
        ("GET /health HTT", ""),
    ] {
        let answer = raw(&rig, request.as_bytes()).await;
        assert!(
            answer.starts_with(status) && answer.is_empty() == status.is_empty(),
            "{status}: {answer}"
        );
    }
    rig.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stack_with_a_key_asks_for_it() {
    let key = "a-key-of-some-length";
    let rig = rig_with(|config| config.api_keys = Some(key.to_owned())).await;
    let post = || {
        rig.http
            .post(rig.url("/events/user"))
            .body(r#"{"ind":1,"first_name":"Ada"}"#)
    };
    assert_eq!(post().send().await.unwrap().status(), 401);
    assert_eq!(
        post()
            .header("x-api-key", key)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    rig.stack.drained().await;
    assert_eq!(rig.stack.totals().total_rows(), 1);
    rig.stack.shutdown().await.unwrap();
}
