//! A run that has ended → its line of metrics.

use daily_report::run::{RunRecord, RunState, StepRecord, Trigger};
use emf::Metric;
use jiff::Timestamp;

use super::{
    ACCEPTED, DUPLICATE_KEYS, IS_COMPLETE, MAINTENANCE, PAGE, REJECTED, REPORTS, UNACCOUNTED,
};
use crate::merge::counts::{UNREADABLE, is_merge_step, read_merge_counts, row_balance};

/// Whether the schedule's day is done, which an alarm waits for.
const SCHEDULED_RUNS_SUCCEEDED: &str = "scheduled_runs_succeeded";

/// Returns the metrics of a run in CloudWatch's embedded metric format; `None` while it is at work.
///
/// What a run did is sent when it succeeds, with the steps that earlier attempts have done: once, whatever became of those.
pub(crate) fn line(record: &RunRecord, deployed: &str) -> Option<String> {
    let is_done = match record.state {
        RunState::Succeeded => true,
        RunState::Failed => false,
        RunState::Pending
        | RunState::Running
        | RunState::Kept
        | RunState::Paused
        | RunState::Unknown => {
            return None;
        }
    };
    let is_scheduled = matches!(record.trigger, Trigger::Schedule | Trigger::CatchUp);
    let finished_at = record.finished_at?;
    let duration = finished_at.duration_since(record.started_at).as_millis();
    let mut metrics = vec![
        Metric::count("runs_succeeded", u64::from(is_done)),
        Metric::count(
            SCHEDULED_RUNS_SUCCEEDED,
            u64::from(record.is_days_run() && is_scheduled),
        ),
        Metric::count("runs_failed", u64::from(!is_done)),
    ];
    let may_fail = |name: &str| MAINTENANCE.contains(&name) || name == REPORTS;
    let failed = record
        .steps
        .iter()
        .filter(|step| step.state == RunState::Failed && may_fail(&step.name));
    metrics.push(Metric::count("steps_failed", failed.count() as u64));
    metrics.push(Metric::count("row_imbalance", row_imbalance(record)));
    if is_done {
        metrics.extend(work(record));
    }
    if let Some(used) = record.used {
        let most = used.time_percent.max(used.memory_percent);
        metrics.push(Metric::count("limits_used_percent", most));
    }
    metrics.push(Metric::milliseconds(
        "duration_ms",
        u64::try_from(duration).unwrap_or_default(),
    ));
    Some(source(deployed, finished_at).lines(&metrics))
}

/// Returns the metrics of a start by the schedule whose day somebody else has done before.
pub(crate) fn found_done(now: Timestamp, deployed: &str) -> String {
    source(deployed, now).lines(&[Metric::count(SCHEDULED_RUNS_SUCCEEDED, 1)])
}

fn source(deployed: &str, at: Timestamp) -> emf::Source<'_> {
    emf::Source {
        deployed,
        package: env!("CARGO_PKG_NAME"),
        at_ms: at.as_millisecond(),
    }
}

/// Returns by how many rows the merges of a run missed what they said.
fn row_imbalance(record: &RunRecord) -> u64 {
    merge_steps(record)
        .map(|step| row_balance(step).difference())
        .sum()
}

fn merge_steps(record: &RunRecord) -> impl Iterator<Item = &StepRecord> {
    let steps = record.steps.iter();
    steps.filter(|step| is_merge_step(&step.name))
}

/// Returns the metrics of what a run found and did. What was not looked at to its end is not published as 0.
fn work(record: &RunRecord) -> Vec<Metric> {
    let merges: Vec<_> = merge_steps(record).map(read_merge_counts).collect();
    let unreadable = merge_steps(record).filter_map(|step| step.counts.get(UNREADABLE));
    let page = record.steps.iter().find(|step| step.name == PAGE);
    let of_page = |name: &str| {
        let count = page.and_then(|step| step.counts.get(name));
        count.copied().unwrap_or_default()
    };
    let rows_in = merges.iter().map(|merge| merge.rows_in).sum();
    let rows_merged = merges
        .iter()
        .map(|merge| merge.inserted + merge.updated)
        .sum();
    let rows_late = merges.iter().map(|merge| merge.late).sum();
    let order_undecided = merges.iter().map(|merge| merge.order_undecided).sum();
    let is_complete = of_page(IS_COMPLETE);
    let mut metrics = vec![
        Metric::count("reconciliation_complete", is_complete),
        Metric::count("accepted_checked", of_page(ACCEPTED)),
        Metric::count("duplicate_keys", of_page(DUPLICATE_KEYS)),
        Metric::count("order_undecided", order_undecided),
        Metric::count("rows_late", rows_late),
        Metric::count("objects_unreadable", unreadable.sum()),
        Metric::count("rows_in", rows_in),
        Metric::count("rows_merged", rows_merged),
        Metric::count("rejected", of_page(REJECTED)),
    ];
    if is_complete > 0 || of_page(UNACCOUNTED) > 0 {
        metrics.push(Metric::count("unaccounted", of_page(UNACCOUNTED)));
    }
    metrics
}

#[cfg(test)]
mod tests {
    use daily_report::run::{LimitsUsed, StepRecord};

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
            error: None,
        }
    }

    fn record(trigger: Trigger, state: RunState) -> RunRecord {
        let merge = [
            ("rows_before", 90),
            ("rows_inserted", 6),
            ("rows_after", 96),
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
            partial: false,
            as_of: None,
            as_of_now: false,
            used: Some(LimitsUsed {
                time_percent: 4,
                memory_percent: 31,
            }),
            started_at: "2026-03-02T06:00:00Z".parse().unwrap(),
            expires_at: "2026-03-02T06:15:00Z".parse().unwrap(),
            finished_at: Some("2026-03-02T06:00:12.5Z".parse().unwrap()),
            steps: vec![
                step("merge-pin", RunState::Kept, &merge),
                step("merge-geo", RunState::Succeeded, &merge),
                step("reports", RunState::Succeeded, &[("rows_in", 1)]),
                step(
                    "page",
                    RunState::Succeeded,
                    &[
                        ("accepted", 21),
                        ("rejected", 2),
                        ("unaccounted", 1),
                        ("reconciliation_complete", 1),
                    ],
                ),
            ],
            tables: std::collections::BTreeMap::new(),
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
            "steps_failed": 0,
            "row_imbalance": 0,
            "limits_used_percent": 31,
            "duration_ms": 12500,
        });
        assert_eq!(metrics(Trigger::Schedule, RunState::Failed), expected);
    }

    #[test]
    fn what_was_not_looked_at_to_its_end_is_not_published_as_nothing_missing() {
        let mut record = record(Trigger::Schedule, RunState::Succeeded);
        for (unaccounted, complete, published) in [(0, 1, true), (0, 0, false), (3, 0, true)] {
            let page = record.steps.last_mut().unwrap();
            page.counts.insert(UNACCOUNTED.to_owned(), unaccounted);
            page.counts.insert(IS_COMPLETE.to_owned(), complete);
            let line = line(&record, "daily-batch").unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["reconciliation_complete"], complete);
            assert_eq!(
                line["unaccounted"].as_u64(),
                published.then_some(unaccounted)
            );
        }
    }

    #[test]
    fn a_merge_that_lost_rows_is_counted_in_a_failed_run_too() {
        let mut record = record(Trigger::Schedule, RunState::Failed);
        let merge = record.steps.first_mut().unwrap();
        merge.counts = crate::merge::counts::imbalance(100, 97);
        let line = line(&record, "daily-batch").unwrap();
        assert!(line.contains(r#""row_imbalance":3"#), "{line}");
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
