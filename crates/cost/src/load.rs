//! What is posted, and what of the stack can be chosen.

use crate::measured::Architecture;
use crate::stack;

/// What clients post, evenly over the month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Rows of all tables per second.
    pub rows_per_second: f64,
    /// Bytes of a row.
    pub row_bytes: f64,
    /// Rows per request.
    pub rows_per_request: f64,
    /// Bytes of a body as it is sent, for each byte of its rows: 1, or [`stack::GZIP_RATIO`] for compressed ones.
    pub body_ratio: f64,
    /// Rows of the curated tables; `None` is those of [`stack::TABLE_DAYS`] days.
    pub table_rows: Option<f64>,
}

/// How the stream is paid for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stream {
    /// By the shard.
    Provisioned {
        /// How many shards there are.
        shards: f64,
    },
    /// By what goes through it.
    OnDemand {
        /// How many shards it has at the moment; they are not paid for.
        shards: f64,
    },
}

/// What of the stack can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The functions' processor.
    pub architecture: Architecture,
    /// How the stream is paid for.
    pub stream: Stream,
    /// Hours that the stream keeps a record.
    pub retention_hours: f64,
}

impl Load {
    /// Returns how many shards take the load.
    pub fn shards(&self) -> f64 {
        let bytes = self.rows_per_second * self.row_bytes / stack::SHARD_IN_BYTES;
        let records = self.rows_per_second / stack::SHARD_IN_RECORDS;
        bytes.max(records).ceil().max(1.0)
    }

    /// Returns how many shards an on-demand stream has for the load: it doubles before it is full.
    pub fn on_demand_shards(&self) -> f64 {
        (self.shards() * 2.0).max(stack::ON_DEMAND_SHARDS)
    }

    /// Returns the rows of an event of stream-cleaner: those of the window, or as many as fit.
    pub(crate) fn rows_per_batch(&self, shards: f64) -> f64 {
        let record = (self.row_bytes / 3.0).ceil() * 4.0 + stack::EVENT_RECORD_BYTES;
        let fitting = (stack::MAX_EVENT_BYTES / record).floor();
        let arriving = self.rows_per_second / shards * stack::BATCHING_WINDOW_SECONDS;
        let most = fitting.clamp(1.0, stack::MAX_BATCH_RECORDS);
        arriving.clamp(1.0, most)
    }
}

impl Stream {
    pub(crate) fn shards(self) -> f64 {
        match self {
            Self::Provisioned { shards } | Self::OnDemand { shards } => shards,
        }
    }
}
