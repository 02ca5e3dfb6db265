use super::*;
use crate::alternatives::{firehose, old_stack};
use crate::measured::{DailyBatch, Point};

/// Measurements in round numbers, so that a bill can be computed by hand.
const MEASURED: Measurements = Measurements {
    date: "2026-01-01",
    row_bytes: 1_000.0,
    clean_bytes_per_byte: 0.25,
    // 1 ms, and 0.1 ms for each row.
    ingest_api: Function {
        init_cpu_ms: 0.0,
        peak_memory_mb: 20.0,
        points: &[
            Point {
                rows: 0.0,
                cpu_ms: 1.0,
            },
            Point {
                rows: 100.0,
                cpu_ms: 11.0,
            },
        ],
    },
    // 0.01 ms for each row.
    stream_cleaner: Function {
        init_cpu_ms: 0.0,
        peak_memory_mb: 40.0,
        points: &[
            Point {
                rows: 0.0,
                cpu_ms: 0.0,
            },
            Point {
                rows: 10_000.0,
                cpu_ms: 100.0,
            },
        ],
    },
    daily_batch: DailyBatch {
        init_cpu_ms: 500.0,
        peak_memory_mb: 200.0,
        fixed_cpu_ms: 500.0,
        new_row_cpu_ms: 0.002,
        table_row_cpu_ms: 0.001,
    },
};

const fn load(rows_per_second: f64) -> Load {
    Load {
        rows_per_second,
        row_bytes: 1_000.0,
        rows_per_request: 10.0,
        body_ratio: 1.0,
        table_rows: Some(10_000_000.0),
    }
}

fn provisioned(load: &Load) -> Settings {
    Settings {
        architecture: Architecture::Arm64,
        stream: Stream::Provisioned {
            shards: load.shards(),
        },
        retention_hours: 24.0,
    }
}

fn on_demand(load: &Load) -> Settings {
    Settings {
        stream: Stream::OnDemand {
            shards: load.on_demand_shards(),
        },
        ..provisioned(load)
    }
}

fn bill(load: &Load, settings: &Settings) -> Bill {
    Usage::month(load, settings, &MEASURED).bill(settings)
}

#[track_caller]
fn assert_costs(bill: &Bill, service: Service, expected: f64) {
    let usd = bill.service(service).unwrap();
    assert!(
        (usd - expected).abs() < 1e-6 * expected.max(1.0),
        "{service:?} is {usd}, by hand {expected}"
    );
}

/// The days of a month, by which the daily run is counted: 730 / 24.
const DAYS: f64 = 30.416_666_666_666_668;

#[test]
fn the_bill_of_a_stack_that_nobody_posts_to() {
    let idle = Load {
        table_rows: None,
        ..load(0.0)
    };
    let bill = bill(&idle, &provisioned(&idle));
    assert_costs(&bill, Service::ApiGateway, 0.0);
    // A run a day: 500 + 500 ms of processor time and 20 s of waiting, at 3,008 MB, with 3,584 MB of storage that is paid.
    let seconds = DAYS * 21.0;
    let lambda = DAYS * 0.20e-6
        + seconds * 3_008.0 / 1_024.0 * 0.000_013_333_4
        + seconds * 3_584.0 / 1_024.0 * 0.000_000_030_9;
    assert_costs(&bill, Service::Lambda, lambda);
    // One shard.
    assert_costs(&bill, Service::Kinesis, 730.0 * 0.015);
    // A run's own requests: 500 PUT or LIST, and 2,000 GET.
    let s3 = DAYS * (500.0 * 0.005e-3 + 2_000.0 * 0.0004e-3);
    assert_costs(&bill, Service::S3, s3);
    // Seven callers each five minutes, and one request for 100 requests to S3.
    let kms = 1.0 + (730.0 * 12.0 * 7.0 + DAYS * 2_500.0 / 100.0) * 0.03e-4;
    assert_costs(&bill, Service::Kms, kms);
    // 20 kB of logs a run, 17 metrics in one hour of a day, 29 alarms, a dashboard, a trace a run.
    let gb = DAYS * 20_000.0 / 1_073_741_824.0;
    let cloudwatch = gb * (0.50 + 0.03 * 0.15 * 30.0 / 30.4)
        + 17.0 / 24.0 * 0.30
        + 29.0 * 0.10
        + 3.00
        + DAYS * 5e-6;
    assert_costs(&bill, Service::CloudWatch, cloudwatch);
    assert_costs(&bill, Service::Scheduler, DAYS * 1e-6);
    assert_costs(&bill, Service::Queues, 100.0 * (0.40e-6 + 2.00e-5));
    // Three queries a day, each of the fewest bytes that are billed.
    let tb = 3.0 * DAYS * 10.0 / 1_024.0 / 1_024.0;
    assert_costs(&bill, Service::Athena, tb * 5.00);
    let parts = [
        lambda,
        10.95,
        s3,
        kms,
        cloudwatch,
        DAYS * 1e-6,
        0.002_04,
        tb * 5.0,
    ];
    assert!((bill.total() - parts.iter().sum::<f64>()).abs() < 1e-6);
    assert!(bill.notes.is_empty());
}

#[test]
fn the_bill_of_a_hundred_rows_per_second() {
    let load = load(100.0);
    let bill = bill(&load, &provisioned(&load));
    // 730 hours of 100 rows a second, in requests of 10.
    let rows = 262_800_000.0;
    let requests = 26_280_000.0;
    assert_costs(&bill, Service::ApiGateway, requests * 1.00e-6);

    // An event's record is 1,336 bytes of base64 and 480 around them: 3,464 fit into 6 MB, which are there before the window ends.
    let batches = rows / 3_464.0;
    // 1 ms and 10 rows at 0.1 ms are 2 ms of a processor, of which 256 MB have 256 / 1,769: 13.8 ms, after 25 ms of waiting.
    let ingest_ms = 39.0;
    // 34.64 ms of a processor, of which 512 MB have 512 / 1,769: 119.7 ms, after 150 ms.
    let batch_ms = 270.0;
    // Three clean objects and one of quarantine for each batch.
    let objects = 4.0 * batches;
    // 8.64 million new rows, 10 million in the tables: 1,000 + 17,280 + 10,000 ms; 20 s of waiting, 10 ms an object, and the check
    // reads for its two minutes.
    let run_ms: f64 = 28_280.0 + 20_000.0 + objects / DAYS * 10.0 + 120_000.0;
    let run_ms = run_ms.ceil();
    let gb_seconds =
        (requests * ingest_ms * 256.0 + batches * batch_ms * 512.0 + DAYS * run_ms * 3_008.0)
            / 1_024_000.0;
    let lambda = (requests + batches + DAYS) * 0.20e-6
        + gb_seconds * 0.000_013_333_4
        + DAYS * run_ms * 3_584.0 / 1_024_000.0 * 0.000_000_030_9;
    assert_costs(&bill, Service::Lambda, lambda);

    assert_costs(&bill, Service::Kinesis, 730.0 * 0.015 + rows * 0.014e-6);

    let puts = objects + DAYS * 500.0;
    let gets = objects * 4.0 + DAYS * 2_000.0;
    // In 90 days, 777.6 million clean rows of 250 bytes; in 365 days, one of a hundred of 3,153.6 million rejected ones; the tables twice.
    let gb_months = (777.6e6 * 250.0 + 31.536e6 * 1_000.0 + 2.0 * 10e6 * 250.0) / 1_073_741_824.0;
    let s3 = puts * 0.005e-3 + gets * 0.0004e-3 + gb_months * 0.023;
    assert_costs(&bill, Service::S3, s3);

    let kms = 1.0 + (730.0 * 84.0 + (puts + gets) / 100.0) * 0.03e-4;
    assert_costs(&bill, Service::Kms, kms);

    let gb = (requests * 2_000.0 + batches * 3_500.0 + DAYS * 20_000.0) / 1_073_741_824.0;
    // 10 requests a second: one traced, and 5 % of nine.
    let traces = 2_628_000.0 * (1.0 + 9.0 * 0.05) + batches + DAYS;
    let cloudwatch = gb * (0.50 + 0.03 * 0.15 * 30.0 / 30.4)
        + (17.0 / 24.0 + 8.0 + 30.0) * 0.30
        + 29.0 * 0.10
        + 3.00
        + traces * 5e-6;
    assert_costs(&bill, Service::CloudWatch, cloudwatch);

    // A day's clean rows of all kinds.
    let tb = rows * 250.0 / 1_073_741_824.0 / 1_024.0;
    assert_costs(&bill, Service::Athena, tb * 5.00);
    let known =
        requests * 1e-6 + lambda + 10.95 + rows * 0.014e-6 + s3 + kms + cloudwatch + tb * 5.0;
    assert!((bill.total() - known - DAYS * 1e-6 - 0.002_04).abs() < 1e-4);
}

#[test]
fn more_posts_never_cost_less() {
    for settings in [provisioned, on_demand] {
        let mut before = 0.0;
        for rows in [0.0, 0.01, 1.0, 10.0, 100.0, 999.0, 1_001.0, 5_000.0] {
            let load = load(rows);
            let total = bill(&load, &settings(&load)).total();
            assert!(
                total > before,
                "{rows} rows a second cost {total}, fewer cost {before}"
            );
            before = total;
        }
    }
    let totals = |bill: fn(&Load) -> Bill| [0.0, 1.0, 100.0].map(|rows| bill(&load(rows)).total());
    assert!(totals(old_stack).is_sorted());
    let firehose = |load: &Load| firehose(load, &provisioned(load), &MEASURED);
    assert!(totals(firehose).is_sorted());
}

#[test]
fn an_on_demand_stream_is_dearer_when_idle() {
    let idle = load(0.0);
    let [shard, stream] = [provisioned, on_demand].map(|settings| bill(&idle, &settings(&idle)));
    assert_costs(&shard, Service::Kinesis, 730.0 * 0.015);
    assert_costs(&stream, Service::Kinesis, 730.0 * 0.040);
    // 100 rows a second of 1,000 bytes count for 1,024 each; they are read once, and the check reads two minutes of four shards.
    let load = load(100.0);
    let gb_in = 262.8e6 * 1_024.0 / 1_073_741_824.0;
    let read = 262.8e6 * 1_000.0 + DAYS * 120.0 * 4.0 * 2_097_152.0;
    let usd = 730.0 * 0.040 + gb_in * 0.080 + read / 1_073_741_824.0 * 0.040;
    assert_costs(&bill(&load, &on_demand(&load)), Service::Kinesis, usd);
}

#[test]
fn a_longer_retention_costs_more() {
    let load = load(100.0);
    let kinesis = |settings: Settings, retention_hours| {
        let settings = Settings {
            retention_hours,
            ..settings
        };
        bill(&load, &settings).service(Service::Kinesis).unwrap()
    };
    let provisioned = provisioned(&load);
    let extended = kinesis(provisioned, 48.0) - kinesis(provisioned, 24.0);
    assert!((extended - 730.0 * 0.020).abs() < 1e-6);
    // A GB-month of each GB that is a week old and not two.
    let gb = 100.0 * 1_000.0 * 3_600.0 * 168.0 / 1_073_741_824.0;
    let long = kinesis(provisioned, 336.0) - kinesis(provisioned, 168.0);
    assert!((long - gb * 0.023).abs() < 1e-6);
    let on_demand = on_demand(&load);
    let extended = kinesis(on_demand, 48.0) - kinesis(on_demand, 24.0);
    assert!((extended - gb / 7.0 * 0.100).abs() < 1e-6);
}

#[test]
fn shards_are_for_bytes_and_for_records() {
    let shards = |rows_per_second, row_bytes| {
        let load = Load {
            row_bytes,
            ..load(rows_per_second)
        };
        (load.shards(), load.on_demand_shards())
    };
    assert_eq!(shards(0.0, 400.0), (1.0, 4.0));
    assert_eq!(shards(1_000.0, 400.0), (1.0, 4.0));
    assert_eq!(shards(1_001.0, 400.0), (2.0, 4.0));
    assert_eq!(shards(300.0, 10_485.76), (3.0, 6.0));
}

#[test]
fn a_run_that_lambda_would_end_is_told() {
    let load = Load {
        table_rows: Some(1e9),
        ..load(1.0)
    };
    let settings = provisioned(&load);
    let usage = Usage::month(&load, &settings, &MEASURED);
    assert!((usage.run_ms - 900_000.0).abs() < 1e-9);
    let notes = usage.bill(&settings).notes;
    assert!(notes[0].starts_with("daily-batch needs longer than the 15 minutes"));
}

#[test]
fn the_alternatives_by_hand() {
    let load = load(100.0);
    let firehose = firehose(&load, &provisioned(&load), &MEASURED);
    // A row of 1,000 bytes counts for 5 KB.
    let gb = 262.8e6 * 5_120.0 / 1_073_741_824.0;
    assert_costs(&firehose, Service::Firehose, gb * (0.029 + 0.018));
    assert_costs(&firehose, Service::ApiGateway, 26.28);
    assert_eq!(firehose.service(Service::Kinesis), None);

    let old = old_stack(&load);
    assert_costs(&old, Service::ApiGateway, 26.28e6 * 3.50e-6);
    // 7 days of 100 kB a second, twice.
    let gb = 1e5 * 7.0 * 86_400.0 * 2.0 / 1_073_741_824.0;
    assert_costs(
        &old,
        Service::Msk,
        730.0 * (2.0 * 0.0456 + 0.11) + gb * 0.10,
    );
    assert_costs(&old, Service::Mwaa, 730.0 * 0.49 + 1.0);
    let json = 1e5 * 86_400.0 * 90.0 / 1_073_741_824.0;
    assert_costs(&old, Service::S3, 262.8e6 * 5.4e-6 + json * 0.023);
}

#[test]
fn the_free_tiers_are_never_more_than_the_bill() {
    for rows in [0.0, 1.0, 100.0] {
        let load = load(rows);
        let bill = bill(&load, &provisioned(&load));
        for line in &bill.lines {
            assert!(line.free_usd <= line.usd + 1e-9, "{line:?}");
        }
        assert!(bill.free() > 0.0);
    }
}
