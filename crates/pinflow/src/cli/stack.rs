//! The options of the commands that start the embedded stack: `demo` and `local`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use embedded_aws::Packing;
use jiff::SignedDuration;
use jiff::civil::Time;

use super::access::KeyOptions;
use super::{DEFAULT_SEED, Wire};

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Posts to send; a post is the pin, geo and user row of one ind
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) posts: u64,
    /// Folder with pin.ndjson, geo.ndjson and user.ndjson whose rows are posted [default: generated rows]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the lake and the stack's state; a second run goes on from it
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub(crate) out: PathBuf,
    /// Port of the stack; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
    /// Wire format
    #[arg(long, value_enum, default_value_t = Wire::Kinesis)]
    pub(crate) wire: Wire,
    /// Seed of the generated rows
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct LocalOptions {
    /// Folder for the lake and the stack's state; the stack goes on from it when it is started again
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub(crate) out: PathBuf,
    /// Port of the stack; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 9000)]
    pub(crate) port: u16,
    // The key, of at least 16 characters, that the API asks for. Without one, it is open.
    #[command(flatten)]
    pub(crate) key: KeyOptions,
    /// Pack the rows that share a request to /events and one of 16 partition keys into one record, as PACKING of ingest-api does
    #[arg(long, value_enum)]
    pub(crate) packing: Option<PackingName>,
    /// Run the daily batch at this time of each day (UTC), as 06:00, for the day before
    #[arg(long, value_name = "HH:MM", conflicts_with = "daily_every")]
    pub(crate) daily_at: Option<Time>,
    /// Run the daily batch this often, as 5m, for the day under way
    #[arg(long, value_name = "TIME", value_parser = parse_pause)]
    pub(crate) daily_every: Option<Duration>,
}

/// How rows are packed into a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackingName {
    /// A row a line
    Lines,
    /// The same, compressed
    Gzip,
}

impl PackingName {
    /// Returns what ingest-api takes for it.
    pub(crate) fn packing(self) -> Packing {
        Packing {
            partition_keys: Packing::DEFAULT_PARTITION_KEYS,
            is_compressed: self == Self::Gzip,
        }
    }
}

/// Folder of the stack where none is given.
const DEFAULT_OUT: &str = "./lake";

/// Takes a length of time as people write it: `30s`, `5m`, `1h30m`.
fn parse_pause(text: &str) -> Result<Duration, String> {
    let pause: Result<SignedDuration, _> = text.parse();
    let pause = pause
        .ok()
        .filter(|pause| *pause >= SignedDuration::from_secs(1));
    pause.map(SignedDuration::unsigned_abs).ok_or_else(|| {
        "write a length of time of at least a second, as in 30s, 5m or 1h".to_owned()
    })
}
