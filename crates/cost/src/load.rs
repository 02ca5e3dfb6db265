//! What is posted, and what of the stack can be chosen.

use crate::measured::Architecture;
use crate::records::{Packing, Records};
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
    /// Rows of the curated tables; `None` is all that were accepted and repeat no key.
    pub table_rows: Option<f64>,
    /// Share of the rows that repeat a key of the table, 0 to 1.
    pub repeated: f64,
    /// Bytes of a clean object for each byte of its rows; `None` is what was measured.
    pub clean_ratio: Option<f64>,
    /// The clients' protocol, by which answers have their length.
    pub wire: Wire,
}

/// A protocol of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Rows as they are; each has its position in the answer.
    Events,
    /// Rows as they are, with `Prefer: return=minimal`: the answer names failures alone.
    EventsMinimal,
    /// The old clients of Kinesis.
    Kinesis,
    /// The old clients of Kafka.
    Kafka,
}

impl Wire {
    /// Returns the bytes of the answer to a request of so many rows, all of them stored.
    ///
    /// Measured on the embedded stack on 2026-11-28, with requests of 1 and 100 rows.
    pub fn answer_bytes(self, rows: f64) -> f64 {
        let a_row = match self {
            Self::Events => 110.0,
            Self::EventsMinimal => 0.0,
            Self::Kinesis => 111.0,
            Self::Kafka => 168.0,
        };
        stack::ANSWER_BYTES + 38.0 + rows * a_row
    }
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

/// How much is watched (the Terraform variable `monitoring`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitoring {
    /// Every alarm, a metric of each number, and a dashboard.
    Full,
    /// The alarms that say that a record is refused, unread, rejected, lost or counted twice, and their metrics.
    Lean,
}

impl Monitoring {
    /// Returns how many metrics alarms look at.
    pub fn alarm_metrics(self) -> f64 {
        match self {
            Self::Full => stack::ALARM_METRICS,
            Self::Lean => stack::LEAN_ALARM_METRICS,
        }
    }

    /// Returns how many custom metrics the API and the event source mapping send while rows arrive.
    pub(crate) fn api_metrics(self) -> f64 {
        match self {
            Self::Full => stack::API_METRICS,
            Self::Lean => stack::LEAN_API_METRICS,
        }
    }

    /// Returns how many custom metrics a working stream-cleaner sends.
    pub(crate) fn stream_cleaner_metrics(self) -> f64 {
        match self {
            Self::Full => stack::STREAM_CLEANER_METRICS,
            Self::Lean => stack::LEAN_STREAM_CLEANER_METRICS,
        }
    }

    /// Returns how many dashboards there are.
    pub(crate) fn dashboards(self) -> f64 {
        match self {
            Self::Full => stack::DASHBOARDS,
            Self::Lean => 0.0,
        }
    }
}

/// Whose keys encrypt the stream, the lake and the logs (the Terraform variable `encryption`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// A key of the stack.
    OwnKey,
    /// Those that AWS keeps for its services: none is paid for, but the stream's requests to KMS are.
    AwsKeys,
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
    /// How ingest-api packs the rows of a request into records.
    pub packing: Packing,
    /// Longest that records wait until stream-cleaner gets them, in seconds.
    pub window_seconds: f64,
    /// Whose keys encrypt what is kept.
    pub encryption: Encryption,
    /// How much is watched.
    pub monitoring: Monitoring,
    /// Whether each request has its lines in the logs.
    pub logs_requests: bool,
    /// Whether X-Ray traces requests and batches.
    pub is_traced: bool,
    /// How long the stack has taken the load, in days.
    pub age_days: f64,
}

impl Load {
    /// Returns how many shards take the load.
    pub fn shards(&self, records: &Records) -> f64 {
        self.shard_share(records).ceil().max(1.0)
    }

    /// Returns how many shards an on-demand stream has for the load: it doubles before it is full.
    pub fn on_demand_shards(&self, records: &Records) -> f64 {
        (self.shards(records) * 2.0).max(stack::ON_DEMAND_SHARDS)
    }

    /// Returns the rows of the curated tables once the stack is so old.
    pub fn table_rows(&self, settings: &Settings) -> f64 {
        let new_a_day = self.rows_per_second * 86_400.0 * (1.0 - self.repeated);
        self.table_rows.unwrap_or(new_a_day * settings.age_days)
    }

    /// Returns the rows of an event of stream-cleaner: those of the window, or as many as fit.
    pub(crate) fn rows_per_batch(&self, records: &Records, settings: &Settings) -> f64 {
        let record = (records.bytes / 3.0).ceil() * 4.0 + stack::EVENT_RECORD_BYTES;
        let fitting = (stack::MAX_EVENT_BYTES / record).floor();
        let shards = settings.stream.shards();
        let arriving = self.rows_per_second / shards * settings.window_seconds;
        let most = fitting.clamp(1.0, stack::MAX_BATCH_RECORDS);
        arriving.clamp(records.rows, most * records.rows)
    }
}

impl Stream {
    pub(crate) fn shards(self) -> f64 {
        match self {
            Self::Provisioned { shards } | Self::OnDemand { shards } => shards,
        }
    }
}
