//! The numbers of the services that more than one part of the pipeline builds to.
//!
//! Sources: [PutRecords](https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html),
//! [Kinesis quotas](https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html),
//! [HTTP API quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html),
//! [Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).

/// Most records in one `PutRecords` call (a Kinesis limit).
pub const PUT_RECORDS_MAX_RECORDS: usize = 500;

/// Most bytes in one `PutRecords` call, data and partition keys together: 10 MiB (a Kinesis limit).
pub const PUT_RECORDS_MAX_BYTES: usize = 10 * 1024 * 1024;

/// Most bytes of one record, data and partition key together: 1 MiB (a Kinesis limit, unless the stream raises it).
pub const RECORD_MAX_BYTES: usize = 1024 * 1024;

/// Most Unicode characters of a partition key (a Kinesis limit).
pub const PARTITION_KEY_MAX_CHARS: usize = 256;

/// Most bytes that API Gateway takes in a request's body: 10 MB (an HTTP API limit).
pub const HTTP_API_MAX_BYTES: usize = 10 * 1000 * 1000;

/// Most bytes of a function's synchronous payload: 6 MB (a Lambda limit; an invocation's JSON counts, base64 included).
pub const LAMBDA_PAYLOAD_MAX_BYTES: usize = 6 * 1024 * 1024;
