//! Signature Version 4 of requests to an API that asks for IAM credentials.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use event_model::Clock;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use tokio::sync::Mutex;

/// With whose credentials, and for which region, requests are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Profile of the AWS configuration files; `None` is the usual chain.
    pub profile: Option<String>,
    /// `None` is the one in the API's host name, else that of the profile or the environment.
    pub region: Option<String>,
}

/// A request that cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// There are no credentials, or they cannot be fetched.
    #[error(
        "there are no AWS credentials to sign with: {reason}; sign in (`aws sso login`), set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or name another profile with --profile"
    )]
    NoCredentials {
        /// What the SDK says.
        reason: String,
    },
    /// The URL has a login, which needs the same header as a signature.
    #[error(
        "the API's URL has a user in it, and --sigv4 signs the requests: leave one of them out"
    )]
    Login,
    /// The signer failed.
    #[error("could not sign a request")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs requests to one API. Each time that a request is sent, it is signed anew.
#[derive(Debug)]
pub struct Signer {
    provider: SharedCredentialsProvider,
    region: String,
    clock: Clock,
    /// What to say when there are no credentials.
    not_found: String,
    /// The credentials, until they expire.
    kept: Mutex<Option<Credentials>>,
}

/// The service of the signature: that of every API Gateway API, whatever its host name is.
const SERVICE: &str = "execute-api";
const NOT_FOUND: &str = "neither the environment nor a profile has any";
const DEFAULT_REGION: &str = "us-east-1";
/// Credentials that expire sooner than this are fetched again: a request must arrive before they do.
const RENEWED_BEFORE: Duration = Duration::from_mins(1);

impl Signer {
    /// Finds the credentials by AWS's usual chain: environment, configuration files, and what a machine of AWS is given.
    pub async fn find(identity: &Identity, api: &Url, clock: Clock) -> Result<Self, SignerError> {
        if !api.username().is_empty() || api.password().is_some() {
            return Err(SignerError::Login);
        }
        // The region of the signature is not the one in which a role or a sign-on is changed into credentials.
        let profile = identity.profile.as_deref();
        let config = aws_access::account(profile, None, Some(DEFAULT_REGION)).await;
        let not_found = match profile {
            Some(profile) => format!("the profile `{profile}` is not there, or has none"),
            None => NOT_FOUND.to_owned(),
        };
        let of_config = config
            .as_ref()
            .and_then(|config| Some((config.credentials_provider()?, config.region()?)));
        let Some((provider, region)) = of_config else {
            return Err(SignerError::NoCredentials { reason: not_found });
        };
        let signer = Self {
            not_found,
            ..Self::new(
                provider,
                identity
                    .region
                    .clone()
                    .or_else(|| region_of_host(api))
                    .unwrap_or_else(|| region.to_string()),
                clock,
            )
        };
        // Before anything else is opened or sent.
        signer.credentials(signer.clock.now()).await?;
        Ok(signer)
    }

    fn new(provider: SharedCredentialsProvider, region: String, clock: Clock) -> Self {
        Self {
            provider,
            region,
            clock,
            not_found: NOT_FOUND.to_owned(),
            kept: Mutex::new(None),
        }
    }

    /// Returns the region that the signatures are for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the headers that sign a request; the content type must be sent as it is here.
    pub async fn headers(
        &self,
        method: &Method,
        url: &Url,
        content_type: &'static str,
        body: &[u8],
    ) -> Result<HeaderMap, SignerError> {
        let now = self.clock.now();
        let identity = self.credentials(now).await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| SignerError::Sign(error.into()))?;
        let signed = [(CONTENT_TYPE.as_str(), content_type)];
        let request = SignableRequest::new(
            method.as_str(),
            url.as_str(),
            signed.into_iter(),
            SignableBody::Bytes(body),
        );
        let signature = request
            .and_then(|request| sign(request, &params.into()))
            .map_err(|error| SignerError::Sign(error.into()))?;
        let (instructions, _) = signature.into_parts();
        let mut headers = HeaderMap::new();
        for (name, value) in instructions.headers() {
            let name: HeaderName = name
                .parse()
                .map_err(|error| SignerError::Sign(Box::new(error)))?;
            let mut value: HeaderValue = value
                .parse()
                .map_err(|error| SignerError::Sign(Box::new(error)))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Returns the credentials; they are fetched once, and again when they are about to expire.
    async fn credentials(&self, now: SystemTime) -> Result<Credentials, SignerError> {
        // Whoever else sends meanwhile waits for the same credentials.
        let mut kept = self.kept.lock().await;
        if let Some(credentials) = &*kept
            && credentials
                .expiry()
                .is_none_or(|expiry| expiry > now + RENEWED_BEFORE)
        {
            return Ok(credentials.clone());
        }
        let fetched = self.provider.provide_credentials().await;
        let fetched = fetched.map_err(|error| SignerError::NoCredentials {
            reason: match &error {
                CredentialsError::CredentialsNotLoaded(_) => self.not_found.clone(),
                error => innermost(error),
            },
        })?;
        Ok(kept.insert(fetched).clone())
    }
}

/// Returns the region that an API's own host name has: `abc123.execute-api.eu-west-1.amazonaws.com`.
fn region_of_host(api: &Url) -> Option<String> {
    let mut labels = api.host_str()?.split('.');
    labels.find(|label| *label == SERVICE)?;
    labels.next().map(str::to_owned)
}

/// Returns the message that says most: the providers' own ones only say that something went wrong.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().trim_end_matches('.').to_owned()
}

#[cfg(test)]
impl Signer {
    /// Makes one with fixed credentials.
    pub fn fixed(token: Option<&str>, region: &str, clock: Clock) -> Self {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token.map(str::to_owned),
            None,
            "test",
        );
        Self::new(
            SharedCredentialsProvider::new(credentials),
            region.to_owned(),
            clock,
        )
    }
}

#[cfg(test)]
mod tests;
