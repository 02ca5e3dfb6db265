//! The bar that shows how far a run is; it is hidden where standard error is not a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Makes a bar over a number of posts, or one without an end.
pub(crate) fn posts(limit: Option<u64>) -> ProgressBar {
    let (bar, template) = match limit {
        Some(limit) => (
            ProgressBar::new(limit),
            "{bar:32} {pos}/{len} posts, {msg} {eta}",
        ),
        None => (ProgressBar::no_length(), "{spinner} {pos} posts, {msg}"),
    };
    set_up(bar, template)
}

/// Makes a bar over so many objects.
pub(crate) fn objects(count: u64) -> ProgressBar {
    let bar = ProgressBar::new(count);
    set_up(bar, "{bar:32} {pos}/{len} objects, {msg} {eta}")
}

/// Makes a spinner beside a sentence.
pub(crate) fn waiting(message: &'static str) -> ProgressBar {
    let bar = set_up(ProgressBar::no_length(), "{spinner} {msg} ({elapsed})");
    bar.set_message(message);
    bar
}

/// Makes a spinner beside the step that is at work.
pub(crate) fn step() -> ProgressBar {
    set_up(ProgressBar::no_length(), "{spinner} {msg} ({elapsed})")
}

fn set_up(bar: ProgressBar, template: &str) -> ProgressBar {
    // A template that cannot be read would only change how the bar looks.
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("██░");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
