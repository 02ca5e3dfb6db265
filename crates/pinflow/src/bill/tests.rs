use clap::Parser as _;
use cost::measured::{ByPacking, DailyBatch, Function, Point};

use super::*;
use crate::cli::{Cli, Command};

const POINTS: [Point; 2] = [
    Point {
        rows: 1.0,
        cpu_ms: 1.0,
    },
    Point {
        rows: 101.0,
        cpu_ms: 2.0,
    },
];
const FUNCTION: Function = Function {
    init_cpu_ms: 20.0,
    peak_memory_mb: 20.0,
    points: &POINTS,
};
const FUNCTIONS: ByPacking = ByPacking {
    off: FUNCTION,
    lines: FUNCTION,
    gzip: FUNCTION,
};

/// Measurements of this test, so that others change nothing of what it shows.
const MEASURED: Measurements = Measurements {
    date: "2026-01-01",
    row_bytes: 300.0,
    clean_bytes_per_byte: 0.2,
    ingest_api: FUNCTIONS,
    stream_cleaner: FUNCTIONS,
    gzip_ratios: &[],
    daily_batch: DailyBatch {
        init_cpu_ms: 20.0,
        peak_memory_mb: 500.0,
        fixed_cpu_ms: 200.0,
        new_row_cpu_ms: 0.001,
        table_row_cpu_ms: 0.001,
    },
};

/// Returns what `cost` prints.
fn printed(arguments: &str) -> String {
    let words = ["pinflow", "cost"].into_iter();
    let cli = Cli::parse_from(words.chain(arguments.split_whitespace()));
    let Command::Cost(options) = cli.command else {
        panic!("not cost");
    };
    let mut out = Vec::new();
    write(
        &options,
        &model::Model::load_from(None).unwrap(),
        &MEASURED,
        &mut out,
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(120), "{text}");
    text
}

#[test]
fn the_idle_stack_is_shown() {
    insta::assert_snapshot!(printed("--row-bytes 300"));
}

#[test]
fn a_load_is_shown_with_each_kind_of_stream() {
    let options = "--rows-per-second 100 --row-bytes 1000 --rows-per-request 10 --stream both --table-rows 30000000";
    insta::assert_snapshot!(printed(options));
}

#[test]
fn a_day_that_is_too_long_for_lambda_is_told() {
    let text = printed("--rows-per-second 100 --row-bytes 1000 --table-rows 4000000000");
    assert!(
        text.contains("daily-batch cannot do the reports of such tables"),
        "{text}"
    );
}
