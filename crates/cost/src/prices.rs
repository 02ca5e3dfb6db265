//! The price list: every price with its unit and the public page that it comes from.
//!
//! Noted by hand on [`NOTED_ON`], for us-east-1, in USD; not fetched from AWS's price list API. These are list prices, by [`Tiered`]
//! where a month of pinflow can leave the first tier: without savings plans, private agreements and taxes. Always-free tiers
//! are listed apart, in [`free`]. A price that was noted from memory of its page and could not be looked up that day is marked
//! "unsure": check it before a decision depends on it.
//!
//! A GB of data is 2³⁰ bytes, as AWS bills it. A month has 730 hours, as AWS's own calculator has it.

/// The day on which the prices were noted.
pub const NOTED_ON: &str = "2026-11-21";
/// The region whose prices these are.
pub const REGION: &str = "us-east-1";

/// Hours of a month.
pub const HOURS_A_MONTH: f64 = 730.0;
/// Seconds of a month.
pub const SECONDS_A_MONTH: f64 = HOURS_A_MONTH * 3_600.0;
/// Days of a month.
pub const DAYS_A_MONTH: f64 = HOURS_A_MONTH / 24.0;
/// Bytes of a GB.
pub const GB: f64 = 1_073_741_824.0;

/// Prices of a unit by how many there are in a month.
#[derive(Clone, Copy, Debug)]
pub struct Tiered(
    /// The end of each tier, and the price in it.
    pub &'static [(f64, f64)],
);

impl Tiered {
    /// Returns the price of so many units a month.
    pub fn usd(&self, units: f64) -> f64 {
        let (mut from, mut usd) = (0.0, 0.0);
        for (end, price) in self.0 {
            usd += (units.min(*end) - from).max(0.0) * price;
            from = *end;
        }
        usd
    }
}

/// <https://aws.amazon.com/api-gateway/pricing/>
pub mod api_gateway {
    use super::Tiered;

    /// A request to an HTTP API, of up to 512 KB; a larger one counts as several.
    pub const HTTP_REQUEST: Tiered = Tiered(&[(300e6, 1.00 / 1e6), (f64::INFINITY, 0.90 / 1e6)]);
    /// Bytes that one request is counted for.
    pub const HTTP_REQUEST_BYTES: f64 = 512.0 * 1_024.0;
    /// A request to a REST API. First 333 million a month.
    pub const REST_REQUEST: f64 = 3.50 / 1e6;
}

/// <https://aws.amazon.com/lambda/pricing/>
pub mod lambda {
    /// An invocation.
    pub const REQUEST: f64 = 0.20 / 1e6;
    /// A GB-second on arm64. First 7.5 billion a month.
    pub const ARM64_GB_SECOND: f64 = 0.000_013_333_4;
    /// A GB-second on `x86_64`. First 6 billion a month.
    pub const X86_64_GB_SECOND: f64 = 0.000_016_666_7;
    /// A GB-second of ephemeral storage beyond 512 MB.
    pub const EPHEMERAL_GB_SECOND: f64 = 0.000_000_030_9;
    /// Ephemeral storage that is not billed, in MB.
    pub const EPHEMERAL_INCLUDED_MB: f64 = 512.0;
}

/// <https://aws.amazon.com/kinesis/data-streams/pricing/>
pub mod kinesis {
    /// An hour of a shard (provisioned).
    pub const SHARD_HOUR: f64 = 0.015;
    /// A PUT payload unit: up to 25 KB of one record (provisioned).
    pub const PUT_UNIT: f64 = 0.014 / 1e6;
    /// Bytes of a PUT payload unit.
    pub const PUT_UNIT_BYTES: f64 = 25.0 * 1_024.0;
    /// An hour of a shard whose records are kept for more than 24 hours, in addition (provisioned).
    pub const EXTENDED_SHARD_HOUR: f64 = 0.020;
    /// An hour of a stream (on-demand, "Standard"; the mode "Advantage" has other prices and a minimum).
    pub const STREAM_HOUR: f64 = 0.040;
    /// A GB written (on-demand); a record is rounded up to the KB.
    pub const ON_DEMAND_IN_GB: f64 = 0.080;
    /// A GB read (on-demand).
    pub const ON_DEMAND_OUT_GB: f64 = 0.040;
    /// Bytes that a record is rounded up to (on-demand).
    pub const ON_DEMAND_RECORD_BYTES: f64 = 1_024.0;
    /// A GB-month of what is kept for between 24 hours and 7 days (on-demand).
    pub const ON_DEMAND_EXTENDED_GB_MONTH: f64 = 0.100;
    /// A GB-month of what is kept for more than 7 days (either mode).
    pub const LONG_TERM_GB_MONTH: f64 = 0.023;
}

/// <https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer>
pub mod transfer {
    use super::Tiered;

    /// A GB that leaves AWS for the internet. 100 GB a month are free, of all services together.
    pub const OUT_GB: Tiered = Tiered(&[
        (10_240.0, 0.09),
        (51_200.0, 0.085),
        (153_600.0, 0.07),
        (f64::INFINITY, 0.05),
    ]);
}

/// <https://aws.amazon.com/firehose/pricing/>
pub mod firehose {
    /// A GB put directly, and delivered to Apache Iceberg tables; it is not rounded up. First 500 TB a month.
    pub const ICEBERG_DIRECT_GB: f64 = 0.075;
    /// A GB from a Kinesis stream to Apache Iceberg tables.
    pub const ICEBERG_STREAM_GB: f64 = 0.045;
    /// A GB ingested; a record is rounded up to 5 KB. First 500 TB a month.
    pub const INGESTED_GB: f64 = 0.029;
    /// A GB converted to Parquet, of the same rounded size.
    pub const CONVERTED_GB: f64 = 0.018;
    /// Bytes that a record is rounded up to.
    pub const RECORD_BYTES: f64 = 5.0 * 1_024.0;
}

/// <https://aws.amazon.com/s3/pricing/>
pub mod s3 {
    use super::Tiered;

    /// A PUT, POST, COPY or LIST request (S3 Standard).
    pub const PUT: f64 = 0.005 / 1e3;
    /// A GET request (S3 Standard).
    pub const GET: f64 = 0.000_4 / 1e3;
    /// A GB-month (S3 Standard).
    pub const GB_MONTH: Tiered = Tiered(&[
        (51_200.0, 0.023),
        (512_000.0, 0.022),
        (f64::INFINITY, 0.021),
    ]);
    /// A GB-month of the archive (S3 Glacier Instant Retrieval).
    pub const ARCHIVE_GB_MONTH: f64 = 0.004;
}

/// <https://aws.amazon.com/kms/pricing/>
pub mod kms {
    /// A month of a key. Its first and second yearly rotation add one such price a month each.
    pub const KEY_MONTH: f64 = 1.00;
    /// A request with a symmetric key.
    pub const REQUEST: f64 = 0.03 / 1e4;
}

/// <https://aws.amazon.com/cloudwatch/pricing/>, and <https://aws.amazon.com/xray/pricing/> for traces
pub mod cloudwatch {
    use super::Tiered;

    /// A GB of logs taken in, class Standard, from Lambda or from API Gateway (vended logs).
    pub const LOG_GB: Tiered = Tiered(&[
        (10_240.0, 0.50),
        (30_720.0, 0.25),
        (51_200.0, 0.10),
        (f64::INFINITY, 0.05),
    ]);
    /// A GB-month of logs kept, after compression.
    pub const LOG_GB_MONTH: f64 = 0.03;
    /// A month of a custom metric; hours without data are not billed. First 10,000.
    pub const METRIC_MONTH: f64 = 0.30;
    /// A month of a metric that an alarm of standard resolution looks at.
    pub const ALARM_MONTH: f64 = 0.10;
    /// A month of a dashboard.
    pub const DASHBOARD_MONTH: f64 = 3.00;
    /// A trace that X-Ray records.
    pub const TRACE: f64 = 5.00 / 1e6;
}

/// <https://aws.amazon.com/eventbridge/pricing/>
pub mod scheduler {
    /// An invocation by EventBridge Scheduler.
    pub const INVOCATION: f64 = 1.00 / 1e6;
}

/// <https://aws.amazon.com/sqs/pricing/> and <https://aws.amazon.com/sns/pricing/>
pub mod queues {
    /// A request to a standard queue.
    pub const SQS_REQUEST: f64 = 0.40 / 1e6;
    /// A message by e-mail.
    pub const SNS_EMAIL: f64 = 2.00 / 1e5;
}

/// <https://aws.amazon.com/athena/pricing/>
pub mod athena {
    /// A TB (2⁴⁰ bytes) scanned; a query counts for 10 MB at least.
    pub const SCANNED_TB: f64 = 5.00;
}

/// <https://aws.amazon.com/msk/pricing/>
pub mod msk {
    /// An hour of a kafka.t3.small broker.
    pub const T3_SMALL_HOUR: f64 = 0.045_6;
    /// An hour of a kafka.m5.large broker.
    pub const M5_LARGE_HOUR: f64 = 0.21;
    /// A GB-month of broker storage.
    pub const GB_MONTH: f64 = 0.10;
    /// An hour of an MSK Connect unit.
    pub const CONNECT_UNIT_HOUR: f64 = 0.11;
}

/// <https://aws.amazon.com/managed-workflows-for-apache-airflow/pricing/>
pub mod mwaa {
    /// An hour of an environment of the class mw1.small: scheduler, web server and one worker. The class mw1.micro is newer and
    /// cheaper; its price was not noted.
    pub const SMALL_HOUR: f64 = 0.49;
    /// A GB-month of the metadata database.
    pub const GB_MONTH: f64 = 0.10;
}

/// <https://www.databricks.com/product/pricing>, and <https://aws.amazon.com/ec2/pricing/on-demand/> for the machines
pub mod databricks {
    /// A DBU of Jobs Compute, plan Premium. Unsure: the price differs by plan and contract.
    pub const JOBS_DBU: f64 = 0.15;
    /// DBUs that an m5.xlarge takes an hour. Unsure.
    pub const M5_XLARGE_DBU_HOUR: f64 = 0.69;
    /// An hour of an m5.xlarge.
    pub const M5_XLARGE_HOUR: f64 = 0.192;
}

/// <https://aws.amazon.com/ec2/pricing/on-demand/>, <https://aws.amazon.com/ebs/pricing/> and <https://aws.amazon.com/vpc/pricing/>
pub mod ec2 {
    /// An hour of a t3.small.
    pub const T3_SMALL_HOUR: f64 = 0.020_8;
    /// A GB-month of a gp3 volume.
    pub const GP3_GB_MONTH: f64 = 0.08;
    /// An hour of a public IPv4 address.
    pub const IPV4_HOUR: f64 = 0.005;
}

/// Always-free tiers: what an account does not pay for each month, whatever its age. Stacks of one account share them.
pub mod free {
    /// Invocations: <https://aws.amazon.com/lambda/pricing/>.
    pub const LAMBDA_REQUESTS: f64 = 1e6;
    /// GB-seconds, of either architecture.
    pub const LAMBDA_GB_SECONDS: f64 = 400_000.0;
    /// Requests: <https://aws.amazon.com/kms/pricing/>.
    pub const KMS_REQUESTS: f64 = 20_000.0;
    /// GB of logs taken in, and kept: <https://aws.amazon.com/cloudwatch/pricing/>.
    pub const LOG_GB: f64 = 5.0;
    /// Custom metrics.
    pub const METRICS: f64 = 10.0;
    /// Alarms.
    pub const ALARMS: f64 = 10.0;
    /// Dashboards, of up to 50 metrics each.
    pub const DASHBOARDS: f64 = 3.0;
    /// GB that leave AWS for the internet: <https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer>.
    pub const TRANSFER_GB: f64 = 100.0;
    /// Traces recorded: <https://aws.amazon.com/xray/pricing/>.
    pub const TRACES: f64 = 100_000.0;
    /// Requests: <https://aws.amazon.com/sqs/pricing/>.
    pub const SQS_REQUESTS: f64 = 1e6;
    /// Messages by e-mail: <https://aws.amazon.com/sns/pricing/>.
    pub const SNS_EMAILS: f64 = 1_000.0;
    /// Invocations: <https://aws.amazon.com/eventbridge/pricing/>.
    pub const SCHEDULER_INVOCATIONS: f64 = 14e6;
}
