//! The lines of a bill, from what is used.

use super::{Kept, Usage};
use crate::bill::{Bill, Service, count};
use crate::load::{Encryption, Settings, Stream};
use crate::measured::{Architecture, gb_seconds};
use crate::{prices, stack};

impl Usage {
    /// Returns the bill for it.
    pub fn bill(&self, settings: &Settings) -> Bill {
        let mut bill = Bill::default();
        self.add_api(&mut bill);
        self.add_lambda(&mut bill, settings.architecture, true);
        self.add_kinesis(&mut bill, settings);
        self.add_lake(&mut bill, self.objects);
        self.add_kms(&mut bill, settings, self.objects);
        self.add_cloudwatch(&mut bill, settings, true);
        self.add_rest(&mut bill);
        bill
    }

    /// Returns the price of units of this time, by the tiers of a month.
    fn tiered(&self, tiers: prices::Tiered, units: f64) -> f64 {
        let times_a_month = prices::HOURS_A_MONTH / self.hours;
        tiers.usd(units * times_a_month) / times_a_month
    }

    pub(crate) fn add_api(&self, bill: &mut Bill) {
        let bytes = self.rows / self.requests.max(1.0) * self.row_bytes * self.body_ratio;
        let units = (bytes / prices::api_gateway::HTTP_REQUEST_BYTES)
            .ceil()
            .max(1.0);
        let requests = self.requests * units;
        bill.add(
            Service::ApiGateway,
            format!("{} requests to an HTTP API, by the 512 KB", count(requests)),
            self.tiered(prices::api_gateway::HTTP_REQUEST, requests),
        );
        let gb = self.answer_bytes / prices::GB;
        let months = self.hours / prices::HOURS_A_MONTH;
        let free = gb.min(prices::free::TRANSFER_GB * months);
        bill.add_with_free(
            Service::Transfer,
            answers(gb),
            self.tiered(prices::transfer::OUT_GB, gb),
            self.tiered(prices::transfer::OUT_GB, free),
        );
    }

    pub(crate) fn add_lambda(
        &self,
        bill: &mut Bill,
        architecture: Architecture,
        has_cleaner: bool,
    ) {
        let batches = if has_cleaner { self.batches } else { 0.0 };
        let functions = [
            (
                "ingest-api",
                self.requests,
                self.request_ms,
                stack::INGEST_API_MEMORY_MB,
            ),
            (
                "stream-cleaner",
                batches,
                self.batch_ms,
                stack::STREAM_CLEANER_MEMORY_MB,
            ),
            (
                "daily-batch",
                self.runs,
                self.run_ms,
                stack::DAILY_BATCH_MEMORY_MB,
            ),
        ];
        let mut free_requests = prices::free::LAMBDA_REQUESTS;
        let mut free_gb_seconds = prices::free::LAMBDA_GB_SECONDS;
        for (name, invocations, ms, memory_mb) in functions {
            if name == "stream-cleaner" && !has_cleaner {
                continue;
            }
            let gb_seconds = gb_seconds(invocations, ms, memory_mb);
            let is_free_requests = invocations.min(free_requests);
            let is_free_gb_seconds = gb_seconds.min(free_gb_seconds);
            free_requests -= is_free_requests;
            free_gb_seconds -= is_free_gb_seconds;
            let usd = |requests: f64, gb_seconds: f64| {
                requests * prices::lambda::REQUEST + gb_seconds * architecture.gb_second()
            };
            let counted = match name {
                "daily-batch" => format!(
                    "{name}: {} runs of {:.0} s at {memory_mb:.0} MB, with {:.0} MB of storage",
                    count(invocations),
                    ms / 1_000.0,
                    stack::DAILY_BATCH_EPHEMERAL_MB
                ),
                _ if invocations == 0.0 => format!("{name}: never invoked"),
                _ => format!(
                    "{name}: {} invocations of {ms:.0} ms at {memory_mb:.0} MB",
                    count(invocations)
                ),
            };
            let storage = if name == "daily-batch" {
                let extra = stack::DAILY_BATCH_EPHEMERAL_MB - prices::lambda::EPHEMERAL_INCLUDED_MB;
                crate::measured::gb_seconds(invocations, ms, extra)
                    * prices::lambda::EPHEMERAL_GB_SECOND
            } else {
                0.0
            };
            bill.add_with_free(
                Service::Lambda,
                counted,
                usd(invocations, gb_seconds) + storage,
                usd(is_free_requests, is_free_gb_seconds),
            );
        }
    }

    fn add_kinesis(&self, bill: &mut Bill, settings: &Settings) {
        let retention = settings.retention_hours;
        let records = self.rows / self.records.rows;
        let record_bytes = self.records.bytes;
        let bytes_an_hour = records * record_bytes / self.hours;
        let kept_gb =
            |from: f64, to: f64| bytes_an_hour * (retention.min(to) - from).max(0.0) / prices::GB;
        let months = self.hours / prices::HOURS_A_MONTH;
        match settings.stream {
            Stream::Provisioned { shards } => {
                let shard_hours = shards * self.hours;
                bill.add(
                    Service::Kinesis,
                    format!(
                        "{} shard hours ({} provisioned)",
                        count(shard_hours),
                        count(shards)
                    ),
                    shard_hours * prices::kinesis::SHARD_HOUR,
                );
                let units = (record_bytes / prices::kinesis::PUT_UNIT_BYTES)
                    .ceil()
                    .max(1.0);
                bill.add(
                    Service::Kinesis,
                    format!("{} PUT payload units of 25 KB", count(records * units)),
                    records * units * prices::kinesis::PUT_UNIT,
                );
                if retention > 24.0 {
                    bill.add(
                        Service::Kinesis,
                        format!("{} shard hours of extended retention", count(shard_hours)),
                        shard_hours * prices::kinesis::EXTENDED_SHARD_HOUR,
                    );
                }
            }
            Stream::OnDemand { .. } => {
                bill.add(
                    Service::Kinesis,
                    format!("{} stream hours (on-demand)", count(self.hours)),
                    self.hours * prices::kinesis::STREAM_HOUR,
                );
                let unit = prices::kinesis::ON_DEMAND_RECORD_BYTES;
                let gb_in = records * (record_bytes / unit).ceil() * unit / prices::GB;
                bill.add(
                    Service::Kinesis,
                    format!("{} GB in, by the KB of a record", count(gb_in)),
                    gb_in * prices::kinesis::ON_DEMAND_IN_GB,
                );
                let gb_out = records * record_bytes / prices::GB;
                bill.add(
                    Service::Kinesis,
                    format!("{} GB out, to stream-cleaner", count(gb_out)),
                    gb_out * prices::kinesis::ON_DEMAND_OUT_GB,
                );
                if retention > 24.0 {
                    let gb = kept_gb(24.0, 168.0);
                    bill.add(
                        Service::Kinesis,
                        format!("{} GB of extended retention", count(gb)),
                        gb * months * prices::kinesis::ON_DEMAND_EXTENDED_GB_MONTH,
                    );
                }
            }
        }
        if retention > 168.0 {
            let gb = kept_gb(168.0, f64::INFINITY);
            bill.add(
                Service::Kinesis,
                format!("{} GB of long-term retention", count(gb)),
                gb * months * prices::kinesis::LONG_TERM_GB_MONTH,
            );
        }
    }

    /// Adds the requests and the bytes of a lake with so many new objects.
    pub(crate) fn add_lake(&self, bill: &mut Bill, objects: f64) {
        let (puts, gets) = self.object_requests(objects);
        bill.add(
            Service::S3,
            format!("{} PUT and LIST, {} GET requests", count(puts), count(gets)),
            puts * prices::s3::PUT + gets * prices::s3::GET,
        );
        let Kept {
            clean,
            quarantine,
            archive,
            tables,
            replaced,
        } = self.kept;
        let gb = |bytes: f64| bytes / prices::GB;
        let mut add = |counted: String, gb_months: f64| {
            let usd = self.tiered(prices::s3::GB_MONTH, gb_months);
            bill.add(Service::S3, counted, usd);
        };
        add(
            format!(
                "GB-months: {} clean (90 days, and 30 as old versions), {} quarantine (1 %, 365 and 30)",
                count(gb(clean)),
                count(gb(quarantine)),
            ),
            gb(clean + quarantine),
        );
        add(
            format!(
                "GB-months: {} curated, {} of replaced files (7 days, and 30 as old versions)",
                count(gb(tables)),
                count(gb(replaced))
            ),
            gb(tables + replaced),
        );
        bill.add(
            Service::S3,
            format!("GB-months: {} archive, which grows", count(gb(archive))),
            gb(archive) * prices::s3::ARCHIVE_GB_MONTH,
        );
    }

    fn object_requests(&self, objects: f64) -> (f64, f64) {
        let puts = objects + self.runs * stack::RUN_PUTS;
        let gets = objects * stack::OBJECT_GETS + self.runs * stack::RUN_GETS;
        (puts, gets)
    }

    pub(crate) fn add_kms(&self, bill: &mut Bill, settings: &Settings, objects: f64) {
        let months = self.hours / prices::HOURS_A_MONTH;
        let (puts, gets) = self.object_requests(objects);
        let cleaners = if self.rows > 0.0 {
            settings.stream.shards()
        } else {
            0.0
        };
        // Who reads or writes the stream has a data key of it, whoever's key it is.
        let callers = stack::KMS_STREAM_CALLERS + self.environments() + cleaners;
        let requests = |callers: f64| self.hours * callers * stack::KMS_REQUESTS_AN_HOUR;
        let (counted, keys, requests) = match settings.encryption {
            Encryption::OwnKey => {
                let rotations = (settings.age_days / 365.0).floor().clamp(0.0, 2.0);
                let requests = requests(callers + stack::KMS_LOGS)
                    + (puts + gets) / stack::S3_REQUESTS_A_KMS_REQUEST;
                let counted = format!(
                    "1 key, {rotations:.0} times rotated, {} requests: data keys last 5 minutes, 1 for 100 requests to S3",
                    count(requests)
                );
                (counted, 1.0 + rotations, requests)
            }
            Encryption::AwsKeys => {
                let requests = requests(callers);
                let counted = format!(
                    "keys of AWS, {} requests for the stream: data keys last 5 minutes",
                    count(requests)
                );
                (counted, 0.0, requests)
            }
        };
        let free = requests.min(prices::free::KMS_REQUESTS * months);
        bill.add_with_free(
            Service::Kms,
            counted,
            months * keys * prices::kms::KEY_MONTH + requests * prices::kms::REQUEST,
            free * prices::kms::REQUEST,
        );
    }

    pub(crate) fn add_cloudwatch(&self, bill: &mut Bill, settings: &Settings, has_cleaner: bool) {
        use prices::{cloudwatch, free};

        let months = self.hours / prices::HOURS_A_MONTH;
        let batches = if has_cleaner { self.batches } else { 0.0 };
        let request_bytes = if settings.logs_requests {
            stack::REQUEST_LOG_BYTES
        } else {
            0.0
        };
        let bytes = self.requests * request_bytes
            + batches * stack::BATCH_LOG_BYTES
            + self.runs * stack::RUN_LOG_BYTES;
        let gb = bytes / prices::GB;
        let usd = |gb: f64| {
            self.tiered(cloudwatch::LOG_GB, gb)
                + gb * cloudwatch::LOG_GB_MONTH * stack::LOG_MONTHS_COMPRESSED
        };
        bill.add_with_free(
            Service::CloudWatch,
            format!("{} GB of logs, kept for 30 days", count(gb)),
            usd(gb),
            usd(gb.min(free::LOG_GB * months)),
        );
        let mut metrics = stack::DAILY_BATCH_METRICS / 24.0;
        if self.rows > 0.0 {
            metrics += settings.monitoring.api_metrics();
            if has_cleaner {
                metrics += settings.monitoring.stream_cleaner_metrics();
            }
        }
        let alarms = settings.monitoring.alarm_metrics();
        let dashboards = settings.monitoring.dashboards();
        bill.add_with_free(
            Service::CloudWatch,
            format!(
                "{} custom metrics, alarms on {}, {} dashboard",
                count(metrics),
                count(alarms),
                count(dashboards)
            ),
            months
                * (metrics * cloudwatch::METRIC_MONTH
                    + alarms * cloudwatch::ALARM_MONTH
                    + dashboards * cloudwatch::DASHBOARD_MONTH),
            months
                * (metrics.min(free::METRICS) * cloudwatch::METRIC_MONTH
                    + alarms.min(free::ALARMS) * cloudwatch::ALARM_MONTH
                    + dashboards.min(free::DASHBOARDS) * cloudwatch::DASHBOARD_MONTH),
        );
        if !settings.is_traced {
            return;
        }
        let seconds = self.hours * 3_600.0;
        let recorded = |invocations: f64| {
            let first = invocations.min(seconds);
            first + (invocations - first) * stack::TRACED
        };
        let traces = recorded(self.requests) + recorded(batches) + recorded(self.runs);
        bill.add_with_free(
            Service::CloudWatch,
            format!(
                "{} traces: the first of a second, and 5 % of the others",
                count(traces)
            ),
            traces * cloudwatch::TRACE,
            traces.min(free::TRACES * months) * cloudwatch::TRACE,
        );
    }

    /// Adds what is next to nothing, but not nothing, and the queries.
    pub(crate) fn add_rest(&self, bill: &mut Bill) {
        let months = self.hours / prices::HOURS_A_MONTH;
        let runs = self.runs * prices::scheduler::INVOCATION;
        bill.add_with_free(
            Service::Scheduler,
            format!("{} invocations", count(self.runs)),
            runs,
            runs,
        );
        let messages = stack::MESSAGES_A_MONTH * months;
        let usd = messages * (prices::queues::SQS_REQUEST + prices::queues::SNS_EMAIL);
        bill.add_with_free(
            Service::Queues,
            format!("{} dead letters and alarm messages", count(messages)),
            usd,
            usd,
        );
        let days = self.hours / 24.0;
        let queries = stack::ATHENA_QUERIES_A_DAY * days;
        let bytes = (self.clean_bytes / days / stack::KINDS).max(stack::ATHENA_MIN_BYTES);
        let tb = queries * bytes / (prices::GB * 1_024.0);
        bill.add(
            Service::Athena,
            format!(
                "{} queries, each of one kind's clean rows of a day: {} GB",
                count(queries),
                count(tb * 1_024.0)
            ),
            tb * prices::athena::SCANNED_TB,
        );
    }
}

/// Says what is counted of the answers that leave AWS.
pub(crate) fn answers(gb: f64) -> String {
    format!("{} GB of answers to clients outside AWS", count(gb))
}
