//! What became of the rows of a run, in constant memory.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::latency::Latencies;
use crate::poster::Failure;
use crate::run::Posted;

/// The numbers of a run.
#[derive(Debug, Default)]
pub struct Tally {
    /// Posts that were sent.
    pub posts: u64,
    /// Rows that the stream has.
    pub accepted: u64,
    /// Rows that it does not have.
    pub failed: u64,
    /// How long requests took.
    pub latencies: Latencies,
    reasons: Vec<FailedRows>,
}

/// Rows that failed for the same reason.
#[derive(Debug)]
struct FailedRows {
    reason: String,
    rows: u64,
    first: Failure,
}

/// Different reasons that are kept; a run seldom has more than one.
const MAX_REASONS: usize = 8;

impl Tally {
    /// Adds what became of a batch.
    pub fn add(&mut self, posted: &Posted) {
        self.posts += posted.posts;
        for delivery in posted.deliveries() {
            self.accepted += delivery.accepted.len() as u64;
            for latency in &delivery.latencies {
                self.latencies.add(*latency);
            }
            for failure in &delivery.failed {
                self.add_failure(failure);
            }
        }
    }

    fn add_failure(&mut self, failure: &Failure) {
        self.failed += 1;
        let reason = failure.reason.to_string();
        let mut known = self.reasons.iter_mut();
        if let Some(known) = known.find(|known| known.reason == reason) {
            known.rows += 1;
        } else if self.reasons.len() < MAX_REASONS {
            self.reasons.push(FailedRows {
                reason,
                rows: 1,
                first: failure.clone(),
            });
        }
    }

    /// Moves a progress bar to where the run is.
    pub fn show_on(&self, bar: &ProgressBar) {
        bar.set_position(self.posts);
        bar.set_message(match self.failed {
            0 => format!("{} rows accepted", self.accepted),
            failed => format!("{} rows accepted, {failed} failed", self.accepted),
        });
    }

    /// Tells whether nothing was posted, and nothing failed.
    pub fn is_empty(&self) -> bool {
        self.accepted + self.failed == 0
    }

    /// Writes the run in a few lines.
    pub fn write_summary(&self, out: &mut dyn Write, took: Duration) -> io::Result<()> {
        let (posts, accepted, failed) = (self.counted_posts(), self.accepted, self.failed);
        writeln!(
            out,
            "Sent {posts} in {:.1} s: {accepted} rows accepted, {failed} failed",
            took.as_secs_f64()
        )?;
        if let Some([median, high]) = self.percentiles() {
            writeln!(out, "A request took {median} (p50), {high} (p99)")?;
        }
        self.write_failures(out)
    }

    /// Writes why rows failed; nothing when none did.
    pub fn write_failures(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rest = self.failed;
        for FailedRows {
            reason,
            rows,
            first,
        } in &self.reasons
        {
            rest -= rows;
            let Failure {
                kind,
                offset,
                attempts,
                ..
            } = first;
            let sent = match attempts {
                1 => "once".to_owned(),
                _ => format!("{attempts} times"),
            };
            writeln!(
                out,
                "  {rows} × {reason} (the first: {kind} {offset}, sent {sent})"
            )?;
        }
        if rest > 0 {
            writeln!(out, "  {rest} for other reasons")?;
        }
        Ok(())
    }

    /// Returns the number of posts, as words.
    pub fn counted_posts(&self) -> String {
        match self.posts {
            1 => "1 post".to_owned(),
            posts => format!("{posts} posts"),
        }
    }

    /// Returns how long a request took, as the median and the 99th percentile; `None` when nothing was answered.
    pub fn percentiles(&self) -> Option<[String; 2]> {
        let shown = |percent| self.latencies.percentile(percent).map(millis);
        Some([shown(50)?, shown(99)?])
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}
