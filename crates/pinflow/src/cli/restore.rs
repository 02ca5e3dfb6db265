//! The options of `restore`.

use clap::Args;
use event_model::Kind;
use jiff::civil::Date;

use super::rows::parse_kind;
use crate::lake_options::LakeOptions;

#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// The table, as `pin`
    #[arg(value_name = "TABLE", value_parser = parse_kind)]
    pub(crate) table: Kind,
    /// First day of arrival (UTC), as 2026-03-01 [default: the archive's first]
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<Date>,
    /// Last day of arrival (UTC) [default: the archive's last]
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<Date>,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}
