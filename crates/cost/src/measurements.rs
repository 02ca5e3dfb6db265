//! What the packaged functions needed when they were measured. `make measure` writes this file.
//!
//! Measured on 2026-11-28, on `x86_64, AMD EPYC`, against the embedded stack:
//!
//! | invocation | rows | processor ms | wall ms |
//! |---|---:|---:|---:|
//! | ingest-api, a request | 1 | 0.67 | 2.41 |
//! | ingest-api, a request | 10 | 0.78 | 3.35 |
//! | ingest-api, a request | 100 | 2.01 | 35.15 |
//! | ingest-api, a request | 500 | 6.81 | 249.27 |
//! | ingest-api, a request, lines | 1 | 0.73 | 2.62 |
//! | ingest-api, a request, lines | 10 | 0.90 | 3.54 |
//! | ingest-api, a request, lines | 100 | 1.40 | 5.82 |
//! | ingest-api, a request, lines | 500 | 4.34 | 64.44 |
//! | ingest-api, a request, gzip | 1 | 0.82 | 2.86 |
//! | ingest-api, a request, gzip | 10 | 1.16 | 4.02 |
//! | ingest-api, a request, gzip | 100 | 1.72 | 5.79 |
//! | ingest-api, a request, gzip | 500 | 3.57 | 9.65 |
//! | stream-cleaner, a batch | 100 | 2.89 | 6.12 |
//! | stream-cleaner, a batch | 1,000 | 6.31 | 10.77 |
//! | stream-cleaner, a batch | 6,766 | 19.35 | 24.65 |
//! | stream-cleaner, a batch, lines | 108 | 2.25 | 4.77 |
//! | stream-cleaner, a batch, lines | 1,031 | 6.13 | 10.31 |
//! | stream-cleaner, a batch, lines | 10,012 | 27.90 | 33.98 |
//! | stream-cleaner, a batch, lines | 17,815 | 43.67 | 50.86 |
//! | stream-cleaner, a batch, gzip | 108 | 2.46 | 5.02 |
//! | stream-cleaner, a batch, gzip | 1,031 | 6.68 | 10.70 |
//! | stream-cleaner, a batch, gzip | 10,005 | 32.85 | 38.20 |
//! | stream-cleaner, a batch, gzip | 43,806 | 131.74 | 142.75 |
//! | daily-batch, a first day | 30,000 | 370 | |
//! | daily-batch, the next day | 300 | 330 | |
//! | daily-batch, a first day | 300,000 | 940 | |
//! | daily-batch, the next day | 3,000 | 560 | |
//! | daily-batch, a first day | 3,000,000 | 6,540 | |
//! | daily-batch, the next day | 30,000 | 3,000 | |

use crate::measured::{ByPacking, DailyBatch, Function, Measurements, Point, Ratio};

/// The measurements that bills are computed from.
pub const MEASUREMENTS: Measurements = Measurements {
    date: "2026-11-28",
    row_bytes: 265.0,
    clean_bytes_per_byte: 0.136,
    ingest_api: ByPacking {
        off: Function {
            init_cpu_ms: 6.7,
            peak_memory_mb: 15.9,
            points: &[
                Point {
                    rows: 1.0,
                    cpu_ms: 0.672,
                },
                Point {
                    rows: 10.0,
                    cpu_ms: 0.777,
                },
                Point {
                    rows: 100.0,
                    cpu_ms: 2.010,
                },
                Point {
                    rows: 500.0,
                    cpu_ms: 6.813,
                },
            ],
        },
        lines: Function {
            init_cpu_ms: 6.8,
            peak_memory_mb: 15.0,
            points: &[
                Point {
                    rows: 1.0,
                    cpu_ms: 0.728,
                },
                Point {
                    rows: 10.0,
                    cpu_ms: 0.903,
                },
                Point {
                    rows: 100.0,
                    cpu_ms: 1.402,
                },
                Point {
                    rows: 500.0,
                    cpu_ms: 4.343,
                },
            ],
        },
        gzip: Function {
            init_cpu_ms: 6.6,
            peak_memory_mb: 15.4,
            points: &[
                Point {
                    rows: 1.0,
                    cpu_ms: 0.815,
                },
                Point {
                    rows: 10.0,
                    cpu_ms: 1.156,
                },
                Point {
                    rows: 100.0,
                    cpu_ms: 1.719,
                },
                Point {
                    rows: 500.0,
                    cpu_ms: 3.573,
                },
            ],
        },
    },
    stream_cleaner: ByPacking {
        off: Function {
            init_cpu_ms: 6.9,
            peak_memory_mb: 34.8,
            points: &[
                Point {
                    rows: 100.0,
                    cpu_ms: 2.888,
                },
                Point {
                    rows: 1_000.0,
                    cpu_ms: 6.308,
                },
                Point {
                    rows: 6_766.0,
                    cpu_ms: 19.346,
                },
            ],
        },
        lines: Function {
            init_cpu_ms: 6.8,
            peak_memory_mb: 37.2,
            points: &[
                Point {
                    rows: 108.0,
                    cpu_ms: 2.249,
                },
                Point {
                    rows: 1_031.0,
                    cpu_ms: 6.129,
                },
                Point {
                    rows: 10_012.0,
                    cpu_ms: 27.901,
                },
                Point {
                    rows: 17_815.0,
                    cpu_ms: 43.666,
                },
            ],
        },
        gzip: Function {
            init_cpu_ms: 7.0,
            peak_memory_mb: 46.6,
            points: &[
                Point {
                    rows: 108.0,
                    cpu_ms: 2.457,
                },
                Point {
                    rows: 1_031.0,
                    cpu_ms: 6.684,
                },
                Point {
                    rows: 10_005.0,
                    cpu_ms: 32.846,
                },
                Point {
                    rows: 43_806.0,
                    cpu_ms: 131.739,
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
        init_cpu_ms: 13.3,
        peak_memory_mb: 470.9,
        fixed_cpu_ms: 307.7,
        new_row_cpu_ms: 0.001_201,
        table_row_cpu_ms: 0.000_877,
    },
};
