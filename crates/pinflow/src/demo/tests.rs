use std::io::empty;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

/// Runs `demo` and returns how it ended and what it printed.
async fn demo(
    out: &Path,
    arguments: &str,
    clock: Clock,
    stop: &CancellationToken,
) -> (Exit, String) {
    let words = ["pinflow", "demo", "--out"]
        .map(ToOwned::to_owned)
        .into_iter();
    let words = words.chain([out.display().to_string()]);
    let cli = Cli::parse_from(words.chain(arguments.split_whitespace().map(ToOwned::to_owned)));
    let Command::Demo(options) = cli.command else {
        panic!("not demo");
    };
    let (mut text, mut notes) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        input: &mut empty(),
        out: &mut text,
        notes: &mut notes,
    };
    let exit = command(
        &options,
        &model::Model::load_from(None).unwrap(),
        clock,
        stop,
        &mut terminal,
    )
    .await
    .unwrap();
    (exit, String::from_utf8(text).unwrap())
}

/// Returns a clock that calls `asked` each time it is read.
fn clock(asked: impl Fn() + Send + Sync + 'static) -> Clock {
    let started = Instant::now();
    Clock::new(move || {
        asked();
        UNIX_EPOCH + Duration::from_hours(500_000) + started.elapsed()
    })
}

#[tokio::test]
async fn a_run_accounts_for_its_own_records_in_each_wire_format() {
    let folder = tempfile::tempdir().unwrap();
    for wire in ["kinesis", "kafka", "events"] {
        let arguments = format!("--posts 12 --wire {wire}");
        let (exit, text) = demo(
            folder.path(),
            &arguments,
            clock(|| ()),
            &CancellationToken::new(),
        )
        .await;
        assert_eq!(exit, Exit::Success, "{text}");
        assert!(
            text.contains(": 36 accepted = 36 clean + 0 quarantined, unaccounted = 0"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_day_is_paid_for_the_stream_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, text) = demo(
        folder.path(),
        "--posts 3",
        clock(|| ()),
        &CancellationToken::new(),
    )
    .await;
    assert_eq!(exit, Exit::Success, "{text}");
    let page = text.lines().last().unwrap();
    let (_, page) = page.split_once("for a browser: ").unwrap();
    let summary = std::fs::read(Path::new(page).with_file_name("summary.json")).unwrap();
    let summary: daily_report::Summary = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary.usage.stream.unwrap().shards, 2);
}

#[tokio::test]
async fn a_run_that_ctrl_c_ends_accounts_for_what_was_posted() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    // Each request asks for the time.
    let asked = AtomicU64::new(0);
    let stopped = stop.clone();
    let clock = clock(move || {
        if asked.fetch_add(1, Ordering::Relaxed) == 300 {
            stopped.cancel();
        }
    });
    let (exit, text) = demo(folder.path(), "--posts 1000000", clock, &stop).await;
    assert_eq!(exit, Exit::Interrupted, "{text}");
    assert!(
        text.starts_with("Ctrl-C ended the run early\nSent "),
        "{text}"
    );
    assert!(!text.contains("Sent 0 posts"), "{text}");
    assert!(text.contains(" quarantined, unaccounted = 0\n"), "{text}");
}

#[tokio::test]
async fn a_post_that_fails_fails_the_run() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let large = "x".repeat(2 << 20);
    let pins = format!("{{\"index\": 1, \"title\": \"{large}\"}}\n");
    for (name, text) in [
        ("pin", pins.as_str()),
        ("geo", "{\"ind\": 1, \"latitude\": 1}\n"),
        ("user", ""),
    ] {
        std::fs::write(data.path().join(format!("{name}.ndjson")), text).unwrap();
    }
    let arguments = format!("--posts 1 --data {}", data.path().display());
    let (exit, text) = demo(
        folder.path(),
        &arguments,
        clock(|| ()),
        &CancellationToken::new(),
    )
    .await;
    assert_eq!(exit, Exit::Failure, "{text}");
    assert!(text.contains("  1 × 413 Payload Too Large: "), "{text}");
    assert!(
        text.contains(": 1 accepted = 1 clean + 0 quarantined, unaccounted = 0"),
        "{text}"
    );
}
