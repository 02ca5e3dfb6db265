//! What each setting of a stack changes in its bill.

use super::*;

#[test]
fn an_on_demand_stream_is_dearer_when_idle() {
    let idle = load(0.0);
    let [shard, stream] = [provisioned, on_demand].map(|settings| bill(&idle, &settings(&idle)));
    assert_costs(&shard, Service::Kinesis, 730.0 * 0.015);
    assert_costs(&stream, Service::Kinesis, 730.0 * 0.040);
    // 100 rows a second of 1,000 bytes count for 1,024 each; they are read once.
    let load = load(100.0);
    let gb_in = 262.8e6 * 1_024.0 / 1_073_741_824.0;
    let read = 262.8e6 * 1_000.0;
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
        (
            load.shards(&alone(&load)),
            load.on_demand_shards(&alone(&load)),
        )
    };
    assert_eq!(shards(0.0, 400.0), (1.0, 4.0));
    assert_eq!(shards(1_000.0, 400.0), (1.0, 4.0));
    assert_eq!(shards(1_001.0, 400.0), (2.0, 4.0));
    assert_eq!(shards(300.0, 10_485.76), (3.0, 6.0));
}

#[test]
fn traces_are_paid_for_where_they_are_made() {
    let load = load(100.0);
    let usd = |is_traced| {
        let settings = Settings {
            is_traced,
            ..provisioned(&load)
        };
        bill(&load, &settings).service(Service::CloudWatch).unwrap()
    };
    // 10 requests a second: one traced, and 5 % of nine; each batch, and each run.
    let traces = 2_628_000.0 * (1.0 + 9.0 * 0.05) + 262.8e6 / 3_464.0 + DAYS;
    assert!((usd(true) - usd(false) - traces * 5e-6).abs() < 1e-6);
}

#[test]
fn packed_rows_pay_for_their_bytes_and_make_larger_objects() {
    // 1,000 rows a second in requests of 500, of which 125 have each of 4 partition keys: 102 of 1,000 bytes fit into 100 KiB.
    let load = Load {
        rows_per_request: 500.0,
        ..load(1_000.0)
    };
    let with = |packing| {
        let settings = Settings {
            packing,
            ..provisioned(&load)
        };
        let usage = Usage::month(&load, &settings, &MEASURED);
        (usage, usage.bill(&settings))
    };
    let rows = 2_628e6;
    let partition_keys = 4.0;
    let (off, _) = with(Packing::Off);
    let (lines, bill) = with(Packing::Lines { partition_keys });
    // 102,101 bytes are four units of 25 KB; 46 such records fit into 6 MB.
    assert_costs(
        &bill,
        Service::Kinesis,
        730.0 * 0.015 + rows / 102.0 * 4.0 * 0.014e-6,
    );
    assert!(
        (lines.batches - rows / 102.0 / 46.0).abs() < 1.0,
        "{lines:?}"
    );
    assert!(lines.objects < off.objects);
    // A fifth of their bytes: 125 rows are one unit, and the 60,000 rows of a minute fit into an event.
    let (gzip, bill) = with(Packing::Gzip { partition_keys });
    assert_costs(
        &bill,
        Service::Kinesis,
        730.0 * 0.015 + rows / 125.0 * 0.014e-6,
    );
    assert!(
        (gzip.batches - rows / (186.0 * 125.0)).abs() < 1.0,
        "{gzip:?}"
    );
}

#[test]
fn what_is_not_watched_is_not_paid_for() {
    let load = load(100.0);
    let full = provisioned(&load);
    let cloudwatch = |settings: &Settings| bill(&load, settings).service(Service::CloudWatch);
    let saved = |settings: Settings| cloudwatch(&full).unwrap() - cloudwatch(&settings).unwrap();
    let lean = saved(Settings {
        monitoring: Monitoring::Lean,
        ..full
    });
    // 17 metrics with alarms, 6 of the API, 28 of stream-cleaner, and the dashboard.
    let by_hand = 17.0 * 0.10 + 34.0 * 0.30 + 3.00;
    assert!((lean - by_hand).abs() < 1e-6, "{lean}");
    let silent = saved(Settings {
        logs_requests: false,
        ..full
    });
    let gb = 26.28e6 * 2_000.0 / GB;
    let by_hand = gb * (0.50 + 0.03 * 0.15 * 30.0 / 30.4);
    assert!((silent - by_hand).abs() < 1e-6, "{silent}");
}

#[test]
fn keys_of_aws_cost_nothing_but_the_streams_requests() {
    for (rows, callers) in [(0.0, 1.0), (100.0, 3.0)] {
        let load = load(rows);
        for age_days in [90.0, 365.0] {
            let settings = Settings {
                encryption: Encryption::AwsKeys,
                age_days,
                ..provisioned(&load)
            };
            // daily-batch, and with a load a shard and an environment of ingest-api.
            let by_hand = 730.0 * 12.0 * callers * 0.03e-4;
            assert_costs(&bill(&load, &settings), Service::Kms, by_hand);
        }
    }
}

#[test]
fn a_longer_wait_makes_fewer_objects_until_an_event_is_full() {
    let objects = |rows, window_seconds| {
        let load = load(rows);
        let settings = Settings {
            window_seconds,
            ..provisioned(&load)
        };
        Usage::month(&load, &settings, &MEASURED).objects
    };
    assert!((objects(10.0, 60.0) / objects(10.0, 300.0) - 5.0).abs() < 1e-9);
    assert!((objects(900.0, 60.0) / objects(900.0, 300.0) - 1.0).abs() < 1e-9);
}
