//! The API in front, over HTTP.

use super::*;

#[tokio::test]
async fn the_front_hands_bodies_over_as_api_gateway_does() {
    let stack = start_with(|config| config.stage = "Dev".to_owned()).await;
    let post = |path: &str, content_type: &str, body: Vec<u8>| {
        stack
            .http
            .post(stack.url(path))
            .header("content-type", content_type)
            .body(body)
            .send()
    };
    let kafka = "application/vnd.kafka.json.v2+json";
    let rows = br#"{"records":[{"value":{"index":1,"title":"\u00e9"}}]}"#.to_vec();
    let large = vec![b' '; 10_000_001];
    let too_large_in_base64 = vec![b' '; 5_000_000];
    for (path, content_type, body, status) in [
        ("/Dev/topics/abc.pin", kafka, rows.clone(), 200),
        ("/Dev/topics/abc.pin", "application/json", rows, 200),
        (
            "/Dev/events/pin",
            "application/json",
            b"{\"index\":\"\xff\"}".to_vec(),
            400,
        ),
        ("/topics/abc.pin", kafka, b"{}".to_vec(), 404),
        ("/Dev/events/pin", "application/json", large, 413),
        (
            "/Dev/events/pin",
            "application/x-ndjson",
            too_large_in_base64,
            413,
        ),
    ] {
        let length = body.len();
        let response = post(path, content_type, body).await.unwrap();
        assert_eq!(
            response.status(),
            status,
            "{path}, {content_type}, {length} bytes"
        );
    }
    let health = stack
        .http
        .get(stack.url("/Dev/health?deep=1"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(health.headers()["content-type"], "application/json");
    stack.stack.shutdown().await.unwrap();
}

/// Sends bytes as they are, and returns what comes back until the connection is closed.
async fn raw(stack: &TestStack, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let address = stack.stack.url().strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes while the client still sends may reset the connection after its answer.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_and_long_winded_clients_are_sent_away() {
    let stack = start_with(|config| config.client_timeout = Duration::from_millis(100)).await;
    let long = format!(
        "GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many = format!(
        "GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    let host = stack.stack.url().trim_start_matches("http://").to_owned();
    let post =
        format!("POST /events/pin HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100\r\n\r\n{{");
    for (request, status) in [
        (long.as_str(), "HTTP/1.1 431 "),
        (many.as_str(), "HTTP/1.1 431 "),
        (post.as_str(), "HTTP/1.1 408 "),
        // Half a head gets no answer.
        ("GET /health HTT", ""),
    ] {
        let answer = raw(&stack, request.as_bytes()).await;
        assert!(
            answer.starts_with(status) && answer.is_empty() == status.is_empty(),
            "{status}: {answer}"
        );
    }
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stack_with_a_key_asks_for_it() {
    let key = "a-key-of-some-length";
    let stack = start_with(|config| config.api_keys = Some(key.to_owned())).await;
    let post = || {
        stack
            .http
            .post(stack.url("/events/user"))
            .body(r#"{"ind":1,"first_name":"Ada"}"#)
    };
    assert_eq!(post().send().await.unwrap().status(), 401);
    assert_eq!(
        post()
            .header("x-api-key", key)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    stack.stack.drained().await;
    assert_eq!(stack.stack.totals().tally.total_rows(), 1);
    stack.stack.shutdown().await.unwrap();
}
