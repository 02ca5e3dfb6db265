//! The keys that a request must have one of, where the API is not open.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use aws_request::AwsRequest;
use event_model::Clock;
use lambda_http::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use crate::producer::Jitter;

/// The header of a request's key, by API Gateway's own name.
const HEADER: &str = "x-api-key";

/// Fewest characters of a key: what is shorter can be guessed.
const MIN_KEY_CHARS: usize = 16;

/// Age from which keys are read again: so long a key that was taken off the list is still good.
const MAX_AGE: Duration = Duration::from_mins(5);

/// Time between two readings, also when requests bring keys that nobody knows: a guesser cannot use up the calls to SSM.
const READ_PAUSE: Duration = Duration::from_secs(30);

/// Longest that a start goes on asking for the keys; Lambda gives it ten seconds.
const START_PATIENCE: Duration = Duration::from_secs(8);

/// Longest that a request waits for a reading.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The keys of an API. Cheap to clone. `Debug` does not show them.
#[derive(Clone)]
pub struct ApiKeys(Source);

#[derive(Clone)]
enum Source {
    /// A list that stays.
    List(Digests),
    /// A parameter that may change.
    Parameter(Arc<Parameter>),
}

/// Most characters of a key's name.
const MAX_NAME_CHARS: usize = 64;

/// Keys, kept as digests.
#[derive(Clone)]
struct Digests(Vec<Key>);

#[derive(Clone)]
struct Key {
    digest: [u8; 32],
    /// What the log calls the key; an old and a new one may have the same.
    name: Arc<str>,
}

/// A parameter of SSM that holds keys, and what is known of it.
struct Parameter {
    ssm: AwsRequest,
    name: String,
    clock: Clock,
    reading: Mutex<Reading>,
}

/// The last reading that succeeded.
struct Reading {
    digests: Digests,
    read_at: SystemTime,
    /// When a reading was last tried, be it in vain.
    tried_at: SystemTime,
}

/// A list of keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKeys {
    /// There is no key in it.
    #[error("the list of API keys is empty; put at least one there, a key a line")]
    Empty,
    /// A key can be guessed.
    #[error("API key {0} has fewer than {MIN_KEY_CHARS} characters; make a longer one")]
    TooShort(usize),
    /// The text before a key's colon is no name. The key is not shown.
    #[error(
        "the name of API key {0} has other characters than A-Z a-z 0-9 . _ -, or none, or more than {MAX_NAME_CHARS}; write NAME:KEY, or the key alone, without a colon"
    )]
    InvalidName(usize),
}

impl ApiKeys {
    /// Makes keys of a list that stays, one a line, as `KEY` or `NAME:KEY`; blank lines are skipped.
    pub fn parse(list: &str) -> Result<Self, InvalidApiKeys> {
        Digests::parse(list).map(|digests| Self(Source::List(digests)))
    }

    /// Reads the keys from a parameter of SSM, which may be encrypted, and reads them again while requests come: when they are
    /// five minutes old, and when a request brings a key that is not among them.
    ///
    /// Environments that start together ask SSM together, which takes 40 calls a second of an account: what it refuses for that, or
    /// cannot answer, is asked again, within the ten seconds that Lambda gives a start. `seed` spreads them.
    pub async fn from_parameter(
        ssm: AwsRequest,
        name: &str,
        clock: Clock,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let digests = read_at_start(&ssm, name, &Jitter::new(seed)).await?;
        let now = clock.now();
        Ok(Self(Source::Parameter(Arc::new(Parameter {
            ssm,
            name: name.to_owned(),
            clock,
            reading: Mutex::new(Reading {
                digests,
                read_at: now,
                tried_at: now,
            }),
        }))))
    }

    /// Returns the name of the request's key; `None` when it has none of the keys.
    ///
    /// A key without a name is called `key-` and the first eight digits of its SHA-256.
    pub(crate) async fn name_of(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let given = digest(headers.get(HEADER)?.as_bytes());
        match &self.0 {
            Source::List(digests) => digests.find(&given),
            Source::Parameter(parameter) => parameter.find(&given).await,
        }
    }
}

impl Parameter {
    /// Returns a key's name when it is in the list, after another look at it where that is due.
    ///
    /// Requests that come at once wait for one reading. When it fails, the keys of the last one stay valid.
    async fn find(&self, given: &[u8; 32]) -> Option<Arc<str>> {
        let mut reading = self.reading.lock().await;
        let now = self.clock.now();
        let passed = |since| now.duration_since(since).unwrap_or_default();
        let is_wanted = passed(reading.read_at) >= MAX_AGE || reading.digests.find(given).is_none();
        if is_wanted && passed(reading.tried_at) >= READ_PAUSE {
            reading.tried_at = now;
            match timeout(READ_TIMEOUT, read(&self.ssm, &self.name)).await {
                Ok(Ok(digests)) => {
                    reading.digests = digests;
                    reading.read_at = now;
                }
                Ok(Err(error)) => self.warn(&format!("{error:#}")),
                Err(_) => self.warn(&format!("no answer in {} ms", READ_TIMEOUT.as_millis())),
            }
        }
        reading.digests.find(given)
    }

    /// The reason must not show the answer.
    fn warn(&self, reason: &str) {
        let parameter = &self.name;
        warn!(
            parameter,
            error = reason,
            "Could not read the API keys again; the known ones stay valid"
        );
    }
}

impl Digests {
    fn parse(list: &str) -> Result<Self, InvalidApiKeys> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
        for (number, line) in (1..).zip(lines) {
            let (name, key) = match line.split_once(':') {
                Some((name, _)) if !is_name(name) => {
                    return Err(InvalidApiKeys::InvalidName(number));
                }
                Some((name, key)) => (Some(name), key),
                None => (None, line),
            };
            if key.chars().count() < MIN_KEY_CHARS {
                return Err(InvalidApiKeys::TooShort(number));
            }
            let digest = digest(key);
            let name = name.map_or_else(|| unnamed(&digest), Arc::from);
            keys.push(Key { digest, name });
        }
        if keys.is_empty() {
            return Err(InvalidApiKeys::Empty);
        }
        Ok(Self(keys))
    }

    /// Returns the name of a key that is one of these.
    ///
    /// Digests are compared, each with all of the keys and to its end, so the time reveals nothing of how near a guess was.
    fn find(&self, given: &[u8; 32]) -> Option<Arc<str>> {
        self.0.iter().fold(None, |found, key| {
            let is_right: bool = key.digest.ct_eq(given).into();
            if is_right {
                Some(Arc::clone(&key.name))
            } else {
                found
            }
        })
    }
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn unnamed(digest: &[u8; 32]) -> Arc<str> {
    let [a, b, c, d, ..] = digest;
    format!("key-{a:02x}{b:02x}{c:02x}{d:02x}").into()
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::List(digests) => write!(formatter, "ApiKeys({})", digests.0.len()),
            Source::Parameter(parameter) => write!(formatter, "ApiKeys(`{}`)", parameter.name),
        }
    }
}

/// Why the parameter was not read.
enum ReadError {
    /// Another try may succeed.
    MayPass(anyhow::Error),
    ForGood(anyhow::Error),
}

/// Reads the keys, again and again while that may help.
async fn read_at_start(ssm: &AwsRequest, name: &str, jitter: &Jitter) -> anyhow::Result<Digests> {
    let end = Instant::now() + START_PATIENCE;
    let mut tries = 0;
    loop {
        let error = match get_parameter(ssm, name).await {
            Err(ReadError::MayPass(error)) => error,
            list => return digests(list, name),
        };
        let pause = jitter.pause(tries);
        if Instant::now() + pause >= end {
            return digests(Err(ReadError::MayPass(error)), name);
        }
        tries += 1;
        sleep(pause).await;
    }
}

async fn read(ssm: &AwsRequest, name: &str) -> anyhow::Result<Digests> {
    digests(get_parameter(ssm, name).await, name)
}

fn digests(list: Result<String, ReadError>, name: &str) -> anyhow::Result<Digests> {
    let list = list
        .map_err(|error| match error {
            ReadError::MayPass(error) | ReadError::ForGood(error) => error,
        })
        .with_context(|| format!("could not read the API keys from the SSM parameter `{name}`"))?;
    Digests::parse(&list)
        .with_context(|| format!("the SSM parameter `{name}` has no usable API keys"))
}

/// Calls `GetParameter`, and returns the decrypted value.
async fn get_parameter(ssm: &AwsRequest, name: &str) -> Result<String, ReadError> {
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "AmazonSSM.GetParameter"),
    ];
    let body = serde_json::json!({"Name": name, "WithDecryption": true}).to_string();
    let answer = ssm.post("ssm", "/", &headers, body.into_bytes());
    let answer = answer.await.map_err(ReadError::MayPass)?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != 200 {
        let code = body["__type"].as_str().unwrap_or_default();
        // An error's message may be shown, an answer may not.
        let message = body["message"].as_str().unwrap_or_default();
        let error = anyhow!("SSM answered {}: {code} {message}", answer.status);
        let is_passing = answer.status >= 500 || code.contains("Throttling");
        return Err(if is_passing {
            ReadError::MayPass(error)
        } else {
            ReadError::ForGood(error)
        });
    }
    let value = &body["Parameter"]["Value"];
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn digest(key: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests;
