//! The status as the page reads it.

use std::collections::BTreeMap;

use event_model::Kind;
use serde::Serialize;

use super::Page;
use super::objects::Object;
use crate::Totals;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    stage: String,
    stream: String,
    bucket: String,
    needs_key: bool,
    records: Records,
    /// Rows written, by kind; every kind is there.
    rows: BTreeMap<String, u64>,
    rejected: BTreeMap<&'static str, u64>,
    changes: BTreeMap<&'static str, u64>,
    objects: u64,
    bytes_written: u64,
    invocations: u64,
    retries: u64,
    dropped: u64,
    newest: Vec<Object>,
}

#[derive(Debug, Serialize)]
struct Records {
    /// Since the stack started.
    accepted: u64,
    on_stream: u64,
}

impl Status {
    pub(super) fn new(page: &Page, records: u64, totals: &Totals, newest: Vec<Object>) -> Self {
        let rows = |kind: &Kind| totals.tally.rows.get(kind).copied().unwrap_or_default();
        let rejected = totals.tally.rejected.iter();
        let changes = totals.tally.changes.iter();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            stage: page.stage.clone(),
            stream: page.stream_name.clone(),
            bucket: page.bucket.clone(),
            needs_key: page.needs_key,
            records: Records {
                accepted: records.saturating_sub(page.records_at_start),
                on_stream: records,
            },
            rows: page
                .kinds
                .iter()
                .map(|kind| (kind.to_string(), rows(kind)))
                .collect(),
            rejected: rejected
                .map(|(code, count)| (code.as_str(), *count))
                .collect(),
            changes: changes
                .map(|(rule, count)| (rule.as_str(), count))
                .collect(),
            objects: totals.objects,
            bytes_written: totals.bytes_written,
            invocations: totals.invocations,
            retries: totals.retries(),
            dropped: totals.dropped(),
            newest,
        }
    }
}
