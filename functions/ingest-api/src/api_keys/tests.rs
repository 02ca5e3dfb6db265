use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::{Value, json};
use test_server::TestServer;

use super::*;

const FIRST: &str = "first-key-0123456789";
const SECOND: &str = "second-key-012345678";
const UNKNOWN: &str = "nobody-knows-this-key";

fn headers(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, key.parse().unwrap());
    headers
}

/// A parameter that a test changes, and the time.
#[derive(Clone, Default)]
struct Ssm {
    /// None when it cannot be read.
    list: Arc<std::sync::Mutex<Option<String>>>,
    seconds: Arc<AtomicU64>,
}

impl Ssm {
    fn put(&self, keys: &[&str]) {
        *self.list.lock().unwrap() = Some(keys.join("\n"));
    }

    fn fail(&self) {
        *self.list.lock().unwrap() = None;
    }

    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.seconds);
        Clock::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
    }

    fn advance(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The keys, and the service that counts the readings.
    async fn keys(&self) -> (ApiKeys, TestServer) {
        let (keys, server) = self.start().await;
        (keys.unwrap(), server)
    }

    async fn start(&self) -> (anyhow::Result<ApiKeys>, TestServer) {
        let list = Arc::clone(&self.list);
        let server = TestServer::start(move |request| {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            assert_eq!(body, json!({"Name": "/keys", "WithDecryption": true}));
            assert_eq!(request.headers()["x-amz-target"], "AmazonSSM.GetParameter");
            let authorization = request.headers()["authorization"].to_str().unwrap();
            assert!(
                authorization.contains("/us-east-1/ssm/aws4_request"),
                "{authorization}"
            );
            match &*list.lock().unwrap() {
                Some(list) => (200, json!({"Parameter": {"Value": list}}).to_string()),
                None => (
                    400,
                    json!({"__type": "ParameterNotFound", "message": "no"}).to_string(),
                ),
            }
        });
        let server = server.await.unwrap();
        let ssm = ssm(server.url(), self.clock());
        let keys = ApiKeys::from_parameter(ssm, "/keys", self.clock(), 0).await;
        (keys, server)
    }
}

fn ssm(endpoint: &str, clock: Clock) -> AwsRequest {
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .build();
    AwsRequest::new(&config, clock).unwrap()
}

#[tokio::test]
async fn a_request_needs_one_of_the_keys_exactly() {
    let keys = ApiKeys::parse(&format!("{FIRST}\n\n  {SECOND}\n")).unwrap();
    assert!(keys.name_of(&headers(FIRST)).await.is_some());
    assert!(keys.name_of(&headers(SECOND)).await.is_some());
    for wrong in [
        "",
        "first-key-012345678",
        "first-key-01234567890",
        "FIRST-KEY-0123456789",
    ] {
        assert!(keys.name_of(&headers(wrong)).await.is_none(), "{wrong}");
    }
    assert!(keys.name_of(&HeaderMap::new()).await.is_none());
}

#[tokio::test]
async fn the_log_can_tell_whose_key_it_was() {
    let keys = ApiKeys::parse(&format!("loader-2.eu:{FIRST}\n{SECOND}")).unwrap();
    assert_eq!(
        keys.name_of(&headers(FIRST)).await.as_deref(),
        Some("loader-2.eu")
    );
    let unnamed = keys.name_of(&headers(SECOND)).await.unwrap();
    assert!(
        unnamed.starts_with("key-") && unnamed.len() == 12,
        "{unnamed}"
    );
    // The name is no part of the key.
    let whole = format!("loader-2.eu:{FIRST}");
    assert_eq!(keys.name_of(&headers(&whole)).await, None);
    for (list, error) in [
        (format!("two words:{FIRST}"), InvalidApiKeys::InvalidName(1)),
        (
            format!("a:{FIRST}\n:{SECOND}"),
            InvalidApiKeys::InvalidName(2),
        ),
        ("a:0123456789".to_owned(), InvalidApiKeys::TooShort(1)),
    ] {
        assert_eq!(ApiKeys::parse(&list).unwrap_err(), error, "{list}");
    }
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
    let ssm = Ssm::default();
    ssm.put(&[FIRST, SECOND]);
    let (keys, get) = ssm.keys().await;
    assert!(keys.name_of(&headers(SECOND)).await.is_some());
    assert_eq!(get.calls(), 1, "young keys are not read again");
}

#[tokio::test]
async fn without_a_usable_list_there_is_no_start() {
    let ssm = Ssm::default();
    let (keys, _) = ssm.start().await;
    assert_eq!(
        format!("{:#}", keys.unwrap_err()),
        "could not read the API keys from the SSM parameter `/keys`: SSM answered 400: ParameterNotFound no"
    );
    ssm.put(&["short"]);
    let (keys, _) = ssm.start().await;
    assert_eq!(
        format!("{:#}", keys.unwrap_err()),
        "the SSM parameter `/keys` has no usable API keys: API key 1 has fewer than 16 characters; make a longer one"
    );
}

#[tokio::test]
async fn a_key_goes_from_old_to_new_without_a_gap() {
    let ssm = Ssm::default();
    ssm.put(&[FIRST]);
    let (keys, _server) = ssm.keys().await;
    let allowed = async || {
        (
            keys.name_of(&headers(FIRST)).await.is_some(),
            keys.name_of(&headers(SECOND)).await.is_some(),
        )
    };
    ssm.put(&[FIRST, SECOND]);
    assert_eq!(allowed().await, (true, false), "just read");
    ssm.advance(30);
    assert_eq!(allowed().await, (true, true), "looked for at once");
    ssm.put(&[SECOND]);
    ssm.advance(299);
    assert_eq!(allowed().await, (true, true), "not five minutes yet");
    ssm.advance(1);
    assert_eq!(allowed().await, (false, true));
}

#[tokio::test]
async fn known_keys_stay_valid_while_the_list_cannot_be_read() {
    let ssm = Ssm::default();
    ssm.put(&[FIRST]);
    let (keys, get) = ssm.keys().await;
    ssm.fail();
    for calls in 2..5 {
        ssm.advance(300);
        assert!(keys.name_of(&headers(FIRST)).await.is_some());
        assert!(keys.name_of(&headers(FIRST)).await.is_some());
        assert_eq!(get.calls(), calls, "one try in 30 s");
    }
    // A list that protects nothing is not one either.
    ssm.put(&["short"]);
    ssm.advance(300);
    assert!(keys.name_of(&headers(FIRST)).await.is_some());
    ssm.put(&[SECOND]);
    ssm.advance(30);
    assert!(keys.name_of(&headers(FIRST)).await.is_none());
    assert!(keys.name_of(&headers(SECOND)).await.is_some());
}

#[tokio::test]
async fn unknown_keys_cause_one_reading_in_half_a_minute() {
    let ssm = Ssm::default();
    ssm.put(&[FIRST]);
    let (keys, get) = ssm.keys().await;
    for _ in 0..90 {
        ssm.advance(1);
        assert!(keys.name_of(&headers(UNKNOWN)).await.is_none());
        assert!(keys.name_of(&HeaderMap::new()).await.is_none());
    }
    assert_eq!(get.calls(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_long_for_a_list_that_does_not_come() {
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let ssm = Ssm::default();
    let keys = ApiKeys(Source::Parameter(Arc::new(Parameter {
        ssm: super::tests::ssm(&endpoint, ssm.clock()),
        name: "/keys".to_owned(),
        clock: ssm.clock(),
        reading: Mutex::new(Reading {
            digests: Digests::parse(FIRST).unwrap(),
            read_at: UNIX_EPOCH,
            tried_at: UNIX_EPOCH,
        }),
    })));
    ssm.advance(300);
    let started = tokio::time::Instant::now();
    assert!(keys.name_of(&headers(FIRST)).await.is_some());
    assert_eq!(started.elapsed(), READ_TIMEOUT);
}

#[test]
fn keys_do_not_show_in_debug() {
    let keys = ApiKeys::parse(&format!("{FIRST}\n{SECOND}")).unwrap();
    assert_eq!(format!("{keys:?}"), "ApiKeys(2)");
}

/// A service that takes some calls a second, as SSM takes 40 of an account.
async fn throttled(calls_per_second: usize) -> TestServer {
    let taken = std::sync::Mutex::new((std::time::Instant::now(), 0));
    let server = TestServer::start(move |_| {
        let mut taken = taken.lock().unwrap();
        if taken.0.elapsed() >= Duration::from_secs(1) {
            *taken = (std::time::Instant::now(), 0);
        }
        taken.1 += 1;
        if taken.1 > calls_per_second {
            let refusal = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
            return (400, refusal.to_string());
        }
        (200, json!({"Parameter": {"Value": FIRST}}).to_string())
    });
    server.await.unwrap()
}

#[tokio::test]
async fn two_hundred_starts_at_once_all_get_the_keys() {
    let server = throttled(40).await;
    let ssm = ssm(server.url(), Clock::new(|| UNIX_EPOCH));
    let started = std::time::Instant::now();
    let starts = (0..200).map(|seed| {
        let (ssm, clock) = (ssm.clone(), Clock::new(|| UNIX_EPOCH));
        async move { ApiKeys::from_parameter(ssm, "/keys", clock, seed).await }
    });
    let starts: tokio::task::JoinSet<_> = starts.collect();
    let starts = starts.join_all().await;
    let failed: Vec<_> = starts
        .iter()
        .filter_map(|keys| keys.as_ref().err())
        .collect();
    assert!(
        failed.is_empty(),
        "{} starts: {:#}",
        failed.len(),
        failed[0]
    );
    assert!(
        started.elapsed() >= Duration::from_secs(4),
        "nothing was refused"
    );
    assert!(server.calls() < 200 * 10, "{} calls", server.calls());
}

#[tokio::test]
async fn a_parameter_that_is_not_there_is_asked_for_once() {
    let ssm = Ssm::default();
    let (keys, server) = ssm.start().await;
    let error = format!("{:#}", keys.unwrap_err());
    assert!(
        error.ends_with("SSM answered 400: ParameterNotFound no"),
        "{error}"
    );
    assert_eq!(server.calls(), 1);
}
