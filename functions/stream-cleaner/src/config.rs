//! What the function reads from its environment.

use std::env::VarError;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use model::Model;

/// Which of an invocation's numbers become metrics of CloudWatch. The log line has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// Each.
    All,
    /// Those that alarms look at.
    Alarms,
}

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the bucket that holds the lake (`BUCKET_NAME`).
    pub bucket_name: String,
    /// Which numbers become metrics of CloudWatch (`METRICS`: `all`, the default, or `alarms`).
    pub metrics: Metrics,
    /// The tables, of the folder `MODEL_DIR`, or `model` beside the program.
    pub model: Arc<Model>,
}

impl Config {
    /// Every variable that is read.
    pub const VARS: [&str; 3] = ["BUCKET_NAME", "METRICS", "MODEL_DIR"];

    /// Makes the configuration for a bucket and its tables.
    pub fn new(bucket_name: impl Into<String>, model: Arc<Model>) -> Self {
        Self {
            bucket_name: bucket_name.into(),
            metrics: Metrics::All,
            model,
        }
    }

    /// Reads the configuration from the process's environment.
    #[expect(clippy::disallowed_methods, reason = "called by `main` alone")]
    pub fn from_env() -> anyhow::Result<Self> {
        Self::from_vars(|name| std::env::var(name))
    }

    /// Reads the configuration from `var`; the error names the variable that is missing or malformed.
    pub fn from_vars(var: impl Fn(&str) -> Result<String, VarError>) -> anyhow::Result<Self> {
        let [bucket_name, metrics, model_dir] = Self::VARS;
        let value = var(bucket_name)
            .with_context(|| format!("set `{bucket_name}` to the name of the lake's bucket"))?;
        anyhow::ensure!(
            !value.is_empty(),
            "`{bucket_name}` is empty; set it to the name of the lake's bucket"
        );
        let metrics = match var(metrics).as_deref() {
            Err(VarError::NotPresent) | Ok("all") => Metrics::All,
            Ok("alarms") => Metrics::Alarms,
            _ => anyhow::bail!("set `{metrics}` to `all` or `alarms`, or leave it out"),
        };
        let folder = var(model_dir).ok();
        let model = Model::load_from(folder.as_deref().map(Path::new))?;
        Ok(Self {
            metrics,
            ..Self::new(value, model)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_bucket_is_named() {
        let given = |name: &str| match name {
            "BUCKET_NAME" => Ok("lake".to_owned()),
            _ => Err(VarError::NotPresent),
        };
        let config = Config::from_vars(given).unwrap();
        assert_eq!(config.bucket_name, "lake");
        let missing = Config::from_vars(|_| Err(VarError::NotPresent)).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "set `BUCKET_NAME` to the name of the lake's bucket"
        );
        let empty = Config::from_vars(|_| Ok(String::new())).unwrap_err();
        assert_eq!(
            empty.to_string(),
            "`BUCKET_NAME` is empty; set it to the name of the lake's bucket"
        );
        let given = |name: &str| match name {
            "MODEL_DIR" => Err(VarError::NotPresent),
            _ => Ok("few".to_owned()),
        };
        assert_eq!(
            Config::from_vars(given).unwrap_err().to_string(),
            "set `METRICS` to `all` or `alarms`, or leave it out"
        );
        let given = |name: &str| match name {
            "METRICS" => Err(VarError::NotPresent),
            _ => Ok("nowhere".to_owned()),
        };
        let elsewhere = Config::from_vars(given).unwrap_err();
        assert_eq!(
            elsewhere.to_string(),
            "nowhere: there is no such folder; name the one that has `tables` in it"
        );
    }
}
