//! What the packaged functions needed when they were measured. `make measure` writes this file.
//!
//! Measured on 2026-11-21, on `x86_64, AMD EPYC`, against the embedded stack:
//!
//! | invocation | rows | processor ms | wall ms |
//! |---|---:|---:|---:|
//! | ingest-api, a request | 1 | 0.54 | 1.24 |
//! | ingest-api, a request | 10 | 0.59 | 1.89 |
//! | ingest-api, a request | 100 | 1.32 | 4.01 |
//! | ingest-api, a request | 500 | 3.27 | 11.86 |
//! | stream-cleaner, a batch | 100 | 2.31 | 4.63 |
//! | stream-cleaner, a batch | 1,000 | 6.25 | 11.08 |
//! | stream-cleaner, a batch | 6,766 | 24.25 | 29.12 |
//! | daily-batch, a first day | 30,000 | 220 | |
//! | daily-batch, the next day | 300 | 280 | |
//! | daily-batch, a first day | 300,000 | 780 | |
//! | daily-batch, the next day | 3,000 | 750 | |
//! | daily-batch, a first day | 3,000,000 | 7,090 | |
//! | daily-batch, the next day | 30,000 | 3,510 | |

use crate::measured::{DailyBatch, Function, Measurements, Point};

/// The measurements that bills are computed from.
pub const MEASUREMENTS: Measurements = Measurements {
    date: "2026-11-21",
    row_bytes: 265.0,
    clean_bytes_per_byte: 0.149,
    ingest_api: Function {
        init_cpu_ms: 8.4,
        peak_memory_mb: 16.0,
        points: &[
            Point {
                rows: 1.0,
                cpu_ms: 0.542,
            },
            Point {
                rows: 10.0,
                cpu_ms: 0.589,
            },
            Point {
                rows: 100.0,
                cpu_ms: 1.323,
            },
            Point {
                rows: 500.0,
                cpu_ms: 3.271,
            },
        ],
    },
    stream_cleaner: Function {
        init_cpu_ms: 6.0,
        peak_memory_mb: 40.3,
        points: &[
            Point {
                rows: 100.0,
                cpu_ms: 2.312,
            },
            Point {
                rows: 1_000.0,
                cpu_ms: 6.250,
            },
            Point {
                rows: 6_766.0,
                cpu_ms: 24.250,
            },
        ],
    },
    daily_batch: DailyBatch {
        init_cpu_ms: 11.1,
        peak_memory_mb: 784.8,
        fixed_cpu_ms: 150.6,
        new_row_cpu_ms: 0.001_216,
        table_row_cpu_ms: 0.001_097,
    },
};
