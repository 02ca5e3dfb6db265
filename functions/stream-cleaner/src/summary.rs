//! What an invocation did, in numbers, and the same in CloudWatch's embedded metric format.

use cleaning::Tally;
use emf::Metric;

use crate::Metrics;
use crate::batch::{Contents, PreparedBatch, PreparedObject, Record};

/// The metrics that alarms look at.
const ALARM_METRICS: [&str; 3] = ["user_records_in", "rejected", "objects_failed"];

/// What one invocation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchSummary {
    /// Name of the function as it is deployed; empty when it runs without Lambda.
    pub function: String,
    /// Kinesis records that are done with: all of the batch, or those before the one from which on it is delivered again.
    pub records: u64,
    /// Records after the aggregates among these are taken apart: as many as there are rows and rejected records. How many an aggregate
    /// held that is damaged nobody can say: it counts as one, as it does in quarantine.
    pub user_records: u64,
    /// Bytes of the data of these records.
    pub bytes_in: u64,
    /// What these records became: rows, and user records in quarantine. A record that is delivered again is counted then.
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
    /// How long that took from the decoded event on, in milliseconds.
    pub handling_ms: u64,
}

impl BatchSummary {
    /// Counts records, and what is in their objects.
    pub(crate) fn new<'a>(
        function: &str,
        records: &[Record<'_>],
        batch: &PreparedBatch,
        objects: impl Iterator<Item = &'a PreparedObject>,
    ) -> Self {
        let mut summary = Self {
            function: function.to_owned(),
            records: records.len() as u64,
            user_records: batch.user_records,
            bytes_in: records.iter().map(|record| record.data.len() as u64).sum(),
            ..Self::default()
        };
        for object in objects {
            summary.add_contents(&object.contents);
        }
        summary
    }

    /// Counts an object that was written.
    pub(crate) fn add_object(&mut self, object: &PreparedObject) {
        self.objects += 1;
        self.bytes_written += object.body.len() as u64;
    }

    /// Counts what is in an object.
    fn add_contents(&mut self, contents: &Contents) {
        match contents {
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

    /// Returns the summary as lines in CloudWatch's embedded metric format: one, and one for each table that got rows.
    ///
    /// With [`Metrics::Alarms`], only what alarms look at is a metric; the other numbers are in the same lines.
    /// A code or a rule that did not occur has no metric: CloudWatch bills each metric by the hours in which it has data.
    pub fn to_emf(&self, wanted: Metrics) -> String {
        let rejected = self.tally.rejected.iter();
        let mut metrics = vec![
            Metric::count("records_in", self.records),
            Metric::count("user_records_in", self.user_records),
        ];
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
            Metric::milliseconds("handling_ms", self.handling_ms),
        ]);
        if self.objects_kept > 0 {
            metrics.push(Metric::count("objects_kept", self.objects_kept));
        }
        if self.objects_failed > 0 {
            metrics.push(Metric::count("objects_failed", self.objects_failed));
        }
        let chosen = |metric: Metric| {
            if wanted == Metrics::All || ALARM_METRICS.contains(&metric.name()) {
                metric
            } else {
                metric.in_log_only()
            }
        };
        let metrics: Vec<_> = metrics.into_iter().map(chosen).collect();
        let source = emf::Source {
            deployed: &self.function,
            package: env!("CARGO_PKG_NAME"),
            at_ms: self.finished_at_ms,
        };
        let mut lines = source.lines(&metrics);
        for (kind, &rows) in &self.tally.rows {
            let rows = [chosen(Metric::count("rows", rows))];
            lines.push('\n');
            lines += &source.lines_of_table(kind.as_str(), &rows);
        }
        lines
    }
}
