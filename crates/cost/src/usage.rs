//! What a stack uses in a time, and the bill for it.

use crate::bill::{Bill, Service, count};
use crate::load::{Load, Settings, Stream};
use crate::measured::{Architecture, Function, Measurements, billed_ms, gb_seconds};
use crate::{prices, stack};

/// What a stack uses in a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Length of the time.
    pub hours: f64,
    /// Rows that are accepted.
    pub rows: f64,
    /// Bytes of a row.
    pub row_bytes: f64,
    /// Bytes of a body as it is sent, for each byte of its rows.
    pub body_ratio: f64,
    /// Requests to the API.
    pub requests: f64,
    /// How long Lambda bills ingest-api for a request.
    pub request_ms: f64,
    /// Invocations of stream-cleaner.
    pub batches: f64,
    /// How long Lambda bills stream-cleaner for a batch.
    pub batch_ms: f64,
    /// Runs of daily-batch.
    pub runs: f64,
    /// How long Lambda bills daily-batch for a run.
    pub run_ms: f64,
    /// Objects that stream-cleaner writes.
    pub objects: f64,
    /// Bytes of the clean objects.
    pub clean_bytes: f64,
    /// Bytes of the curated tables, in the end.
    pub table_bytes: f64,
}

impl Usage {
    /// Computes what a month of a load uses, by what the functions were measured to need.
    pub fn month(load: &Load, settings: &Settings, measured: &Measurements) -> Self {
        let rows = load.rows_per_second * prices::SECONDS_A_MONTH;
        let rows_per_batch = load.rows_per_batch(settings.stream.shards());
        let batches = rows / rows_per_batch;
        let objects_a_batch =
            rows_per_batch.min(stack::KINDS) + (rows_per_batch * stack::REJECTED).min(1.0);
        let objects = batches * objects_a_batch;
        let clean_bytes = rows * load.row_bytes * measured.clean_bytes_per_byte;
        let rows_per_day = rows / prices::DAYS_A_MONTH;
        let table_rows = load.table_rows.unwrap_or(rows_per_day * stack::TABLE_DAYS);
        let ms = |function: &Function, rows, wait_ms, memory_mb| {
            let cpu_ms = function.cpu_ms(rows, load.row_bytes, measured.row_bytes);
            let cold_cpu_ms = function.init_cpu_ms * stack::COLD_STARTS;
            billed_ms(wait_ms, cpu_ms + cold_cpu_ms, memory_mb)
        };
        Self {
            hours: prices::HOURS_A_MONTH,
            rows,
            row_bytes: load.row_bytes,
            body_ratio: load.body_ratio,
            requests: rows / load.rows_per_request,
            request_ms: ms(
                &measured.ingest_api,
                load.rows_per_request,
                stack::INGEST_API_WAIT_MS,
                stack::INGEST_API_MEMORY_MB,
            ),
            batches,
            batch_ms: ms(
                &measured.stream_cleaner,
                rows_per_batch,
                stack::STREAM_CLEANER_WAIT_MS,
                stack::STREAM_CLEANER_MEMORY_MB,
            ),
            runs: prices::DAYS_A_MONTH,
            run_ms: run_ms(
                measured,
                settings.stream.shards(),
                rows_per_day,
                rows_per_day * load.row_bytes,
                objects / prices::DAYS_A_MONTH,
                table_rows,
            ),
            objects,
            clean_bytes,
            table_bytes: table_rows * load.row_bytes * measured.clean_bytes_per_byte,
        }
    }

    /// Returns the bill for it.
    pub fn bill(&self, settings: &Settings) -> Bill {
        let mut bill = Bill::default();
        self.add_api(&mut bill);
        self.add_lambda(&mut bill, settings.architecture, true);
        self.add_kinesis(&mut bill, settings);
        self.add_lake(&mut bill, self.objects);
        self.add_kms(&mut bill, self.objects);
        self.add_cloudwatch(&mut bill, true);
        self.add_rest(&mut bill);
        bill.notes.extend(self.note_about_the_run());
        bill
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
            requests * prices::api_gateway::HTTP_REQUEST,
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
        let bytes_an_hour = self.rows * self.row_bytes / self.hours;
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
                let units = (self.row_bytes / prices::kinesis::PUT_UNIT_BYTES)
                    .ceil()
                    .max(1.0);
                bill.add(
                    Service::Kinesis,
                    format!("{} PUT payload units of 25 KB", count(self.rows * units)),
                    self.rows * units * prices::kinesis::PUT_UNIT,
                );
                if retention > 24.0 {
                    bill.add(
                        Service::Kinesis,
                        format!("{} shard hours of extended retention", count(shard_hours)),
                        shard_hours * prices::kinesis::EXTENDED_SHARD_HOUR,
                    );
                }
            }
            Stream::OnDemand { shards } => {
                bill.add(
                    Service::Kinesis,
                    format!("{} stream hours (on-demand)", count(self.hours)),
                    self.hours * prices::kinesis::STREAM_HOUR,
                );
                let unit = prices::kinesis::ON_DEMAND_RECORD_BYTES;
                let gb_in = self.rows * (self.row_bytes / unit).ceil() * unit / prices::GB;
                bill.add(
                    Service::Kinesis,
                    format!("{} GB in, by the KB of a record", count(gb_in)),
                    gb_in * prices::kinesis::ON_DEMAND_IN_GB,
                );
                let bytes_a_run = self.rows * self.row_bytes / self.runs.max(1.0);
                let checked = check_seconds(bytes_a_run, shards) * stack::SHARD_OUT_BYTES * shards;
                let gb_out = (self.rows * self.row_bytes + self.runs * checked) / prices::GB;
                bill.add(
                    Service::Kinesis,
                    format!(
                        "{} GB out: stream-cleaner, and the daily check",
                        count(gb_out)
                    ),
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
        // What a day's rows come to until they are deleted, which is what a month's storage comes to once the lake is that old.
        let days_a_month = prices::DAYS_A_MONTH;
        let clean = self.clean_bytes * stack::CLEAN_DAYS / days_a_month;
        let rejected = self.rows * stack::REJECTED * self.row_bytes;
        let quarantine = rejected * stack::QUARANTINE_DAYS / days_a_month;
        let tables = self.table_bytes * stack::TABLE_COPIES * self.hours / prices::HOURS_A_MONTH;
        let gb = |bytes: f64| count(bytes / prices::GB);
        bill.add(
            Service::S3,
            format!(
                "GB-months: {} clean (90 days), {} quarantine (1 %, 365 days), {} curated and its old versions",
                gb(clean),
                gb(quarantine),
                gb(tables)
            ),
            (clean + quarantine + tables) / prices::GB * prices::s3::GB_MONTH,
        );
    }

    fn object_requests(&self, objects: f64) -> (f64, f64) {
        let puts = objects + self.runs * stack::RUN_PUTS;
        let gets = objects * stack::OBJECT_GETS + self.runs * stack::RUN_GETS;
        (puts, gets)
    }

    pub(crate) fn add_kms(&self, bill: &mut Bill, objects: f64) {
        let months = self.hours / prices::HOURS_A_MONTH;
        let (puts, gets) = self.object_requests(objects);
        let requests = self.hours * stack::KMS_REQUESTS_AN_HOUR
            + (puts + gets) / stack::S3_REQUESTS_A_KMS_REQUEST;
        let free = requests.min(prices::free::KMS_REQUESTS * months);
        bill.add_with_free(
            Service::Kms,
            format!(
                "1 key, {} requests: data keys last 5 minutes, 1 for 100 requests to S3",
                count(requests)
            ),
            months * prices::kms::KEY_MONTH + requests * prices::kms::REQUEST,
            free * prices::kms::REQUEST,
        );
    }

    pub(crate) fn add_cloudwatch(&self, bill: &mut Bill, has_cleaner: bool) {
        use prices::{cloudwatch, free};

        let months = self.hours / prices::HOURS_A_MONTH;
        let batches = if has_cleaner { self.batches } else { 0.0 };
        let bytes = self.requests * stack::REQUEST_LOG_BYTES
            + batches * stack::BATCH_LOG_BYTES
            + self.runs * stack::RUN_LOG_BYTES;
        let gb = bytes / prices::GB;
        let a_gb = cloudwatch::LOG_GB + cloudwatch::LOG_GB_MONTH * stack::LOG_MONTHS_COMPRESSED;
        bill.add_with_free(
            Service::CloudWatch,
            format!("{} GB of logs, kept for 30 days", count(gb)),
            gb * a_gb,
            gb.min(free::LOG_GB * months) * a_gb,
        );
        let mut metrics = stack::DAILY_BATCH_METRICS / 24.0;
        if self.rows > 0.0 {
            metrics += stack::API_METRICS;
            if has_cleaner {
                metrics += stack::STREAM_CLEANER_METRICS;
            }
        }
        bill.add_with_free(
            Service::CloudWatch,
            format!(
                "{} custom metrics, {} alarms, {} dashboard",
                count(metrics),
                count(stack::ALARMS),
                count(stack::DASHBOARDS)
            ),
            months
                * (metrics * cloudwatch::METRIC_MONTH
                    + stack::ALARMS * cloudwatch::ALARM_MONTH
                    + stack::DASHBOARDS * cloudwatch::DASHBOARD_MONTH),
            months
                * (metrics.min(free::METRICS) * cloudwatch::METRIC_MONTH
                    + stack::ALARMS.min(free::ALARMS) * cloudwatch::ALARM_MONTH
                    + stack::DASHBOARDS.min(free::DASHBOARDS) * cloudwatch::DASHBOARD_MONTH),
        );
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

    /// Leaves out that a run reads the stream, where there is none.
    pub(crate) fn without_check(self, settings: &Settings) -> Self {
        let bytes = self.rows * self.row_bytes / self.runs.max(1.0);
        let check_ms = check_seconds(bytes, settings.stream.shards()) * 1_000.0;
        Self {
            run_ms: self.run_ms - check_ms,
            ..self
        }
    }

    fn note_about_the_run(&self) -> Option<String> {
        (self.run_ms >= stack::DAILY_BATCH_TIMEOUT_SECONDS * 1_000.0).then(|| {
            "daily-batch needs longer than the 15 minutes of an invocation for so many rows: the bill has the 15 minutes, but the \
             day would not be done. More memory, or fewer rows in the tables (--table-rows), are what helps."
                .to_owned()
        })
    }
}

/// Returns how long Lambda bills a run of daily-batch, in ms; at most its timeout.
fn run_ms(
    measured: &Measurements,
    shards: f64,
    rows: f64,
    bytes: f64,
    objects: f64,
    table_rows: f64,
) -> f64 {
    let daily = measured.daily_batch;
    let cpu_ms = daily.init_cpu_ms
        + daily.fixed_cpu_ms
        + rows * daily.new_row_cpu_ms
        + table_rows * daily.table_row_cpu_ms;
    let wait_ms = stack::DAILY_BATCH_WAIT_MS
        + objects * stack::DAILY_BATCH_OBJECT_WAIT_MS
        + check_seconds(bytes, shards) * 1_000.0;
    let ms = billed_ms(wait_ms, cpu_ms, stack::DAILY_BATCH_MEMORY_MB);
    ms.min(stack::DAILY_BATCH_TIMEOUT_SECONDS * 1_000.0)
}

/// Returns how long the reconciliation reads a day's bytes from the stream.
fn check_seconds(bytes: f64, shards: f64) -> f64 {
    (bytes / (stack::SHARD_OUT_BYTES * shards)).min(stack::CHECK_SECONDS)
}

#[cfg(test)]
mod tests;
