//! What the run date used of AWS, as the run knows it.

use daily_report::run::{RunRecord, RunState};
use daily_report::summary::{Architecture, StreamUsage, Summary, Usage};
use event_model::Clock;
use jiff::Timestamp;
use lake::key::{CLEAN_PREFIX, QUARANTINE_PREFIX};

use crate::storage::objects::list;
use crate::{DailyError, Lake};

/// Gathers the usage of a date.
pub(crate) async fn of_day(
    lake: &Lake,
    summary: &Summary,
    record: &RunRecord,
    stream: Option<StreamUsage>,
    clock: &Clock,
) -> Result<Usage, DailyError> {
    let rows: u64 = summary.rows_by_hour.values().flatten().sum();
    let rejected: u64 = summary.quarantine.by_code.values().sum();
    let tables = summary.tables.values();
    let store = lake.store();
    let date = record.run_date;
    let (mut objects, mut clean_bytes) = (0, 0);
    for kind in lake.kinds() {
        let found = list(
            store.as_ref(),
            &format!("{CLEAN_PREFIX}{kind}/date={date}/"),
        )
        .await?;
        objects += found.len() as u64;
        clean_bytes += found.iter().map(|object| object.size).sum::<u64>();
    }
    let quarantined = list(store.as_ref(), &format!("{QUARANTINE_PREFIX}date={date}/")).await?;
    objects += quarantined.len() as u64;
    let quarantine_bytes = quarantined.iter().map(|object| object.size).sum();
    Ok(Usage {
        records: rows + rejected,
        objects,
        clean_bytes,
        quarantine_bytes,
        table_bytes: tables.map(|table| table.size_bytes).sum(),
        run_ms: run_ms(record, clock),
        stream,
        architecture: if cfg!(target_arch = "aarch64") {
            Architecture::Arm64
        } else {
            Architecture::X86_64
        },
    })
}

/// Returns how long the steps took, those of earlier attempts and the one under way included.
fn run_ms(record: &RunRecord, clock: &Clock) -> u64 {
    let now = Timestamp::from_millisecond(clock.unix_millis()).unwrap_or(Timestamp::MAX);
    let millis = record.steps.iter().map(|step| match step.state {
        RunState::Running => {
            let elapsed = step
                .started_at
                .map(|started_at| now.duration_since(started_at));
            elapsed.map_or(0, |elapsed| {
                u64::try_from(elapsed.as_millis()).unwrap_or_default()
            })
        }
        _ => step.duration_ms.unwrap_or_default(),
    });
    millis.sum()
}
