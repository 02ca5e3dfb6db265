//! What a day costs, from what the daily run knows of the day.

use crate::bill::{Bill, Service};
use crate::load::{Encryption, Monitoring, Settings, Stream, Wire};
use crate::measured::{Architecture, Measurements, billed_ms};
use crate::records::{Packing, Records};
use crate::usage::{Kept, Usage};
use crate::{prices, stack};

/// What a daily run knows of its day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Day {
    /// Accepted records: clean rows and rejected ones.
    pub rows: u64,
    /// Clean objects of the day.
    pub objects: u64,
    /// Bytes of those.
    pub clean_bytes: u64,
    /// Bytes of the quarantine objects.
    pub quarantine_bytes: u64,
    /// Bytes of the curated tables.
    pub table_bytes: u64,
    /// How long the run took, in ms.
    pub run_ms: u64,
    /// How the stream is paid for; `None` when it is not known, and is taken to be one provisioned shard.
    pub stream: Option<Stream>,
    /// Hours that the stream keeps a record.
    pub retention_hours: u32,
    /// The functions' processor.
    pub architecture: Architecture,
}

/// What a day costs.
#[derive(Clone, Debug, PartialEq)]
pub struct DayCost {
    /// The whole day, in USD.
    pub usd: f64,
    /// What a month of 730 hours costs in which no row arrives, with the tables as they are, in USD.
    pub usd_fixed_per_month: f64,
    /// What a million further rows add that arrive as this day's did, in USD.
    pub usd_per_million_rows: f64,
    /// The day by service, in USD, the dearest first.
    pub by_service: Vec<(Service, f64)>,
    /// What was assumed, in one sentence.
    pub assumptions: String,
}

impl Day {
    /// Computes what the day cost; `None` when no row arrived.
    ///
    /// It is at most this much: each row is taken to be a request of its own, and each object a batch.
    pub fn cost(&self, measured: &Measurements) -> Option<DayCost> {
        if self.rows == 0 {
            return None;
        }
        let bill = self.bill(measured, 24.0, 1.0);
        let by_service = Service::ALL
            .iter()
            .filter_map(|service| Some((*service, bill.service(*service)?)));
        let mut by_service: Vec<_> = by_service.collect();
        by_service.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let usd = bill.total();
        // Not the day's bill by its rows: that would charge them the stream's shard, which they share with all others.
        let twice = self.bill(measured, 24.0, 2.0).total();
        Some(DayCost {
            usd,
            usd_fixed_per_month: self.bill(measured, prices::HOURS_A_MONTH, 0.0).total(),
            usd_per_million_rows: (twice - usd) / as_f64(self.rows) * 1e6,
            by_service,
            assumptions: self.assumptions(measured),
        })
    }

    /// Computes the bill of some hours, with a run a day, in which so many times the day's rows arrive.
    fn bill(&self, measured: &Measurements, hours: f64, times: f64) -> Bill {
        let stream = self.stream.unwrap_or(Stream::Provisioned { shards: 1.0 });
        let settings = Settings {
            architecture: self.architecture,
            stream,
            retention_hours: f64::from(self.retention_hours),
            packing: Packing::Off,
            window_seconds: stack::BATCHING_WINDOW_SECONDS,
            encryption: Encryption::OwnKey,
            monitoring: Monitoring::Full,
            logs_requests: true,
            is_traced: false,
            age_days: 0.0,
        };
        let [table_bytes, run_ms] = [self.table_bytes, self.run_ms].map(as_f64);
        let quarantine_bytes = as_f64(self.quarantine_bytes) * times;
        let [rows, objects, clean_bytes] =
            [self.rows, self.objects, self.clean_bytes].map(|number| as_f64(number) * times);
        let bytes = measured.row_bytes;
        let rows_a_batch = rows / objects.max(1.0);
        let cold = stack::COLD_STARTS;
        let ingest_api = &measured.ingest_api.off;
        let cleaner = &measured.stream_cleaner.off;
        let usage = Usage {
            hours,
            rows,
            row_bytes: bytes,
            records: Records { rows: 1.0, bytes },
            body_ratio: 1.0,
            requests: rows,
            answer_bytes: rows * Wire::Events.answer_bytes(1.0),
            request_ms: billed_ms(
                stack::INGEST_API_WAIT_MS,
                ingest_api.cpu_ms(1.0, bytes, bytes) + cold * ingest_api.init_cpu_ms,
                stack::INGEST_API_MEMORY_MB,
            ),
            batches: objects,
            batch_ms: billed_ms(
                stack::STREAM_CLEANER_WAIT_MS,
                cleaner.cpu_ms(rows_a_batch, bytes, bytes) + cold * cleaner.init_cpu_ms,
                stack::STREAM_CLEANER_MEMORY_MB,
            ),
            runs: hours / 24.0,
            run_ms,
            reports_ms: run_ms,
            objects,
            clean_bytes,
            kept: Kept::lifetime(hours, clean_bytes, quarantine_bytes, table_bytes),
        };
        usage.bill(&settings)
    }

    fn assumptions(&self, measured: &Measurements) -> String {
        let stream = match self.stream {
            None => "one provisioned shard, as no stream was looked at".to_owned(),
            Some(Stream::Provisioned { shards: 1.0 }) => "one provisioned shard".to_owned(),
            Some(Stream::Provisioned { shards }) => format!("{shards:.0} provisioned shards"),
            Some(Stream::OnDemand { .. }) => "an on-demand stream".to_owned(),
        };
        format!(
            "At most: rows of {:.0} bytes, one per request and one object per batch, {stream}, {}, at the list prices of {} that were noted \
             on {}, without free tiers and traces, with a year of the archive; a month in which rows arrive also has {:.2} USD of metrics, \
             however many rows they are",
            measured.row_bytes,
            self.architecture.as_str(),
            prices::REGION,
            prices::NOTED_ON,
            (stack::STREAM_CLEANER_METRICS + stack::API_METRICS) * prices::cloudwatch::METRIC_MONTH
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the numbers of a day are far below 2^53"
)]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::{ByPacking, DailyBatch, Function, Point};

    const FUNCTION: Function = Function {
        init_cpu_ms: 0.0,
        peak_memory_mb: 0.0,
        points: &[Point {
            rows: 1.0,
            cpu_ms: 0.0,
        }],
    };
    const FUNCTIONS: ByPacking = ByPacking {
        off: FUNCTION,
        lines: FUNCTION,
        gzip: FUNCTION,
    };
    const MEASURED: Measurements = Measurements {
        date: "2026-01-01",
        row_bytes: 400.0,
        clean_bytes_per_byte: 0.25,
        ingest_api: FUNCTIONS,
        stream_cleaner: FUNCTIONS,
        gzip_ratios: &[],
        daily_batch: DailyBatch {
            init_cpu_ms: 0.0,
            peak_memory_mb: 0.0,
            fixed_cpu_ms: 0.0,
            new_row_cpu_ms: 0.0,
            table_row_cpu_ms: 0.0,
        },
    };

    fn day(rows: u64) -> Day {
        Day {
            rows,
            objects: 3,
            clean_bytes: 1_000_000,
            quarantine_bytes: 0,
            table_bytes: 1_000_000,
            run_ms: 10_000,
            stream: None,
            retention_hours: 24,
            architecture: Architecture::Arm64,
        }
    }

    #[test]
    fn a_day_without_posts_has_no_cost_of_them() {
        assert_eq!(day(0).cost(&MEASURED), None);
    }

    #[test]
    fn a_day_is_paid_by_the_day_and_by_the_post() {
        let few = day(1_000).cost(&MEASURED).unwrap();
        let many = day(1_000_000).cost(&MEASURED).unwrap();
        let kinesis = |cost: &DayCost| {
            let mut services = cost.by_service.iter();
            services
                .find(|(service, _)| *service == Service::Kinesis)
                .unwrap()
                .1
        };
        // 24 hours of the shard, and a payload unit a row.
        let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-9, "{got}");
        close(kinesis(&few), 24.0 * 0.015 + 1e3 * 0.014e-6);
        close(kinesis(&many), 24.0 * 0.015 + 0.014);
        // What a further row adds does not depend on how many share the shard; objects and their bytes grow with the rows.
        let per_object = |cost: &DayCost, rows: f64| cost.usd_per_million_rows * rows / 1e6;
        assert!(per_object(&few, 1e3) < 0.02 && few.usd > 0.3);
        assert!(many.usd_per_million_rows < many.usd && many.usd_per_million_rows > 0.5);
        // 730 hours of the shard, the key, alarms and the dashboard, whatever arrives.
        close(few.usd_fixed_per_month, many.usd_fixed_per_month);
        assert!((15.0..20.0).contains(&few.usd_fixed_per_month), "{few:?}");
        let sum: f64 = many.by_service.iter().map(|(_, usd)| usd).sum();
        close(sum, many.usd);
        assert!(many.by_service.is_sorted_by(|(_, a), (_, b)| a >= b));
        assert!(
            few.assumptions
                .contains("one provisioned shard, as no stream was looked at")
        );
    }

    #[test]
    fn what_is_known_of_the_stream_is_what_counts() {
        let shards = |shards| Day {
            stream: Some(Stream::Provisioned { shards }),
            ..day(1_000)
        };
        let usd = |day: Day| day.cost(&MEASURED).unwrap().usd;
        // An environment of stream-cleaner for each has data keys of its own, for five minutes each.
        let two = 2.0 * 24.0 * (0.015 + 12.0 * 0.03e-4);
        assert!((usd(shards(3.0)) - usd(shards(1.0)) - two).abs() < 1e-9);
        let on_demand = Day {
            stream: Some(Stream::OnDemand { shards: 4.0 }),
            ..day(1_000)
        };
        assert!(usd(on_demand) > usd(shards(1.0)));
    }
}
