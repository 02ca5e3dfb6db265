//! The commands and their options.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cleaning::RejectionCode;
use event_model::Kind;
use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use reqwest::Url;

use crate::lake_options::{AwsOptions, LakeOptions};

/// Posts rows, cleans them, and runs the whole pipeline on one machine.
#[derive(Debug, Parser)]
#[command(name = "pinflow", version)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole path once: start the stack, post, check that every record arrived
    Demo(DemoOptions),
    /// Run the stack until Ctrl-C
    Local(LocalOptions),
    /// Post rows to an API, as the old posting script does
    Post(PostOptions),
    /// Print the generated rows as NDJSON, in the order in which `demo` and `post` post them
    Generate(GenerateOptions),
    /// Clean the rows on standard input (NDJSON) and print the clean rows as JSON
    Clean(CleanOptions),
    /// Look at the records that were rejected, and replay those that the present rules accept
    Quarantine(QuarantineOptions),
    /// Post the objects of the old Kafka-to-S3 sink, in the order of topic, partition and offset
    Import(ImportOptions),
    /// Fold the clean rows into the curated tables and write the reports of a day, or look at the runs
    Daily(DailyOptions),
}

/// In which of the three wire formats rows are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// PUT /streams/{stream}/record and /records, as through the Kinesis proxy
    Kinesis,
    /// POST /topics/{topic}, as to a Kafka REST proxy
    Kafka,
    /// POST /events/{kind}, the API's own
    Events,
}

impl fmt::Display for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Kinesis => "kinesis",
            Self::Kafka => "kafka",
            Self::Events => "events",
        })
    }
}

/// Which row of a database's tables each turn posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderName {
    /// Any row, drawn from the seed, as the old posting script does
    Random,
    /// One row after the other
    Table,
    /// What the file of --sequence says
    Sequence,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Turns to post; a turn is the same row of pin, geo and user
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
    /// Key of at least 16 characters that the API then asks for in the header x-api-key [default: the API is open]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Run the daily batch at this time of each day (UTC), as 06:00, for the day before
    #[arg(long, value_name = "HH:MM", conflicts_with = "daily_every")]
    pub(crate) daily_at: Option<Time>,
    /// Run the daily batch this often, as 5m, for the day under way
    #[arg(long, value_name = "TIME", value_parser = parse_pause)]
    pub(crate) daily_every: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct DailyOptions {
    #[command(subcommand)]
    pub(crate) command: DailyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DailyCommand {
    /// Run a day, or each day of a range; a run that failed goes on from the step at which it did
    Run(DailyRunOptions),
    /// List the latest attempt of each run date
    Runs {
        #[command(flatten)]
        lake: LakeOptions,
    },
    /// Show the steps of a day's run, and save its page
    Show {
        /// The run date
        #[arg(value_name = "DATE")]
        date: Date,
        /// Open the page in a browser
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        lake: LakeOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DailyRunOptions {
    /// Run date, as 2026-03-01: rows that arrived by its end are folded [default: today (UTC), so that what was just
    /// posted is in it]
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "to"])]
    pub(crate) date: Option<Date>,
    /// First run date of a backfill
    #[arg(long, value_name = "DATE", requires = "to")]
    pub(crate) from: Option<Date>,
    /// Last run date of a backfill
    #[arg(long, value_name = "DATE", requires = "from")]
    pub(crate) to: Option<Date>,
    /// Stream in which the conservation check looks for accepted records
    #[arg(long, value_name = "NAME", default_value = "pinflow-events")]
    pub(crate) stream: String,
    /// Time after which somebody else may take a run over that says nothing, in seconds
    #[arg(long, value_name = "N", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expiry_seconds: u32,
    /// Age from which files that no version of a table names are deleted, in hours
    #[arg(long, value_name = "N", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) vacuum_retention_hours: u32,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PostOptions {
    /// Base URL of the API, with its stage if it has one
    #[arg(long, value_name = "http://HOST[/STAGE]", value_parser = parse_base_url)]
    pub(crate) api: Url,
    /// Key to send in the header x-api-key
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Folder with pin.ndjson, geo.ndjson and user.ndjson whose rows are posted
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// File with the login of the database whose rows are posted: YAML with HOST, USER, PASSWORD, DATABASE and PORT
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) mysql: Option<PathBuf>,
    /// Which row of the database's tables each turn posts [default: random, or sequence with --sequence]
    #[arg(long, value_enum, requires = "mysql")]
    pub(crate) order: Option<OrderName>,
    /// File with the order of the rows: a JSON array of offsets, from 0 [default with --order sequence:
    /// `row_sequence.json` beside the file with the login]
    #[arg(long, value_name = "FILE", requires = "mysql")]
    pub(crate) sequence: Option<PathBuf>,
    /// Post generated rows [the default without --data and --mysql]
    #[arg(long, conflicts_with_all = ["data", "mysql"])]
    pub(crate) generate: bool,
    /// Wire format
    #[arg(long, value_enum, default_value_t = Wire::Kinesis)]
    pub(crate) wire: Wire,
    /// Turns to post; a turn is the same row of pin, geo and user
    #[arg(
        long,
        value_name = "N",
        default_value_t = 500,
        conflicts_with = "forever"
    )]
    pub(crate) limit: u64,
    /// Post until Ctrl-C
    #[arg(long)]
    pub(crate) forever: bool,
    /// Turns to post a second, at most [default: as fast as the API takes them]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub(crate) rate: Option<Rate>,
    /// Turns to send in one request per kind
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) batch: u16,
    /// Seed of the generated rows, and of the random order
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// File that keeps how far the run is [default with --mysql or --resume: .pinflow-post.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Go on after the last turn that the state file tells of, with any source; --limit counts the turns before it, too
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateOptions {
    /// Turns to print; a turn is the same row of pin, geo and user
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) posts: u64,
    /// Seed of the rows
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CleanOptions {
    /// Tell for each row which rule changed which field from what to what, or why it was rejected
    #[arg(long)]
    pub(crate) explain: bool,
    /// The kind that the rows were posted as [default: what their fields tell]
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    pub(crate) kind: Option<Kind>,
}

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
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Only tell how many records would pass
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

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Where the old sink's objects are: the prefix, or a folder, of its topics
    #[arg(long, value_name = "s3://BUCKET/PREFIX/|DIR", value_parser = parse_sink_location)]
    pub(crate) from: SinkLocation,
    /// Base URL of the API, with its stage if it has one
    #[arg(long, value_name = "http://HOST[/STAGE]", value_parser = parse_base_url, required_unless_present = "dry_run")]
    pub(crate) api: Option<Url>,
    /// Key to send in the header x-api-key
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Wire format
    #[arg(long, value_enum, default_value_t = Wire::Events)]
    pub(crate) wire: Wire,
    /// Objects whose rows go into one request
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) batch: u16,
    /// Read all objects, and only tell what would be posted
    #[arg(long, conflicts_with = "resume")]
    pub(crate) dry_run: bool,
    /// File that keeps how far the run is [default: .pinflow-import.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Go on after the last object that the state file tells of
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) aws: AwsOptions,
}

/// Where the old sink's objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SinkLocation {
    Folder(PathBuf),
    /// The prefix is empty, or ends with a slash.
    Bucket {
        bucket: String,
        prefix: String,
    },
}

impl fmt::Display for SinkLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(formatter),
            Self::Bucket { bucket, prefix } => write!(formatter, "s3://{bucket}/{prefix}"),
        }
    }
}

/// Folder of the stack where none is given.
const DEFAULT_OUT: &str = "./lake";

/// Seed of the rows where none is given: `demo` and `generate` show the same ones.
const DEFAULT_SEED: u64 = 1;

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

/// How long after one turn the next one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) interval: Duration,
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate: Option<f64> = number.parse().ok();
    let interval = rate
        .filter(|rate| *rate > 0.0)
        .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
    let interval = interval.ok_or("a rate is turns a second, more than 0, as in 20 or 0.5")?;
    Ok(Rate { interval })
}

fn parse_base_url(text: &str) -> Result<Url, String> {
    let example = "a base URL is as in http://127.0.0.1:9000 or \
                   https://abc123.execute-api.eu-west-1.amazonaws.com/Dev";
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; {example}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!(
            "it does not start with http:// or https://; {example}"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("it has a part after `?` or `#`; {example}"));
    }
    Ok(url)
}

fn parse_sink_location(text: &str) -> Result<SinkLocation, String> {
    let example = "the old sink's objects are in a place as s3://bucket/topics/, or in a folder";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(SinkLocation::Folder(PathBuf::from(text)));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme != "s3" || bucket.is_empty() {
        return Err(example.to_owned());
    }
    let mut prefix = prefix.to_owned();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    Ok(SinkLocation::Bucket {
        bucket: bucket.to_owned(),
        prefix,
    })
}

fn parse_code(text: &str) -> Result<RejectionCode, String> {
    let names = || RejectionCode::ALL.map(RejectionCode::as_str).join(", ");
    RejectionCode::from_name(text).ok_or_else(|| format!("the codes are {}", names()))
}

fn parse_date(text: &str) -> Result<Date, String> {
    // The library's parser would take a time behind the date as well.
    let date = (text.len() == "YYYY-MM-DD".len()).then(|| text.parse().ok());
    date.flatten()
        .ok_or_else(|| "a day is as in 2026-03-01".to_owned())
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| "a kind is pin, geo or user".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_base_url_may_have_a_stage_and_needs_a_scheme() {
        for url in [
            "http://127.0.0.1:9000",
            "http://localhost:9000/",
            "https://abc.execute-api.eu-west-1.amazonaws.com/Dev",
        ] {
            assert!(parse_base_url(url).is_ok(), "{url}");
        }
        for url in [
            "127.0.0.1:9000",
            "localhost:9000",
            "ftp://x",
            "http://x/?a",
            "http://x/#a",
            "",
        ] {
            let error = parse_base_url(url).unwrap_err();
            assert!(error.contains("; a base URL is as in http://"), "{error}");
        }
    }

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

    #[test]
    fn the_old_sink_is_in_a_bucket_or_in_a_folder() {
        for (text, shown) in [
            ("s3://old/topics/", "s3://old/topics/"),
            ("s3://old/topics", "s3://old/topics/"),
            ("s3://old", "s3://old/"),
            ("backup/topics", "backup/topics"),
        ] {
            assert_eq!(parse_sink_location(text).unwrap().to_string(), shown);
        }
        for text in [
            "s3://",
            "s3:///topics/",
            "https://old.s3.amazonaws.com/topics/",
        ] {
            let error = parse_sink_location(text).unwrap_err();
            assert!(error.contains("s3://bucket/topics/"), "{error}");
        }
    }

    #[test]
    fn a_rate_is_turns_a_second() {
        let interval = |text| parse_rate(text).map(|rate| rate.interval.as_millis());
        assert_eq!(interval("20"), Ok(50));
        assert_eq!(interval("0.5/s"), Ok(2_000));
        for text in ["0", "-1", "NaN", "fast", "1e-300"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
