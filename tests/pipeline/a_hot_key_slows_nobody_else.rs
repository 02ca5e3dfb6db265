use std::collections::HashSet;
use std::time::{Duration, Instant};

use event_model::Kind;
use serde_json::{Value, json};

use crate::support::{TestStack, position};

/// Clients that post rows of one key, and rows of each of their requests: far more than the shard's 1,000 a second.
const CLIENTS: usize = 200;
const ROWS: usize = 10;
const HOT_KEY: i64 = 1;
/// How long they go on: longer than the shard forgives, and than a request is held.
const TIME: Duration = Duration::from_secs(8);

fn row(ind: i64) -> Value {
    json!({"ind": ind, "first_name": "Ada"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_shard_waits_less_than_a_second() {
    let stack = TestStack::start().await;
    let hot = stack.post(Kind::named("user"), &[row(HOT_KEY)]).await;
    let mut cold_key = HOT_KEY;
    loop {
        cold_key += 1;
        let cold = stack.post(Kind::named("user"), &[row(cold_key)]).await;
        if cold[0].shard != hot[0].shard {
            break;
        }
    }
    let url = format!("{}/events/user", stack.stack.url());
    let body = Value::from(vec![row(HOT_KEY); ROWS]).to_string();
    let http = reqwest::Client::new();
    let end = Instant::now() + TIME;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (http, url, body) = (http.clone(), url.clone(), body.clone());
            tokio::spawn(async move {
                let (mut stored, mut refused) = (Vec::new(), 0);
                while Instant::now() < end {
                    let post = http.post(&url).header("content-type", "application/json");
                    let answer = post.body(body.clone()).send().await.unwrap();
                    let status = answer.status().as_u16();
                    assert!([200, 207, 429].contains(&status), "{status}");
                    let pause = answer.headers().get("retry-after");
                    assert_eq!(pause.is_some(), status == 429);
                    let pause = pause.map(|pause| pause.to_str().unwrap().parse().unwrap());
                    let answer = answer.bytes().await.unwrap();
                    let answer: Value = serde_json::from_slice(&answer).unwrap();
                    let results = answer["results"].as_array().into_iter().flatten();
                    let taken = results.filter(|result| result["shard"].is_string());
                    let taken: Vec<_> = taken
                        .map(|result| position(&result["shard"], &result["sequence_number"]))
                        .collect();
                    refused += ROWS - taken.len();
                    stored.extend(taken);
                    tokio::time::sleep(Duration::from_secs(pause.unwrap_or_default())).await;
                }
                (stored, refused)
            })
        })
        .collect();
    let (mut waits, mut acknowledged) = (Vec::new(), hot);
    while Instant::now() < end {
        let started = Instant::now();
        acknowledged.extend(stack.post(Kind::named("user"), &[row(cold_key)]).await);
        waits.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    waits.sort();
    let p99 = waits[waits.len() * 99 / 100];
    let mut refused = 0;
    for client in clients {
        let (of_client, not) = client.await.unwrap();
        acknowledged.extend(of_client);
        refused += not;
    }
    let posts = waits.len();
    assert!(p99 < Duration::from_secs(1), "{p99:?} of {posts} posts");
    assert!(refused > 0, "the shard took everything");
    stack.drain().await;
    // A row that was refused at first may be there twice.
    let lake: HashSet<_> = stack.lake().clean_positions().into_iter().collect();
    let missing = acknowledged
        .iter()
        .filter(|position| !lake.contains(position));
    assert_eq!(missing.count(), 0);
    stack.stop().await;
}
