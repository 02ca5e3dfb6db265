//! What a stack uses in a time.

mod kept;
mod lines;

use crate::load::{Load, Settings, Wire};
use crate::measured::{Function, Measurements, billed_ms};
use crate::records::{Packing, Records};
use crate::{prices, stack};

pub use kept::Kept;
use kept::replaced;
pub(crate) use lines::answers;

/// What a stack uses in a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Length of the time.
    pub hours: f64,
    /// Rows that are accepted.
    pub rows: f64,
    /// Bytes of a row.
    pub row_bytes: f64,
    /// What a record of the stream is.
    pub records: Records,
    /// Bytes of a body as it is sent, for each byte of its rows.
    pub body_ratio: f64,
    /// Requests to the API.
    pub requests: f64,
    /// Bytes of the answers to them.
    pub answer_bytes: f64,
    /// How long Lambda bills ingest-api for a request.
    pub request_ms: f64,
    /// Invocations of stream-cleaner.
    pub batches: f64,
    /// How long Lambda bills stream-cleaner for a batch.
    pub batch_ms: f64,
    /// Runs of daily-batch.
    pub runs: f64,
    /// How long Lambda bills daily-batch for a run, in however many invocations.
    pub run_ms: f64,
    /// How long of it the reports take, which one invocation must do.
    pub reports_ms: f64,
    /// Objects that stream-cleaner writes.
    pub objects: f64,
    /// Bytes of the clean objects.
    pub clean_bytes: f64,
    /// What is kept of the lake.
    pub kept: Kept,
}

impl Usage {
    /// Computes what a month of a load uses, by what the functions were measured to need.
    pub fn month(load: &Load, settings: &Settings, measured: &Measurements) -> Self {
        let rows = load.rows_per_second * prices::SECONDS_A_MONTH;
        let records = Records::of(load, settings.packing, measured);
        let rows_per_batch = load.rows_per_batch(&records, settings);
        let batches = rows / rows_per_batch;
        let objects_a_batch =
            rows_per_batch.min(stack::KINDS) + (rows_per_batch * stack::REJECTED).min(1.0);
        let objects = batches * objects_a_batch;
        let ratio = load.clean_ratio.unwrap_or(measured.clean_bytes_per_byte);
        let clean_bytes = rows * load.row_bytes * ratio;
        let rows_per_day = rows / prices::DAYS_A_MONTH;
        let table_rows = load.table_rows(settings);
        let ms = |function: &Function, rows, wait_ms, memory_mb| {
            let cpu_ms = function.cpu_ms(rows, load.row_bytes, measured.row_bytes);
            let cold_cpu_ms = function.init_cpu_ms * stack::COLD_STARTS;
            billed_ms(wait_ms, cpu_ms + cold_cpu_ms, memory_mb)
        };
        let requests = rows / load.rows_per_request;
        // An answer that names each row names its place in the record, too.
        let places = if settings.packing != Packing::Off && load.wire == Wire::Events {
            stack::ANSWER_SUB_NUMBER_BYTES
        } else {
            0.0
        };
        let daily = &measured.daily_batch;
        let reports_cpu_ms = table_rows * daily.table_row_cpu_ms;
        let run_cpu_ms = daily.init_cpu_ms
            + daily.fixed_cpu_ms
            + rows_per_day * (daily.new_row_cpu_ms + stack::ARCHIVE_ROW_CPU_MS)
            + reports_cpu_ms;
        let run_wait_ms = stack::DAILY_BATCH_WAIT_MS
            + objects / prices::DAYS_A_MONTH * stack::DAILY_BATCH_OBJECT_WAIT_MS;
        let table_bytes = table_rows * load.row_bytes * ratio;
        let clean_a_day = clean_bytes / prices::DAYS_A_MONTH;
        Self {
            hours: prices::HOURS_A_MONTH,
            rows,
            row_bytes: load.row_bytes,
            records,
            body_ratio: load.body_ratio,
            requests,
            answer_bytes: requests
                * (load.wire.answer_bytes(load.rows_per_request) + places * load.rows_per_request),
            request_ms: ms(
                measured.ingest_api.with(settings.packing),
                load.rows_per_request,
                stack::INGEST_API_WAIT_MS,
                stack::INGEST_API_MEMORY_MB,
            ),
            batches,
            batch_ms: ms(
                measured.stream_cleaner.with(settings.packing),
                rows_per_batch,
                stack::STREAM_CLEANER_WAIT_MS,
                stack::STREAM_CLEANER_MEMORY_MB,
            ),
            runs: prices::DAYS_A_MONTH,
            run_ms: billed_ms(run_wait_ms, run_cpu_ms, stack::DAILY_BATCH_MEMORY_MB),
            reports_ms: billed_ms(0.0, reports_cpu_ms, stack::DAILY_BATCH_MEMORY_MB),
            objects,
            clean_bytes,
            kept: Kept::month(
                settings.age_days,
                clean_a_day,
                rows_per_day * stack::REJECTED * load.row_bytes,
                table_bytes,
                clean_a_day + replaced(table_bytes, rows_per_day * load.repeated),
            ),
        }
    }

    /// Returns how many environments of ingest-api are at work, on the average.
    pub(crate) fn environments(&self) -> f64 {
        let at_once = self.requests * self.request_ms / 1_000.0 / (self.hours * 3_600.0);
        if self.requests > 0.0 {
            at_once.ceil().max(1.0)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests;
