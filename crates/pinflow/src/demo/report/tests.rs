use std::collections::BTreeMap;

use super::*;

fn reconciliation() -> Reconciliation {
    Reconciliation {
        clean: BTreeMap::from([(Kind::named("pin"), 497), (Kind::named("user"), 499)]),
        quarantined: BTreeMap::from([("missing_key".to_owned(), 3), ("wrong_kind".to_owned(), 1)]),
        unaccounted: Vec::new(),
    }
}

fn tally(accepted: u64) -> Tally {
    let mut tally = Tally::default();
    (tally.posts, tally.accepted) = (500, accepted);
    tally.latencies.add(Duration::from_millis(4));
    tally
}

fn shown(tally: &Tally, reconciliation: &Reconciliation) -> String {
    let report = Report {
        kinds: model::Model::load_from(None).unwrap().kinds().collect(),
        tally,
        reconciliation,
        cleaned: CleanerWork {
            changes: vec![(Rule::BlankText, 1), (Rule::FieldRenamed, 500)],
            objects: 12,
            bytes_written: 310_400,
            retries: 0,
        },
        posting: Duration::from_millis(3_210),
        until_drained: Duration::from_secs(4),
    };
    let mut out = Vec::new();
    report.write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_run_that_lost_nothing() {
    insta::assert_snapshot!(shown(&tally(1_000), &reconciliation()), @r"
    Sent 500 posts in 3.2 s; the lake was complete after 4.0 s
    ┌────────────────┬───────────────┬────────┐
    │ accepted       ┆               ┆   1000 │
    │ clean          ┆ geo           ┆      0 │
    │                ┆ pin           ┆    497 │
    │                ┆ user          ┆    499 │
    │ quarantined    ┆ missing_key   ┆      3 │
    │                ┆ wrong_kind    ┆      1 │
    │ unaccounted    ┆               ┆      0 │
    │ values changed ┆ blank_text    ┆      1 │
    │                ┆ field_renamed ┆    500 │
    │ written        ┆ objects       ┆     12 │
    │                ┆ MB            ┆  0.311 │
    │ a request took ┆ p50           ┆ 4.0 ms │
    │                ┆ p99           ┆ 4.0 ms │
    └────────────────┴───────────────┴────────┘
    Every accepted record was read back from the lake: 1000 accepted = 996 clean + 4 quarantined, unaccounted = 0
    ");
}

#[test]
fn a_run_that_lost_a_record_names_it() {
    let reconciliation = Reconciliation {
        unaccounted: vec![Position::new("shardId-000000000001", "4959")],
        ..reconciliation()
    };
    let text = shown(&tally(1_001), &reconciliation);
    insta::assert_snapshot!(text.split_once("NOT").unwrap().1, @r"
    every accepted record is in the lake: 1001 accepted, 996 clean, 4 quarantined, unaccounted = 1
     shardId-000000000001 4959
    ");
    assert!(
        text.contains("│ unaccounted    ┆               ┆      1 │"),
        "{text}"
    );
}

#[test]
fn the_query_is_one_line_that_reads_the_runs_files() {
    let shown = |reconciliation: &Reconciliation| {
        let mut out = Vec::new();
        let model = model::Model::load_from(None).unwrap();
        write_files(
            &mut out,
            &model,
            Path::new("./Ana's lake/bucket"),
            reconciliation,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    };
    insta::assert_snapshot!(shown(&reconciliation()), @r#"
    Clean rows are in ./Ana's lake/bucket/clean/, rejected records in ./Ana's lake/bucket/quarantine/
    To look at them, paste this into DuckDB:
    SELECT "category", count(*) AS rows FROM read_parquet('./Ana''s lake/bucket/clean/pin/**/*.parquet') GROUP BY 1 ORDER BY 2 DESC, 1;
    "#);
    insta::assert_snapshot!(shown(&Reconciliation::default()), @"Clean rows are in ./Ana's lake/bucket/clean/, rejected records in ./Ana's lake/bucket/quarantine/");
}
