//! What the function reads from its environment.

use std::env::VarError;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use model::Model;

use crate::Packing;

/// How long a request tries a stream that takes no more, unless somebody says otherwise.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(3);
/// Below the 30 s after which API Gateway gives up.
const LONGEST_PATIENCE_MS: u64 = 25_000;

const MOST_PACKING_KEYS: u16 = 10_000;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the Kinesis stream that every record is put on (`STREAM_NAME`).
    pub stream_name: String,
    /// Names that a topic in a path may bear (`TOPIC_PATTERNS`, default `*`).
    pub topics: Patterns,
    /// Names that a stream in a path may bear (`STREAM_PATTERNS`, default `*`).
    pub streams: Patterns,
    /// Name of the SSM parameter that holds the API keys, one a line (`API_KEYS`); without it the API is open.
    pub api_keys: Option<String>,
    /// How long a request tries a stream that takes no more (`PATIENCE_MS`, default 3000, 0 to 25000): then it is 429.
    pub patience: Duration,
    /// Whether the health says how the stream is (`DEEP_HEALTH`, `on` or `off`, default `on`). Off where API Gateway asks for tokens: the
    /// health's route is open to all, and only who may post may ask the stream.
    pub deep_health: bool,
    /// Whether and how the rows of a request to the native route are packed into records (`PACKING`: `off`, the default, `lines` or `gzip`;
    /// `PACKING_KEYS`: the partition keys of a table, 1 to 10000, default 16).
    pub packing: Option<Packing>,
    /// The tables, of the folder `MODEL_DIR`, or `model` beside the program.
    pub model: Arc<Model>,
}

impl Config {
    /// Every variable that is read.
    pub const VARS: [&str; 9] = [
        "STREAM_NAME",
        "TOPIC_PATTERNS",
        "STREAM_PATTERNS",
        "API_KEYS",
        "PATIENCE_MS",
        "DEEP_HEALTH",
        "PACKING",
        "PACKING_KEYS",
        "MODEL_DIR",
    ];

    /// Makes the configuration for a stream and the tables of its rows: topics and streams in paths may have any name, and the API is open.
    pub fn new(stream_name: impl Into<String>, model: Arc<Model>) -> Self {
        Self {
            stream_name: stream_name.into(),
            topics: Patterns::default(),
            streams: Patterns::default(),
            api_keys: None,
            patience: DEFAULT_PATIENCE,
            deep_health: true,
            packing: None,
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
        let [
            stream,
            topics,
            streams,
            api_keys,
            patience,
            deep_health,
            packing,
            packing_keys,
            model_dir,
        ] = Self::VARS;
        let stream_name = var(stream)
            .with_context(|| format!("set `{stream}` to the name of the Kinesis stream"))?;
        anyhow::ensure!(
            !stream_name.is_empty(),
            "`{stream}` is empty; set it to the name of the Kinesis stream"
        );
        let patterns = |name: &str| match var(name) {
            Ok(list) => Patterns::parse(&list).with_context(|| {
                format!("`{name}` holds no pattern; list some, as in `*.pin,*.geo`, or unset it")
            }),
            Err(VarError::NotPresent) => Ok(Patterns::default()),
            Err(error) => Err(error).with_context(|| format!("`{name}` cannot be read")),
        };
        Ok(Self {
            stream_name,
            topics: patterns(topics)?,
            streams: patterns(streams)?,
            api_keys: match var(api_keys) {
                // Terraform sets what is not wanted to nothing.
                Ok(parameter) if parameter.is_empty() => None,
                Ok(parameter) => Some(parameter),
                Err(VarError::NotPresent) => None,
                Err(error) => Err(error).with_context(|| format!("`{api_keys}` cannot be read"))?,
            },
            patience: match var(patience) {
                Err(VarError::NotPresent) => DEFAULT_PATIENCE,
                other => {
                    let millis = other.ok().and_then(|text| text.parse().ok());
                    let millis = millis.filter(|millis| *millis <= LONGEST_PATIENCE_MS);
                    millis.map(Duration::from_millis).with_context(|| {
                        format!("set `{patience}` to milliseconds, 0 to {LONGEST_PATIENCE_MS}, or leave it out")
                    })?
                }
            },
            deep_health: match var(deep_health).as_deref() {
                Err(VarError::NotPresent) | Ok("on") => true,
                Ok("off") => false,
                _ => anyhow::bail!("set `{deep_health}` to `on` or `off`, or leave it out"),
            },
            packing: match var(packing).as_deref() {
                Err(VarError::NotPresent) | Ok("off") => None,
                Ok(form @ ("lines" | "gzip")) => Some(Packing {
                    partition_keys: match var(packing_keys) {
                        Err(VarError::NotPresent) => Packing::DEFAULT_PARTITION_KEYS,
                        other => {
                            let keys = other.ok().and_then(|text| text.parse().ok());
                            let keys =
                                keys.filter(|keys: &NonZeroU16| keys.get() <= MOST_PACKING_KEYS);
                            keys.with_context(|| {
                                format!("set `{packing_keys}` to a number from 1 to {MOST_PACKING_KEYS}, or leave it out")
                            })?
                        }
                    },
                    is_compressed: form == "gzip",
                }),
                _ => anyhow::bail!("set `{packing}` to `off`, `lines` or `gzip`, or leave it out"),
            },
            model: Model::load_from(var(model_dir).ok().as_deref().map(Path::new))?,
        })
    }
}

/// Patterns of names, `*` standing for any run of characters; by default, any name matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

impl Default for Patterns {
    fn default() -> Self {
        Self(vec!["*".to_owned()])
    }
}

impl Patterns {
    /// Reads a list with commas in between; `None` when it is empty.
    pub fn parse(list: &str) -> Option<Self> {
        let patterns: Vec<_> = list
            .split(',')
            .map(str::trim)
            .filter(|pattern| !pattern.is_empty())
            .map(str::to_owned)
            .collect();
        (!patterns.is_empty()).then_some(Self(patterns))
    }

    /// Returns whether some pattern matches the whole name.
    pub fn allow(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// Returns names that are allowed: those that are listed, and where a pattern ends with `*`, one for each table.
    pub fn examples(&self, model: &Model) -> Vec<String> {
        let mut names = Vec::new();
        for pattern in &self.0 {
            match pattern.strip_suffix('*') {
                None if !pattern.contains('*') => names.push(pattern.clone()),
                Some(start) if !start.contains('*') => {
                    names.extend(model.kinds().map(|kind| format!("{start}{kind}")));
                }
                _ => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    // Between two stars the first place that fits is as good as any; the tail must fit at the end.
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> anyhow::Result<Config> {
        Config::from_vars(|name| {
            let var = vars.iter().find(|(var, _)| *var == name);
            var.map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn the_stream_is_required_and_patterns_are_not() {
        let read = config(&[
            ("STREAM_NAME", "events"),
            ("TOPIC_PATTERNS", "*.pin, *.geo"),
        ])
        .unwrap();
        assert_eq!(read.stream_name, "events");
        assert!(read.topics.allow("abc.geo") && !read.topics.allow("abc.user"));
        assert!(read.streams.allow("anything"));
        assert_eq!(read.api_keys, None);
        assert_eq!(read.packing, None);
    }

    #[test]
    fn a_bad_variable_is_named() {
        for (vars, message) in [
            (
                &[][..],
                "set `STREAM_NAME` to the name of the Kinesis stream",
            ),
            (
                &[("STREAM_NAME", "")],
                "`STREAM_NAME` is empty; set it to the name of the Kinesis stream",
            ),
            (
                &[("STREAM_NAME", "events"), ("PACKING", "zip")],
                "set `PACKING` to `off`, `lines` or `gzip`, or leave it out",
            ),
            (
                &[
                    ("STREAM_NAME", "events"),
                    ("PACKING", "gzip"),
                    ("PACKING_KEYS", "0"),
                ],
                "set `PACKING_KEYS` to a number from 1 to 10000, or leave it out",
            ),
            (
                &[("STREAM_NAME", "events"), ("STREAM_PATTERNS", " ,")],
                "`STREAM_PATTERNS` holds no pattern; list some, as in `*.pin,*.geo`, or unset it",
            ),
        ] {
            assert_eq!(config(vars).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn examples_are_names_that_are_allowed() {
        for (list, names) in [
            ("*", vec!["geo", "pin", "user"]),
            ("a.*,b.pin,a.pin", vec!["a.geo", "a.pin", "a.user", "b.pin"]),
            ("*.pin", vec![]),
        ] {
            let patterns = Patterns::parse(list).unwrap();
            let model = Model::load_from(None).unwrap();
            assert_eq!(patterns.examples(&model), names, "{list}");
            assert!(names.iter().all(|name| patterns.allow(name)));
        }
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, is_match) in [
            ("*", "", true),
            ("a.pin", "a.pin", true),
            ("a.pin", "ba.pin", false),
            ("*.pin", "abc.pin", true),
            ("*.pin", "abc.pins", false),
            ("streaming-*-pin", "streaming-abc-pin", true),
            ("streaming-*-pin", "streaming-pin", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }
}
