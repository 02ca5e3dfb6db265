//! What a run costs when the stack is old.

use jiff::ToSpan as _;

use super::*;
use crate::test_lake::{DAY, counted, put_posts};

#[tokio::test(flavor = "multi_thread")]
async fn the_run_of_a_day_costs_the_same_however_old_the_stack_is() {
    let clock = TestClock::default();
    let mut runner = runner(&clock);
    runner.config.seal_after_hours = 48;
    // Old rows go from `clean/`, as after 90 days, so that both ends are seen.
    runner.config.clean_days = 12;
    let whole = runner.lake.clone();
    let mut costs = Vec::new();
    for days in 0..32_i64 {
        for part in 0..3 {
            let arrival = days * DAY + part * 7200;
            let number = 1000 + days * 10 + part;
            let rows = [posted(number, 20, arrival, &number.to_string())];
            put_posts(&whole, &rows).await;
        }
        let (lake, calls) = counted(&whole);
        runner.lake = lake;
        let start = Start {
            trigger: Trigger::Schedule,
            as_of_now: false,
            holder: "schedule",
            deadline: None,
            memory_bytes: None,
        };
        let date = day().saturating_add(days.days());
        let ended = runner.run(date, start, &|_| {}).await.unwrap();
        assert!(matches!(ended, Ended::Done(_)));
        clock.advance(DAY);
        let count = |calls: &std::sync::atomic::AtomicUsize| calls.load(Ordering::Relaxed);
        costs.push((count(&calls.lists), count(&calls.gets)));
    }
    // Delta's log is read from its last checkpoint, which comes every few commits: days are compared by tens.
    let sum = |days: std::ops::Range<usize>| {
        costs[days]
            .iter()
            .fold((0, 0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1))
    };
    let (young, old) = (sum(2..12), sum(22..32));
    assert!(old.0 * 10 <= young.0 * 12, "lists: {young:?} then {old:?}");
    assert!(old.1 * 10 <= young.1 * 12, "gets: {young:?} then {old:?}");
}
