use std::net::TcpListener;
use std::sync::atomic::AtomicU64;
use std::time::{Instant, UNIX_EPOCH};

use event_model::Clock;
use reqwest::Url;
use test_server::ScriptedServer as Server;

use super::*;
use crate::Signer;
use crate::{Access, Wire};

/// The answer to a row that is on the stream.
const ACCEPTED: (&str, &str, &str) = ("200 OK", "", r#"{"ShardId":"s","SequenceNumber":"1"}"#);

fn rows(offsets: &[i64]) -> Vec<Row> {
    let row = |&offset: &i64| Row {
        offset,
        key: Some(offset.into()),
        json: format!("{{\"ind\":{offset}}}").into(),
    };
    offsets.iter().map(row).collect()
}

fn poster(url: &Url, wire: Wire) -> Poster {
    posting_to(Api::try_new(url, wire, &Access::default()).unwrap())
}

fn posting_to(api: Api) -> Poster {
    Poster::new(api, 1, CancellationToken::new())
}

async fn deliver(poster: &Poster, offsets: &[i64]) -> Result<Delivery, PostError> {
    poster.deliver(Kind::named("pin"), rows(offsets)).await
}

fn sequences(delivery: &Delivery) -> Vec<&str> {
    let accepted = delivery.accepted.iter();
    accepted
        .map(|position| position.sequence.as_str())
        .collect()
}

fn failures(delivery: &Delivery) -> Vec<String> {
    let failed = delivery.failed.iter();
    let shown = |failure: &Failure| {
        let Failure {
            kind,
            offset,
            reason,
            attempts,
            ..
        } = failure;
        format!("{kind} {offset}, {attempts}: {reason}")
    };
    failed.map(shown).collect()
}

#[tokio::test]
async fn only_the_rows_that_failed_are_sent_again() {
    let server = Server::start(vec![
        (
            "207 Multi-Status",
            "",
            r#"{"results":[{"shard":"s","sequence_number":"1"},{"error":"later","retryable":true},
                {"error":"never","retryable":false},{"error":"later","retryable":true}]}"#,
        ),
        (
            "503 Service Unavailable",
            "",
            r#"{"results":[{"error":"later","retryable":true},{"error":"later","retryable":true}]}"#,
        ),
        (
            "200 OK",
            "",
            r#"{"results":[{"shard":"s","sequence_number":"2"},{"shard":"s","sequence_number":"3"}]}"#,
        ),
    ]);
    let poster = poster(&server.url, Wire::Events);
    let delivery = poster
        .deliver(Kind::named("geo"), rows(&[1, 2, 3, 4]))
        .await
        .unwrap();
    assert_eq!(sequences(&delivery), ["1", "2", "3"]);
    assert_eq!(failures(&delivery), ["geo 3, 1: 207 Multi-Status: never"]);
    assert_eq!(delivery.latencies.len(), 3);
    let again = "post /dev/events/geo http/1.1\n[{\"ind\":2},{\"ind\":4}]";
    assert_eq!(server.requests()[1..], [again, again]);
}

#[tokio::test]
async fn a_throttled_post_waits_as_long_as_it_is_asked_to() {
    let server = Server::start(vec![
        (
            "429 Too Many Requests",
            "retry-after: 1\r\n",
            r#"{"title":"Throttled","detail":"the stream throttles"}"#,
        ),
        ACCEPTED,
    ]);
    let poster = poster(&server.url, Wire::Kinesis);
    let started = Instant::now();
    let delivery = deliver(&poster, &[1]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(sequences(&delivery), ["1"]);
}

#[tokio::test]
async fn an_api_that_is_down_for_long_is_told() {
    let problem = r#"{"title":"Unavailable","detail":"the stream cannot be reached"}"#;
    let server = Server::start(vec![(
        "503 Service Unavailable",
        "retry-after: 600\r\n",
        problem,
    )]);
    let poster = poster(&server.url, Wire::Kafka);
    let delivery = deliver(&poster, &[1, 2]).await.unwrap();
    assert_eq!(
        failures(&delivery),
        [
            "pin 1, 1: 503 Service Unavailable: the stream cannot be reached",
            "pin 2, 1: 503 Service Unavailable: the stream cannot be reached"
        ]
    );
}

#[tokio::test]
async fn ctrl_c_ends_the_waiting() {
    let server = Server::start(vec![("502 Bad Gateway", "retry-after: 50\r\n", "")]);
    let stop = CancellationToken::new();
    let poster = Poster::new(
        Api::try_new(&server.url, Wire::Kafka, &Access::default()).unwrap(),
        1,
        stop.clone(),
    );
    stop.cancel();
    let delivery = deliver(&poster, &[1]).await.unwrap();
    assert_eq!(failures(&delivery), ["pin 1, 1: 502 Bad Gateway: no body"]);
}

#[tokio::test]
async fn a_row_that_is_refused_is_told_with_the_problems_detail() {
    let problem = r#"{"type":"urn:pinflow:problem:not-json","title":"Not JSON","status":400,"detail":"expected a value at byte 9"}"#;
    let server = Server::start(vec![("400 Bad Request", "", problem)]);
    let poster = poster(&server.url, Wire::Kinesis);
    let delivery = poster
        .deliver(Kind::named("user"), rows(&[1]))
        .await
        .unwrap();
    assert_eq!(
        failures(&delivery),
        ["user 1, 1: 400 Bad Request: expected a value at byte 9"]
    );
}

/// Returns what a poster says of a server that gives this answer to the first request.
async fn message(answer: (&'static str, &'static str, &'static str), wire: Wire) -> String {
    let server = Server::start(vec![answer]);
    let error = poster(&server.url, wire)
        .deliver(Kind::named("pin"), rows(&[1]))
        .await;
    let port = server.url.port().unwrap().to_string();
    error.unwrap_err().to_string().replace(&port, "PORT")
}

#[tokio::test]
async fn an_api_that_lets_nobody_in_says_what_to_give() {
    let unauthorized = ("401 Unauthorized", "", r#"{"message":"Unauthorized"}"#);
    insta::assert_snapshot!(message(unauthorized, Wire::Events).await, @"http://127.0.0.1:PORT/Dev/events/pin does not let the request in: 401 Unauthorized: Unauthorized; give --api-key-file, --token-file or --sigv4, whichever the API asks for");
    let forbidden = ("403 Forbidden", "", r#"{"message":"Forbidden"}"#);
    insta::assert_snapshot!(message(forbidden, Wire::Events).await, @"http://127.0.0.1:PORT/Dev/events/pin does not let the request in: 403 Forbidden: Forbidden; give --api-key-file, --token-file or --sigv4, whichever the API asks for");
}

#[tokio::test]
async fn a_token_goes_out_with_each_request() {
    let server = Server::start(vec![ACCEPTED]);
    let access = |token: &str| Access {
        api_key: None,
        token: Some(token.to_owned()),
    };
    let api = |token| Api::try_new(&server.url, Wire::Kinesis, &access(token));
    assert_eq!(
        api("aaa\n").unwrap_err().to_string(),
        "the value has characters that a header cannot hold; look at the token"
    );
    let poster = posting_to(api("aaa.bbb.ccc").unwrap());
    deliver(&poster, &[1]).await.unwrap();
    let headers = server.headers();
    assert_eq!(
        headers[0].get("authorization").unwrap(),
        "Bearer aaa.bbb.ccc"
    );
}

#[tokio::test]
async fn a_wrong_address_says_what_to_do() {
    insta::assert_snapshot!(message(("404 Not Found", "", r#"{"message":"Not Found"}"#), Wire::Kinesis).await, @"http://127.0.0.1:PORT/Dev/streams/streaming-pinflow-pin/record does not take posts: 404 Not Found: Not Found; --api is the API's base URL with its stage, as in https://abc123.execute-api.us-east-1.amazonaws.com/Dev");
    insta::assert_snapshot!(message(("200 OK", "", "<h1>It works!</h1>"), Wire::Kafka).await, @"http://127.0.0.1:PORT/Dev/topics/pinflow.pin does not take posts: 200 OK: not an answer in the wire format kafka: <h1>It works!</h1>; --api is the API's base URL with its stage, as in https://abc123.execute-api.us-east-1.amazonaws.com/Dev");
    insta::assert_snapshot!(message(("301 Moved Permanently", "location: /\r\n", ""), Wire::Events).await, @"http://127.0.0.1:PORT/Dev/events/pin does not take posts: 301 Moved Permanently: no body; --api is the API's base URL with its stage, as in https://abc123.execute-api.us-east-1.amazonaws.com/Dev");
}

#[tokio::test]
async fn a_refused_connection_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let error = poster(&url, Wire::Events)
        .deliver(Kind::named("pin"), rows(&[1]))
        .await;
    let message = error
        .unwrap_err()
        .to_string()
        .replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(message, @"could not connect to http://127.0.0.1:PORT: Connection refused (os error 111); start a stack with `cargo pinflow local`, or give the API's address as --api");
}

#[tokio::test]
async fn an_answer_that_is_not_the_apis_says_nothing_of_a_row() {
    for garbled in [
        ("200 OK", "", "<html>maintenance</html>"),
        ("204 No Content", "", ""),
        (
            "400 Bad Request",
            "",
            "<html>bad gateway configuration</html>",
        ),
        ("400 Bad Request", "", r#"{"message":"Bad Request"}"#),
        (
            "413 Payload Too Large",
            "",
            r#"{"message":"Request Too Long"}"#,
        ),
        ("422 Unprocessable Entity", "", "{}"),
        ("302 Found", "location: /login\r\n", ""),
    ] {
        // What it takes first shows that the address is right.
        let server = Server::start(vec![ACCEPTED, garbled, garbled, ACCEPTED]);
        let poster = poster(&server.url, Wire::Kinesis);
        deliver(&poster, &[1]).await.unwrap();
        let delivery = deliver(&poster, &[2]).await.unwrap();
        assert_eq!(sequences(&delivery), ["1"], "{garbled:?}: it is sent again");

        let server = Server::serve(
            20,
            move |number, _| if number == 0 { ACCEPTED } else { garbled },
        );
        let stop = CancellationToken::new();
        let api = Api::try_new(&server.url, Wire::Kinesis, &Access::default()).unwrap();
        let poster = Poster::new(api, 1, stop.clone());
        deliver(&poster, &[1]).await.unwrap();
        stop.cancel();
        let delivery = deliver(&poster, &[2]).await.unwrap();
        assert!(
            !delivery.failed[0].is_about_the_row,
            "{garbled:?}: the post is not done"
        );
    }
}

#[tokio::test]
async fn a_bad_row_does_not_keep_the_others_of_its_request_out() {
    let refused = (
        "422 Unprocessable Entity",
        "",
        r#"{"type":"urn:pinflow:problem:too-large","detail":"a row is too large"}"#,
    );
    let two = r#"{"Records":[{"ShardId":"s","SequenceNumber":"1"},{"ShardId":"s","SequenceNumber":"2"}]}"#;
    let server = Server::start(vec![
        refused,
        ("200 OK", "", two),
        refused,
        refused,
        ("200 OK", "", r#"{"ShardId":"s","SequenceNumber":"3"}"#),
    ]);
    let poster = poster(&server.url, Wire::Kinesis);
    let delivery = deliver(&poster, &[1, 2, 3, 4]).await.unwrap();
    assert_eq!(sequences(&delivery), ["1", "2", "3"]);
    assert_eq!(
        failures(&delivery),
        ["pin 3, 1: 422 Unprocessable Entity: a row is too large"]
    );
}

/// Returns a poster that signs, with a clock that is a second later each time.
fn signing_poster(url: &Url) -> Poster {
    let seconds = AtomicU64::new(1_772_368_245);
    let clock = Clock::new(move || {
        UNIX_EPOCH + Duration::from_secs(seconds.fetch_add(1, Ordering::Relaxed))
    });
    let signer = Signer::fixed(Some("TOKEN"), "eu-west-1", clock);
    let access = Access {
        api_key: Some("a-key-of-16-chars".to_owned()),
        token: None,
    };
    let api = Api::try_new(url, Wire::Kinesis, &access).unwrap();
    posting_to(api.signed(signer))
}

#[tokio::test]
async fn each_attempt_is_signed_anew() {
    let server = Server::start(vec![("503 Service Unavailable", "", ""), ACCEPTED]);
    let host = format!("127.0.0.1:{}", server.url.port().unwrap());
    let poster = signing_poster(&server.url);
    let delivery = deliver(&poster, &[1]).await.unwrap();
    assert_eq!(sequences(&delivery), ["1"]);
    let headers = server.headers();
    let values = |name: &str| {
        let values = headers.iter().map(|headers| headers.get_all(name).iter());
        let values = values.map(|values| values.map(|value| value.to_str().unwrap().to_owned()));
        values.flatten().collect::<Vec<_>>()
    };
    assert_eq!(values("host"), [host.as_str(), &host]);
    assert_eq!(
        values("x-amz-date"),
        ["20260301T123045Z", "20260301T123046Z"]
    );
    assert_eq!(values("x-amz-security-token"), ["TOKEN", "TOKEN"]);
    assert_eq!(values("content-type"), ["application/json"; 2]);
    // A usage plan may ask for a key as well.
    assert_eq!(values("x-api-key"), ["a-key-of-16-chars"; 2]);
    let signed = values("authorization");
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/eu-west-1/execute-api/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(
        signed.iter().all(|value| value.starts_with(scope)),
        "{signed:?}"
    );
    assert_eq!(signed.len(), 2);
    assert_ne!(signed[0], signed[1]);
}

#[tokio::test]
async fn a_signature_that_is_refused_is_told_and_not_sent_again() {
    let forbidden = ("403 Forbidden", "", r#"{"message":"Forbidden"}"#);
    let server = Server::start(vec![forbidden]);
    let error = deliver(&signing_poster(&server.url), &[1]).await;
    let port = server.url.port().unwrap().to_string();
    let message = error.unwrap_err().to_string().replace(&port, "PORT");
    insta::assert_snapshot!(message, @"http://127.0.0.1:PORT/Dev/streams/streaming-pinflow-pin/record refuses the signed request: 403 Forbidden: Forbidden; the identity lacks execute-api:Invoke on this API, or the signature was wrong: look at the credentials, the region and this machine's clock (it is for the region eu-west-1)");

    // The right may be taken away in the middle of a run.
    let server = Server::start(vec![ACCEPTED, forbidden]);
    let poster = signing_poster(&server.url);
    deliver(&poster, &[1]).await.unwrap();
    let delivery = deliver(&poster, &[2]).await.unwrap();
    assert_eq!(
        failures(&delivery),
        [
            "pin 2, 1: 403 Forbidden: Forbidden; the identity lacks execute-api:Invoke on this API, or the signature was \
             wrong: look at the credentials, the region and this machine's clock"
        ]
    );
    assert!(!delivery.failed[0].is_about_the_row);
}

#[tokio::test]
async fn a_login_in_the_url_is_in_no_message() {
    for (path, part) in [
        ("/", "could not connect to http://127.0.0.1:1:"),
        ("/Dev/", "could not connect to http://127.0.0.1:1/Dev:"),
    ] {
        let url = format!("http://user:s3cret@127.0.0.1:1{path}")
            .parse()
            .unwrap();
        let error = poster(&url, Wire::Events)
            .deliver(Kind::named("geo"), rows(&[1]))
            .await
            .unwrap_err();
        assert!(
            error.to_string().starts_with(part) && !format!("{error:?}").contains("s3cret"),
            "{error:?}"
        );
    }
}

#[test]
fn a_key_to_another_machine_in_clear_text_is_noticed() {
    let key = Access {
        api_key: Some("k".to_owned()),
        ..Access::default()
    };
    for (url, access, is_in_clear) in [
        ("http://10.0.0.1/", &key, true),
        ("http://user:s3cret@example.com/", &Access::default(), true),
        ("http://10.0.0.1/", &Access::default(), false),
        ("https://10.0.0.1/", &key, false),
        ("http://127.0.0.1:9000/", &key, false),
        ("http://localhost/", &key, false),
        ("http://[::1]/", &key, false),
    ] {
        let api = Api::try_new(&url.parse().unwrap(), Wire::Events, access).unwrap();
        assert_eq!(api.is_in_clear(), is_in_clear, "{url}");
    }
}
