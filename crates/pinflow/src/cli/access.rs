//! What an API that is not open asks each request for: keys and tokens, and where they come from.

use std::env::{self, VarError};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use posting::Access;

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
}

/// The options of a token that requests are sent with.
#[derive(Debug, Default, Args)]
pub(crate) struct TokenOptions {
    /// JSON Web Token for the header Authorization; other users of this machine can see it, unlike --token-file and
    /// `PINFLOW_TOKEN`
    #[arg(id = "token", long, value_name = "JWT", conflicts_with = "sigv4")]
    pub(crate) value: Option<String>,
    /// File with the JSON Web Token for the header Authorization [default: the environment variable `PINFLOW_TOKEN`]
    #[arg(id = "token_file", long = "token-file", value_name = "FILE", conflicts_with_all = ["token", "sigv4"])]
    pub(crate) file: Option<PathBuf>,
}

/// What an API that is not open asks each request for, besides a signature.
#[derive(Debug, Default, Args)]
pub(crate) struct AccessOptions {
    #[command(flatten)]
    pub(crate) key: KeyOptions,
    #[command(flatten)]
    pub(crate) token: TokenOptions,
}

impl KeyOptions {
    /// Returns the key: the option's, else the file's, else the environment's.
    pub(crate) fn resolve(&self) -> anyhow::Result<Option<String>> {
        self.or_else(from_environment)
    }

    fn or_else(&self, environment: Environment) -> anyhow::Result<Option<String>> {
        match first(self.value.as_deref(), "--api-key", self.file.as_deref())? {
            None => environment("PINFLOW_API_KEY"),
            given => Ok(given),
        }
    }
}

impl TokenOptions {
    fn or_else(&self, environment: Environment) -> anyhow::Result<Option<String>> {
        match first(self.value.as_deref(), "--token", self.file.as_deref())? {
            None => environment("PINFLOW_TOKEN"),
            given => Ok(given),
        }
    }
}

impl AccessOptions {
    /// Returns the secrets. A request has one header Authorization, so a signed one takes no token from the environment.
    pub(crate) fn resolve(&self, is_signed: bool) -> anyhow::Result<Access> {
        self.or_else(is_signed, from_environment)
    }

    fn or_else(&self, is_signed: bool, environment: Environment) -> anyhow::Result<Access> {
        Ok(Access {
            api_key: self.key.or_else(environment)?,
            token: if is_signed {
                None
            } else {
                self.token.or_else(environment)?
            },
        })
    }
}

/// Looks up the secret in an environment variable.
type Environment = fn(&str) -> anyhow::Result<Option<String>>;

/// Returns the secret in an environment variable. A variable that is blank counts as not set.
#[expect(
    clippy::disallowed_methods,
    reason = "clap reads a variable only for an option, which would take the secret as an argument"
)]
fn from_environment(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            bail!("the environment variable {name} is not UTF-8; set it to the key or token")
        }
    }
}

/// Returns the secret of an option, else of a file.
fn first(value: Option<&str>, option: &str, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    if let Some(value) = value {
        ensure!(
            !value.trim().is_empty(),
            "the value of {option} is blank; leave the option out, or give it the key or token"
        );
        return Ok(Some(value.to_owned()));
    }
    file.map(read).transpose()
}

fn read(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| {
        format!(
            "could not read the secret in {}; write the key or token into that file, as UTF-8, and let only yourself read it",
            file.display()
        )
    })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    ensure!(
        !secret.trim().is_empty(),
        "{} is blank; write the key or token there, and nothing else",
        file.display()
    );
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    /// What `pinflow post` would send, given these options and variables `<name>` whose value is `<name>` itself.
    fn post(options: &[&str], environment: Environment) -> anyhow::Result<Access> {
        let command = ["pinflow", "post", "--api", "http://localhost"];
        let cli = Cli::try_parse_from(command.iter().chain(options))?;
        let Command::Post(options) = cli.command else {
            panic!("another command")
        };
        options.access.or_else(options.signing.sigv4, environment)
    }

    /// Options, the environment, and the key and token that they come to.
    type Case<'a> = (&'a [&'a str], Environment, [Option<&'a str>; 2]);

    const UNSET: Environment = |_| Ok(None);
    const SET: Environment = |name| Ok(Some(name.to_owned()));

    #[test]
    fn an_option_or_a_file_wins_over_the_environment() {
        let secret = file("from-the-file\r\n");
        let path = secret.path().to_str().unwrap();
        let cases: [Case<'_>; 8] = [
            (&[], UNSET, [None, None]),
            (&[], SET, [Some("PINFLOW_API_KEY"), Some("PINFLOW_TOKEN")]),
            (&["--api-key", "k"], SET, [Some("k"), Some("PINFLOW_TOKEN")]),
            (
                &["--api-key-file", path],
                SET,
                [Some("from-the-file"), Some("PINFLOW_TOKEN")],
            ),
            (&["--token", "t"], SET, [Some("PINFLOW_API_KEY"), Some("t")]),
            (
                &["--token-file", path],
                SET,
                [Some("PINFLOW_API_KEY"), Some("from-the-file")],
            ),
            (
                &["--api-key", "k", "--token-file", path],
                UNSET,
                [Some("k"), Some("from-the-file")],
            ),
            // A signature takes the header Authorization.
            (&["--sigv4"], SET, [Some("PINFLOW_API_KEY"), None]),
        ];
        for (options, environment, [api_key, token]) in cases {
            let access = post(options, environment).unwrap();
            let found = (access.api_key.as_deref(), access.token.as_deref());
            assert_eq!(found, (api_key, token), "{options:?}");
        }
    }

    #[test]
    fn secrets_that_are_blank_or_given_twice_are_errors() {
        let blank = file(" \n");
        let path = blank.path().to_str().unwrap();
        for (options, expected) in [
            (vec!["--api-key", ""], "the value of --api-key is blank"),
            (vec!["--token", " "], "the value of --token is blank"),
            (
                vec!["--api-key-file", path],
                "is blank; write the key or token there",
            ),
            (
                vec!["--token-file", "no/such/file"],
                "write the key or token into that file",
            ),
            (
                vec!["--api-key", "k", "--api-key-file", path],
                "cannot be used with",
            ),
            (
                vec!["--token", "t", "--token-file", path],
                "cannot be used with",
            ),
            (vec!["--token", "t", "--sigv4"], "cannot be used with"),
            (vec!["--token-file", path, "--sigv4"], "cannot be used with"),
        ] {
            let Err(error) = post(&options, UNSET) else {
                panic!("{options:?} is accepted")
            };
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
