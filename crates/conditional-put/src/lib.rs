#![doc = include_str!("../README.md")]

use std::fmt::Write as _;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event_model::metadata::{DIGEST, POSITIONS, PositionCounts, RECORDS};
use sha2::{Digest as _, Sha256};

/// How often an object is written whose key somebody else writes at the same time.
const TRIES: u32 = 4;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, durable: written now, or with these very bytes before.
    Written,
    /// There is one of more records, which stays.
    Kept {
        /// How many it has.
        records: u64,
    },
}

/// An object that was not written, or could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It was not written.
    #[error(transparent)]
    Put(Box<SdkError<PutObjectError>>),
    /// There is one under its key that cannot be looked at.
    #[error(transparent)]
    Head(Box<SdkError<HeadObjectError>>),
}

/// Writes an object of so many records, unless there is one of more under its key. `positions` says how many stream records it accounts
/// for, if it does.
///
/// # Errors
///
/// What S3 answers, or that it does not answer, after the client's own retries.
pub async fn put(
    s3: &Client,
    bucket: &str,
    key: &str,
    records: u64,
    positions: Option<&PositionCounts>,
    body: Bytes,
) -> Result<Put, PutError> {
    let checksum = Sha256::digest(&body);
    let digest = short(&checksum);
    let checksum = STANDARD.encode(checksum);
    let mut present: Option<String> = None;
    let mut tries = 0;
    loop {
        let put = s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .metadata(RECORDS, records.to_string())
            .metadata(DIGEST, &digest)
            .checksum_sha256(&checksum)
            .body(ByteStream::from(body.clone()));
        let put = match positions {
            Some(positions) => put.metadata(POSITIONS, positions.to_string()),
            None => put,
        };
        let put = match &present {
            Some(e_tag) => put.if_match(e_tag),
            None => put.if_none_match("*"),
        };
        tries += 1;
        // The checksum's header is signed, and S3 compares it with the bytes: a signature of the bytes would have them read once more.
        match put.customize().disable_payload_signing().send().await {
            Ok(_) => return Ok(Put::Written),
            Err(error) if tries < TRIES && is_condition(&error) => {}
            Err(error) => return Err(PutError::Put(Box::new(error))),
        }
        let head = s3.head_object().bucket(bucket).key(key).send().await;
        present = match head {
            Ok(head) => {
                let known = |name| head.metadata().and_then(|metadata| metadata.get(name));
                let length = i64::try_from(body.len()).ok();
                if known(DIGEST) == Some(&digest) && head.content_length() == length {
                    return Ok(Put::Written);
                }
                match known(RECORDS).and_then(|known| known.parse().ok()) {
                    Some(present) if present > records => {
                        return Ok(Put::Kept { records: present });
                    }
                    _ => head.e_tag,
                }
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(HeadObjectError::is_not_found) =>
            {
                None
            }
            Err(error) => return Err(PutError::Head(Box::new(error))),
        };
    }
}

/// Returns the first 128 bits of the SHA-256 of an object's bytes, as 32 hexadecimal digits. The tag that S3 gives it is none where KMS encrypts
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>).
#[must_use]
pub fn digest(body: &[u8]) -> String {
    short(&Sha256::digest(body))
}

fn short(hash: &[u8]) -> String {
    let mut text = String::with_capacity(32);
    for byte in hash.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Tells whether S3 did not write because the object is not as the condition says.
fn is_condition(error: &SdkError<PutObjectError>) -> bool {
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    // 409 says that another conditional write of the key is under way; 404 that the object to be replaced is gone.
    status.is_some_and(|status| [404, 409, 412].contains(&status))
}
