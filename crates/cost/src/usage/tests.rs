mod settings;

use super::*;
use crate::alternatives::{Firehose, firehose, old_stack};
use crate::bill::{Bill, Service};
use crate::load::{Encryption, Monitoring, Stream, Wire};
use crate::measured::{Architecture, ByPacking, DailyBatch, Point, Ratio};
use crate::records::Packing;

/// 1 ms, and 0.1 ms for each row.
const INGEST_API: Function = Function {
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
};

/// 0.01 ms for each row.
const STREAM_CLEANER: Function = Function {
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
};

/// Measurements in round numbers, so that a bill can be computed by hand.
const MEASURED: Measurements = Measurements {
    date: "2026-01-01",
    row_bytes: 1_000.0,
    clean_bytes_per_byte: 0.25,
    ingest_api: ByPacking {
        off: INGEST_API,
        lines: INGEST_API,
        gzip: INGEST_API,
    },
    stream_cleaner: ByPacking {
        off: STREAM_CLEANER,
        lines: STREAM_CLEANER,
        gzip: STREAM_CLEANER,
    },
    gzip_ratios: &[Ratio {
        rows: 1.0,
        ratio: 0.2,
    }],
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
        repeated: 0.0,
        clean_ratio: None,
        wire: Wire::Events,
    }
}

fn alone(load: &Load) -> Records {
    Records::of(load, Packing::Off, &MEASURED)
}

fn provisioned(load: &Load) -> Settings {
    Settings {
        architecture: Architecture::Arm64,
        stream: Stream::Provisioned {
            shards: load.shards(&alone(load)),
        },
        retention_hours: 24.0,
        packing: Packing::Off,
        window_seconds: stack::BATCHING_WINDOW_SECONDS,
        encryption: Encryption::OwnKey,
        monitoring: Monitoring::Full,
        logs_requests: true,
        is_traced: false,
        age_days: 90.0,
    }
}

fn on_demand(load: &Load) -> Settings {
    Settings {
        stream: Stream::OnDemand {
            shards: load.on_demand_shards(&alone(load)),
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
const GB: f64 = 1_073_741_824.0;

/// A second computation of a month's bill, line by line from the price pages, of rows of 1,000 bytes in requests of 10.
fn by_hand(rate: f64, age_days: f64) -> Vec<(Service, f64)> {
    let rows = rate * 2_628_000.0;
    let requests = rows / 10.0;
    let requests_usd = if requests <= 300e6 {
        requests * 1.00e-6
    } else {
        300.0 + (requests - 300e6) * 0.90e-6
    };
    // An answer has 258 bytes, and 110 for each of its 10 rows.
    let out = requests * 1_358.0 / GB;
    let out_usd = if out <= 10_240.0 {
        out * 0.09
    } else {
        921.6 + (out - 10_240.0) * 0.085
    };

    let shards = (rate / 1_000.0)
        .max(rate * 1_000.0 / 1_048_576.0)
        .ceil()
        .max(1.0);
    // An event's record is 1,336 bytes of base64 and 480 around them: 3,464 fit into 6 MB. A window has a minute's rows of a shard.
    let batch = (rate / shards * 60.0).clamp(1.0, 3_464.0);
    let batches = rows / batch;
    // 1 ms and 10 rows at 0.1 ms are 2 ms of a processor, of which 256 MB have 256 / 1,769: 13.8 ms, after 25 ms of waiting.
    let ingest_ms = 39.0;
    // 0.01 ms a row, of a processor of which 512 MB have 512 / 1,769, after 150 ms.
    let batch_ms = (150.0 + batch * 0.01 * 1_769.0 / 512.0).ceil();
    // Clean objects of three kinds, and one of quarantine where a hundredth of the batch is a record.
    let objects = batches * (batch.min(3.0) + (batch / 100.0).min(1.0));
    let a_day = rows / DAYS;
    // 1 s, 0.002 ms and 0.002 ms for the archive for each new row, 0.001 ms for each of 10 million in the tables; 20 s of waiting, and 10 ms
    // an object.
    let run_ms = (1_000.0 + a_day * 0.004 + 10_000.0 + 20_000.0 + objects / DAYS * 10.0).ceil();
    let gb_seconds =
        (requests * ingest_ms * 256.0 + batches * batch_ms * 512.0 + DAYS * run_ms * 3_008.0)
            / 1_024_000.0;
    let lambda = (requests + batches + DAYS) * 0.20e-6
        + gb_seconds * 0.000_013_333_4
        + DAYS * run_ms * 3_584.0 / 1_024_000.0 * 0.000_000_030_9;

    let puts = objects + DAYS * 500.0;
    let gets = objects * 4.0 + DAYS * 2_000.0;
    // A quarter of a row's bytes are clean; 90 days, and 30 as old versions. A hundredth is rejected; 365 and 30.
    let clean = a_day * 250.0;
    let kept = clean * age_days.min(120.0) + a_day * 10.0 * age_days.min(395.0);
    // The tables have 2.5 GB; each day compaction replaces files of a day's bytes, which stay for 7 days, and for 30 as old versions.
    let tables = 2.5e9 + clean * age_days.min(37.0);
    let gb_month = |gb: f64| {
        if gb <= 51_200.0 {
            gb * 0.023
        } else {
            1_177.6 + (gb - 51_200.0) * 0.022
        }
    };
    let archive = clean * (age_days - 3.0) / GB * 0.004;
    let s3 =
        puts * 0.005e-3 + gets * 0.0004e-3 + gb_month(kept / GB) + gb_month(tables / GB) + archive;

    // Each environment of a function has data keys of its own: five callers in any case, one for each shard, and those of the API.
    let environments = (requests * ingest_ms / 1_000.0 / 2_628_000.0).ceil();
    let kms_requests = 730.0 * 12.0 * (5.0 + shards + environments) + (puts + gets) / 100.0;
    let rotations = if age_days >= 365.0 { 1.0 } else { 0.0 };
    let kms = 1.0 + rotations + kms_requests * 0.03e-4;

    let logs = (requests * 2_000.0 + batches * 3_500.0 + DAYS * 20_000.0) / GB;
    let logs_usd = if logs <= 10_240.0 {
        logs * 0.50
    } else {
        5_120.0 + (logs - 10_240.0).min(20_480.0) * 0.25
    };
    // 17 metrics in one hour of a day, 8 of the API, 30 of stream-cleaner; 33 metrics with alarms, a dashboard.
    let cloudwatch = logs_usd
        + logs * 0.03 * 0.15 * 30.0 / 30.4
        + (17.0 / 24.0 + 8.0 + 30.0) * 0.30
        + 33.0 * 0.10
        + 3.00;
    // Three queries a day, each of a third of the day's clean rows, or of the fewest bytes that are billed.
    let scanned = (clean / 3.0).max(10.0 * 1_048_576.0) * 3.0 * DAYS / GB / 1_024.0;
    vec![
        (Service::ApiGateway, requests_usd),
        (Service::Transfer, out_usd),
        (Service::Lambda, lambda),
        (Service::Kinesis, shards * 730.0 * 0.015 + rows * 0.014e-6),
        (Service::S3, s3),
        (Service::Kms, kms),
        (Service::CloudWatch, cloudwatch),
        (Service::Scheduler, DAYS * 1e-6),
        (Service::Queues, 100.0 * (0.40e-6 + 2.00e-5)),
        (Service::Athena, scanned * 5.00),
    ]
}

#[test]
fn each_line_of_a_bill_is_that_of_a_second_computation() {
    for rate in [1.0, 10.0, 100.0, 1_000.0, 3_000.0, 10_000.0] {
        for age_days in [90.0, 365.0] {
            let load = load(rate);
            let settings = Settings {
                age_days,
                ..provisioned(&load)
            };
            let bill = bill(&load, &settings);
            let hand = by_hand(rate, age_days);
            for (service, expected) in &hand {
                let usd = bill.service(*service).unwrap();
                assert!(
                    (usd - expected).abs() <= expected * 0.02,
                    "{service:?} at {rate} rows a second after {age_days} days is {usd}, by hand {expected}"
                );
            }
            let total: f64 = hand.iter().map(|(_, usd)| usd).sum();
            assert!((bill.total() - total).abs() < total * 0.02, "{bill:?}");
        }
    }
}

#[test]
fn the_bill_of_a_stack_that_nobody_posts_to() {
    let idle = Load {
        table_rows: None,
        ..load(0.0)
    };
    let bill = bill(&idle, &provisioned(&idle));
    assert_costs(&bill, Service::ApiGateway, 0.0);
    assert_costs(&bill, Service::Transfer, 0.0);
    // 730 hours of one shard.
    assert_costs(&bill, Service::Kinesis, 10.95);
    // 1 s of a processor and 20 s of waiting, at 3,008 MB.
    let gb_seconds = DAYS * 21.0 * 3_008.0 / 1_024.0;
    let storage = DAYS * 21.0 * 3_584.0 / 1_024.0 * 0.000_000_030_9;
    assert_costs(
        &bill,
        Service::Lambda,
        DAYS * 0.20e-6 + gb_seconds * 0.000_013_333_4 + storage,
    );
    assert_costs(
        &bill,
        Service::S3,
        DAYS * (500.0 * 0.005e-3 + 2_000.0 * 0.0004e-3),
    );
    assert_costs(
        &bill,
        Service::Kms,
        1.0 + (730.0 * 60.0 + DAYS * 25.0) * 0.03e-4,
    );
    let logs = DAYS * 20_000.0 / GB * (0.50 + 0.03 * 0.15 * 30.0 / 30.4);
    assert_costs(
        &bill,
        Service::CloudWatch,
        logs + 17.0 / 24.0 * 0.30 + 3.30 + 3.00,
    );
    assert!(bill.notes.is_empty());
}

#[test]
fn repeated_keys_cost_the_files_that_a_merge_copies() {
    let bytes = |repeated| {
        let load = Load {
            repeated,
            table_rows: Some(100e6),
            ..load(100.0)
        };
        let kept = Usage::month(&load, &provisioned(&load), &MEASURED).kept;
        (kept.tables, kept.replaced)
    };
    // 100 million rows of 250 bytes: 25 GB in 187 files, of which a day's repeated keys meet each one.
    let (tables, replaced) = bytes(0.1);
    assert!((tables - 25e9).abs() < 1.0);
    let copies = (tables + replaced - bytes(0.0).1) / tables;
    assert!((37.9..=38.0).contains(&copies), "{copies}");
    // One repeated key a day copies one file of 128 MiB.
    let one = bytes(1.0 / 8_640_000.0).1 - bytes(0.0).1;
    assert!((one / 37.0 / 134_217_728.0 - 1.0).abs() < 0.02, "{one}");
}

#[test]
fn the_limits_that_a_load_meets_are_named() {
    let notes = |load: &Load| {
        let settings = provisioned(load);
        crate::pinflow(load, &settings, &MEASURED).notes
    };
    assert_eq!(notes(&load(100.0)), Vec::<String>::new());
    let api = notes(&load(2_000.0)).join("\n");
    assert!(
        api.contains("100 requests a second where nothing else is set, and this load makes 200"),
        "{api}"
    );
    let busy = notes(&load(9_500.0)).join("\n");
    assert!(busy.contains("from 329 requests a second on"), "{busy}");
    let full = notes(&load(900.0)).join("\n");
    assert!(
        full.contains("The stream is 90 % full") && full.contains("2 shards"),
        "{full}"
    );
    // 0.001 ms a row: 900 million rows in 15 minutes, which 90 days of 115.7 rows a second come to.
    let old = Load {
        table_rows: None,
        ..load(200.0)
    };
    let day = notes(&old).join("\n");
    assert!(
        day.contains("900.0 million rows") && day.contains("from 116 rows a second on"),
        "{day}"
    );
    for to in [Firehose::Parquet, Firehose::Iceberg] {
        let firehose = firehose(to, &old, &provisioned(&old), &MEASURED)
            .notes
            .join("\n");
        assert!(firehose.contains("900.0 million rows"), "{firehose}");
    }
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
    let parquet = |load: &Load| firehose(Firehose::Parquet, load, &provisioned(load), &MEASURED);
    assert!(totals(parquet).is_sorted());
}

#[test]
fn the_alternatives_by_hand() {
    let load = load(100.0);
    let to = |to| firehose(to, &load, &provisioned(&load), &MEASURED);
    let parquet = to(Firehose::Parquet);
    // A row of 1,000 bytes counts for 5 KB.
    let gb = 262.8e6 * 5_120.0 / GB;
    assert_costs(&parquet, Service::Firehose, gb * (0.029 + 0.018));
    assert_costs(&parquet, Service::ApiGateway, 26.28);
    assert_eq!(parquet.service(Service::Kinesis), None);
    let gb = 262.8e6 * 1_000.0 / GB;
    assert_costs(&to(Firehose::Iceberg), Service::Firehose, gb * 0.075);

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
