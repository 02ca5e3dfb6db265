//! The options of `cost`.

use model::Model;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use cost::measured::Measurements;
use cost::{
    Architecture, Encryption, Load, MEASUREMENTS, Monitoring, Packing, Records, Settings, Stream,
    Wire, stack,
};
use jiff::civil::Date;

use crate::bill::Sample;

use crate::lake_options::LakeOptions;

/// Days after which a second bill is shown.
const YEAR_DAYS: f64 = 365.0;

#[derive(Debug, Args)]
pub(crate) struct CostOptions {
    /// Show what this day cost, from the usage in its summary.json, instead of a month's bill
    #[arg(long, value_name = "DATE", conflicts_with_all = ["rows_per_second", "row_bytes", "rows_per_request", "gzip", "stream", "shards", "table_rows", "repeated_keys", "age_days", "wire", "clean_ratio", "measure", "json", "packing", "packing_keys", "window_s", "monitoring", "request_logs", "tracing"])]
    pub(crate) day: Option<Date>,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
    /// Rows of all tables per second, evenly over the month
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = parse_rows, allow_negative_numbers = true)]
    pub(crate) rows_per_second: f64,
    /// Bytes per row [default: those of the generated rows]
    #[arg(long, value_name = "B", default_value_t = measured_bytes(), value_parser = clap::value_parser!(u32).range(1..=1_048_576), hide_default_value = true)]
    pub(crate) row_bytes: u32,
    /// Rows per request
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rows_per_request: u16,
    /// Requests are compressed, as `pinflow post --gzip` sends them
    #[arg(long)]
    pub(crate) gzip: bool,
    /// Processor of the functions
    #[arg(long, value_enum, default_value_t = ArchitectureName::Arm64)]
    pub(crate) architecture: ArchitectureName,
    /// How the stream is paid for
    #[arg(long, value_enum, default_value_t = StreamName::Provisioned)]
    pub(crate) stream: StreamName,
    /// Shards of the provisioned stream [default: as many as the load needs, at 1 MiB and 1,000 rows per second]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) shards: Option<u16>,
    /// Hours that the stream keeps a record
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(24..=8_760))]
    pub(crate) retention_hours: u16,
    /// Rows of the curated tables, all together [default: all rows of the stack's age that repeat no key]
    #[arg(long, value_name = "N")]
    pub(crate) table_rows: Option<u32>,
    /// Share of the rows that are a new version of a row in the tables: a merge copies the files that have one
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = parse_share)]
    pub(crate) repeated_keys: f64,
    /// Days that the stack has taken the load; the bill after a year is shown beside it
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) age_days: u16,
    /// Protocol of the clients, by which answers have their length
    #[arg(long, value_enum, default_value_t = WireName::Events)]
    pub(crate) wire: WireName,
    /// Bytes of a clean object for each byte of its rows [default: those of the generated rows]
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio)]
    pub(crate) clean_ratio: Option<f64>,
    /// Measure the bytes of a row and of its clean object on rows of your own: NDJSON, a row a line, as it is posted
    #[arg(long, value_name = "FILE", conflicts_with_all = ["row_bytes", "clean_ratio"])]
    pub(crate) measure: Option<PathBuf>,
    /// How ingest-api packs the rows of a request to /events into records (the Terraform variable `packing`)
    #[arg(long, value_enum, default_value_t = PackedForm::Off)]
    pub(crate) packing: PackedForm,
    /// Partition keys that packed rows of a table are spread over
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) packing_keys: u16,
    /// Seconds that records wait until stream-cleaner gets them (the Terraform variable `stream_batching_window_s`)
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=300))]
    pub(crate) window_s: u16,
    /// Whose keys encrypt the stream, the lake and the logs (the Terraform variable `encryption`)
    #[arg(long, value_enum, default_value_t = EncryptionName::OwnKey)]
    pub(crate) encryption: EncryptionName,
    /// How much is watched (the Terraform variable `monitoring`)
    #[arg(long, value_enum, default_value_t = MonitoringName::Full)]
    pub(crate) monitoring: MonitoringName,
    /// Whether requests have lines in the logs (the Terraform variable `request_logs`)
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub(crate) request_logs: Switch,
    /// X-Ray traces requests and batches (the Terraform variable `tracing`)
    #[arg(long)]
    pub(crate) tracing: bool,
    /// Print the bills as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The clients' protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WireName {
    /// Rows as they are
    Events,
    /// The same with `Prefer: return=minimal`: the answer names failures alone
    EventsMinimal,
    /// The old clients of Kinesis
    Kinesis,
    /// The old clients of Kafka
    Kafka,
}

/// How rows are packed into a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackedForm {
    /// A record for each row
    Off,
    /// A row a line
    Lines,
    /// The same, compressed
    Gzip,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is
    On,
    /// It is not
    Off,
}

/// Whose keys encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EncryptionName {
    /// A key of the stack
    OwnKey,
    /// Those that AWS keeps for its services, which cost nothing
    AwsKeys,
}

/// How much is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MonitoringName {
    /// Every alarm, a metric of each number, and a dashboard
    Full,
    /// The alarms of records that are refused, unread, rejected, lost or counted twice, and their metrics
    Lean,
}

/// The functions' processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchitectureName {
    /// Graviton
    Arm64,
    /// Intel or AMD
    #[value(name = "x86_64")]
    X86_64,
}

/// How the stream is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamName {
    /// By the hour of each shard
    Provisioned,
    /// By what goes through it
    OnDemand,
    /// Each, beside the other
    Both,
}

impl CostOptions {
    /// Returns what is posted, and in words where the size of its rows comes from.
    pub(crate) fn load(
        &self,
        model: &Arc<Model>,
        measured: &Measurements,
    ) -> anyhow::Result<(Load, String)> {
        let mut load = Load {
            rows_per_second: self.rows_per_second,
            row_bytes: f64::from(self.row_bytes),
            rows_per_request: f64::from(self.rows_per_request),
            body_ratio: if self.gzip { stack::GZIP_RATIO } else { 1.0 },
            table_rows: self.table_rows.map(f64::from),
            repeated: self.repeated_keys,
            clean_ratio: self.clean_ratio,
            wire: match self.wire {
                WireName::Events => Wire::Events,
                WireName::EventsMinimal => Wire::EventsMinimal,
                WireName::Kinesis => Wire::Kinesis,
                WireName::Kafka => Wire::Kafka,
            },
        };
        let source = match &self.measure {
            Some(path) => {
                let sample = Sample::read(path, model)?;
                load.row_bytes = sample.row_bytes;
                load.clean_ratio = Some(sample.clean_ratio);
                format!(
                    "was measured on the {} rows of `{}`",
                    sample.rows,
                    path.display()
                )
            }
            None if self.clean_ratio.is_some() => "was given".to_owned(),
            None => "is that of generated rows in large objects; --measure FILE takes your own"
                .to_owned(),
        };
        let ratio = load.clean_ratio.unwrap_or(measured.clean_bytes_per_byte);
        let shown = format!(
            "A clean object has {ratio:.3} bytes for each byte of its rows, which {source}. {:.0} % of the rows are new versions of rows in the \
             tables.",
            self.repeated_keys * 100.0
        );
        Ok((load, shown))
    }

    /// Returns the ages of the stack that are asked for, in days.
    pub(crate) fn ages(&self) -> Vec<f64> {
        let age = f64::from(self.age_days);
        if age < YEAR_DAYS {
            vec![age, YEAR_DAYS]
        } else {
            vec![age]
        }
    }

    /// Returns the functions' processor.
    pub(crate) fn architecture(&self) -> Architecture {
        match self.architecture {
            ArchitectureName::Arm64 => Architecture::Arm64,
            ArchitectureName::X86_64 => Architecture::X86_64,
        }
    }

    /// Returns the stacks that were asked for, provisioned before on-demand.
    pub(crate) fn settings(&self, load: &Load, measured: &Measurements) -> Vec<Settings> {
        let partition_keys = f64::from(self.packing_keys);
        let packing = match self.packing {
            PackedForm::Off => Packing::Off,
            PackedForm::Lines => Packing::Lines { partition_keys },
            PackedForm::Gzip => Packing::Gzip { partition_keys },
        };
        let records = Records::of(load, packing, measured);
        let shards = self.shards.map(f64::from);
        let provisioned = Stream::Provisioned {
            shards: shards.unwrap_or_else(|| load.shards(&records)),
        };
        let on_demand = Stream::OnDemand {
            shards: load.on_demand_shards(&records),
        };
        let streams = match self.stream {
            StreamName::Provisioned => vec![provisioned],
            StreamName::OnDemand => vec![on_demand],
            StreamName::Both => vec![provisioned, on_demand],
        };
        let settings = streams.into_iter().map(|stream| Settings {
            architecture: self.architecture(),
            stream,
            retention_hours: f64::from(self.retention_hours),
            packing,
            window_seconds: f64::from(self.window_s),
            encryption: match self.encryption {
                EncryptionName::OwnKey => Encryption::OwnKey,
                EncryptionName::AwsKeys => Encryption::AwsKeys,
            },
            monitoring: match self.monitoring {
                MonitoringName::Full => Monitoring::Full,
                MonitoringName::Lean => Monitoring::Lean,
            },
            logs_requests: self.request_logs == Switch::On,
            is_traced: self.tracing,
            age_days: f64::from(self.age_days),
        });
        settings.collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a row of the generator has some hundred bytes"
)]
fn measured_bytes() -> u32 {
    MEASUREMENTS.row_bytes as u32
}

fn parse_rows(text: &str) -> Result<f64, String> {
    let rows: Option<f64> = text.parse().ok();
    rows.filter(|rows| (0.0..=1e6).contains(rows))
        .ok_or_else(|| {
            "rows per second are a number from 0 to 1000000, as in 100 or 0.5".to_owned()
        })
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share is a number from 0 to 1, as in 0.2".to_owned())
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio: Option<f64> = text.parse().ok();
    ratio
        .filter(|ratio| *ratio > 0.0 && *ratio <= 10.0)
        .ok_or_else(|| "a ratio is a number above 0, as in 0.3".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_per_second_are_a_number() {
        assert_eq!(parse_rows("0.5"), Ok(0.5));
        for text in ["-1", "NaN", "inf", "many", "1e7"] {
            assert!(parse_rows(text).is_err(), "{text}");
        }
    }
}
