#![doc = include_str!("../README.md")]

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use event_model::Clock;
use http::Request;
use http_body_util::BodyExt as _;

/// Time for one call, from the first byte sent to the last one received.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Signs and sends requests to the services of one region.
#[derive(Clone, Debug)]
pub struct AwsRequest {
    connector: SharedHttpConnector,
    credentials: SharedCredentialsProvider,
    region: String,
    /// Overrides the endpoint of every service, as `AWS_ENDPOINT_URL` does.
    endpoint: Option<String>,
    clock: Clock,
}

/// A service's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

impl AwsRequest {
    /// Takes credentials, region and endpoint from the SDK's configuration.
    ///
    /// # Errors
    ///
    /// When the configuration has no credentials or no region.
    pub fn new(config: &SdkConfig, clock: Clock) -> anyhow::Result<Self> {
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        Ok(Self {
            connector: SharedHttpConnector::new(
                Connector::builder().tls_provider(provider).build(),
            ),
            credentials: config
                .credentials_provider()
                .context("there are no AWS credentials")?,
            region: config
                .region()
                .context("no AWS region is set; set AWS_REGION")?
                .to_string(),
            endpoint: config.endpoint_url().map(str::to_owned),
            clock,
        })
    }

    /// Posts a body to a path of a service (`lambda`, `ssm`), with these headers.
    ///
    /// # Errors
    ///
    /// When there are no credentials, the service cannot be reached, or the call takes more than 10 seconds. An answer of any
    /// status is no error.
    pub async fn post(
        &self,
        service: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let call = self.send(service, path, headers, body);
        tokio::time::timeout(TIMEOUT, call)
            .await
            .with_context(|| format!("no answer from `{service}` within {} s", TIMEOUT.as_secs()))?
    }

    async fn send(
        &self,
        service: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let url = match &self.endpoint {
            Some(endpoint) => format!("{}{path}", endpoint.trim_end_matches('/')),
            None => format!("https://{service}.{}.amazonaws.com{path}", self.region),
        };
        let identity = self
            .credentials
            .provide_credentials()
            .await
            .context("there are no AWS credentials to sign with")?
            .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(self.clock.now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signable = SignableRequest::new(
            "POST",
            url.as_str(),
            headers.iter().copied(),
            SignableBody::Bytes(&body),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = Request::post(url.as_str());
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        let request = request.body(SdkBody::from(body))?;
        let answer = self
            .connector
            .call(request.try_into()?)
            .await
            .with_context(|| format!("could not reach `{service}`"))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        Ok(Answer { status, body })
    }
}
