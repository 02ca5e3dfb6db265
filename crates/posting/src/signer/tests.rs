use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use aws_credential_types::provider::{ProvideCredentials, future};

use super::*;

/// 2026-03-01 12:30:45 UTC.
const NOW: u64 = 1_772_368_245;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

async fn sign_with(
    signer: &Signer,
    method: Method,
    url: &str,
    content_type: &'static str,
    body: &str,
) -> Vec<String> {
    let url = url.parse().unwrap();
    let headers = signer.headers(&method, &url, content_type, body.as_bytes());
    let headers = headers.await.unwrap();
    let shown =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut headers: Vec<_> = headers.iter().map(shown).collect();
    headers.sort();
    headers
}

/// The expected values are those of `SigV4Auth` in botocore 1.44.5, for the same requests.
#[tokio::test]
async fn a_signature_is_that_of_another_implementation() {
    let clock = Clock::new(|| at(NOW));
    let signer = Signer::fixed(None, "eu-west-1", clock.clone());
    let headers = sign_with(
        &signer,
        Method::PUT,
        "https://abc123.execute-api.eu-west-1.amazonaws.com/Dev/streams/streaming-pinflow-pin/record",
        "application/json",
        r#"{"StreamName":"streaming-pinflow-pin","Data":{"index":7528,"title":"Café"},"PartitionKey":"pin"}"#,
    );
    assert_eq!(
        headers.await,
        [
            "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/eu-west-1/execute-api/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=a1e84d05d62ef694021e5c08ca5efb9c46863ba684f704ba02dac7c236ed225b",
            "x-amz-date: 20260301T123045Z"
        ]
    );

    let token = "IQoJb3JpZ2luX2VjEXAMPLETOKEN==";
    let signer = Signer::fixed(Some(token), "us-east-1", clock);
    for (method, url, content_type, body, signature) in [
        (
            Method::POST,
            "http://127.0.0.1:9000/Dev/topics/pinflow.geo",
            "application/vnd.kafka.json.v2+json",
            r#"{"records":[{"value":{"ind":1}}]}"#,
            "271ace21e1977a9541ce32f862d8cd5389fe6368f53b4dd4f71a1cb53264887f",
        ),
        (
            Method::POST,
            "https://api.example.com/My%20Stage/events/user?deep=1&a=b%2Fc",
            "application/json",
            "[]",
            "1d26f4d7b58bcab91f19b5479d231797cab85986a20335541e1e28dd0ec10884",
        ),
    ] {
        let headers = sign_with(&signer, method, url, content_type, body).await;
        assert_eq!(
            headers,
            [
                format!(
                    "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/us-east-1/execute-api/aws4_request, \
                     SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature={signature}"
                ),
                "x-amz-date: 20260301T123045Z".to_owned(),
                format!("x-amz-security-token: {token}"),
            ],
            "{url}"
        );
    }
}

/// Gives other credentials each time; they expire an hour later.
#[derive(Debug)]
struct Hourly {
    now: Arc<AtomicU64>,
    fetched: AtomicU64,
}

impl ProvideCredentials for Hourly {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.fetched.fetch_add(1, Ordering::Relaxed);
        let expiry = at(self.now.load(Ordering::Relaxed) + 3_600);
        future::ProvideCredentials::ready(Ok(Credentials::new(
            format!("AKID{number}"),
            "secret",
            None,
            Some(expiry),
            "test",
        )))
    }
}

#[tokio::test]
async fn credentials_are_kept_until_they_are_about_to_expire() {
    let now = Arc::new(AtomicU64::new(NOW));
    let provider = Hourly {
        now: Arc::clone(&now),
        fetched: AtomicU64::new(0),
    };
    let read = Arc::clone(&now);
    let signer = Signer::new(
        SharedCredentialsProvider::new(provider),
        "us-east-1".to_owned(),
        Clock::new(move || at(read.load(Ordering::Relaxed))),
    );
    let mut keys = Vec::new();
    for seconds in [0, 1_800, 3_500, 3_541, 7_000] {
        now.store(NOW + seconds, Ordering::Relaxed);
        let headers = sign_with(&signer, Method::GET, "http://x/", "text/plain", "").await;
        let key = headers[0].split(['=', '/']).nth(1).unwrap();
        keys.push(key.to_owned());
    }
    assert_eq!(keys, ["AKID0", "AKID0", "AKID0", "AKID1", "AKID1"]);
}

#[tokio::test]
async fn a_user_in_the_url_is_refused() {
    let api = "https://me:secret@api.example.com/Dev".parse().unwrap();
    let clock = Clock::new(|| at(NOW));
    let error = Signer::find(&Identity::default(), &api, clock)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the API's URL has a user in it, and --sigv4 signs the requests: leave one of them out"
    );
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_told_with_what_to_do() {
    let identity = Identity {
        profile: Some("no-such-profile-of-a-test".to_owned()),
        region: None,
    };
    let api = "https://api.example.com/Dev".parse().unwrap();
    let error = Signer::find(&identity, &api, Clock::new(|| at(NOW)))
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"there are no AWS credentials to sign with: the profile `no-such-profile-of-a-test` is not there, or has none; sign in (`aws sso login`), set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name another profile with --profile");
}

#[test]
fn the_host_of_an_api_tells_its_region() {
    let region = |url: &str| region_of_host(&url.parse().unwrap());
    let of_the_api = region("https://abc123.execute-api.eu-west-1.amazonaws.com/Dev");
    assert_eq!(of_the_api.as_deref(), Some("eu-west-1"));
    let private = region("https://abc123-vpce-1.execute-api.us-east-2.vpce.amazonaws.com/Dev");
    assert_eq!(private.as_deref(), Some("us-east-2"));
    assert_eq!(region("https://api.example.com/Dev"), None);
    assert_eq!(region("http://127.0.0.1:9000"), None);
}
