use std::collections::BTreeMap;
use std::time::Duration;

use daily_batch::{App, Config, Lake, Request};
use daily_report::run::Trigger;
use event_model::Clock;

use crate::Exit;
use crate::test_stack::{TestStack, now};

/// Runs a day some days from now, and returns what the merge of the pins counted.
async fn run_daily(stack: &TestStack, days: u32) -> BTreeMap<String, u64> {
    let clock = Clock::new(move || now() + Duration::from_hours(24) * days);
    let lake = Lake::from_bucket(
        &stack.stack.sdk_config(),
        "pinflow-lake",
        model::Model::load_from(None).unwrap(),
    )
    .unwrap();
    let mut config = Config::new("pinflow-lake");
    config.seal_after_hours = 24;
    config.clean_days = 3;
    let today = crate::daily::today(&clock);
    let app = App::new(lake, None, config, clock);
    let request = Request {
        run_dates: vec![today.yesterday().unwrap()],
        trigger: Trigger::Manual,
        as_of_now: false,
    };
    let records = app.run(&request, "test", &|_| {}).await.unwrap();
    let merge = records[0]
        .steps
        .iter()
        .find(|step| step.name == "merge-pin");
    merge.unwrap().counts.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_is_made_again_from_the_archive() {
    let stack = TestStack::start().await;
    stack.post_pins((0..40).map(|index| index % 30)).await;
    let merged = run_daily(&stack, 10).await;
    assert_eq!((merged["rows_in"], merged["inserted"]), (40, 30));
    // The date is sealed, archived, and older than clean objects become.
    assert_eq!(stack.objects("pinflow-lake/clean"), []);
    assert_eq!(stack.objects("pinflow-lake/archive/pin").len(), 2);

    // A table that is whole gains nothing.
    let ran = stack.run("restore pin").await;
    assert_eq!(ran.exit, Ok(Exit::Success), "{ran:?}");
    assert!(
        ran.out.starts_with("Put back 40 rows of 1 date as "),
        "{ran:?}"
    );
    let merged = run_daily(&stack, 11).await;
    assert_eq!(
        (merged["rows_in"], merged["inserted"], merged["updated"]),
        (40, 0, 0)
    );

    std::fs::remove_dir_all(stack.path("pinflow-lake/curated/pin")).unwrap();
    let merged = run_daily(&stack, 12).await;
    assert_eq!((merged["inserted"], merged["rows_after"]), (30, 30));
    let none = stack.run("restore geo --to 2000-01-01").await;
    assert!(none.out.contains("has no date that is meant"), "{none:?}");
}
