//! A run that has ended → its line of metrics.

use daily_report::run::{RunRecord, RunState, Trigger};
use embedded_metrics::Metric;
use event_model::Kind;
use jiff::Timestamp;

use crate::run::{ACCEPTED, PAGE, REJECTED, UNACCOUNTED};
use crate::summary::{fold_step, read_fold_counts};

/// Whether the schedule's day is done, which an alarm waits for.
const SCHEDULED_RUNS_SUCCEEDED: &str = "scheduled_runs_succeeded";

/// Returns the metrics of a run in CloudWatch's embedded metric format; `None` while it is at work.
///
/// What a run did is sent when it succeeds, with the steps that earlier attempts have done: once, whatever became of those.
pub(crate) fn line(record: &RunRecord, deployed: &str) -> Option<String> {
    let is_done = match record.state {
        RunState::Succeeded => true,
        RunState::Failed => false,
        RunState::Pending | RunState::Running | RunState::Kept => return None,
    };
    let is_scheduled = matches!(record.trigger, Trigger::Schedule | Trigger::CatchUp);
    let finished_at = record.finished_at?;
    let duration = finished_at.duration_since(record.started_at).as_millis();
    let mut metrics = vec![
        Metric::count("runs_succeeded", u64::from(is_done)),
        Metric::count(SCHEDULED_RUNS_SUCCEEDED, u64::from(is_done && is_scheduled)),
        Metric::count("runs_failed", u64::from(!is_done)),
    ];
    if is_done {
        metrics.extend(work(record));
    }
    metrics.push(Metric::milliseconds(
        "duration_ms",
        u64::try_from(duration).unwrap_or_default(),
    ));
    Some(embedded_metrics::line(
        deployed,
        env!("CARGO_PKG_NAME"),
        finished_at.as_millisecond(),
        &metrics,
    ))
}

/// Returns the metrics of a start by the schedule whose day somebody else has done before.
pub(crate) fn found_done(now: Timestamp, deployed: &str) -> String {
    embedded_metrics::line(
        deployed,
        env!("CARGO_PKG_NAME"),
        now.as_millisecond(),
        &[Metric::count(SCHEDULED_RUNS_SUCCEEDED, 1)],
    )
}

/// Returns the metrics of what a run found and did.
fn work(record: &RunRecord) -> [Metric; 5] {
    let step = |name: &str| record.steps.iter().find(|step| step.name == name);
    let folds: Vec<_> = Kind::ALL
        .into_iter()
        .filter_map(|kind| step(&fold_step(kind)))
        .map(read_fold_counts)
        .collect();
    let of_page = |name: &str| {
        let count = step(PAGE).and_then(|step| step.counts.get(name));
        count.copied().unwrap_or_default()
    };
    let rows_in = folds.iter().map(|fold| fold.rows_in).sum();
    let rows_folded = folds.iter().map(|fold| fold.inserted + fold.updated).sum();
    [
        Metric::count("unaccounted", of_page(UNACCOUNTED)),
        Metric::count("accepted_checked", of_page(ACCEPTED)),
        Metric::count("rows_in", rows_in),
        Metric::count("rows_folded", rows_folded),
        Metric::count("rejected", of_page(REJECTED)),
    ]
}

#[cfg(test)]
mod tests {
    use daily_report::run::StepRecord;

    use super::*;

    fn step(name: &str, state: RunState, counts: &[(&str, u64)]) -> StepRecord {
        let counts = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        StepRecord {
            name: name.to_owned(),
            state,
            started_at: None,
            duration_ms: None,
            counts: counts.collect(),
        }
    }

    fn record(trigger: Trigger, state: RunState) -> RunRecord {
        let fold = [
            ("rows_in", 10),
            ("inserted", 6),
            ("updated", 3),
            ("repeated", 1),
        ];
        RunRecord {
            run_date: "2026-03-01".parse().unwrap(),
            attempt: 2,
            trigger,
            holder: "test".to_owned(),
            state,
            started_at: "2026-03-02T06:00:00Z".parse().unwrap(),
            expires_at: "2026-03-02T06:15:00Z".parse().unwrap(),
            finished_at: Some("2026-03-02T06:00:12.5Z".parse().unwrap()),
            steps: vec![
                step("fold-pin", RunState::Kept, &fold),
                step("fold-geo", RunState::Succeeded, &fold),
                step("reports", RunState::Succeeded, &[("rows_in", 1)]),
                step(
                    "page",
                    RunState::Succeeded,
                    &[("accepted", 21), ("rejected", 2), ("unaccounted", 1)],
                ),
            ],
            error: None,
        }
    }

    fn metrics(trigger: Trigger, state: RunState) -> serde_json::Value {
        let line = line(&record(trigger, state), "dev-daily-batch").unwrap();
        let mut metrics: serde_json::Value = serde_json::from_str(&line).unwrap();
        metrics.as_object_mut().unwrap().remove("_aws").unwrap();
        metrics
    }

    #[test]
    fn a_run_that_succeeds_sends_what_it_did() {
        let line = line(
            &record(Trigger::Schedule, RunState::Succeeded),
            "dev-daily-batch",
        );
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&line).unwrap());
    }

    #[test]
    fn a_run_that_fails_claims_nothing_else() {
        let expected = serde_json::json!({
            "function": "dev-daily-batch",
            "runs_succeeded": 0,
            "scheduled_runs_succeeded": 0,
            "runs_failed": 1,
            "duration_ms": 12500,
        });
        assert_eq!(metrics(Trigger::Schedule, RunState::Failed), expected);
    }

    #[test]
    fn only_the_schedule_s_runs_count_as_scheduled() {
        for (trigger, count) in [
            (Trigger::Schedule, 1),
            (Trigger::CatchUp, 1),
            (Trigger::Manual, 0),
            (Trigger::Backfill, 0),
        ] {
            let metrics = metrics(trigger, RunState::Succeeded);
            assert_eq!(metrics["scheduled_runs_succeeded"], count, "{trigger:?}");
            assert_eq!(metrics["runs_succeeded"], 1, "{trigger:?}");
        }
    }

    #[test]
    fn a_run_at_work_sends_nothing() {
        assert_eq!(line(&record(Trigger::Manual, RunState::Running), ""), None);
    }
}
