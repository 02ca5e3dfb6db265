//! What the packaged functions needed when they were measured. `make measure` writes this file.
//!
//! Measured on 2026-11-21, on `x86_64, AMD EPYC`, against the embedded stack:
//!
//! | invocation | rows | processor ms | wall ms |
//! |---|---:|---:|---:|
//! | ingest-api, a request | 1 | 0.55 | 1.24 |
//! | ingest-api, a request | 10 | 0.67 | 1.70 |
//! | ingest-api, a request | 100 | 1.38 | 4.31 |
//! | ingest-api, a request | 500 | 2.98 | 10.34 |
//! | stream-cleaner, a batch | 100 | 2.06 | 4.90 |
//! | stream-cleaner, a batch | 1,000 | 6.50 | 12.84 |
//! | stream-cleaner, a batch | 6,766 | 27.00 | 35.11 |
//! | daily-batch, a first day | 30,000 | 250 | |
//! | daily-batch, the next day | 300 | 260 | |
//! | daily-batch, a first day | 300,000 | 620 | |
//! | daily-batch, the next day | 3,000 | 600 | |
//! | daily-batch, a first day | 3,000,000 | 6,180 | |
//! | daily-batch, the next day | 30,000 | 4,400 | |

use crate::measured::{DailyBatch, Function, Measurements, Point};

/// The measurements that bills are computed from.
pub const MEASUREMENTS: Measurements = Measurements {
    date: "2026-11-21",
    row_bytes: 265.0,
    clean_bytes_per_byte: 0.149,
    ingest_api: Function {
        init_cpu_ms: 5.9,
        peak_memory_mb: 15.9,
        points: &[
            Point {
                rows: 1.0,
                cpu_ms: 0.552,
            },
            Point {
                rows: 10.0,
                cpu_ms: 0.667,
            },
            Point {
                rows: 100.0,
                cpu_ms: 1.375,
            },
            Point {
                rows: 500.0,
                cpu_ms: 2.979,
            },
        ],
    },
    stream_cleaner: Function {
        init_cpu_ms: 8.3,
        peak_memory_mb: 35.6,
        points: &[
            Point {
                rows: 100.0,
                cpu_ms: 2.062,
            },
            Point {
                rows: 1_000.0,
                cpu_ms: 6.500,
            },
            Point {
                rows: 6_766.0,
                cpu_ms: 27.000,
            },
        ],
    },
    daily_batch: DailyBatch {
        init_cpu_ms: 12.4,
        peak_memory_mb: 626.5,
        fixed_cpu_ms: 190.1,
        new_row_cpu_ms: 0.000_613,
        table_row_cpu_ms: 0.001_383,
    },
};
