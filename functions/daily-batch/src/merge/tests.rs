mod others;
mod sizes;
mod slices;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use bytes::Bytes;
use daily_report::summary::MergeCounts;
use datafusion::prelude::SessionContext;
use event_model::Clock;
use jiff::SignedDuration;
use jiff::civil::Date;
use lake::{ArrivalHour, schema};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use proptest::prelude::*;

use super::*;
use crate::Lake;
use crate::maintenance::compact::compact;
use crate::maintenance::remerge::{Remerge, remerge};
use crate::storage::clean;
use crate::table::files::NewFile;
use crate::table::manifest::PartOf;
use crate::test_lake::{
    self, DAY, Posted, batch, counted, memory, posted, put, put_as, put_batch, put_bytes,
    with_damaged_values, with_rules,
};
use crate::work::Sizes;

fn clock() -> Clock {
    Clock::new(|| UNIX_EPOCH + Duration::from_hours(48))
}

pub(super) fn date(days: i64) -> Date {
    ArrivalHour::of(days * DAY * 1_000_000).date
}

pub(super) fn work(lake: &Lake) -> Work {
    Work {
        lake: lake.clone(),
        sizes: test_lake::sizes(),
        clock: clock(),
        seal_after: SignedDuration::from_hours(48),
    }
}

async fn merge_users(lake: &Lake, through: i64) -> Result<MergeCounts, DailyError> {
    let outcome = merge(&work(lake), Kind::named("user"), date(through), 1).await?;
    Ok(outcome.counts)
}

pub(super) async fn table(lake: &Lake) -> CuratedTable {
    let table = CuratedTable::open(lake, Kind::named("user")).await;
    table.unwrap().unwrap()
}

/// Returns the table's rows as `ind:age`, sorted.
async fn users(lake: &Lake) -> Vec<String> {
    let rows = select(
        lake,
        "SELECT concat(ind, ':', age) AS row FROM t ORDER BY ind",
    )
    .await;
    rows.lines()
        .filter(|line| line.contains(':'))
        .map(|line| line.trim_matches(['|', ' ']).to_owned())
        .collect()
}

async fn select(lake: &Lake, sql: &str) -> String {
    let table = table(lake).await;
    let context = SessionContext::new();
    let provider = crate::reports::provider(&context, &table).await;
    context.register_table("t", provider.unwrap()).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

async fn version(lake: &Lake) -> u64 {
    table(lake).await.version()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ind_has_one_row_and_its_latest_version_wins() {
    let lake = memory();
    put(
        &lake,
        &[
            posted(1, 20, 10, "100"),
            posted(2, 30, 10, "101"),
            posted(1, 21, 11, "99"),
        ],
    )
    .await;
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!(
        (
            counts.objects,
            counts.rows_in,
            counts.inserted,
            counts.superseded
        ),
        (1, 3, 2, 1)
    );
    assert_eq!(users(&lake).await, ["1:21", "2:30"]);

    put(
        &lake,
        &[
            posted(2, 31, 12, "102"),
            posted(1, 19, 9, "98"),
            posted(3, 40, 12, "103"),
        ],
    )
    .await;
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!(
        (
            counts.rows_in,
            counts.inserted,
            counts.updated,
            counts.superseded
        ),
        (3, 1, 1, 1)
    );
    assert_eq!(users(&lake).await, ["1:21", "2:31", "3:40"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_merged_is_not_merged_again() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    merge_users(&lake, 0).await.unwrap();
    let before = version(&lake).await;
    assert_eq!(merge_users(&lake, 0).await.unwrap(), MergeCounts::default());
    assert_eq!(version(&lake).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_comes_late_to_an_old_date_is_found() {
    let lake = memory();
    put(&lake, &[posted(1, 20, DAY + 10, "200")]).await;
    merge_users(&lake, 1).await.unwrap();
    put(&lake, &[posted(1, 19, 10, "100"), posted(2, 30, 10, "101")]).await;
    let counts = merge_users(&lake, 1).await.unwrap();
    assert_eq!((counts.inserted, counts.superseded), (1, 1));
    assert_eq!(users(&lake).await, ["1:20", "2:30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_arrived_after_the_run_date_wait_for_their_own() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    put(&lake, &[posted(1, 21, DAY + 10, "200")]).await;
    merge_users(&lake, 0).await.unwrap();
    assert_eq!(users(&lake).await, ["1:20"]);
    merge_users(&lake, 1).await.unwrap();
    assert_eq!(users(&lake).await, ["1:21"]);
    // A run of the earlier date changes nothing afterwards, nor does it forget what the later one merged.
    merge_users(&lake, 0).await.unwrap();
    assert_eq!(merge_users(&lake, 1).await.unwrap(), MergeCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_written_again_with_other_rules_is_merged_again() {
    let lake = memory();
    let rows = [posted(1, 20, 10, "100")];
    put(&lake, &rows).await;
    merge_users(&lake, 0).await.unwrap();
    // The same record, cleaned to another age by newer rules.
    let newer = with_rules(&batch(&[posted(1, 22, 10, "100")]), i32::MAX);
    put_batch(&lake, &rows, &newer).await;
    merge_users(&lake, 0).await.unwrap();
    assert_eq!(users(&lake).await, ["1:22"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_merges_at_once_end_in_the_same_table() {
    let lake = memory();
    for (ind, sequence) in [(1, "100"), (2, "101"), (3, "102")] {
        put(&lake, &[posted(ind, 20, 10, sequence)]).await;
    }
    let (first, second) = tokio::join!(merge_users(&lake, 0), merge_users(&lake, 0));
    let inserted = first.unwrap().inserted + second.unwrap().inserted;
    assert_eq!(inserted, 3);
    assert_eq!(users(&lake).await, ["1:20", "2:20", "3:20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_manifest_costs_time_and_no_row() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100"), posted(2, 30, 10, "101")]).await;
    merge_users(&lake, 0).await.unwrap();
    Manifest::delete_all(lake.store().as_ref(), Kind::named("user"))
        .await
        .unwrap();
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!(
        (counts.rows_in, counts.repeated, counts.inserted),
        (2, 2, 0)
    );
    assert_eq!(users(&lake).await, ["1:20", "2:30"]);
    assert_eq!(merge_users(&lake, 0).await.unwrap(), MergeCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_is_left_alone_until_it_changes() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    merge_users(&lake, 0).await.unwrap();
    let rows = [posted(2, 30, 10, "101")];
    for bytes in [&b"PAR1 no"[..], b"", &parquet(&rows)[..200]] {
        put_bytes(&lake, 0, &rows, Bytes::copy_from_slice(bytes)).await;
        put(&lake, &[posted(1, 21, 11, "102")]).await;
        for _ in 0..2 {
            let outcome = merge(&work(&lake), Kind::named("user"), date(0), 1)
                .await
                .unwrap();
            assert_eq!(outcome.unreadable, 1);
            assert_eq!(users(&lake).await, ["1:21"]);
        }
        let before = version(&lake).await;
        merge_users(&lake, 0).await.unwrap();
        assert_eq!(version(&lake).await, before, "it is not read again");
    }
    put(&lake, &rows).await;
    let outcome = merge(&work(&lake), Kind::named("user"), date(0), 1)
        .await
        .unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (0, 1));
    assert_eq!(users(&lake).await, ["1:21", "2:30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_that_cannot_be_read_are_found_in_one_reading() {
    let whole = memory();
    for number in 0..40 {
        let rows = [posted(number, 20, 10, &(100 + number).to_string())];
        // The places of rows go by the objects that can be read.
        let bytes = match number % 2 {
            0 => Bytes::from_static(b"PAR1 no"),
            _ => parquet(&rows),
        };
        put_bytes(&whole, 0, &rows, bytes).await;
    }
    let (lake, calls) = counted(&whole);
    let outcome = merge(&work(&lake), Kind::named("user"), date(0), 1)
        .await
        .unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (20, 20));
    let expected: BTreeSet<_> = (0..20).map(|half| format!("{}:20", half * 2 + 1)).collect();
    assert_eq!(
        users(&lake).await.into_iter().collect::<BTreeSet<_>>(),
        expected
    );
    // Each object once, and what a commit reads.
    let gets = calls.gets.load(Ordering::Relaxed);
    assert!(gets < 3 * 40, "{gets} GETs");
}

fn parquet(rows: &[Posted]) -> Bytes {
    lake::writer::write_clean(&batch(rows)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_turn_out_to_be_damaged_while_they_are_copied_cost_no_other_object() {
    let lake = memory();
    let rows = [posted(2, 30, 10, "101")];
    put_bytes(
        &lake,
        0,
        &rows,
        with_damaged_values(&parquet(&rows), "user_name"),
    )
    .await;
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    let outcome = merge(&work(&lake), Kind::named("user"), date(0), 1)
        .await
        .unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (1, 1));
    assert_eq!(users(&lake).await, ["1:20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_a_column_of_another_type_is_left_out() {
    let lake = memory();
    let rows = [posted(1, 20, 10, "100")];
    let good = batch(&rows);
    let age = good.schema().index_of("age").unwrap();
    let mut fields: Vec<_> = good
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    fields[age] = Field::new("age", DataType::Utf8, true);
    let mut columns = good.columns().to_vec();
    columns[age] = Arc::new(arrow::array::StringArray::from(vec!["twenty"]));
    let wrong = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let path = put_batch(&lake, &rows, &wrong).await;
    put(&lake, &[posted(2, 30, 10, "101")]).await;
    let outcome = merge(&work(&lake), Kind::named("user"), date(0), 1)
        .await
        .unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (1, 1));
    let (mut manifest, _) = table(&lake).await.manifest().await.unwrap();
    let (store, part) = (lake.store(), PartOf::Date(date(0)));
    let objects = manifest
        .objects(store.as_ref(), Kind::named("user"), part)
        .await;
    let reason = objects.unwrap()[path.as_ref()].error.clone().unwrap();
    assert!(reason.contains("`age` is Utf8"), "{reason}");
}

/// Returns users with different `ind`s, each with its own age, all of one second.
fn many(first: i64, count: i64, second: i64) -> Vec<Posted> {
    (first..first + count)
        .map(|ind| {
            posted(
                ind,
                i32::try_from(ind % 97).unwrap(),
                second,
                &(10_000 + ind).to_string(),
            )
        })
        .collect()
}

/// Restores the table with the Delta library, as anybody's tool does.
pub(super) async fn restore(lake: &Lake, version: u64) {
    let delta = table(lake).await.delta().clone();
    delta
        .restore()
        .with_version_to_restore(version)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_while_it_is_read_is_read_anew() {
    let lake = memory();
    let path = put(&lake, &[posted(1, 20, 10, "100")]).await;
    let listed = clean::list_all(lake.store().as_ref(), Kind::named("user")).await;
    let object = Pending {
        object: listed.unwrap().remove(0),
        part: PartOf::Date(date(0)),
        arrival: date(0),
        under: date(0),
    };
    // A redelivery by newer rules, between the listing and the reading, and between the two readings.
    put(&lake, &[posted(1, 21, 10, "100")]).await;
    let model = lake.model();
    let table = model.table(Kind::named("user")).unwrap();
    let schema = schema::schema(table);
    let store = lake.store();
    let read = read_keys::<i64>(&store, table, vec![object.clone()], &schema, 10).await;
    let is_changed = |error: Option<DailyError>| matches!(error, Some(DailyError::Changed { key }) if key == path.as_ref());
    assert!(is_changed(read.err()));
    let target = Target {
        kind: Kind::named("user"),
        files: FileNames::OfTable,
        schema,
        sizes: test_lake::sizes(),
        at_ms: 0,
    };
    let sources = sources(&[(object, 1)], vec![RowKey::<i64>::default()]);
    let written = rewrite(&store, sources, HashMap::new(), target).await;
    assert!(is_changed(written.err()));
    merge_users(&lake, 0).await.unwrap();
    assert_eq!(users(&lake).await, ["1:21"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remerge_reads_everything_again_and_drops_damaged_files_only_if_asked() {
    let lake = memory();
    put(&lake, &many(0, 3, 10)).await;
    merge_users(&lake, 0).await.unwrap();
    put(&lake, &many(3, 3, 20)).await;
    merge_users(&lake, 0).await.unwrap();
    let work = work(&lake);
    assert_eq!(
        remerge(&work, Kind::named("user"), false).await.unwrap(),
        Remerge::default()
    );
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!((counts.rows_in, counts.repeated), (6, 6));

    // One file is gone, and another damaged: what the error advises brings the rows back.
    let files = table(&lake).await.files().await.unwrap();
    let [gone, damaged] = &files[..] else {
        panic!("a file for each merge")
    };
    lake.store().delete(&gone.path).await.unwrap();
    let store = lake.store();
    let bytes = crate::storage::objects::fetch(store.as_ref(), &damaged.path);
    let bytes = with_damaged_values(&bytes.await.unwrap(), "ind");
    lake.store().put(&damaged.path, bytes.into()).await.unwrap();
    put(
        &lake,
        &[posted(1, 30, 30, "30000"), posted(4, 30, 30, "30001")],
    )
    .await;
    let error = merge_users(&lake, 0).await.unwrap_err();
    let advice = "run `pinflow daily remerge user --drop-damaged`";
    assert!(error.to_string().ends_with(advice), "{error}");
    let remerged = remerge(&work, Kind::named("user"), true).await.unwrap();
    assert_eq!((remerged.dropped.len(), remerged.dropped_rows), (2, 6));
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!(counts.inserted, 6);
    assert_eq!(
        users(&lake).await,
        ["0:0", "1:30", "2:2", "3:3", "4:30", "5:5"]
    );
}

const SEQUENCES: [&str; 6] = ["9", "10", "10:0", "10:1", "100", "101"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The promise of the merge: the tables are a function of the set of accepted records.
    #[test]
    fn the_table_depends_on_the_set_of_rows_alone(
        rows in proptest::collection::vec((0_i64..5, 0_usize..6, 0_i64..3), 1..24),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        merges in proptest::collection::vec(any::<bool>(), 30),
        order in any::<u64>(),
    ) {
        // A position on the stream holds one record: its values follow from the position.
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(ind, sequence, arrival)| {
                let age = i32::try_from(ind * 20 + arrival * 6).unwrap() + i32::try_from(sequence).unwrap();
                posted(ind, age, arrival, SEQUENCES[sequence])
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let whole = memory();
            put(&whole, &rows).await;
            merge_users(&whole, 0).await.unwrap();

            // Cut anew, in another order, every batch twice, with merges in between.
            let mut bounds: Vec<_> = cuts.iter().map(|cut| cut.index(rows.len())).collect();
            bounds.extend([0, rows.len()]);
            bounds.sort_unstable();
            bounds.dedup();
            let mut batches: Vec<_> = bounds.windows(2).map(|pair| rows[pair[0]..pair[1]].to_vec()).collect();
            let places = usize::try_from(order % 97).unwrap() % batches.len();
            batches.rotate_left(places);
            let pieces = memory();
            let mut merges = merges.into_iter().cycle();
            // Each under a key of its own.
            for (shard, batch) in (0..).zip(batches.iter().chain(batches.iter().rev())) {
                put_as(&pieces, shard, batch).await;
                if merges.next().unwrap() {
                    merge_users(&pieces, 0).await.unwrap();
                }
            }
            merge_users(&pieces, 0).await.unwrap();
            assert_eq!(users(&whole).await, users(&pieces).await);
        });
    }
}
