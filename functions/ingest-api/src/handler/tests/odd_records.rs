//! One odd record costs no other, and a compressed body is a body.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use proptest::prelude::*;

use super::*;
use crate::route::Wire;

/// Values that are no row, or none that can be stored, and what their error says.
fn odd_values() -> Vec<(String, &'static str)> {
    let huge = format!(r#"{{"ind":1,"title":"{}"}}"#, "x".repeat(1024 * 1024));
    let digits = format!(r#"{{"ind":{}}}"#, "9".repeat(2000));
    let nested = |depth: usize| {
        format!(
            r#"{{"ind":1,"a":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    vec![
        (nested(129), "nesting of at most 128 levels"),
        (nested(9_999), "nesting of at most 128 levels"),
        ("null".to_owned(), "is not a JSON object"),
        ("7".to_owned(), "is not a JSON object"),
        ("[]".to_owned(), "is not a JSON object"),
        (huge, "the stream takes 1048576"),
        (digits, "a number of more than 1100 digits"),
    ]
}

#[tokio::test]
async fn five_hundred_rows_with_an_odd_one_store_the_other_499() {
    for (odd, message) in odd_values() {
        let row = |index: usize| match index {
            250 => odd.clone(),
            _ => format!("{{\"ind\":{index}}}"),
        };
        let list = |wrap: &dyn Fn(String) -> String| {
            (0..500)
                .map(|index| wrap(row(index)))
                .collect::<Vec<_>>()
                .join(",")
        };
        let kafka_body = format!(
            "{{\"records\":[{}]}}",
            list(&|row| format!("{{\"value\":{row}}}"))
        );
        let kinesis_body = format!(
            "{{\"records\":[{}]}}",
            list(&|row| format!("{{\"data\":{row}}}"))
        );
        let native_body = format!("[{}]", list(&|row| row));
        let lines = (0..500).map(row).collect::<Vec<_>>().join("\n");
        let storing = storing();
        let app = app(&[&storing]);
        for (asked, status) in [
            (kafka(&kafka_body), 200),
            (records(&kinesis_body), 200),
            (native(&native_body), 207),
            (
                ("POST", "/events/pin", "application/jsonl", lines.as_str()),
                207,
            ),
        ] {
            let (method, path, content_type, body) = asked;
            let answer = send(&app, request(method, path, content_type, body)).await;
            assert_eq!(
                answer.status,
                status,
                "{path}: {}",
                answer.body.get(..300).unwrap_or(&answer.body)
            );
            let results: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            let results = ["offsets", "Records", "results"]
                .iter()
                .find_map(|name| results[name].as_array())
                .unwrap();
            assert_eq!(results.len(), 500);
            for (index, result) in results.iter().enumerate() {
                let result = result.to_string();
                assert_eq!(
                    result.contains(message),
                    index == 250,
                    "{path}: {index}: {result}"
                );
                if index == 250 {
                    let is_final = ["50002", "InvalidArgumentException", "\"retryable\":false"];
                    assert!(
                        is_final.iter().any(|mark| result.contains(mark)),
                        "{result}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_line_that_is_no_json_costs_no_other() {
    let storing = storing();
    let body = "\u{feff}{\"ind\":1}\n{\"ind\":}\n{\"ind\":NaN}\n{\"ind\":\"\\ud83d\"}\n";
    let answer = send(
        &app(&[&storing]),
        request("POST", "/events/pin/", "application/x-ndjson", body),
    )
    .await;
    assert_eq!(answer.status, 207, "{}", answer.body);
    assert!(
        answer.body.starts_with(r#"{"accepted":2,"failed":2,"#),
        "{}",
        answer.body
    );
    assert!(
        answer
            .body
            .contains("Line 2 is not JSON: expected a value at byte 7"),
        "{}",
        answer.body
    );
    assert!(
        answer
            .body
            .contains("`NaN` and `Infinity` are not JSON; send `null` instead"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn base64_is_read_in_both_alphabets_and_said_where_it_breaks() {
    let storing = storing();
    let app = app(&[&storing]);
    // `>>>` and `???` are the letters in which the alphabets differ.
    let row = r#"{"ind":1,"title":">>>???"}"#;
    let plain = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, row);
    let (first, second) = plain.split_at(9);
    for data in [
        plain.clone(),
        plain.replace('+', "-").replace('/', "_"),
        plain.trim_end_matches('=').to_owned(),
        format!("{first}\r\n{second}\n"),
    ] {
        let body = json!({"Data": data}).to_string();
        let answer = send(
            &app,
            request("PUT", "/streams/Prod-Stream/record", JSON, body.as_str()),
        )
        .await;
        assert_eq!(answer.status, 200, "{data}: {}", answer.body);
    }
    let body = json!({"Data": format!("{first}\n!{second}")}).to_string();
    let answer = send(
        &app,
        request("PUT", "/streams/Prod-Stream/record", JSON, body.as_str()),
    )
    .await;
    assert_eq!(answer.status, 422);
    let expected = "so it was read as base64, and is not base64 from byte 10 on";
    assert!(answer.body.contains(expected), "{}", answer.body);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn send_gzip(app: &App, path: &str, body: Vec<u8>) -> Answer {
    let method = if path.starts_with("/streams") {
        "PUT"
    } else {
        "POST"
    };
    let mut request = request(method, path, JSON, body);
    request
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    send(app, request).await
}

#[tokio::test]
async fn a_compressed_body_is_taken_on_every_route() {
    let storing = storing();
    let app = app(&[&storing]);
    for (path, body) in [
        ("/streams/Prod-Stream/record", r#"{"Data":{"ind":1}}"#),
        (
            "/streams/Prod-Stream/records",
            r#"{"records":[{"data":{"ind":1}}]}"#,
        ),
        ("/topics/abc.pin", r#"{"records":[{"value":{"ind":1}}]}"#),
        ("/events/pin", r#"[{"ind":1}]"#),
    ] {
        let whole = gzip(body.as_bytes());
        let (head, tail) = body.as_bytes().split_at(7);
        let two_members = [gzip(head), gzip(tail)].concat();
        for compressed in [whole, two_members] {
            assert_eq!(
                send_gzip(&app, path, compressed).await.status,
                200,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_inflated_within_bounds_and_whole() {
    let app = app(&[]);
    let bomb = gzip(&vec![b' '; 100 * 1024 * 1024]);
    let half = gzip(&vec![b' '; 3 * 1024 * 1024]);
    let two_halves = [half.clone(), half].concat();
    let row = gzip(b"{\"ind\":1}");
    let cut = row[..row.len() - 3].to_vec();
    let trailing = [row.clone(), b"rubbish".to_vec()].concat();
    let damaged: Vec<u8> = row
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ u8::from(at == row.len() - 6))
        .collect();
    for (body, status) in [
        (bomb, 413),
        (two_halves, 413),
        (cut, 400),
        (trailing, 400),
        (damaged, 400),
        (b"{\"ind\":1}".to_vec(), 400),
        (String::from_utf8_lossy(&row).into_owned().into_bytes(), 400),
        (Vec::new(), 400),
    ] {
        let answer = send_gzip(&app, "/events/pin", body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn more_records_than_the_answer_has_room_for_are_refused() {
    let app = app(&[]);
    let records_of =
        |count: usize, record: &str| format!("{{\"records\":[{}]}}", vec![record; count].join(","));
    for (path, body, most) in [
        (
            "/topics/abc.pin",
            records_of(10_001, r#"{"value":{}}"#),
            "10000",
        ),
        (
            "/streams/Prod-Stream/records",
            records_of(501, r#"{"data":{}}"#),
            "500",
        ),
    ] {
        let method = if path.starts_with("/topics") {
            "POST"
        } else {
            "PUT"
        };
        let answer = send(&app, request(method, path, JSON, body.as_str())).await;
        assert_eq!(answer.status, 413);
        assert!(
            answer
                .body
                .contains(&format!("send at most {most} at once")),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_largest_answer_passes_through_lambda() {
    let row = r#"{"value":{"ind":1}}"#;
    let body = format!("{{\"records\":[{}]}}", vec![row; 10_000].join(","));
    let long = stream(|_| {
        PutRecordsResultEntry::builder()
            .shard_id("shardId-000000000001")
            .sequence_number("4".repeat(56))
            .build()
    });
    let answer = send(
        &app(&[&long]),
        request("POST", "/topics/abc.pin", KAFKA, body.as_str()),
    )
    .await;
    assert_eq!(answer.status, 200);
    // The answer is a string in the JSON that Lambda hands on, each quote of it escaped.
    let escaped = serde_json::to_string(&answer.body).unwrap().len();
    assert!(
        escaped < event_model::limits::LAMBDA_PAYLOAD_MAX_BYTES,
        "{escaped}"
    );
}

proptest! {
    #[test]
    fn members_of_gzip_are_read_whole_or_not_at_all(
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let whole: Vec<u8> = texts.iter().flat_map(|text| gzip(text)).collect();
        let mut body = whole.clone();
        if let Some((place, byte)) = damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Some(place) = cut {
            body.truncate(place.index(body.len() + 1));
        }
        let headers = HeaderMap::from_iter([("content-encoding".parse().unwrap(), "gzip".parse().unwrap())]);
        match crate::request::inflated(&headers, &body) {
            // A header's time or name is no part of what is checked; all else of a member is.
            Ok(bytes) => prop_assert!(texts.concat().starts_with(&bytes) || body.is_empty()),
            Err(problem) => {
                prop_assert!(body != whole);
                prop_assert_eq!(problem.response(Wire::Native, "r").status(), 400);
            }
        }
    }
}
