//! The keys that a request must have one of, where the API is not open.

use std::fmt;

use anyhow::Context as _;
use lambda_http::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The header of a request's key, by API Gateway's own name.
const HEADER: &str = "x-api-key";

/// Fewest characters of a key: what is shorter can be guessed.
const MIN_KEY_CHARS: usize = 16;

/// Keys, kept as digests. `Debug` does not show them.
#[derive(Clone)]
pub struct ApiKeys(Vec<[u8; 32]>);

/// A list of keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKeys {
    /// There is no key in it.
    #[error("the list of API keys is empty; put at least one there, a key a line")]
    Empty,
    /// A key can be guessed.
    #[error("API key {0} has fewer than {MIN_KEY_CHARS} characters; make a longer one")]
    TooShort(usize),
}

impl ApiKeys {
    /// Reads keys, one a line; blank lines are skipped.
    pub fn parse(list: &str) -> Result<Self, InvalidApiKeys> {
        let keys: Vec<_> = list
            .lines()
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .collect();
        if keys.is_empty() {
            return Err(InvalidApiKeys::Empty);
        }
        if let Some(index) = keys
            .iter()
            .position(|key| key.chars().count() < MIN_KEY_CHARS)
        {
            return Err(InvalidApiKeys::TooShort(index + 1));
        }
        Ok(Self(keys.into_iter().map(digest).collect()))
    }

    /// Reads the keys from a parameter of SSM, which may be encrypted.
    pub async fn from_parameter(ssm: &aws_sdk_ssm::Client, name: &str) -> anyhow::Result<Self> {
        let request = ssm.get_parameter().name(name).with_decryption(true);
        let output = request.send().await.with_context(|| {
            format!("could not read the API keys from the SSM parameter `{name}`")
        })?;
        let list = output
            .parameter()
            .and_then(|parameter| parameter.value())
            .unwrap_or_default();
        Self::parse(list)
            .with_context(|| format!("the SSM parameter `{name}` has no usable API keys"))
    }

    /// Returns whether the request has one of the keys.
    ///
    /// Digests are compared, each with all of the keys and to its end, so the time tells nothing of how near a guess was.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(key) = headers.get(HEADER) else {
            return false;
        };
        let given = digest(key.as_bytes());
        let is_right = self
            .0
            .iter()
            .fold(Choice::from(0), |found, key| found | key.ct_eq(&given));
        is_right.into()
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKeys({})", self.0.len())
    }
}

fn digest(key: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "first-key-0123456789\n\n  second-key-012345678\n";

    fn headers(key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, key.parse().unwrap());
        headers
    }

    #[test]
    fn a_request_needs_one_of_the_keys_exactly() {
        let keys = ApiKeys::parse(KEYS).unwrap();
        assert!(keys.allow(&headers("first-key-0123456789")));
        assert!(keys.allow(&headers("second-key-012345678")));
        for wrong in [
            "",
            "first-key-012345678",
            "first-key-01234567890",
            "FIRST-KEY-0123456789",
        ] {
            assert!(!keys.allow(&headers(wrong)), "{wrong}");
        }
        assert!(!keys.allow(&HeaderMap::new()));
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        assert_eq!(ApiKeys::parse(" \n").unwrap_err(), InvalidApiKeys::Empty);
        let error = ApiKeys::parse("long-enough-for-a-key\nshort").unwrap_err();
        assert_eq!(
            error.to_string(),
            "API key 2 has fewer than 16 characters; make a longer one"
        );
    }

    #[tokio::test]
    async fn keys_come_from_a_parameter_that_is_decrypted() {
        use aws_sdk_ssm::operation::get_parameter::GetParameterOutput;
        use aws_sdk_ssm::types::Parameter;
        use aws_smithy_mocks::{mock, mock_client};

        let get = mock!(aws_sdk_ssm::Client::get_parameter)
            .match_requests(|input| {
                input.name() == Some("/keys") && input.with_decryption() == Some(true)
            })
            .then_output(|| {
                GetParameterOutput::builder()
                    .parameter(Parameter::builder().value(KEYS).build())
                    .build()
            });
        let ssm = mock_client!(aws_sdk_ssm, [&get]);
        let keys = ApiKeys::from_parameter(&ssm, "/keys").await.unwrap();
        assert!(keys.allow(&headers("second-key-012345678")));
    }

    #[test]
    fn keys_do_not_show_in_debug() {
        assert_eq!(format!("{:?}", ApiKeys::parse(KEYS).unwrap()), "ApiKeys(2)");
    }
}
