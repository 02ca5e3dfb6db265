//! The run's steps and their times.

use super::format;
use crate::{RunState, StepRecord};

/// A step as the template writes it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) name: &'a str,
    pub(super) state: &'static str,
    pub(super) started_at: String,
    pub(super) duration: String,
    /// Its part of the run's time in per cent, for a bar.
    pub(super) width: String,
    pub(super) counts: Vec<(&'a str, String)>,
}

/// Returns how long the steps of this attempt took, in milliseconds; those that an earlier one did are not in it.
pub(super) fn total_ms(steps: &[StepRecord]) -> u64 {
    steps
        .iter()
        .filter(|step| step.state != RunState::Kept)
        .filter_map(|step| step.duration_ms)
        .sum()
}

/// Returns the steps in their order.
pub(super) fn steps(steps: &[StepRecord]) -> Vec<Step<'_>> {
    let longest = steps
        .iter()
        .filter_map(|step| step.duration_ms)
        .max()
        .unwrap_or(0)
        .max(1);
    let part = |ms| format::length(ms) / format::length(longest) * 100.0;
    steps
        .iter()
        .map(|step| Step {
            name: &step.name,
            // The step that makes this page ends after it is made.
            state: match step.state {
                RunState::Running => "this page",
                state => state.as_str(),
            },
            started_at: step
                .started_at
                .map_or_else(String::new, |time| time.strftime("%H:%M:%S").to_string()),
            duration: step
                .duration_ms
                .map_or_else(|| "–".to_owned(), format::duration),
            width: format!("{:.1}", step.duration_ms.map_or(0.0, part)),
            counts: step
                .counts
                .iter()
                .map(|(name, count)| (name.as_str(), format::count(*count)))
                .collect(),
        })
        .collect()
}
