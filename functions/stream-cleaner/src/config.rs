//! What the function reads from its environment.

use std::env::VarError;

use anyhow::Context as _;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the bucket that holds the lake (`BUCKET_NAME`).
    pub bucket_name: String,
}

impl Config {
    /// Every variable that is read.
    pub const VARS: [&str; 1] = ["BUCKET_NAME"];

    /// Makes the configuration for a bucket.
    pub fn new(bucket_name: impl Into<String>) -> Self {
        Self {
            bucket_name: bucket_name.into(),
        }
    }

    /// Reads the configuration from the process's environment.
    #[expect(clippy::disallowed_methods, reason = "called by `main` alone")]
    pub fn from_env() -> anyhow::Result<Self> {
        Self::from_vars(|name| std::env::var(name))
    }

    /// Reads the configuration from `var`; the error names the variable that is missing or malformed.
    pub fn from_vars(var: impl Fn(&str) -> Result<String, VarError>) -> anyhow::Result<Self> {
        let [bucket_name] = Self::VARS;
        let value = var(bucket_name)
            .with_context(|| format!("set `{bucket_name}` to the name of the lake's bucket"))?;
        anyhow::ensure!(
            !value.is_empty(),
            "`{bucket_name}` is empty; set it to the name of the lake's bucket"
        );
        Ok(Self::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_bucket_is_named() {
        let config = Config::from_vars(|_| Ok("lake".to_owned())).unwrap();
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
    }
}
