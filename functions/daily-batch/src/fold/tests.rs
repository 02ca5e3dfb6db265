use std::time::{Duration, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use lake::ArrivalHour;
use object_store::ObjectStoreExt as _;
use proptest::prelude::*;

use super::*;
use crate::compact::compact;
use crate::manifest::Manifest;
use crate::test_lake::{DAY, batch, memory, posted, put, put_as, put_batch, put_bytes, with_damaged_values};

fn clock() -> Clock {
    Clock::new(|| UNIX_EPOCH + Duration::from_hours(48))
}

fn date(days: i64) -> Date {
    ArrivalHour::of(days * DAY * 1_000_000).date
}

fn work(lake: &Lake) -> Work {
    Work {
        lake: lake.clone(),
        sizes: Sizes::default(),
        clock: clock(),
    }
}

async fn fold_users(lake: &Lake, through: i64) -> Result<FoldCounts, DailyError> {
    let outcome = fold(&work(lake), Kind::User, date(through), 1).await?;
    Ok(outcome.counts)
}

async fn table(lake: &Lake) -> CuratedTable {
    let table = CuratedTable::open(lake, Kind::User).await;
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
    context
        .register_table("t", table.delta().table_provider().await.unwrap())
        .unwrap();
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
    let counts = fold_users(&lake, 0).await.unwrap();
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
    let counts = fold_users(&lake, 0).await.unwrap();
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
async fn what_is_folded_is_not_folded_again() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    fold_users(&lake, 0).await.unwrap();
    let before = version(&lake).await;
    assert_eq!(fold_users(&lake, 0).await.unwrap(), FoldCounts::default());
    assert_eq!(version(&lake).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_comes_late_to_an_old_date_is_found() {
    let lake = memory();
    put(&lake, &[posted(1, 20, DAY + 10, "200")]).await;
    fold_users(&lake, 1).await.unwrap();
    put(&lake, &[posted(1, 19, 10, "100"), posted(2, 30, 10, "101")]).await;
    let counts = fold_users(&lake, 1).await.unwrap();
    assert_eq!((counts.inserted, counts.superseded), (1, 1));
    assert_eq!(users(&lake).await, ["1:20", "2:30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_arrived_after_the_run_date_wait_for_their_own() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    put(&lake, &[posted(1, 21, DAY + 10, "200")]).await;
    fold_users(&lake, 0).await.unwrap();
    assert_eq!(users(&lake).await, ["1:20"]);
    fold_users(&lake, 1).await.unwrap();
    assert_eq!(users(&lake).await, ["1:21"]);
    // A run of the earlier date changes nothing afterwards, nor does it forget what the later one folded.
    fold_users(&lake, 0).await.unwrap();
    assert_eq!(fold_users(&lake, 1).await.unwrap(), FoldCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_written_again_with_other_rules_is_folded_again() {
    let lake = memory();
    let rows = [posted(1, 20, 10, "100")];
    put(&lake, &rows).await;
    fold_users(&lake, 0).await.unwrap();
    // The same record, cleaned to another age by newer rules.
    let newer = batch(&[posted(1, 22, 10, "100")]);
    let rules = newer.schema().index_of(schema::RULES).unwrap();
    let mut columns = newer.columns().to_vec();
    columns[rules] = Arc::new(arrow::array::Int32Array::from(vec![1000]));
    let newer = RecordBatch::try_new(newer.schema(), columns).unwrap();
    put_batch(&lake, &rows, &newer).await;
    fold_users(&lake, 0).await.unwrap();
    assert_eq!(users(&lake).await, ["1:22"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_folds_at_once_end_in_the_same_table() {
    let lake = memory();
    for (ind, sequence) in [(1, "100"), (2, "101"), (3, "102")] {
        put(&lake, &[posted(ind, 20, 10, sequence)]).await;
    }
    let (first, second) = tokio::join!(fold_users(&lake, 0), fold_users(&lake, 0));
    let inserted = first.unwrap().inserted + second.unwrap().inserted;
    assert_eq!(inserted, 3);
    assert_eq!(users(&lake).await, ["1:20", "2:20", "3:20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_manifest_costs_time_and_no_row() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100"), posted(2, 30, 10, "101")]).await;
    fold_users(&lake, 0).await.unwrap();
    Manifest::delete_all(lake.store().as_ref(), Kind::User)
        .await
        .unwrap();
    let counts = fold_users(&lake, 0).await.unwrap();
    assert_eq!(
        (counts.rows_in, counts.repeated, counts.inserted),
        (2, 2, 0)
    );
    assert_eq!(users(&lake).await, ["1:20", "2:30"]);
    assert_eq!(fold_users(&lake, 0).await.unwrap(), FoldCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_is_left_alone_until_it_changes() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    fold_users(&lake, 0).await.unwrap();
    let rows = [posted(2, 30, 10, "101")];
    for bytes in [&b"PAR1 no"[..], b"", &parquet(&rows)[..200]] {
        put_bytes(&lake, 0, &rows, Bytes::copy_from_slice(bytes)).await;
        put(&lake, &[posted(1, 21, 11, "102")]).await;
        for _ in 0..2 {
            let outcome = fold(&work(&lake), Kind::User, date(0), 1).await.unwrap();
            assert_eq!(outcome.unreadable, 1);
            assert_eq!(users(&lake).await, ["1:21"]);
        }
        let before = version(&lake).await;
        fold_users(&lake, 0).await.unwrap();
        assert_eq!(version(&lake).await, before, "it is not read again");
    }
    put(&lake, &rows).await;
    let outcome = fold(&work(&lake), Kind::User, date(0), 1).await.unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (0, 1));
    assert_eq!(users(&lake).await, ["1:21", "2:30"]);
}

fn parquet(rows: &[crate::test_lake::Posted]) -> Bytes {
    lake::writer::write_parquet(&batch(rows)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_turn_out_to_be_damaged_while_they_are_copied_cost_no_other_object() {
    let lake = memory();
    let rows = [posted(2, 30, 10, "101")];
    put_bytes(&lake, 0, &rows, with_damaged_values(&parquet(&rows), "user_name")).await;
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    let outcome = fold(&work(&lake), Kind::User, date(0), 1).await.unwrap();
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
    let outcome = fold(&work(&lake), Kind::User, date(0), 1).await.unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (1, 1));
    let (manifest, _) = table(&lake).await.manifest().await.unwrap();
    let (key, reason) = manifest.unreadable().next().unwrap();
    assert!(
        key == path.as_ref() && reason.contains("`age` is Utf8"),
        "{key}: {reason}"
    );
}

/// Puts a commit on top of a table's log, as another program would write it.
async fn commit(lake: &Lake, actions: &str) {
    let next = version(lake).await + 1;
    let path = Path::from(format!("curated/user/_delta_log/{next:020}.json"));
    lake.store()
        .put(&path, Bytes::from(actions.to_owned()).into())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_a_newer_protocol_is_left_alone() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    fold_users(&lake, 0).await.unwrap();
    commit(
        &lake,
        r#"{"protocol":{"minReaderVersion":9,"minWriterVersion":99}}"#,
    )
    .await;
    put(&lake, &[posted(2, 30, 10, "101")]).await;
    let error = fold_users(&lake, 0).await.unwrap_err();
    assert_eq!(error.error_type(), "Table");
    assert!(error.to_string().contains("`curated/user/`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_deleted_by_a_deletion_vector_do_not_come_back() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100"), posted(2, 30, 10, "101")]).await;
    fold_users(&lake, 0).await.unwrap();
    let table = table(&lake).await;
    let [file] = &table.files().await.unwrap()[..] else {
        panic!("one file")
    };
    let (name, size) = (file.path.filename().unwrap(), file.size);
    let actions = [
        r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#.to_owned(),
        format!(r#"{{"remove":{{"path":"{name}","dataChange":true,"deletionTimestamp":0}}}}"#),
        format!(
            r#"{{"add":{{"path":"{name}","partitionValues":{{}},"size":{size},"modificationTime":0,"dataChange":true,"stats":"{{\"numRecords\":2}}","deletionVector":{{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}}K{{vb[*k^","offset":4,"sizeInBytes":40,"cardinality":1}}}}}}"#
        ),
    ];
    commit(&lake, &actions.join("\n")).await;
    put(&lake, &[posted(1, 21, 11, "102")]).await;
    assert_eq!(
        fold_users(&lake, 0).await.unwrap_err().error_type(),
        "DeletionVectors"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_added_without_a_rewrite() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    fold_users(&lake, 0).await.unwrap();
    let files = async || -> Vec<_> {
        let files = table(&lake).await.files().await.unwrap();
        files.into_iter().map(|file| file.path).collect()
    };
    let before = files().await;

    let rows = [posted(2, 30, 10, "101")];
    let old = batch(&rows);
    let mut fields: Vec<_> = old.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("language", DataType::Utf8, true)));
    let mut columns = old.columns().to_vec();
    columns.push(Arc::new(arrow::array::StringArray::from(vec!["en"])));
    let wider = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    put_batch(&lake, &rows, &wider).await;
    fold_users(&lake, 0).await.unwrap();

    let after = files().await;
    assert!(before.iter().all(|path| after.contains(path)));
    insta::assert_snapshot!(select(&lake, "SELECT ind, language FROM t ORDER BY ind").await, @r"
    +-----+----------+
    | ind | language |
    +-----+----------+
    | 1   |          |
    | 2   | en       |
    +-----+----------+
    ");
    // The next object lacks the column again.
    put(&lake, &[posted(3, 40, 10, "102"), posted(2, 31, 11, "103")]).await;
    fold_users(&lake, 0).await.unwrap();
    compact(&work(&lake), Kind::User).await.unwrap();
    insta::assert_snapshot!(select(&lake, "SELECT ind, age, language FROM t ORDER BY ind").await, @r"
    +-----+-----+----------+
    | ind | age | language |
    +-----+-----+----------+
    | 1   | 20  |          |
    | 2   | 31  |          |
    | 3   | 40  |          |
    +-----+-----+----------+
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_leaves_one_file_and_every_row() {
    let lake = memory();
    for (ind, sequence) in [(1, "100"), (2, "101"), (3, "102")] {
        put(&lake, &[posted(ind, 20, 10, sequence)]).await;
        fold_users(&lake, 0).await.unwrap();
    }
    let compaction = compact(&work(&lake), Kind::User).await.unwrap();
    assert_eq!(compaction.unwrap().files, 3);
    assert_eq!(compact(&work(&lake), Kind::User).await.unwrap(), None);
    let table = table(&lake).await;
    let counts = table.counts().await.unwrap();
    assert_eq!((counts.files, counts.rows), (1, 3));
    assert_eq!(users(&lake).await, ["1:20", "2:20", "3:20"]);
    // The manifest is that of the last fold.
    assert_eq!(fold_users(&lake, 0).await.unwrap(), FoldCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_deletes_what_no_version_names_and_keeps_the_manifests() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    fold_users(&lake, 0).await.unwrap();
    let table = table(&lake).await;
    table.vacuum(1).await.unwrap();
    assert_eq!(users(&lake).await, ["1:20"]);
    assert_eq!(fold_users(&lake, 0).await.unwrap(), FoldCounts::default());
}

const SEQUENCES: [&str; 6] = ["9", "10", "10:0", "10:1", "100", "101"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The promise of the fold: the tables are a function of the set of accepted records.
    #[test]
    fn the_table_depends_on_the_set_of_rows_alone(
        rows in proptest::collection::vec((0_i64..5, 0_usize..6, 0_i64..3), 1..24),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        folds in proptest::collection::vec(any::<bool>(), 30),
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
            fold_users(&whole, 0).await.unwrap();

            // Cut anew, in another order, every batch twice, with folds in between.
            let mut bounds: Vec<_> = cuts.iter().map(|cut| cut.index(rows.len())).collect();
            bounds.extend([0, rows.len()]);
            bounds.sort_unstable();
            bounds.dedup();
            let mut batches: Vec<_> = bounds.windows(2).map(|pair| rows[pair[0]..pair[1]].to_vec()).collect();
            let places = usize::try_from(order % 97).unwrap() % batches.len();
            batches.rotate_left(places);
            let pieces = memory();
            let mut folds = folds.into_iter().cycle();
            // Each under a key of its own.
            for (shard, batch) in (0..).zip(batches.iter().chain(batches.iter().rev())) {
                put_as(&pieces, shard, batch).await;
                if folds.next().unwrap() {
                    fold_users(&pieces, 0).await.unwrap();
                }
            }
            fold_users(&pieces, 0).await.unwrap();
            assert_eq!(users(&whole).await, users(&pieces).await);
        });
    }
}
