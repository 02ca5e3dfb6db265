use std::collections::BTreeSet;
use std::time::Duration;

use embedded_aws::{Packing, StackConfig};
use event_model::Kind;
use serde_json::json;

use crate::support::TestStack;

/// Longer than a record may be on its way.
const LATER: Duration = Duration::from_mins(20);

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_record_is_clean_or_quarantined_and_none_is_both() {
    accounts_for_all(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_every_row_of_a_record_that_holds_several() {
    for is_compressed in [false, true] {
        accounts_for_all(Some(Packing {
            partition_keys: 4.try_into().unwrap(),
            is_compressed,
        }))
        .await;
    }
}

/// Posts good rows and bad ones, and looks for each at the position in its answer.
async fn accounts_for_all(packing: Option<Packing>) {
    let adjust = |config: &mut StackConfig| config.packing = packing;
    let stack = TestStack::start_in(tempfile::tempdir().unwrap(), adjust).await;
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
        accepted.iter().cloned().collect()
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
    // Rows that share a record are one record for CloudWatch, which counts what the stream took.
    let records: BTreeSet<_> = accepted
        .iter()
        .map(|row| (&row.shard, row.sequence.split(':').next()))
        .collect();
    let check = stack.run_today(LATER).await["reconciliation"].take();
    assert_eq!(check["accepted"], records.len(), "{check:#}");
    assert_eq!(check["found"], records.len(), "{check:#}");
    assert_eq!(check["is_complete"], true, "{check:#}");
    stack.stop().await;
}
