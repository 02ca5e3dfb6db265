//! What an API that is not open asks each request for: keys and tokens, and where they come from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

/// The options of a key that requests are sent with, or that a stack asks for.
///
/// Other users of the machine can read the arguments of a process, so a key may also come from a file or the environment.
#[derive(Debug, Default, Args)]
pub(crate) struct KeyOptions {
    /// Key for the header x-api-key; other users of this machine can see it, unlike --api-key-file and `PINFLOW_API_KEY`
    #[arg(id = "api_key", long = "api-key", value_name = "KEY")]
    pub(crate) value: Option<String>,
    /// File with the key for the header x-api-key [default: the environment variable `PINFLOW_API_KEY`]
    #[arg(
        id = "api_key_file",
        long = "api-key-file",
        value_name = "FILE",
        conflicts_with = "api_key"
    )]
    pub(crate) file: Option<PathBuf>,
    #[arg(
        id = "api_key_from_environment",
        long = "api-key-from-environment",
        hide = true,
        env = "PINFLOW_API_KEY",
        hide_env_values = true
    )]
    pub(crate) environment: Option<String>,
}

/// The options of a token that requests are sent with.
#[derive(Debug, Default, Args)]
pub(crate) struct TokenOptions {
    /// JSON Web Token for the header Authorization; other users of this machine can see it, unlike --token-file and
    /// `PINFLOW_TOKEN`
    #[arg(long, value_name = "JWT", conflicts_with = "sigv4")]
    pub(crate) token: Option<String>,
    /// File with the JSON Web Token for the header Authorization [default: the environment variable `PINFLOW_TOKEN`]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "sigv4"])]
    pub(crate) token_file: Option<PathBuf>,
    #[arg(long, hide = true, env = "PINFLOW_TOKEN", hide_env_values = true)]
    pub(crate) token_from_environment: Option<String>,
}

/// What an API that is not open asks each request for, besides a signature.
#[derive(Debug, Default, Args)]
pub(crate) struct AccessOptions {
    #[command(flatten)]
    pub(crate) key: KeyOptions,
    #[command(flatten)]
    pub(crate) token: TokenOptions,
}

/// The secrets that requests are sent with.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) api_key: Option<String>,
    pub(crate) token: Option<String>,
}

impl KeyOptions {
    /// Returns the key: the option, else the file's, else the environment's.
    pub(crate) fn resolve(&self) -> anyhow::Result<Option<String>> {
        resolve(
            self.value.as_deref(),
            self.file.as_deref(),
            self.environment.as_deref(),
        )
    }
}

impl AccessOptions {
    /// Returns the secrets. A request has one header Authorization, so a signed one takes no token from the environment.
    pub(crate) fn resolve(&self, is_signed: bool) -> anyhow::Result<Access> {
        let token = &self.token;
        let environment = token.token_from_environment.as_deref();
        Ok(Access {
            api_key: self.key.resolve()?,
            token: resolve(
                token.token.as_deref(),
                token.token_file.as_deref(),
                environment.filter(|_| !is_signed),
            )?,
        })
    }
}

/// Returns the first of three values that is there. An empty variable is as good as none.
fn resolve(
    option: Option<&str>,
    file: Option<&Path>,
    environment: Option<&str>,
) -> anyhow::Result<Option<String>> {
    if let Some(file) = file {
        return read(file).map(Some);
    }
    let environment = environment.filter(|value| !value.is_empty());
    Ok(option.or(environment).map(str::to_owned))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("could not read the secret in {}", file.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    ensure!(
        !secret.is_empty(),
        "{} is empty; write the key or token there, and nothing else",
        file.display()
    );
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn an_option_wins_over_the_environment_and_so_does_a_file() {
        let key = file("from-the-file\n");
        for (option, path, environment, expected) in [
            (Some("option"), None, Some("environment"), Some("option")),
            (
                None,
                Some(key.path()),
                Some("environment"),
                Some("from-the-file"),
            ),
            (None, None, Some("environment"), Some("environment")),
            (None, None, Some(""), None),
            (None, None, None, None),
        ] {
            let found = resolve(option, path, environment).unwrap();
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn a_file_without_a_secret_is_an_error_that_names_it() {
        for text in ["", "\n", "\r\n"] {
            let empty = file(text);
            let error = resolve(None, Some(empty.path()), None).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("is empty; write the key or token there, and nothing else"),
                "{error}"
            );
        }
        let error = resolve(None, Some(Path::new("no/such/file")), Some("environment"));
        assert!(error.unwrap_err().to_string().ends_with("no/such/file"));
    }

    #[test]
    fn a_signed_request_takes_no_token_from_the_environment() {
        let options = AccessOptions {
            token: TokenOptions {
                token_from_environment: Some("token".to_owned()),
                ..TokenOptions::default()
            },
            ..AccessOptions::default()
        };
        assert_eq!(options.resolve(true).unwrap().token, None);
        assert_eq!(
            options.resolve(false).unwrap().token.as_deref(),
            Some("token")
        );
    }
}
