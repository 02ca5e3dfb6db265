//! What an invocation did, in numbers, and the same in CloudWatch's embedded metric format.

use cleaning::Tally;
use emf::Metric;
use event_model::Kind;

use crate::batch::{Contents, PreparedObject, Record};

/// What one invocation did. Only what was written is counted; what is delivered again is counted then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchSummary {
    /// Name of the function as it is deployed; empty when it runs without Lambda.
    pub function: String,
    /// Kinesis records in the batch.
    pub records: u64,
    /// Records after the aggregates among them are taken apart: as many as there are rows and rejected records when all
    /// objects are written. An aggregate that is damaged counts as one.
    pub user_records: u64,
    /// Bytes of the records' data.
    pub bytes_in: u64,
    /// Rows written, and user records written to quarantine.
    pub tally: Tally,
    /// Objects written.
    pub objects: u64,
    /// Bytes of the objects written.
    pub bytes_written: u64,
    /// Objects that were not written, since there is one of more records under the same key.
    pub objects_kept: u64,
    /// Objects that could not be written.
    pub objects_failed: u64,
    /// Sequence number from which on the batch is to be delivered again.
    pub retried_from: Option<String>,
    /// When the invocation ended: milliseconds since 1970-01-01 UTC.
    pub finished_at_ms: i64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl BatchSummary {
    pub(crate) fn new(function: &str, records: &[Record<'_>], user_records: u64) -> Self {
        let bytes_in = records.iter().map(|record| record.data.len() as u64).sum();
        Self {
            function: function.to_owned(),
            records: records.len() as u64,
            user_records,
            bytes_in,
            ..Self::default()
        }
    }

    /// Counts an object that was written.
    pub(crate) fn add(&mut self, object: &PreparedObject) {
        self.objects += 1;
        self.bytes_written += object.body.len() as u64;
        match &object.contents {
            Contents::Rows {
                kind,
                rows,
                changes,
            } => {
                self.tally.add_rows(*kind, *rows as u64);
                self.tally.changes += *changes;
            }
            Contents::Rejected(codes) => {
                for code in codes {
                    self.tally.add_rejected(*code);
                }
            }
        }
    }

    /// Returns the summary as one line in CloudWatch's embedded metric format.
    ///
    /// A code or a rule that did not occur has no metric: CloudWatch bills each metric by the hours in which it has data.
    pub fn to_emf(&self) -> String {
        let rows = |kind| self.tally.rows.get(&kind).copied().unwrap_or_default();
        let rejected = self.tally.rejected.iter();
        let mut metrics = vec![
            Metric::count("records_in", self.records),
            Metric::count("user_records_in", self.user_records),
        ];
        metrics.extend(Kind::ALL.map(|kind| Metric::count(format!("rows_{kind}"), rows(kind))));
        metrics.push(Metric::count("rejected", self.tally.total_lost()));
        metrics.extend(
            rejected.map(|(code, &value)| Metric::count(format!("rejected_{code}"), value)),
        );
        metrics.extend(
            self.tally
                .changes
                .iter()
                .map(|(rule, value)| Metric::count(format!("changed_{rule}"), value)),
        );
        metrics.extend([
            Metric::count("objects_written", self.objects),
            Metric::bytes("bytes_in", self.bytes_in),
            Metric::bytes("bytes_written", self.bytes_written),
            Metric::milliseconds("duration_ms", self.duration_ms),
        ]);
        if self.objects_kept > 0 {
            metrics.push(Metric::count("objects_kept", self.objects_kept));
        }
        if self.objects_failed > 0 {
            metrics.push(Metric::count("objects_failed", self.objects_failed));
        }
        emf::line(
            &self.function,
            env!("CARGO_PKG_NAME"),
            self.finished_at_ms,
            &metrics,
        )
    }
}
