//! What the packaged functions needed when they were measured. `make measure` writes this file.
//!
//! Measured on 2026-11-28, on `x86_64, AMD EPYC`, against the embedded stack:
//!
//! | invocation | rows | processor ms | wall ms |
//! |---|---:|---:|---:|
//! | ingest-api, a request | 1 | 0.60 | 2.74 |
//! | ingest-api, a request | 10 | 0.61 | 3.37 |
//! | ingest-api, a request | 100 | 2.03 | 34.23 |
//! | ingest-api, a request | 500 | 6.74 | 251.79 |
//! | ingest-api, a request, lines | 1 | 0.56 | 2.95 |
//! | ingest-api, a request, lines | 10 | 0.81 | 4.15 |
//! | ingest-api, a request, lines | 100 | 1.20 | 5.81 |
//! | ingest-api, a request, lines | 500 | 4.86 | 62.43 |
//! | ingest-api, a request, gzip | 1 | 0.79 | 3.65 |
//! | ingest-api, a request, gzip | 10 | 1.31 | 5.30 |
//! | ingest-api, a request, gzip | 100 | 1.68 | 6.51 |
//! | ingest-api, a request, gzip | 500 | 3.61 | 10.18 |
//! | stream-cleaner, a batch | 100 | 2.26 | 6.10 |
//! | stream-cleaner, a batch | 1,000 | 4.76 | 9.57 |
//! | stream-cleaner, a batch | 6,766 | 14.08 | 20.27 |
//! | stream-cleaner, a batch, lines | 108 | 2.05 | 5.28 |
//! | stream-cleaner, a batch, lines | 1,031 | 4.74 | 9.21 |
//! | stream-cleaner, a batch, lines | 10,004 | 21.01 | 26.49 |
//! | stream-cleaner, a batch, lines | 17,968 | 32.72 | 39.03 |
//! | stream-cleaner, a batch, gzip | 108 | 1.72 | 4.52 |
//! | stream-cleaner, a batch, gzip | 1,031 | 5.08 | 9.47 |
//! | stream-cleaner, a batch, gzip | 10,005 | 24.54 | 29.58 |
//! | stream-cleaner, a batch, gzip | 43,806 | 98.14 | 107.18 |
//! | daily-batch, a first day | 30,000 | 340 | |
//! | daily-batch, the next day | 300 | 290 | |
//! | daily-batch, a first day | 300,000 | 820 | |
//! | daily-batch, the next day | 3,000 | 520 | |
//! | daily-batch, a first day | 3,000,000 | 6,420 | |
//! | daily-batch, the next day | 30,000 | 2,960 | |

use crate::measured::{ByPacking, DailyBatch, Function, Measurements, Point, Ratio};

/// The measurements that bills are computed from.
pub const MEASUREMENTS: Measurements = Measurements {
    date: "2026-11-28",
    row_bytes: 265.0,
    clean_bytes_per_byte: 0.122,
    ingest_api: ByPacking {
        off: Function {
            init_cpu_ms: 7.9,
            peak_memory_mb: 14.2,
            points: &[
                Point {
                    rows: 1.0,
                    cpu_ms: 0.605,
                },
                Point {
                    rows: 10.0,
                    cpu_ms: 0.607,
                },
                Point {
                    rows: 100.0,
                    cpu_ms: 2.030,
                },
                Point {
                    rows: 500.0,
                    cpu_ms: 6.745,
                },
            ],
        },
        lines: Function {
            init_cpu_ms: 6.9,
            peak_memory_mb: 13.5,
            points: &[
                Point {
                    rows: 1.0,
                    cpu_ms: 0.563,
                },
                Point {
                    rows: 10.0,
                    cpu_ms: 0.810,
                },
                Point {
                    rows: 100.0,
                    cpu_ms: 1.196,
                },
                Point {
                    rows: 500.0,
                    cpu_ms: 4.857,
                },
            ],
        },
        gzip: Function {
            init_cpu_ms: 6.2,
            peak_memory_mb: 13.7,
            points: &[
                Point {
                    rows: 1.0,
                    cpu_ms: 0.789,
                },
                Point {
                    rows: 10.0,
                    cpu_ms: 1.309,
                },
                Point {
                    rows: 100.0,
                    cpu_ms: 1.678,
                },
                Point {
                    rows: 500.0,
                    cpu_ms: 3.608,
                },
            ],
        },
    },
    stream_cleaner: ByPacking {
        off: Function {
            init_cpu_ms: 9.5,
            peak_memory_mb: 32.4,
            points: &[
                Point {
                    rows: 100.0,
                    cpu_ms: 2.262,
                },
                Point {
                    rows: 1_000.0,
                    cpu_ms: 4.758,
                },
                Point {
                    rows: 6_766.0,
                    cpu_ms: 14.082,
                },
            ],
        },
        lines: Function {
            init_cpu_ms: 9.0,
            peak_memory_mb: 34.3,
            points: &[
                Point {
                    rows: 108.0,
                    cpu_ms: 2.050,
                },
                Point {
                    rows: 1_031.0,
                    cpu_ms: 4.737,
                },
                Point {
                    rows: 10_004.0,
                    cpu_ms: 21.009,
                },
                Point {
                    rows: 17_968.0,
                    cpu_ms: 32.724,
                },
            ],
        },
        gzip: Function {
            init_cpu_ms: 6.8,
            peak_memory_mb: 39.6,
            points: &[
                Point {
                    rows: 108.0,
                    cpu_ms: 1.722,
                },
                Point {
                    rows: 1_031.0,
                    cpu_ms: 5.077,
                },
                Point {
                    rows: 10_005.0,
                    cpu_ms: 24.536,
                },
                Point {
                    rows: 43_806.0,
                    cpu_ms: 98.141,
                },
            ],
        },
    },
    gzip_ratios: &[
        Ratio {
            rows: 1.0,
            ratio: 0.912,
        },
        Ratio {
            rows: 7.5,
            ratio: 0.482,
        },
        Ratio {
            rows: 29.8,
            ratio: 0.359,
        },
        Ratio {
            rows: 119.1,
            ratio: 0.292,
        },
        Ratio {
            rows: 476.3,
            ratio: 0.272,
        },
    ],
    daily_batch: DailyBatch {
        init_cpu_ms: 12.5,
        peak_memory_mb: 521.3,
        fixed_cpu_ms: 278.6,
        new_row_cpu_ms: 0.001_174,
        table_row_cpu_ms: 0.000_873,
    },
};
