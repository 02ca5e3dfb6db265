//! What the stack is made of, as the Terraform has it by default, and what is assumed of AWS where nothing was measured.

/// Memory of ingest-api, in MB.
pub const INGEST_API_MEMORY_MB: f64 = 256.0;
/// Memory of stream-cleaner, in MB.
pub const STREAM_CLEANER_MEMORY_MB: f64 = 512.0;
/// Memory of daily-batch, in MB.
pub const DAILY_BATCH_MEMORY_MB: f64 = 3_008.0;
/// Ephemeral storage of daily-batch, in MB.
pub const DAILY_BATCH_EPHEMERAL_MB: f64 = 4_096.0;
/// Timeout of daily-batch, in seconds (Lambda's longest).
pub const DAILY_BATCH_TIMEOUT_SECONDS: f64 = 900.0;

/// Longest that records wait until stream-cleaner gets them, in seconds, where nothing else is said.
pub const BATCHING_WINDOW_SECONDS: f64 = 60.0;
/// Most records of an event (a limit of the event source mapping).
pub const MAX_BATCH_RECORDS: f64 = 10_000.0;
/// Most bytes of an event (a limit of the event source mapping).
pub const MAX_EVENT_BYTES: f64 = 6.0 * 1_048_576.0;
/// Bytes of a record in an event beside its data in base64.
pub const EVENT_RECORD_BYTES: f64 = 480.0;

/// Days that clean objects are kept.
pub const CLEAN_DAYS: f64 = 90.0;
/// Days that quarantined records are kept.
pub const QUARANTINE_DAYS: f64 = 365.0;
/// Days that a version is kept, and paid for, once it is replaced or deleted.
pub const NONCURRENT_DAYS: f64 = 30.0;
/// Days after which vacuum deletes a file that a merge has replaced.
pub const VACUUM_DAYS: f64 = 7.0;
/// Days until the records of a day are in the archive.
pub const ARCHIVE_AFTER_DAYS: f64 = 3.0;
/// Age of the stack, in days, where nothing else is said: the tables and the archive grow with it, for no row repeats an earlier key.
pub const AGE_DAYS: f64 = 90.0;
/// Bytes of a large file of a curated table, which a merge copies whole when one of its rows is replaced.
pub const TABLE_FILE_BYTES: f64 = 134_217_728.0;

/// Metrics that alarms look at: one each, but for the five that compare two.
pub const ALARM_METRICS: f64 = 33.0;
/// Those of lean monitoring: one each, but for three that compare two.
pub const LEAN_ALARM_METRICS: f64 = 16.0;
/// Dashboards.
pub const DASHBOARDS: f64 = 1.0;
/// Metrics that a working stream-cleaner sends: counts, and one for each code and rule that occurs. Counted high.
pub const STREAM_CLEANER_METRICS: f64 = 30.0;
/// Metrics of the API's route in use, and of the event source mapping.
pub const API_METRICS: f64 = 8.0;
/// Those of the event source mapping alone.
pub const LEAN_API_METRICS: f64 = 2.0;
/// Metrics of stream-cleaner that alarms look at, while nothing fails.
pub const LEAN_STREAM_CLEANER_METRICS: f64 = 2.0;
/// Metrics that daily-batch sends, in one hour of a day.
pub const DAILY_BATCH_METRICS: f64 = 17.0;

/// Log of a request in bytes: access log, the function's own line, and Lambda's three.
pub const REQUEST_LOG_BYTES: f64 = 2_000.0;
/// Log of a batch in bytes: the function's line, its metrics, and Lambda's three.
pub const BATCH_LOG_BYTES: f64 = 3_500.0;
/// Log of a daily run in bytes.
pub const RUN_LOG_BYTES: f64 = 20_000.0;
/// Months that logs are kept (30 days), and what is left of them by compression, which AWS gives as about 0.15.
pub const LOG_MONTHS_COMPRESSED: f64 = 30.0 / 30.4 * 0.15;

/// Time in ms that ingest-api waits for `PutRecords`. An assumption, as all that follow.
pub const INGEST_API_WAIT_MS: f64 = 25.0;
/// Time in ms that stream-cleaner waits for its PUTs.
pub const STREAM_CLEANER_WAIT_MS: f64 = 150.0;
/// Time in ms that daily-batch waits for S3 in a run: some hundred requests, one after the other.
pub const DAILY_BATCH_WAIT_MS: f64 = 20_000.0;
/// Time in ms that daily-batch waits for each clean object of the day.
pub const DAILY_BATCH_OBJECT_WAIT_MS: f64 = 10.0;
/// Processor time in ms for each row that is archived: 34 s on two processors for 30 million rows (2026-11-27).
pub const ARCHIVE_ROW_CPU_MS: f64 = 0.002;
/// Share of invocations that are cold starts; AWS says that it is below this. The daily run always is one.
pub const COLD_STARTS: f64 = 0.01;

/// Share of rejected rows.
pub const REJECTED: f64 = 0.01;
/// Requests to S3 of a daily run beside those for clean objects: PUT and LIST.
pub const RUN_PUTS: f64 = 500.0;
/// The same: GET.
pub const RUN_GETS: f64 = 2_000.0;
/// GETs for each clean object: its footer, its keys, its rows.
pub const OBJECT_GETS: f64 = 4.0;

/// Requests to KMS an hour for each that keeps a data key, for five minutes: a log group of four, daily-batch, and each environment of the
/// other two functions, for Kinesis asks KMS once for each caller's credentials.
pub const KMS_REQUESTS_AN_HOUR: f64 = 12.0;
/// Those that use the stream in any case: daily-batch.
pub const KMS_STREAM_CALLERS: f64 = 1.0;
/// Log groups, which have data keys where the stack has a key of its own.
pub const KMS_LOGS: f64 = 4.0;
/// Requests to S3 for one to KMS: the bucket has a key of its own.
pub const S3_REQUESTS_A_KMS_REQUEST: f64 = 100.0;

/// Traces that X-Ray records where tracing is active: the first of each second, and this share of the others.
pub const TRACED: f64 = 0.05;

/// Bytes of the place of a row in its record, in an answer.
pub const ANSWER_SUB_NUMBER_BYTES: f64 = 16.0;
/// Bytes of an answer beside what it says of each row: its headers, and those of API Gateway.
pub const ANSWER_BYTES: f64 = 220.0;
/// Requests a second that the API takes, where `api_throttle` says nothing else.
pub const API_RATE: f64 = 100.0;
/// Executions that the functions of an account may have at once (a Lambda quota).
pub const ACCOUNT_CONCURRENCY: f64 = 1_000.0;
/// Share of a shard above which the bursts of an uneven load are throttled.
pub const SHARD_HEADROOM: f64 = 0.8;

/// Queries in Athena a day; each reads the day's clean rows of one kind.
pub const ATHENA_QUERIES_A_DAY: f64 = 3.0;
/// Fewest bytes that Athena bills a query for.
pub const ATHENA_MIN_BYTES: f64 = 10.0 * 1_048_576.0;
/// Messages a month that alarms and failed runs make: e-mails, and requests to the dead-letter queue.
pub const MESSAGES_A_MONTH: f64 = 100.0;

/// Shards that an on-demand stream begins with.
pub const ON_DEMAND_SHARDS: f64 = 4.0;
/// Bytes a second that a shard takes (a limit of Kinesis).
pub const SHARD_IN_BYTES: f64 = 1_048_576.0;
/// Records a second that a shard takes (a limit of Kinesis).
pub const SHARD_IN_RECORDS: f64 = 1_000.0;
/// Most bytes of the rows of a packed record that is not compressed.
pub const PACKED_LINES_MAX_BYTES: f64 = 102_400.0;
/// Most bytes of the rows of one that is, before they are.
pub const PACKED_GZIP_MAX_BYTES: f64 = 524_288.0;
/// Kinds of rows; a batch makes one clean object of each.
pub const KINDS: f64 = 3.0;

/// Bytes of a compressed body for each byte of its rows: 500 generated rows of a table in one request, gzip at level 6 (0.14
/// to 0.19, by table).
pub const GZIP_RATIO: f64 = 0.17;
