use std::fs;
use std::io::empty;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use clap::Parser as _;
use test_server::ScriptedServer as Server;

use super::*;
use crate::cli::{Cli, Command};

/// Runs `post` and returns how it ended and what it printed, without the times.
async fn post(server: &Server, arguments: &str, stop: &CancellationToken) -> (Exit, String) {
    let url = server.url.as_str();
    let words = ["pinflow", "post", "--api", url].into_iter();
    let cli = Cli::parse_from(words.chain(arguments.split_whitespace()));
    let Command::Post(options) = cli.command else {
        panic!("not post");
    };
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        input: &mut empty(),
        out: &mut out,
        notes: &mut notes,
    };
    let exit = command(
        &options,
        &model::Model::load_from(None).unwrap(),
        clock(),
        stop,
        &mut terminal,
    )
    .await
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    let is_time = |word: &str| word.parse::<f64>().is_ok() && word.contains('.');
    let words = text
        .split(' ')
        .map(|word| if is_time(word) { "T" } else { word });
    (exit, words.collect::<Vec<_>>().join(" "))
}

fn clock() -> Clock {
    Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_772_368_245))
}

fn data(folder: &Path) {
    fs::write(
        folder.join("pin.ndjson"),
        "{\"index\": 5}\n{\"index\": 5, \"title\": \"b\"}\n{\"index\": 2}\n",
    )
    .unwrap();
    fs::write(folder.join("geo.ndjson"), "{\"ind\": 5}\n").unwrap();
    fs::write(folder.join("user.ndjson"), "").unwrap();
}

const ACCEPTED: (&str, &str, &str) = ("200 OK", "", r#"{"ShardId":"s","SequenceNumber":"1"}"#);

#[tokio::test]
async fn versions_of_a_row_are_posted_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    data(folder.path());
    // The first version is throttled once; the second one must wait for it.
    let is_throttled = AtomicBool::new(false);
    let server = Server::serve(8, move |_, request| {
        if request.contains("{\"index\": 5}") && !is_throttled.swap(true, Ordering::Relaxed) {
            ("429 Too Many Requests", "", "")
        } else {
            ACCEPTED
        }
    });
    let arguments = format!("--data {} --posts 3", folder.path().display());
    let (exit, text) = post(&server, &arguments, &CancellationToken::new()).await;
    assert_eq!(exit, Exit::Success);
    insta::assert_snapshot!(text, @r"
    Sent 3 posts in T s: 7 rows accepted, 0 failed
    A request took T ms (p50), T ms (p99)
    ");
    let of_the_row = |request: &String| {
        let data = request.split("\"Data\":").nth(1)?;
        let row = data.split(",\"PartitionKey\"").next()?;
        row.starts_with("{\"index\": 5").then(|| row.to_owned())
    };
    let versions: Vec<_> = server.requests().iter().filter_map(of_the_row).collect();
    let (first, second) = ("{\"index\": 5}", "{\"index\": 5, \"title\": \"b\"}");
    assert_eq!(versions, [first, first, second, first, second]);
}

#[tokio::test]
async fn what_failed_is_told_with_its_reason() {
    let refused = (
        "422 Unprocessable Entity",
        "",
        r#"{"type":"urn:pinflow:problem:not-a-row","title":"Not a row","detail":"`value` is a number"}"#,
    );
    let server = Server::serve(
        6,
        move |number, _| if number % 3 == 0 { refused } else { ACCEPTED },
    );
    let (exit, text) = post(&server, "--posts 2 --seed 4", &CancellationToken::new()).await;
    assert_eq!(exit, Exit::Failure);
    assert!(
        text.starts_with("Sent 2 posts in T s: 4 rows accepted, 2 failed\n"),
        "{text}"
    );
    assert!(
        text.contains("  2 × 422 Unprocessable Entity: `value` is a number (the first: "),
        "{text}"
    );
}

#[tokio::test]
async fn ctrl_c_ends_an_endless_run_and_its_rows_are_told() {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let server = Server::serve(6, move |number, _| {
        if number >= 2 {
            stopped.cancel();
        }
        ACCEPTED
    });
    let run = post(&server, "--forever --posts-per-second 1", &stop);
    let (exit, text) = tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .unwrap();
    assert_eq!(exit, Exit::Interrupted);
    insta::assert_snapshot!(text, @r"
    Sent 1 post in T s: 3 rows accepted, 0 failed
    A request took T ms (p50), T ms (p99)
    ");
}

#[tokio::test]
async fn a_run_goes_on_after_the_last_post_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let stop = CancellationToken::new();
    // The second post comes to an API that does not know the path: not a fault of its rows.
    let server = Server::serve(6, |number, _| match number {
        0..3 => ACCEPTED,
        _ => ("404 Not Found", "", ""),
    });
    let mut url = server.url.clone();
    let arguments = format!("--state {} --posts-per-second 5 --posts 2", state.display());
    let (exit, text) = post(&server, &arguments, &stop).await;
    assert_eq!(exit, Exit::Failure);
    assert!(text.contains("The next post is 2; "), "{text}");
    let first = server.requests();

    let server = Server::serve(3, |_, _| ACCEPTED);
    let kept = fs::read_to_string(&state).unwrap();
    url.set_port(server.url.port()).unwrap();
    fs::write(&state, kept.replace(first_api(&kept), url.as_str())).unwrap();
    let (exit, text) = post(&server, &format!("{arguments} --resume"), &stop).await;
    assert_eq!(exit, Exit::Success);
    assert!(
        text.starts_with("Sent 1 post in T s: 3 rows accepted"),
        "{text}"
    );
    let mut again = server.requests();
    let mut refused = first.into_iter().skip(3).collect::<Vec<_>>();
    again.sort();
    refused.sort();
    assert_eq!(again, refused);
}

/// Returns the URL in a state file.
fn first_api(text: &str) -> &str {
    let url = text.split("\"api\": \"").nth(1).unwrap();
    url.split('"').next().unwrap()
}

#[tokio::test]
async fn an_order_is_a_name_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("row_sequence.json"), "[3]").unwrap();
    let login = folder.path().join("db_creds.yaml");
    let other = folder.path().join("other.json");
    fs::write(&other, "[4]").unwrap();
    let other = other.display().to_string();
    let order_of = |arguments: &[&str]| {
        let words = ["pinflow", "post", "--api", "http://x", "--mysql", "y"].into_iter();
        let cli = Cli::parse_from(words.chain(arguments.iter().copied()));
        let Command::Post(options) = cli.command else {
            panic!("not post");
        };
        order(&options, &login).map(|(order, _)| order)
    };
    assert_eq!(
        order_of(&["--seed", "7"]).unwrap(),
        Order::Random { seed: 7 }
    );
    assert_eq!(order_of(&["--order", "table"]).unwrap(), Order::Table);
    assert_eq!(
        order_of(&["--order", "sequence"]).unwrap(),
        Order::Sequence(vec![3])
    );
    assert_eq!(
        order_of(&["--sequence", &other]).unwrap(),
        Order::Sequence(vec![4])
    );
    let error = order_of(&["--sequence", &other, "--order", "table"]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("--sequence is for --order sequence")
    );
}
