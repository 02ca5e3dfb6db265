//! The options of `post`, and what posts to an API share.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use posting::Identity;
use reqwest::Url;

use super::DEFAULT_SEED;
use super::access::AccessOptions;
use crate::lake_options::parse_http_url;

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct PostOptions {
    /// Base URL of the API, with its stage if it has one
    #[arg(long, value_name = "http://HOST[/STAGE]", value_parser = parse_base_url)]
    pub(crate) api: Url,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
    #[command(flatten)]
    pub(crate) signing: SigningOptions,
    /// Folder with pin.ndjson, geo.ndjson and user.ndjson whose rows are posted
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// File with the login of the database whose rows are posted: YAML with HOST, USER, PASSWORD, DATABASE and PORT
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) mysql: Option<PathBuf>,
    /// Which row of each table a post consists of [default: random, or sequence with --sequence]
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
    /// Posts to send; a post is the pin, geo and user row of one ind
    #[arg(
        long,
        value_name = "N",
        default_value_t = 500,
        conflicts_with = "forever"
    )]
    pub(crate) posts: u64,
    /// Post until Ctrl-C
    #[arg(long)]
    pub(crate) forever: bool,
    /// Posts per second, at most [default: as fast as the API takes them]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub(crate) posts_per_second: Option<Rate>,
    /// Rows of a table in one request
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rows_per_request: u16,
    /// Compress each request; 500 generated rows have a sixth of their bytes, and API Gateway bills by the 512 KB
    #[arg(long)]
    pub(crate) gzip: bool,
    /// Seed of the generated rows, and of the random order
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// File that keeps how far the run is [default with --mysql or --resume: .pinflow-post.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Go on after the last post in the state file, with any source; --posts counts the posts before it, too
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Whether requests are signed, and with whose credentials.
#[derive(Debug, Args)]
pub(crate) struct SigningOptions {
    /// Sign each request with AWS credentials (Signature Version 4), as an API with IAM authorization asks for
    #[arg(long)]
    pub(crate) sigv4: bool,
    /// Profile of the AWS configuration files to sign with [default: the usual chain of credentials]
    #[arg(long, value_name = "NAME", requires = "sigv4")]
    pub(crate) profile: Option<String>,
    /// Region to sign for [default: the one in the API's host name, else the profile's, else us-east-1]
    #[arg(long, value_name = "NAME", requires = "sigv4")]
    pub(crate) region: Option<String>,
}

impl SigningOptions {
    /// Returns with whose credentials requests are signed; `None` when they are not.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.sigv4.then(|| Identity {
            profile: self.profile.clone(),
            region: self.region.clone(),
        })
    }
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

impl From<Wire> for posting::Wire {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::Kinesis => Self::Kinesis,
            Wire::Kafka => Self::Kafka,
            Wire::Events => Self::Events,
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        posting::Wire::from(*self).fmt(formatter)
    }
}

/// Which row of each table a post consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderName {
    /// Any row, drawn from the seed, as the old posting script does
    Random,
    /// One row after the other
    Table,
    /// What the file of --sequence says
    Sequence,
}

/// The time from one post to the next.
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
    let interval = interval.ok_or("write posts per second, more than 0, as in 20 or 0.5")?;
    Ok(Rate { interval })
}

pub(super) fn parse_base_url(text: &str) -> Result<Url, String> {
    let example = "a base URL is as in http://127.0.0.1:9000 or \
                   https://abc123.execute-api.us-east-1.amazonaws.com/Dev";
    let url = parse_http_url(text, example)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("it has a part after `?` or `#`; {example}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_rate_is_posts_per_second() {
        let interval = |text| parse_rate(text).map(|rate| rate.interval.as_millis());
        assert_eq!(interval("20"), Ok(50));
        assert_eq!(interval("0.5/s"), Ok(2_000));
        for text in ["0", "-1", "NaN", "fast", "1e-300"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
