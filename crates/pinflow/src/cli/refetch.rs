//! The options of `refetch`.

use clap::Args;
use jiff::Timestamp;

use crate::lake_options::LakeOptions;

#[derive(Debug, Args)]
pub(crate) struct RefetchOptions {
    /// Time of arrival of the first record, as 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Timestamp,
    /// Time of arrival before which the records end [default: all that there are]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<Timestamp>,
    /// Stream that has the records
    #[arg(long, value_name = "NAME", default_value = "pinflow-events")]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = text.parse::<Timestamp>();
    time.map_err(|_| "write a time in UTC, as 2026-03-01T10:00:00Z".to_owned())
}
