//! What else could take the rows: Firehose, which writes Parquet itself, and the system that pinflow replaces.

use crate::bill::{Bill, Service, count};
use crate::limits::note_about_the_day;
use crate::load::{Load, Settings, Wire};
use crate::measured::Measurements;
use crate::usage::{Usage, answers};
use crate::{prices, stack};

/// Seconds that a Firehose stream collects rows for an object, if they do not come to 128 MB earlier.
const FIREHOSE_BUFFER_SECONDS: f64 = 300.0;
const FIREHOSE_BUFFER_BYTES: f64 = 128.0 * 1_048_576.0;

/// Where Firehose writes the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firehose {
    /// As Parquet, into the lake.
    Parquet,
    /// Into Apache Iceberg tables.
    Iceberg,
}

/// Returns the bill of a month with Firehose in place of the stream and of stream-cleaner.
///
/// The API, ingest-api, the daily batch and the lake are the same. Firehose converts rows by a table's schema: it applies no rules, and
/// keeps no position by which a repeated row is recognised.
pub fn firehose(to: Firehose, load: &Load, settings: &Settings, measured: &Measurements) -> Bill {
    let usage = Usage::month(load, settings, measured);
    let mut bill = Bill::default();
    usage.add_api(&mut bill);
    usage.add_lambda(&mut bill, settings.architecture, false);
    match to {
        Firehose::Parquet => {
            let unit = prices::firehose::RECORD_BYTES;
            let gb = usage.rows * (load.row_bytes / unit).ceil() * unit / prices::GB;
            bill.add(
                Service::Firehose,
                format!("{} GB taken in, by the 5 KB of a record", count(gb)),
                gb * prices::firehose::INGESTED_GB,
            );
            bill.add(
                Service::Firehose,
                format!("{} GB converted to Parquet", count(gb)),
                gb * prices::firehose::CONVERTED_GB,
            );
        }
        Firehose::Iceberg => {
            let gb = usage.rows * load.row_bytes / prices::GB;
            bill.add(
                Service::Firehose,
                format!("{} GB to Iceberg tables, not rounded up", count(gb)),
                gb * prices::firehose::ICEBERG_DIRECT_GB,
            );
        }
    }
    let by_size = usage.rows * load.row_bytes / FIREHOSE_BUFFER_BYTES;
    let by_time = stack::KINDS * prices::SECONDS_A_MONTH / FIREHOSE_BUFFER_SECONDS;
    let objects = by_size.max(by_time.min(usage.rows));
    usage.add_lake(&mut bill, objects);
    usage.add_kms(&mut bill, settings, objects);
    usage.add_cloudwatch(&mut bill, settings, false);
    usage.add_rest(&mut bill);
    bill.notes.push(
        "Firehose does not clean by rules, quarantine what it cannot read, replay it, or prove that no record is missing; it keeps no position \
         by which a repeated row is recognised. Three delivery streams."
            .to_owned(),
    );
    note_about_the_day(&mut bill, load, settings, &usage, measured);
    bill
}

/// Days that Kafka keeps a record by default, and in how many copies the old cluster does.
const KAFKA_DAYS: f64 = 7.0;
const KAFKA_COPIES: f64 = 2.0;
/// Above these bytes a second, the smallest brokers are taken to be too small.
const SMALL_BROKERS_BYTES: f64 = 1e6;
/// Gigabytes of storage that a broker has at least.
const BROKER_GB: f64 = 10.0;
const DATABRICKS_NODES: f64 = 2.0;
const METADATA_GB: f64 = 10.0;
const CLIENT_GB: f64 = 8.0;

/// Returns the bill of a month of the system that pinflow replaces, at its smallest.
///
/// A REST API leads to a Kafka REST proxy on EC2, MSK keeps the records, MSK Connect writes one object for each, and Airflow starts a
/// notebook on a cluster of Databricks once a day.
pub fn old_stack(load: &Load) -> Bill {
    let rows = load.rows_per_second * prices::SECONDS_A_MONTH;
    let bytes_a_second = load.rows_per_second * load.row_bytes;
    let requests = rows / load.rows_per_request;
    let hours = prices::HOURS_A_MONTH;
    let mut bill = Bill::default();
    bill.add(
        Service::ApiGateway,
        format!("{} requests to a REST API", count(requests)),
        requests * prices::api_gateway::REST_REQUEST,
    );
    let gb = requests * Wire::Kafka.answer_bytes(load.rows_per_request) / prices::GB;
    bill.add(
        Service::Transfer,
        answers(gb),
        prices::transfer::OUT_GB.usd(gb),
    );
    let (brokers, kind, price) = if bytes_a_second <= SMALL_BROKERS_BYTES {
        (2.0, "kafka.t3.small", prices::msk::T3_SMALL_HOUR)
    } else {
        (3.0, "kafka.m5.large", prices::msk::M5_LARGE_HOUR)
    };
    bill.add(
        Service::Msk,
        format!("{brokers:.0} brokers {kind}, the smallest cluster for the load"),
        brokers * hours * price,
    );
    let kept = bytes_a_second * KAFKA_DAYS * 86_400.0 * KAFKA_COPIES / prices::GB;
    let gb = kept.max(brokers * BROKER_GB);
    bill.add(
        Service::Msk,
        format!("{} GB of broker storage: 7 days, 2 copies", count(gb)),
        gb * prices::msk::GB_MONTH,
    );
    bill.add(
        Service::Msk,
        "1 unit of MSK Connect, which writes the objects".to_owned(),
        hours * prices::msk::CONNECT_UNIT_HOUR,
    );
    bill.add(
        Service::S3,
        format!(
            "{0} PUT and {0} GET requests: one object per row",
            count(rows)
        ),
        rows * (prices::s3::PUT + prices::s3::GET),
    );
    let gb = bytes_a_second * 86_400.0 * stack::CLEAN_DAYS / prices::GB;
    bill.add(
        Service::S3,
        format!("{} GB-months of JSON (90 days)", count(gb)),
        prices::s3::GB_MONTH.usd(gb),
    );
    bill.add(
        Service::Mwaa,
        "1 environment mw1.small, 10 GB of metadata".to_owned(),
        hours * prices::mwaa::SMALL_HOUR + METADATA_GB * prices::mwaa::GB_MONTH,
    );
    let node = prices::databricks::M5_XLARGE_HOUR
        + prices::databricks::M5_XLARGE_DBU_HOUR * prices::databricks::JOBS_DBU;
    bill.add(
        Service::Databricks,
        format!("a job cluster of {DATABRICKS_NODES:.0} m5.xlarge, an hour a day"),
        prices::DAYS_A_MONTH * DATABRICKS_NODES * node,
    );
    bill.add(
        Service::Ec2,
        "1 t3.small with the REST proxy, 8 GB of disk, a public address".to_owned(),
        hours * (prices::ec2::T3_SMALL_HOUR + prices::ec2::IPV4_HOUR)
            + CLIENT_GB * prices::ec2::GP3_GB_MONTH,
    );
    bill.notes.push(
        "Old stack: no logs, alarms or keys are counted, no NAT gateways of its networks, and only Databricks' smallest job: it would \
         be dearer."
            .to_owned(),
    );
    bill
}
