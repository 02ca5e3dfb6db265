//! Receiving: a body whole, checked against what its request promises of it.

use bytes::Bytes;
use futures::TryStreamExt as _;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, PutObjectInput, StreamingBlob};
use s3s::{S3Result, s3_error};

/// Reads a body whole, and checks it against what the request promises of it; returns its MD5, and the checksums.
pub(super) async fn received(
    body: Option<StreamingBlob>,
    promised: &PutObjectInput,
    trailers: Option<s3s::TrailingHeaders>,
) -> S3Result<(Vec<Bytes>, [u8; 16], Checksum)> {
    let mut hasher = hasher(promised);
    let mut md5 = Md5::new();
    let mut bytes: Vec<Bytes> = Vec::new();
    let mut stream = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    while let Some(chunk) = stream
        .try_next()
        .await
        .map_err(|_| s3_error!(IncompleteBody))?
    {
        hasher.update(&chunk);
        md5.update(&chunk);
        bytes.push(chunk);
    }
    let md5: [u8; 16] = md5.finalize().into();
    let computed = hasher.finalize();
    check_md5(promised, md5)?;
    let trailers = trailers.and_then(|trailers| trailers.take());
    check_checksums(promised, trailers.as_ref(), &computed)?;
    Ok((bytes, md5, computed))
}

/// Returns a hasher of the checksums that the request promises.
fn hasher(input: &PutObjectInput) -> ChecksumHasher {
    let algorithm = input
        .checksum_algorithm
        .as_ref()
        .map(s3s::dto::ChecksumAlgorithm::as_str)
        .unwrap_or_default();
    let mut hasher = ChecksumHasher::default();
    if input.checksum_crc32.is_some() || algorithm == "CRC32" {
        hasher.crc32 = Some(s3s::crypto::Crc32::default());
    }
    if input.checksum_crc32c.is_some() || algorithm == "CRC32C" {
        hasher.crc32c = Some(s3s::crypto::Crc32c::default());
    }
    if input.checksum_crc64nvme.is_some() || algorithm == "CRC64NVME" {
        hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::default());
    }
    if input.checksum_sha1.is_some() || algorithm == "SHA1" {
        hasher.sha1 = Some(s3s::crypto::Sha1::default());
    }
    if input.checksum_sha256.is_some() || algorithm == "SHA256" {
        hasher.sha256 = Some(s3s::crypto::Sha256::default());
    }
    hasher
}

fn check_md5(input: &PutObjectInput, md5: [u8; 16]) -> S3Result<()> {
    use base64::Engine as _;
    let computed = base64::engine::general_purpose::STANDARD.encode(md5);
    if input
        .content_md5
        .as_ref()
        .is_some_and(|promised| promised.as_str() != computed)
    {
        return Err(s3_error!(BadDigest, "The body's MD5 is {computed}"));
    }
    Ok(())
}

/// Compares the checksums that headers or trailers promise with those of the body.
fn check_checksums(
    input: &PutObjectInput,
    trailers: Option<&http::HeaderMap>,
    computed: &Checksum,
) -> S3Result<()> {
    for (name, header, computed) in [
        (
            "x-amz-checksum-crc32",
            &input.checksum_crc32,
            &computed.checksum_crc32,
        ),
        (
            "x-amz-checksum-crc32c",
            &input.checksum_crc32c,
            &computed.checksum_crc32c,
        ),
        (
            "x-amz-checksum-crc64nvme",
            &input.checksum_crc64nvme,
            &computed.checksum_crc64nvme,
        ),
        (
            "x-amz-checksum-sha1",
            &input.checksum_sha1,
            &computed.checksum_sha1,
        ),
        (
            "x-amz-checksum-sha256",
            &input.checksum_sha256,
            &computed.checksum_sha256,
        ),
    ] {
        let trailer = trailers.and_then(|trailers| trailers.get(name)?.to_str().ok());
        let promised = header.as_deref().or(trailer);
        // A trailer of an algorithm that the request did not announce cannot be checked any more.
        if promised.is_some_and(|promised| {
            computed
                .as_deref()
                .is_some_and(|computed| promised != computed)
        }) {
            return Err(s3_error!(BadDigest, "{name} is not that of the body"));
        }
    }
    Ok(())
}
