//! The file with the login of the database, as the old script has it: five keys in YAML.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use saphyr_parser::{Event, Parser};

/// How to log in to the database. The password is in no message and not in `Debug`.
pub(super) struct Creds {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    /// File with the authority of the server's certificate, if it is none that everybody trusts.
    pub(super) ssl_ca: Option<PathBuf>,
}

impl fmt::Debug for Creds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Creds");
        shown.field("host", &self.host).field("port", &self.port);
        shown.field("database", &self.database);
        shown.finish_non_exhaustive()
    }
}

/// A file with a login that cannot be used. No message has a value of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredsError {
    /// The file is not there, or cannot be read.
    #[error(
        "could not read `{}`; it has the login of the database in YAML, with the keys {KEYS}, as in \
         crates/pinflow/db_creds.example.yaml",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is not YAML of keys and values.
    #[error(
        "`{}`, line {line}: {problem}; it is to have a line `KEY: value` for each of {KEYS}, and a value with `#`, \
         `: ` or quotes goes into single quotes",
        path.display()
    )]
    NotYaml {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A key is missing, or its value cannot be used.
    #[error("`{}`: {problem}; the keys are {KEYS}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Which key, and what is wrong with it.
        problem: String,
    },
}

const KEYS: &str = "HOST, USER, PASSWORD, DATABASE and PORT, and SSL_CA if you like";

impl Creds {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, CredsError> {
        let text = fs::read_to_string(path).map_err(|source| CredsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Tells whether the server is on this machine, so that nobody is in between.
    pub(super) fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Returns where the server is, as `host:port`.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, CredsError> {
        let mut values = scalars(text).map_err(|(line, problem)| CredsError::NotYaml {
            path: path.to_owned(),
            line,
            problem,
        })?;
        let bad = |problem| CredsError::BadKey {
            path: path.to_owned(),
            problem,
        };
        let mut take = |key: &str| match values.remove(key) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(bad(format!("the value of {key} is not a text or a number"))),
            None => Err(bad(format!("{key} is missing"))),
        };
        let filled = |key: &str, value: String| match value.as_str() {
            "" | "~" | "null" => Err(bad(format!("{key} has no value"))),
            _ => Ok(value),
        };
        let host = filled("HOST", take("HOST")?)?;
        let user = filled("USER", take("USER")?)?;
        let password = take("PASSWORD")?;
        let database = filled("DATABASE", take("DATABASE")?)?;
        let port = filled("PORT", take("PORT")?)?;
        let ssl_ca = values.remove("SSL_CA").flatten();
        let ssl_ca = ssl_ca.filter(|file| !file.is_empty()).map(PathBuf::from);
        let port = port.parse().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| {
            bad("PORT is not a number from 1 to 65535; MySQL's own is 3306".to_owned())
        })?;
        Ok(Self {
            host,
            port,
            user,
            password,
            database,
            ssl_ca,
        })
    }
}

/// Values by key, each as it is spelled, because a password may look like a number; `None` for a list or a mapping.
type Scalars = HashMap<String, Option<String>>;

/// Reads a mapping of keys to values; the error is the line and what is wrong with it, without any of its text.
fn scalars(text: &str) -> Result<Scalars, (usize, &'static str)> {
    let mut values = Scalars::new();
    let mut depth = 0_u32;
    let mut last_key = None;
    for event in Parser::new_from_str(text) {
        // The parser's own message may show the value.
        let (event, span) = event.map_err(|error| (error.marker().line(), "not YAML"))?;
        let line = span.start.line();
        let value = match event {
            Event::MappingStart(..) if depth == 0 => {
                depth = 1;
                continue;
            }
            Event::SequenceStart(..) if depth == 0 => Some(String::new()),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                depth += 1;
                if depth != 2 {
                    continue;
                }
                None
            }
            Event::SequenceEnd | Event::MappingEnd => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Event::Scalar(value, ..) if depth < 2 => Some(value.into_owned()),
            Event::Alias(_) if depth == 1 => None,
            _ => continue,
        };
        match (depth, last_key.take(), value) {
            (0, ..) => return Err((line, "not a line `KEY: value`")),
            (_, Some(key), value) => {
                if values.insert(key, value).is_some() {
                    return Err((line, "the key is repeated"));
                }
            }
            (_, None, Some(key)) => last_key = Some(key),
            (_, None, None) => return Err((line, "the key is not a word")),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "db_creds.yaml";

    fn parse(text: &str) -> Result<Creds, String> {
        Creds::parse(text, Path::new(PATH)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_taken_as_it_is_spelled() {
        let text = "# the old file\nHOST: db.example\nUSER: 'o''neil'\nPASSWORD: 0123\nDATABASE: \"pinterest_data\"\n\
                    PORT: 3306\nOTHER: [1, {a: b}]\n";
        let creds = parse(text).unwrap();
        assert_eq!(creds.address(), "db.example:3306");
        assert_eq!(creds.user, "o'neil");
        assert_eq!(creds.password, "0123");
        assert_eq!(creds.database, "pinterest_data");
        let shown = format!("{creds:?}");
        assert!(!shown.contains("0123"), "{shown}");
    }

    #[test]
    fn a_password_may_be_empty_and_a_port_quoted() {
        for password in ["", "''"] {
            let text =
                format!("{{HOST: h, USER: u, PASSWORD: {password}, DATABASE: d, PORT: '3307'}}");
            let creds = parse(&text).unwrap();
            assert_eq!((creds.password.as_str(), creds.port), ("", 3307));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let good = [
            ("HOST", "h"),
            ("USER", "u"),
            ("PASSWORD", "s3cret"),
            ("DATABASE", "d"),
            ("PORT", "3306"),
        ];
        let with = |changed: &str, value: Option<&str>| {
            let lines = good.iter().filter_map(|(key, is)| match value {
                Some(value) if *key == changed => Some(format!("{key}: {value}\n")),
                None if *key == changed => None,
                _ => Some(format!("{key}: {is}\n")),
            });
            lines.collect::<String>()
        };
        let keys = "HOST USER PASSWORD DATABASE PORT".split(' ');
        let missing = keys.map(|key| {
            (
                with(key, None),
                format!("`{PATH}`: {key} is missing; the keys"),
            )
        });
        let port = "PORT is not a number from 1 to 65535";
        let cases = [
            (with("HOST", Some("")), "HOST has no value"),
            (with("USER", Some("~")), "USER has no value"),
            (with("DATABASE", Some("''")), "DATABASE has no value"),
            (with("PORT", Some("0")), port),
            (with("PORT", Some("70000")), port),
            (with("PORT", Some("3306x")), port),
            (
                with("PASSWORD", Some("[s3cret]")),
                "the value of PASSWORD is not a text or a number",
            ),
            (
                with("PASSWORD", Some("'s3cret")),
                "line 3: not YAML; it is to have a line `KEY: value`",
            ),
            (
                with("PASSWORD", Some("s3cret\nPASSWORD: s3cret")),
                "line 4: the key is repeated",
            ),
            ("s3cret".to_owned(), "line 1: not a line `KEY: value`"),
            ("- s3cret".to_owned(), "line 1: not a line `KEY: value`"),
            ("[s3cret]: a".to_owned(), "line 1: the key is not a word"),
            (String::new(), "HOST is missing"),
        ];
        let cases = cases.map(|(text, part)| (text, part.to_owned()));
        for (text, part) in missing.chain(cases) {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(&part), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_what_it_has() {
        let error = Creds::read(Path::new("missing.yaml")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("HOST, USER, PASSWORD, DATABASE and PORT"),
            "{text}"
        );
    }
}
