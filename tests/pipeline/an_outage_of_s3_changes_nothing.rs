use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use embedded_aws::{Fault, Faults, Service};
use event_model::Kind;
use serde_json::{Value, json};

use crate::support::TestStack;

const LATER: Duration = Duration::from_mins(20);
/// Every so many calls of S3 go wrong, each in another way than the one before.
const EVERY: usize = 6;
const FAULTS: [Fault; 6] = [
    Fault::Status(503),
    Fault::DoneButReset,
    Fault::Status(500),
    Fault::DoneButStatus(500),
    Fault::Reset,
    Fault::Delay(Duration::from_millis(50)),
];

/// Posts some days' worth of rows, merges them, and returns the reports by name, and the summary.
async fn day(faults: Option<&Faults>) -> (BTreeMap<String, Vec<u8>>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let stack = TestStack::start_in(folder, |config| {
        if let Some(faults) = faults {
            config.faults = faults.clone();
        }
    })
    .await;
    for post in 0..10 {
        let inds = (0..20).map(|row| post * 13 + row);
        let pins: Vec<_> = inds
            .clone()
            .map(|ind| json!({"index": ind, "category": (if ind % 2 == 0 { "art" } else { "diy" }), "follower_count": format!("{ind}k")}))
            .collect();
        let geos: Vec<_> = inds
            .clone()
            .map(|ind| json!({"ind": ind, "country": "Aruba", "timestamp": "2020-01-02 03:04:05"}))
            .collect();
        let users: Vec<_> = inds
            .map(|ind| json!({"ind": ind, "first_name": "Ada", "age": ind, "date_joined": "2016-01-02 03:04:05"}))
            .collect();
        stack.post(Kind::named("pin"), &pins).await;
        stack.post(Kind::named("geo"), &geos).await;
        stack.post(Kind::named("user"), &users).await;
        // A batch of its own.
        stack.drain().await;
    }
    let mut runs = 0;
    let summary = loop {
        runs += 1;
        assert!(runs <= 20, "the day does not end");
        if let Ok(summary) = stack.try_run_today(LATER).await {
            break summary;
        }
    };
    let date = summary["run_date"].as_str().unwrap();
    let reports = stack.folder.path().join("pinflow-lake/reports");
    let reports = std::fs::read_dir(reports.join(format!("date={date}"))).unwrap();
    let reports = reports.map(|entry| entry.unwrap().path());
    let reports = reports
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    stack.stop().await;
    (reports, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_which_s3_fails_ends_with_the_reports_of_a_calm_one() {
    let (calm, expected) = day(None).await;
    assert!(calm.len() > 3, "{:?}", calm.keys());
    let faults = Faults::default();
    let (calls, failed) = (
        AtomicUsize::new(0),
        std::sync::Arc::new(AtomicUsize::new(0)),
    );
    let counter = std::sync::Arc::clone(&failed);
    faults.set(move |call| {
        if call.service != Service::S3 {
            return None;
        }
        let number = calls.fetch_add(1, Ordering::Relaxed);
        (number % EVERY == 0).then(|| {
            counter.fetch_add(1, Ordering::Relaxed);
            FAULTS[(number / EVERY) % FAULTS.len()]
        })
    });
    let (stormy, summary) = day(Some(&faults)).await;
    assert!(failed.load(Ordering::Relaxed) > FAULTS.len(), "too calm");
    assert_eq!(calm, stormy);
    for name in ["rows_in", "row_balance", "quarantine"] {
        assert_eq!(summary[name], expected[name], "{name}");
    }
    assert_eq!(summary["reconciliation"]["unaccounted"], 0, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_bucket_is_waited_for() {
    let faults = Faults::default();
    let folder = tempfile::tempdir().unwrap();
    let stack = TestStack::start_in(folder, |config| config.faults = faults.clone()).await;
    faults
        .set(|call| (call.service == Service::S3).then_some(Fault::Delay(Duration::from_secs(2))));
    let row = json!({"ind": 1, "first_name": "Ada"});
    let accepted = stack.post(Kind::named("user"), &[row]).await;
    stack.drain().await;
    assert_eq!(stack.lake().clean_positions(), accepted);
    assert_eq!(stack.stack.totals().retries(), 0);
    stack.stop().await;
}
