use std::collections::BTreeSet;

use event_model::Kind;
use serde_json::json;

use crate::support::TestStack;

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_record_is_clean_or_quarantined_and_none_is_both() {
    let stack = TestStack::start().await;
    let mut accepted = Vec::new();
    for post in 0..20 {
        let rows: Vec<_> = (0..10)
            .map(|row| json!({"ind": post * 10 + row, "first_name": "Ada"}))
            .collect();
        accepted.extend(stack.post(Kind::named("user"), &rows).await);
        accepted.extend(
            stack
                .post(
                    Kind::named("pin"),
                    &[json!({"index": post, "category": "art"})],
                )
                .await,
        );
        accepted.extend(
            stack
                .post(Kind::named("geo"), &[json!({"country": "nowhere"})])
                .await,
        );
    }
    stack.drain().await;
    let lake = stack.lake();
    let clean: BTreeSet<_> = lake.clean_positions().into_iter().collect();
    let quarantined: BTreeSet<_> = lake.quarantined_positions().into_iter().collect();
    assert_eq!((clean.len(), quarantined.len()), (220, 20));
    assert_eq!(clean.intersection(&quarantined).count(), 0);
    assert_eq!(
        clean.union(&quarantined).cloned().collect::<BTreeSet<_>>(),
        accepted.into_iter().collect()
    );
    assert!(
        lake.quarantine
            .iter()
            .all(|line| line.code == "missing_key" && line.kind.as_deref() == Some("geo"))
    );

    let totals = stack.stack.totals();
    assert_eq!(
        (totals.tally.total_rows(), totals.tally.total_rejected()),
        (220, 20)
    );
    stack.stop().await;
}
