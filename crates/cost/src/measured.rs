//! What a function needs for its work, and how long Lambda bills it for that.

use crate::prices;
use crate::records::Packing;

/// What the packaged functions were measured to need.
#[derive(Clone, Copy, Debug)]
pub struct Measurements {
    /// The day of the measurement.
    pub date: &'static str,
    /// Mean bytes of a row that was measured with.
    pub row_bytes: f64,
    /// Bytes of a clean object for each byte of the rows in it.
    pub clean_bytes_per_byte: f64,
    /// By rows of a request.
    pub ingest_api: ByPacking,
    /// By rows of a batch.
    pub stream_cleaner: ByPacking,
    /// Bytes of a compressed record for each byte of its rows, by how many they are.
    pub gzip_ratios: &'static [Ratio],
    /// By rows of a day.
    pub daily_batch: DailyBatch,
}

/// A function whose work depends on the rows of an invocation.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Processor time of a cold start.
    pub init_cpu_ms: f64,
    /// Most memory that was in use at once, in MB (10⁶ bytes).
    pub peak_memory_mb: f64,
    /// Processor time by rows, in their order.
    pub points: &'static [Point],
}

/// A function, by how the rows of a request are packed into records.
#[derive(Clone, Copy, Debug)]
pub struct ByPacking {
    /// A record for each row.
    pub off: Function,
    /// A row a line.
    pub lines: Function,
    /// The same, compressed.
    pub gzip: Function,
}

impl ByPacking {
    /// Returns what was measured with such records.
    pub fn with(&self, packing: Packing) -> &Function {
        match packing {
            Packing::Off => &self.off,
            Packing::Lines { .. } => &self.lines,
            Packing::Gzip { .. } => &self.gzip,
        }
    }
}

/// How far records of so many rows shrink.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// Rows of a record.
    pub rows: f64,
    /// Bytes of the compressed record for each byte of its rows.
    pub ratio: f64,
}

impl Measurements {
    /// Returns the bytes of a compressed record of so many rows for each byte of them: between two that were measured it is on the line through
    /// them.
    pub fn gzip_ratio(&self, rows: f64) -> f64 {
        let Some(last) = self.gzip_ratios.last() else {
            return 1.0;
        };
        let pair = self.gzip_ratios.windows(2).find_map(|pair| match pair {
            [first, last] if rows <= last.rows => Some((first, last)),
            _ => None,
        });
        pair.map_or(last.ratio, |(first, last)| {
            let share = ((rows - first.rows) / (last.rows - first.rows)).max(0.0);
            first.ratio + share * (last.ratio - first.ratio)
        })
    }
}

/// Processor time of an invocation with so many rows.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Rows of the invocation.
    pub rows: f64,
    /// Processor time, user and system.
    pub cpu_ms: f64,
}

/// What the daily run needs.
#[derive(Clone, Copy, Debug)]
pub struct DailyBatch {
    /// Processor time of a cold start.
    pub init_cpu_ms: f64,
    /// Most memory that was in use at once, in MB (10⁶ bytes).
    pub peak_memory_mb: f64,
    /// Processor time of a run with nothing to do.
    pub fixed_cpu_ms: f64,
    /// Processor time for each row of the day: it is merged.
    pub new_row_cpu_ms: f64,
    /// Processor time for each row of the curated tables: it is looked up, and read for the reports.
    pub table_row_cpu_ms: f64,
}

/// Memory at which Lambda gives a function one whole processor, in MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
pub const MEMORY_OF_A_PROCESSOR_MB: f64 = 1_769.0;

impl Function {
    /// Returns the processor time of an invocation with so many rows, of so many bytes each.
    ///
    /// Between two points it is on the line through them, and so it is beyond them. What comes with a row grows with its bytes,
    /// but does not shrink below what was measured.
    pub fn cpu_ms(&self, rows: f64, row_bytes: f64, measured_bytes: f64) -> f64 {
        let (first, last) = match self.points {
            [] => return 0.0,
            [only] => return only.cpu_ms,
            [.., first, last] => (first, last),
        };
        let pair = self.points.windows(2).find_map(|pair| match pair {
            [first, last] if rows <= last.rows => Some((first, last)),
            _ => None,
        });
        let (first, last) = pair.unwrap_or((first, last));
        let slope = (last.cpu_ms - first.cpu_ms) / (last.rows - first.rows);
        let cpu_ms = first.cpu_ms + (rows - first.rows) * slope;
        let larger = (row_bytes / measured_bytes - 1.0).max(0.0);
        (cpu_ms + rows * slope * larger).max(0.0)
    }
}

/// Returns for how long Lambda bills an invocation: the time that it waits for other services, and the processor time, at the
/// share of a processor that comes with the memory. It is rounded up to the millisecond.
///
/// A second processor, which comes with more than 1,769 MB, is not counted on: what this says is at least what is billed.
pub fn billed_ms(wait_ms: f64, cpu_ms: f64, memory_mb: f64) -> f64 {
    (wait_ms + cpu_ms * (MEMORY_OF_A_PROCESSOR_MB / memory_mb).max(1.0)).ceil()
}

/// Returns the GB-seconds of so many invocations. For Lambda's memory, a GB is 1,024 MB.
pub fn gb_seconds(invocations: f64, billed_ms: f64, memory_mb: f64) -> f64 {
    invocations * billed_ms / 1_000.0 * memory_mb / 1_024.0
}

/// The processor that the functions run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Graviton.
    Arm64,
    /// Intel or AMD.
    X86_64,
}

impl Architecture {
    /// Returns what AWS calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Returns the price of a GB-second.
    pub fn gb_second(self) -> f64 {
        match self {
            Self::Arm64 => prices::lambda::ARM64_GB_SECOND,
            Self::X86_64 => prices::lambda::X86_64_GB_SECOND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack;

    const FUNCTION: Function = Function {
        init_cpu_ms: 30.0,
        peak_memory_mb: 20.0,
        points: &[
            Point {
                rows: 1.0,
                cpu_ms: 2.0,
            },
            Point {
                rows: 11.0,
                cpu_ms: 3.0,
            },
            Point {
                rows: 111.0,
                cpu_ms: 23.0,
            },
        ],
    };

    #[test]
    fn work_grows_with_the_rows_and_with_their_bytes() {
        let cpu_ms = |rows, bytes| FUNCTION.cpu_ms(rows, bytes, 400.0);
        let close = |got: f64, expected: f64| {
            assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
        };
        close(cpu_ms(1.0, 400.0), 2.0);
        close(cpu_ms(6.0, 400.0), 2.5);
        close(cpu_ms(61.0, 400.0), 13.0);
        close(cpu_ms(211.0, 400.0), 43.0);
        // 6 rows at 0.1 ms each are twice as large.
        close(cpu_ms(6.0, 800.0), 3.1);
        close(cpu_ms(6.0, 10.0), 2.5);
    }

    #[test]
    fn what_was_measured_fits_into_the_memory_that_is_paid_for() {
        let measured = crate::MEASUREMENTS;
        // Lambda's MB are of 2^20 bytes, and its own processes take some.
        let fits = |needed: f64, paid: f64| assert!(needed < paid * 0.9, "{needed} MB of {paid}");
        fits(
            measured.daily_batch.peak_memory_mb,
            stack::DAILY_BATCH_MEMORY_MB,
        );
        for (functions, paid) in [
            (measured.ingest_api, stack::INGEST_API_MEMORY_MB),
            (measured.stream_cleaner, stack::STREAM_CLEANER_MEMORY_MB),
        ] {
            for function in [functions.off, functions.lines, functions.gzip] {
                fits(function.peak_memory_mb, paid);
                assert!(function.points.is_sorted_by(|a, b| a.rows < b.rows));
                assert!(function.points.iter().all(|point| point.cpu_ms > 0.0));
            }
        }
        let ratios = measured.gzip_ratios;
        assert!(ratios.is_sorted_by(|a, b| a.rows < b.rows && a.ratio > b.ratio));
        let ratio = |rows| (measured.gzip_ratio(rows) * 1e6).round();
        for known in ratios {
            assert!((ratio(known.rows) - (known.ratio * 1e6).round()).abs() < 1.0);
        }
        assert!(ratio(0.0) >= ratio(1.0) && ratio(1e9) < ratio(2.0));
    }

    #[test]
    fn less_memory_is_a_smaller_share_of_a_processor() {
        let billed = |memory| billed_ms(20.0, 2.0, memory).to_string();
        assert_eq!(
            [128.0, 256.0, 1_769.0, 3_008.0].map(billed),
            ["48", "34", "22", "22"]
        );
    }
}
