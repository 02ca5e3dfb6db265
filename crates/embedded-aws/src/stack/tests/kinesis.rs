//! Kinesis over the SDK.

use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};

use super::*;

impl TestStack {
    pub(super) async fn iterator(
        &self,
        shard: &str,
        kind: ShardIteratorType,
        number: Option<&str>,
    ) -> String {
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
    pub(super) async fn read(&self, iterator: &str) -> (Vec<String>, String) {
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

#[tokio::test]
async fn a_producer_and_a_consumer_meet_over_the_sdk() {
    let stack = start_with(|config| config.shards = 1).await;
    let entry = |data: &str| {
        let data = aws_sdk_kinesis::primitives::Blob::new(data);
        PutRecordsRequestEntry::builder()
            .partition_key("k")
            .data(data)
            .build()
            .unwrap()
    };
    let put = stack
        .kinesis
        .put_records()
        .stream_name("pinflow-events")
        .records(entry("1"))
        .records(entry("2"));
    let put = put.send().await.unwrap();
    assert_eq!(put.failed_record_count(), Some(0));
    let second = put.records()[1].sequence_number().unwrap();

    let shards = stack
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
        let iterator = stack.iterator(shard, kind.clone(), number).await;
        assert_eq!(stack.read(&iterator).await.0, data, "{kind}");
    }
    let (_, next) = stack
        .read(
            &stack
                .iterator(shard, ShardIteratorType::TrimHorizon, None)
                .await,
        )
        .await;
    stack
        .kinesis
        .put_record()
        .stream_name("pinflow-events")
        .partition_key("k")
        .data(aws_sdk_kinesis::primitives::Blob::new("3"))
        .send()
        .await
        .unwrap();
    assert_eq!(stack.read(&next).await.0, ["3"]);

    let streams = stack.kinesis.list_streams().send().await.unwrap();
    assert_eq!(streams.stream_names(), ["pinflow-events"]);
    let summary = stack
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
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_shard_is_split_and_merged_over_the_sdk() {
    let stack = start_with(|config| config.shards = 1).await;
    let stream = "pinflow-events";
    let split = stack
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
        stack
            .kinesis
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

    let iterator = stack
        .iterator("shardId-000000000000", ShardIteratorType::TrimHorizon, None)
        .await;
    let end = stack
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

    let merge = stack
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
    let again = stack
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
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn kinesis_refuses_what_the_service_refuses() {
    let stack = start().await;
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
        let request = stack
            .http
            .post(stack.url("/"))
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
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_body_in_cbor_is_told_and_how_to_send_json() {
    let stack = start().await;
    let put = stack
        .http
        .post(stack.url("/"))
        .header("x-amz-target", "Kinesis_20131202.PutRecord")
        .header("content-type", "application/x-amz-cbor-1.1")
        .body(vec![0xbf, 0xff]);
    let answer = put.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("SerializationException") && text.contains("AWS_CBOR_DISABLE"),
        "{text}"
    );
}
