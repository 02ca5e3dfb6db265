//! S3 over the SDK, and what it leaves in the folder.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;

use super::*;

/// Bytes of the key of a clean object, with the longest sequence numbers.
const LONG_KEY: &str = "clean/user/date=2026-11-21/hour=07/shardId-000000000000-\
    49671626338112233445566778899001122334455667788990011223-49671626338112233445566778899001122334455667788990011224.parquet";

#[tokio::test]
async fn an_object_is_a_plain_file_and_nothing_else() {
    let stack = start().await;
    let put = || stack.s3.put_object().bucket("pinflow-lake").key(LONG_KEY);
    put()
        .body(ByteStream::from_static(b"rows"))
        .send()
        .await
        .unwrap();
    let bucket = stack.folder.path().join("pinflow-lake");
    assert_eq!(std::fs::read(bucket.join(LONG_KEY)).unwrap(), b"rows");
    let names: Vec<_> = std::fs::read_dir(stack.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(
        std::fs::read_dir(stack.folder.path().join(".pinflow/staging"))
            .unwrap()
            .count(),
        0
    );

    let got = stack
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"rows");
    let head = stack
        .s3
        .head_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(4));
    let part = stack
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .range("bytes=1-2")
        .send()
        .await
        .unwrap();
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"ow");
    let list = stack
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
    stack
        .s3
        .delete_object()
        .bucket("pinflow-lake")
        .key(LONG_KEY)
        .send()
        .await
        .unwrap();
    assert!(!bucket.join(LONG_KEY).exists());
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_many_conditional_puts_one_wins() {
    let stack = start().await;
    let put = |number: u8| {
        let put = stack
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
    let written = std::fs::read(stack.folder.path().join("pinflow-lake/log/00001.json")).unwrap();
    assert_eq!(written, vec![u8::try_from(winner).unwrap(); 10_000]);
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_many_writes_on_one_version_one_wins() {
    let stack = start().await;
    let put = |body: Vec<u8>| {
        let put = stack
            .s3
            .put_object()
            .bucket("pinflow-lake")
            .key("runs/1.json");
        put.body(ByteStream::from(body))
    };
    let e_tag = put(vec![0]).send().await.unwrap().e_tag.unwrap();
    let get = stack
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key("runs/1.json");
    assert_eq!(
        get.clone().send().await.unwrap().e_tag(),
        Some(e_tag.as_str())
    );

    let puts = (1..8).map(|number| put(vec![number; 100]).if_match(&e_tag).send());
    let outcomes = futures::future::join_all(puts).await;
    let statuses = outcomes.iter().map(|outcome| match outcome {
        Ok(_) => 200,
        Err(error) => error.raw_response().unwrap().status().as_u16(),
    });
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412]);
    // A reader that knows the old version gets that one or none.
    let read = get.clone().if_match(&e_tag).send().await;
    let refusal = read.unwrap_err();
    assert_eq!(refusal.raw_response().unwrap().status().as_u16(), 412);
    let newest = get.send().await.unwrap();
    let read = stack
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key("runs/1.json");
    let read = read.if_match(newest.e_tag().unwrap()).send().await;
    assert_eq!(read.unwrap().content_length(), Some(100));

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
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_object_is_read_in_parts() {
    let stack = start().await;
    // More than what is read from the file at once.
    let body: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
    let put = stack.s3.put_object().bucket("pinflow-lake").key("a");
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
        let got = stack
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
                let range = format!("bytes {}-{}/{}", wanted.start, wanted.end - 1, body.len());
                assert_eq!(got.content_range(), Some(range.as_str()));
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
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn s3_refuses_wrong_checksums_keys_and_unsigned_writes() {
    let stack = start().await;
    let put = || {
        stack
            .s3
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
        !stack.folder.path().join("pinflow-lake/wrong").exists(),
        "nothing of a refused object is there"
    );
    assert_eq!(
        status(put().key("a/../../escaped").send().await.unwrap_err()),
        Some(400)
    );
    let missing = stack
        .s3
        .put_object()
        .bucket("other")
        .key("a")
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(missing), Some(404));

    let url = stack.url("/pinflow-lake/right");
    assert_eq!(
        stack
            .http
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
        stack
            .http
            .put(&url)
            .body("x")
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_object_comes_in_parts() {
    use aws_sdk_s3::error::ProvideErrorMetadata as _;
    use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
    let stack = start().await;
    let key = "with blanks + plus%2F/é.bin";
    let bodies = [vec![b'a'; 5 << 20], vec![b'b'; 7]];
    let create = stack
        .s3
        .create_multipart_upload()
        .bucket("pinflow-lake")
        .key(key);
    let create = create.metadata("records", "7").send().await.unwrap();
    let id = create.upload_id().unwrap();
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let part = stack
            .s3
            .upload_part()
            .bucket("pinflow-lake")
            .key(key)
            .upload_id(id);
        let part = part
            .part_number(number)
            .body(body.clone().into())
            .send()
            .await
            .unwrap();
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag);
        parts.push(part.build());
    }
    let complete = |parts: Vec<CompletedPart>| {
        let upload = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let complete = stack
            .s3
            .complete_multipart_upload()
            .bucket("pinflow-lake")
            .key(key);
        complete.upload_id(id).multipart_upload(upload).send()
    };
    let code = |error: aws_sdk_s3::Error| error.code().map(str::to_owned);
    let backwards = parts.iter().rev().cloned().collect();
    let refused = complete(backwards).await.unwrap_err();
    assert_eq!(code(refused.into()).as_deref(), Some("InvalidPartOrder"));
    let strange = CompletedPart::builder()
        .part_number(1)
        .e_tag("\"x\"")
        .build();
    let refused = complete(vec![strange]).await.unwrap_err();
    assert_eq!(code(refused.into()).as_deref(), Some("InvalidPart"));
    complete(parts.clone()).await.unwrap();
    let gone = complete(parts).await.unwrap_err();
    assert_eq!(code(gone.into()).as_deref(), Some("NoSuchUpload"));

    let got = stack
        .s3
        .get_object()
        .bucket("pinflow-lake")
        .key(key)
        .send()
        .await
        .unwrap();
    assert_eq!(got.metadata().unwrap()["records"], "7");
    assert_eq!(
        got.body.collect().await.unwrap().into_bytes(),
        bodies.concat()
    );
    let listed = stack.s3.list_objects_v2().bucket("pinflow-lake");
    let listed = listed
        .encoding_type(aws_sdk_s3::types::EncodingType::Url)
        .send()
        .await
        .unwrap();
    assert_eq!(
        listed.contents()[0].key(),
        Some("with%20blanks%20%2B%20plus%252F/%C3%A9.bin")
    );

    let small = stack
        .s3
        .create_multipart_upload()
        .bucket("pinflow-lake")
        .key(key);
    let small = small.send().await.unwrap();
    let abort = || {
        let abort = stack
            .s3
            .abort_multipart_upload()
            .bucket("pinflow-lake")
            .key(key);
        abort.upload_id(small.upload_id().unwrap()).send()
    };
    abort().await.unwrap();
    assert!(abort().await.is_err());
}
