//! What an attempt takes over from the ones before it.

use std::collections::BTreeMap;

use daily_report::run::{RunRecord, RunState, StepRecord};

use crate::run::{PAGE, REPORTS};

/// Makes an attempt one that writes the reports of the day's run again.
pub(super) fn make_again(record: &mut RunRecord, again: &RunRecord) {
    record.as_of = Some(again.as_of.unwrap_or(again.attempt));
    record.tables.clone_from(&again.tables);
    for step in &mut record.steps {
        if is_written_again(&step.name) {
            *step = resumed_step(&step.name, None);
            continue;
        }
        if let Some(done) = again.steps.iter().find(|done| done.name == step.name) {
            *step = StepRecord {
                state: RunState::Kept,
                ..done.clone()
            };
        }
    }
}

/// Returns whether a step writes what a repeated run writes again.
fn is_written_again(step: &str) -> bool {
    [REPORTS, PAGE].contains(&step)
}

/// Returns whether another attempt goes on from this one.
///
/// What a preview merged is not all of its day, so the day's run begins anew; and so does another preview, unless it is the
/// next part of one whose time was over.
pub(super) fn is_resumable(record: &RunRecord, is_partial: bool) -> bool {
    let is_same = !record.partial || (is_partial && record.state == RunState::Paused);
    record.state != RunState::Succeeded && is_same
}

pub(super) fn resumed_step(name: &str, previous: Option<&RunRecord>) -> StepRecord {
    match previous.and_then(|record| done_step(record, name)) {
        Some(step) => StepRecord {
            state: RunState::Kept,
            ..step.clone()
        },
        None => StepRecord {
            name: name.to_owned(),
            state: RunState::Pending,
            started_at: None,
            duration_ms: None,
            counts: BTreeMap::new(),
            error: None,
        },
    }
}

/// Counts the steps of an attempt that are done.
pub(super) fn done(record: &RunRecord) -> usize {
    let steps = record.steps.iter();
    steps
        .filter(|step| matches!(step.state, RunState::Succeeded | RunState::Kept))
        .count()
}

fn done_step<'a>(record: &'a RunRecord, name: &str) -> Option<&'a StepRecord> {
    let mut steps = record.steps.iter();
    steps.find(|step| {
        step.name == name && matches!(step.state, RunState::Succeeded | RunState::Kept)
    })
}
