//! What the function reads from its environment.

use std::env::VarError;
use std::path::PathBuf;

use anyhow::Context as _;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the bucket that holds the lake (`BUCKET_NAME`).
    pub bucket_name: String,
    /// Name of the Kinesis stream that the reconciliation reads (`STREAM_NAME`; without it, there is no check).
    pub stream_name: Option<String>,
    /// Missed days that a scheduled run makes up for, at most (`CATCH_UP_DAYS`, default 7; 0 turns it off).
    pub catch_up_days: u32,
    /// Time after which somebody else may take a run over that says nothing (`RUN_EXPIRY_SECONDS`, default 60: a
    /// run that is alive says something every quarter of it).
    pub run_expiry_seconds: u32,
    /// Age from which files that no version of a table names any more are deleted (`VACUUM_RETENTION_HOURS`, default
    /// 168, at least 1).
    pub vacuum_retention_hours: u32,
    /// Time after the end of a date from which on nothing arrives for it any more (`SEAL_AFTER_HOURS`, default 192, at least 1): longer
    /// than the stream keeps its records. Later objects are merged if they are announced.
    pub seal_after_hours: u32,
    /// Age from which clean objects are deleted that the archive has (`CLEAN_DAYS`, default 90, at least 1).
    pub clean_days: u32,
    /// Rows after which a merge begins another slice, with a commit of its own (`SLICE_ROWS`, default 6,000,000, at least 1): each costs 64
    /// bytes of memory.
    pub slice_rows: u32,
    /// Folder of the tables, views and reports (`MODEL_DIR`; without it, the one beside the program).
    pub model_dir: Option<PathBuf>,
}

impl Config {
    /// Every variable that is read.
    pub const VARS: [&str; 9] = [
        "BUCKET_NAME",
        "STREAM_NAME",
        "CATCH_UP_DAYS",
        "RUN_EXPIRY_SECONDS",
        "VACUUM_RETENTION_HOURS",
        "SEAL_AFTER_HOURS",
        "CLEAN_DAYS",
        "SLICE_ROWS",
        "MODEL_DIR",
    ];

    /// Makes the configuration for a bucket, with the defaults.
    pub fn new(bucket_name: impl Into<String>) -> Self {
        Self {
            bucket_name: bucket_name.into(),
            stream_name: None,
            catch_up_days: 7,
            run_expiry_seconds: 60,
            vacuum_retention_hours: 168,
            seal_after_hours: 192,
            clean_days: 90,
            slice_rows: 6_000_000,
            model_dir: None,
        }
    }

    /// Reads the configuration from the process's environment.
    #[expect(clippy::disallowed_methods, reason = "called by `main` alone")]
    pub fn from_env() -> anyhow::Result<Self> {
        Self::from_vars(|name| std::env::var(name))
    }

    /// Reads the configuration from `var`; the error names the variable that is missing or malformed.
    pub fn from_vars(var: impl Fn(&str) -> Result<String, VarError>) -> anyhow::Result<Self> {
        let [
            bucket_name,
            stream_name,
            catch_up_days,
            run_expiry,
            retention,
            seal_after,
            clean_days,
            slice_rows,
            model_dir,
        ] = Self::VARS;
        let bucket = var(bucket_name)
            .with_context(|| format!("set `{bucket_name}` to the name of the lake's bucket"))?;
        anyhow::ensure!(
            !bucket.is_empty(),
            "`{bucket_name}` is empty; set it to the name of the lake's bucket"
        );
        let number = |name: &str, least: u32, default: u32| match var(name) {
            Err(VarError::NotPresent) => Ok(default),
            other => other
                .ok()
                .and_then(|text| text.parse().ok())
                .filter(|number| *number >= least)
                .with_context(|| {
                    format!("set `{name}` to a whole number from {least}, or leave it out")
                }),
        };
        let defaults = Self::new(bucket);
        Ok(Self {
            stream_name: var(stream_name).ok().filter(|name| !name.is_empty()),
            catch_up_days: number(catch_up_days, 0, defaults.catch_up_days)?,
            run_expiry_seconds: number(run_expiry, 1, defaults.run_expiry_seconds)?,
            vacuum_retention_hours: number(retention, 1, defaults.vacuum_retention_hours)?,
            seal_after_hours: number(seal_after, 1, defaults.seal_after_hours)?,
            clean_days: number(clean_days, 1, defaults.clean_days)?,
            slice_rows: number(slice_rows, 1, defaults.slice_rows)?,
            model_dir: var(model_dir).ok().map(PathBuf::from),
            ..defaults
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> anyhow::Result<Config> {
        Config::from_vars(|name| {
            let found = vars.iter().find(|(found, _)| *found == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn only_the_bucket_must_be_given() {
        let config = config(&[("BUCKET_NAME", "lake"), ("CATCH_UP_DAYS", "0")]).unwrap();
        assert_eq!(config.bucket_name, "lake");
        assert_eq!((config.catch_up_days, config.run_expiry_seconds), (0, 60));
    }

    #[test]
    fn a_malformed_variable_is_named() {
        assert_eq!(
            config(&[]).unwrap_err().to_string(),
            "set `BUCKET_NAME` to the name of the lake's bucket"
        );
        for (name, value) in [
            ("RUN_EXPIRY_SECONDS", "0"),
            ("VACUUM_RETENTION_HOURS", "x"),
            ("CATCH_UP_DAYS", "-1"),
        ] {
            let error = config(&[("BUCKET_NAME", "lake"), (name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
