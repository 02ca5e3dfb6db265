//! The options of `cost`.

use clap::{Args, ValueEnum};
use cost::{Architecture, Load, MEASUREMENTS, Settings, Stream, stack};
use jiff::civil::Date;

use crate::lake_options::LakeOptions;

#[derive(Debug, Args)]
pub(crate) struct CostOptions {
    /// Show what this day cost, from the usage in its summary.json, instead of a month's bill
    #[arg(long, value_name = "DATE", conflicts_with_all = ["rows_per_second", "row_bytes", "rows_per_request", "gzip", "stream", "shards", "table_rows"])]
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
    /// Rows of the curated tables, all three together [default: 90 days of rows, none of which repeats an `ind`]
    #[arg(long, value_name = "N")]
    pub(crate) table_rows: Option<u32>,
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
    /// Returns what is posted.
    pub(crate) fn load(&self) -> Load {
        Load {
            rows_per_second: self.rows_per_second,
            row_bytes: f64::from(self.row_bytes),
            rows_per_request: f64::from(self.rows_per_request),
            body_ratio: if self.gzip { stack::GZIP_RATIO } else { 1.0 },
            table_rows: self.table_rows.map(f64::from),
        }
    }

    /// Returns the stacks that were asked for, provisioned before on-demand.
    pub(crate) fn settings(&self) -> Vec<Settings> {
        let load = self.load();
        let provisioned = Stream::Provisioned {
            shards: self.shards.map_or_else(|| load.shards(), f64::from),
        };
        let on_demand = Stream::OnDemand {
            shards: load.on_demand_shards(),
        };
        let streams = match self.stream {
            StreamName::Provisioned => vec![provisioned],
            StreamName::OnDemand => vec![on_demand],
            StreamName::Both => vec![provisioned, on_demand],
        };
        let settings = streams.into_iter().map(|stream| Settings {
            architecture: match self.architecture {
                ArchitectureName::Arm64 => Architecture::Arm64,
                ArchitectureName::X86_64 => Architecture::X86_64,
            },
            stream,
            retention_hours: f64::from(self.retention_hours),
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
