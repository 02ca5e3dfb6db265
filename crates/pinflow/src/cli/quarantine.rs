//! The options of `quarantine`.

use clap::{Args, Subcommand};
use cleaning::{KindSource, RejectionCode};
use event_model::Kind;
use jiff::civil::Date;

use super::rows::parse_kind;
use crate::lake_options::LakeOptions;

#[derive(Debug, Args)]
pub(crate) struct QuarantineOptions {
    #[command(subcommand)]
    pub(crate) command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Print a line for each record in quarantine, and how many there are of each code
    List(ListOptions),
    /// Print all that is known of a record: its payload, and what the present rules make of it
    Show(ShowOptions),
    /// Clean the records by the present rules, and write those that pass as clean rows
    Replay(ReplayOptions),
}

/// Which records of quarantine are meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Selection {
    /// Only records that were rejected with this code
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    pub(crate) code: Option<RejectionCode>,
    /// Only records that arrived on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    pub(crate) since: Option<Date>,
}

impl Selection {
    /// Returns whether no record is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.code.is_none() && self.since.is_none()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// Key of a quarantine object, or a record's sequence number
    #[arg(value_name = "KEY|SEQUENCE")]
    pub(crate) what: String,
    /// Write the payload to a terminal as it is, with the characters that are commands to it
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Clean the records as rows of this kind, whatever they were declared as; a row keeps its position and arrival
    #[arg(long = "as", value_name = "KIND", value_parser = parse_kind, conflicts_with_all = ["by_fields", "failed"])]
    pub(crate) kind: Option<Kind>,
    /// Let the rows' own fields tell their kind, whatever they were declared as
    #[arg(long, conflicts_with = "failed")]
    pub(crate) by_fields: bool,
    /// Only print how many records would pass
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Instead of quarantine, take the invocations that Lambda gave up and wrote to the failure destination's bucket;
    /// --since is the day on which they were given up
    #[arg(long, conflicts_with = "code")]
    pub(crate) failed: bool,
    /// Bucket of the failure destination [default: the lake's]
    #[arg(long, value_name = "NAME", requires = "failed")]
    pub(crate) failed_bucket: Option<String>,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

impl ReplayOptions {
    /// Returns where the kind of the rows comes from.
    pub(crate) fn kind_source(&self) -> KindSource {
        match self.kind {
            Some(kind) => KindSource::Given(kind),
            None if self.by_fields => KindSource::Fields,
            None => KindSource::PartitionKey,
        }
    }
}

fn parse_code(text: &str) -> Result<RejectionCode, String> {
    let names = || {
        let codes = RejectionCode::ALL.iter();
        codes
            .map(|code| code.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    RejectionCode::from_name(text).ok_or_else(|| format!("the codes are {}", names()))
}

fn parse_date(text: &str) -> Result<Date, String> {
    // The library's parser would take a time behind the date as well.
    let date = (text.len() == "YYYY-MM-DD".len()).then(|| text.parse().ok());
    date.flatten()
        .ok_or_else(|| "a day is as in 2026-03-01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_day_are_told_by_example() {
        assert_eq!(parse_code("bad_type"), Ok(RejectionCode::BadType));
        let error = parse_code("bad").unwrap_err();
        assert!(
            error.starts_with("the codes are not_utf8, not_json, "),
            "{error}"
        );
        assert_eq!(parse_date("2026-03-01").unwrap().to_string(), "2026-03-01");
        for text in [
            "2026-03-01T00:00",
            "2026-3-1",
            "2026-02-30",
            "yesterday",
            "",
        ] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }
}
