//! `quarantine replay --failed`: invocations that Lambda gave up → the objects that they should have written.
//!
//! The bucket of the event source mapping's failure destination has an object for each, with the whole event. It is
//! handed to stream-cleaner's own code, so the keys are those that the invocation itself would have written.

use anyhow::{Context as _, ensure};
use aws_access::Bucket;
use event_model::Clock;
use jiff::civil::Date;
use model::Model;
use serde::Deserialize;
use std::sync::Arc;
use stream_cleaner::event::KinesisEvent;

use super::{Damaged, counted};
use crate::Terminal;
use crate::cleaner::Cleaner;
use crate::cli::ReplayOptions;
use crate::lake_options::Lake;

/// Prefix of Lambda's objects; what follows is `<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<id>`.
const PREFIX: &str = "aws/lambda/";

/// What Lambda notes of an invocation, as far as it is needed.
#[derive(Deserialize)]
struct Invocation {
    /// The event, as JSON. A queue gets none, and a bucket gets it only if the event is not too old.
    payload: Option<String>,
}

/// Cleans the invocations again, or only counts their records.
pub(super) async fn command(
    options: &ReplayOptions,
    model: &Arc<Model>,
    lake: &Lake,
    clock: Clock,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Damaged> {
    let name = options.failed_bucket.clone();
    let bucket = Bucket::new(&lake.aws, name.unwrap_or_else(|| lake.bucket.clone()));
    let mut keys = bucket.list(PREFIX, None).await?;
    keys.retain(|key| is_since(key, options.selection.since));
    let cleaner = Cleaner::new(lake, model, clock);
    let mut damaged = Damaged::default();
    let mut records = 0_u64;
    for key in &keys {
        let event = match event(&bucket.read(key).await?) {
            Ok(event) => event,
            Err(error) => {
                damaged.report(terminal.notes, key, &format!("{error:#}"))?;
                continue;
            }
        };
        records += event.len() as u64;
        if options.dry_run {
            continue;
        }
        if let Err(error) = cleaner.clean(event).await {
            damaged.report(terminal.notes, key, &format!("{error:#}"))?;
        }
    }
    let invocations = counted(
        keys.len() as u64 - damaged.0,
        "failed invocation",
        "failed invocations",
    );
    let records = counted(records, "record", "records");
    if keys.is_empty() {
        let bucket = bucket.name();
        writeln!(
            terminal.out,
            "No failed invocation is in the bucket `{bucket}`"
        )?;
    } else if options.dry_run {
        writeln!(
            terminal.out,
            "Would clean again: {invocations} with {records}; nothing was written"
        )?;
    } else {
        cleaner.write_summary(&invocations, terminal.out)?;
    }
    Ok(damaged)
}

/// Returns whether an invocation was given up on a day or later; one whose key does not have the day is.
fn is_since(key: &str, since: Option<Date>) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    let day = match parts.as_slice() {
        [.., year, month, day, _] => format!("{year}-{month}-{day}").parse::<Date>().ok(),
        _ => None,
    };
    let (Some(day), Some(since)) = (day, since) else {
        return true;
    };
    day >= since
}

fn event(object: &[u8]) -> anyhow::Result<KinesisEvent> {
    let invocation: Invocation =
        serde_json::from_slice(object).context("it is no failed invocation")?;
    let payload = invocation
        .payload
        .context("it has the invocation's metadata alone, without its records")?;
    let event: KinesisEvent = serde_json::from_str(&payload)
        .context("its invocation is not a batch of Kinesis records")?;
    ensure!(!event.is_empty(), "its invocation has no record");
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocations_day_is_in_its_key() {
        let key = "aws/lambda/6c8f0c1e/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-b0a1";
        let since = |text: &str| is_since(key, Some(text.parse().unwrap()));
        assert!(since("2019-11-13") && since("2019-11-14") && !since("2019-11-15"));
        assert!(is_since(key, None));
        assert!(is_since(
            "aws/lambda/other",
            Some("2019-11-15".parse().unwrap())
        ));
    }
}
