use std::collections::BTreeSet;

use lake::reader::read_positions;

use crate::Exit;
use crate::test_stack::{TestStack, run};

/// Returns the sequence numbers of all clean rows.
fn clean_rows(stack: &TestStack) -> BTreeSet<String> {
    let objects = stack.objects("pinflow-lake/clean");
    let positions = objects
        .into_iter()
        .flat_map(|(_, bytes)| read_positions(bytes.into()).unwrap());
    positions.map(|position| position.sequence).collect()
}

#[tokio::test]
async fn what_the_lake_lost_comes_back_from_the_stream() {
    let stack = TestStack::start().await;
    stack.post_pins(0..30).await;
    let before = clean_rows(&stack);
    assert_eq!(before.len(), 30);
    std::fs::remove_dir_all(stack.path("pinflow-lake/clean")).unwrap();

    let ran = stack.run("refetch --from 2100-01-01T00:00:00Z").await;
    assert_eq!(ran.exit, Ok(Exit::Success), "{ran:?}");
    assert!(ran.out.contains("has no record of that time"), "{ran:?}");
    let ran = stack.run("refetch --from 1970-01-01T00:00:00Z").await;
    assert_eq!(ran.exit, Ok(Exit::Success), "{ran:?}");
    assert!(ran.out.contains("30 records into 30 rows"), "{ran:?}");
    assert_eq!(clean_rows(&stack), before);
    // Its date may be sealed by now, so the merge gets an announcement.
    assert_eq!(
        stack.objects("pinflow-lake/replays").len(),
        stack.objects("pinflow-lake/clean").len()
    );
    let again = stack
        .run("refetch --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z")
        .await;
    assert!(
        again
            .exit
            .unwrap_err()
            .contains("--from is not before --to")
    );
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_named() {
    let ran = run("refetch --from 1970-01-01T00:00:00Z --endpoint http://127.0.0.1:9").await;
    let error = ran.exit.unwrap_err();
    assert!(
        error.contains("start a stack with `cargo pinflow local`"),
        "{error}"
    );
}
