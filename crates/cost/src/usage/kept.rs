//! What a lake keeps, and for how long it is paid for.

use crate::{prices, stack};

/// What a lake keeps, in byte-months.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    /// Clean objects, and their old versions.
    pub clean: f64,
    /// Quarantined records, and their old versions.
    pub quarantine: f64,
    /// Each record once.
    pub archive: f64,
    /// The curated tables as they are.
    pub tables: f64,
    /// Files of the tables that a merge or a compaction has replaced.
    pub replaced: f64,
}

/// Days that a file of a table is paid for once it is replaced.
const REPLACED_DAYS: f64 = stack::VACUUM_DAYS + stack::NONCURRENT_DAYS;

impl Kept {
    /// Returns what a lake keeps for a month once it is so old, at so many bytes a day.
    pub(super) fn month(
        age_days: f64,
        clean: f64,
        quarantine: f64,
        tables: f64,
        replaced: f64,
    ) -> Self {
        let days = |days: f64| age_days.min(days);
        Self {
            clean: clean * days(stack::CLEAN_DAYS + stack::NONCURRENT_DAYS),
            quarantine: quarantine * days(stack::QUARANTINE_DAYS + stack::NONCURRENT_DAYS),
            archive: clean * (age_days - stack::ARCHIVE_AFTER_DAYS).max(0.0),
            tables,
            replaced: replaced * days(REPLACED_DAYS),
        }
    }

    /// Returns what the bytes of some time come to until they are deleted, the archive for its first year, and the tables for that time.
    pub(crate) fn lifetime(hours: f64, clean: f64, quarantine: f64, tables: f64) -> Self {
        let months = |days: f64| days / prices::DAYS_A_MONTH;
        Self {
            clean: clean * months(stack::CLEAN_DAYS + stack::NONCURRENT_DAYS),
            quarantine: quarantine * months(stack::QUARANTINE_DAYS + stack::NONCURRENT_DAYS),
            archive: clean * months(365.0),
            tables: tables * hours / prices::HOURS_A_MONTH,
            replaced: clean * months(REPLACED_DAYS),
        }
    }
}

/// Returns the bytes of the files that a day's merge replaces, if so many of its rows repeat a key: each file that has one of them.
pub(super) fn replaced(table_bytes: f64, repeated_rows: f64) -> f64 {
    let files = (table_bytes / stack::TABLE_FILE_BYTES).max(1.0);
    table_bytes * (1.0 - (-repeated_rows / files).exp())
}
