use std::time::{Duration, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use daily_report::summary::MergeCounts;
use datafusion::prelude::SessionContext;
use event_model::Clock;
use lake::ArrivalHour;
use object_store::ObjectStoreExt as _;
use proptest::prelude::*;

use super::*;
use crate::Lake;
use crate::maintenance::compact::compact;
use crate::maintenance::remerge::{Remerge, remerge};
use crate::table::files::NewFile;
use crate::table::manifest::Manifest;
use crate::test_lake::{
    DAY, Posted, batch, memory, posted, put, put_as, put_batch, put_bytes, with_damaged_values,
    with_rules,
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
        sizes: Sizes::default(),
        clock: clock(),
    }
}

async fn merge_users(lake: &Lake, through: i64) -> Result<MergeCounts, DailyError> {
    let outcome = merge(&work(lake), Kind::User, date(through), 1).await?;
    Ok(outcome.counts)
}

pub(super) async fn table(lake: &Lake) -> CuratedTable {
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
    let newer = with_rules(&batch(&[posted(1, 22, 10, "100")]), 1000);
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
    Manifest::delete_all(lake.store().as_ref(), Kind::User)
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
            let outcome = merge(&work(&lake), Kind::User, date(0), 1).await.unwrap();
            assert_eq!(outcome.unreadable, 1);
            assert_eq!(users(&lake).await, ["1:21"]);
        }
        let before = version(&lake).await;
        merge_users(&lake, 0).await.unwrap();
        assert_eq!(version(&lake).await, before, "it is not read again");
    }
    put(&lake, &rows).await;
    let outcome = merge(&work(&lake), Kind::User, date(0), 1).await.unwrap();
    assert_eq!((outcome.unreadable, outcome.counts.inserted), (0, 1));
    assert_eq!(users(&lake).await, ["1:21", "2:30"]);
}

fn parquet(rows: &[Posted]) -> Bytes {
    lake::writer::write_parquet(&batch(rows)).unwrap()
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
    let outcome = merge(&work(&lake), Kind::User, date(0), 1).await.unwrap();
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
    let outcome = merge(&work(&lake), Kind::User, date(0), 1).await.unwrap();
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
    merge_users(&lake, 0).await.unwrap();
    commit(
        &lake,
        r#"{"protocol":{"minReaderVersion":9,"minWriterVersion":99}}"#,
    )
    .await;
    put(&lake, &[posted(2, 30, 10, "101")]).await;
    let error = merge_users(&lake, 0).await.unwrap_err();
    assert_eq!(error.error_type(), "Table");
    assert!(error.to_string().contains("`curated/user/`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_deleted_by_a_deletion_vector_do_not_come_back() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100"), posted(2, 30, 10, "101")]).await;
    merge_users(&lake, 0).await.unwrap();
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
        merge_users(&lake, 0).await.unwrap_err().error_type(),
        "DeletionVectors"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_added_without_a_rewrite() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    merge_users(&lake, 0).await.unwrap();
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
    merge_users(&lake, 0).await.unwrap();

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
    merge_users(&lake, 0).await.unwrap();
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
        merge_users(&lake, 0).await.unwrap();
    }
    let compaction = compact(&work(&lake), Kind::User).await.unwrap();
    assert_eq!(compaction.unwrap().files, 3);
    assert_eq!(compact(&work(&lake), Kind::User).await.unwrap(), None);
    let table = table(&lake).await;
    let counts = table.counts().await.unwrap();
    assert_eq!((counts.files, counts.rows), (1, 3));
    assert_eq!(users(&lake).await, ["1:20", "2:20", "3:20"]);
    // The manifest is that of the last merge.
    assert_eq!(merge_users(&lake, 0).await.unwrap(), MergeCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_deletes_what_no_version_names_and_keeps_the_manifests() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    merge_users(&lake, 0).await.unwrap();
    let table = table(&lake).await;
    table.vacuum(1).await.unwrap();
    assert_eq!(users(&lake).await, ["1:20"]);
    assert_eq!(merge_users(&lake, 0).await.unwrap(), MergeCounts::default());
}

/// Sizes with which a table of some thousand rows has several files and writers.
fn small_sizes(writers: usize) -> Sizes {
    Sizes {
        file_bytes: 256 << 10,
        bytes_per_writer: 4 << 10,
        writers,
        ..Sizes::default()
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_second_day_and_a_repeated_run_lose_no_row_whatever_the_writers() {
    for writers in [1, 2, 3, 8] {
        let lake = memory();
        let work = Work {
            sizes: small_sizes(writers),
            ..work(&lake)
        };
        for (day, (first, count)) in [(0, (0, 3000)), (1, (3000, 20)), (2, (3020, 1))] {
            put(&lake, &many(first, count, day * DAY)).await;
            merge(&work, Kind::User, date(day), 1).await.unwrap();
            for _ in 0..2 {
                compact(&work, Kind::User).await.unwrap();
                merge(&work, Kind::User, date(day), 2).await.unwrap();
            }
            let rows = table(&lake).await.rows().await.unwrap();
            assert_eq!(rows, (first + count).unsigned_abs(), "{writers} writers");
            assert_eq!(users(&lake).await.len() as u64, rows, "{writers} writers");
        }
        // What is compacted stays as it is.
        let before = version(&lake).await;
        assert_eq!(compact(&work, Kind::User).await.unwrap(), None);
        assert_eq!(version(&lake).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_adds_a_path_that_it_removes_is_refused() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    merge_users(&lake, 0).await.unwrap();
    let table = table(&lake).await;
    let files = table.files().await.unwrap();
    let add = |name: &str, rows| NewFile {
        name: name.to_owned(),
        rows,
        ..NewFile::default()
    };
    let name = files[0].path.filename().unwrap().to_owned();
    let (manifest, _) = table.manifest().await.unwrap();
    let change = |adds, removes, inserted| Change {
        adds,
        removes,
        schema: None,
        manifest: manifest.clone(),
        rows: RowChange {
            inserted,
            removed: 0,
        },
    };
    for (adds, removes, inserted, error_type) in [
        (vec![add(&name, 1)], files.clone(), 0, "Bug"),
        (vec![add(&name, 1)], vec![], 1, "Bug"),
        (vec![add("a", 1), add("a", 1)], vec![], 2, "Bug"),
        (vec![], [files.clone(), files.clone()].concat(), 0, "Bug"),
        // A commit that loses a row, and one that brings one that it does not speak of.
        (vec![], files.clone(), 0, "RowBalance"),
        (vec![add("a", 2)], files.clone(), 0, "RowBalance"),
    ] {
        let table = CuratedTable::open(&lake, Kind::User).await.unwrap();
        let committed = table
            .unwrap()
            .commit(change(adds, removes, inserted), Reason::DropDamaged)
            .await;
        assert_eq!(committed.unwrap_err().error_type(), error_type);
    }
    assert_eq!(users(&lake).await, ["1:20"]);
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
async fn a_table_that_was_restored_gets_again_what_the_version_lacks() {
    let lake = memory();
    put(&lake, &many(0, 10, 10)).await;
    merge_users(&lake, 0).await.unwrap();
    let first = version(&lake).await;
    put(&lake, &many(10, 10, 20)).await;
    merge_users(&lake, 0).await.unwrap();
    compact(&work(&lake), Kind::User).await.unwrap();
    for restored in [first, 0] {
        restore(&lake, restored).await;
        let lacking = 20 - table(&lake).await.rows().await.unwrap();
        let counts = merge_users(&lake, 0).await.unwrap();
        assert_eq!((counts.inserted, users(&lake).await.len()), (lacking, 20));
        // Only what the version lacked was read.
        assert_eq!(counts.rows_in, lacking);
        assert_eq!(merge_users(&lake, 0).await.unwrap(), MergeCounts::default());
    }
}

/// Adds a file to the table as another program writes it: without statistics, and perhaps in the place of another file.
async fn append(lake: &Lake, rows: &[Posted], replaced: Option<&str>) {
    let name = format!("part-of-somebody-{}.parquet", version(lake).await);
    let bytes = parquet(rows);
    let size = bytes.len();
    let path = Path::from(format!("curated/user/{name}"));
    lake.store().put(&path, bytes.into()).await.unwrap();
    let add = serde_json::json!({"add": {
        "path": name, "partitionValues": {}, "size": size, "modificationTime": 0, "dataChange": true,
    }});
    let remove = replaced.map(|name| {
        serde_json::json!({"remove": {"path": name, "dataChange": true, "deletionTimestamp": 0}})
    });
    let info = serde_json::json!({"commitInfo": {"operation": "WRITE"}});
    let actions = [Some(info), remove, Some(add)];
    let lines: Vec<_> = actions.iter().flatten().map(ToString::to_string).collect();
    commit(lake, &lines.join("\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_others_rewrote_keeps_what_is_merged_and_what_they_deleted() {
    let lake = memory();
    put(&lake, &many(0, 10, 10)).await;
    merge_users(&lake, 0).await.unwrap();
    let all = table(&lake).await.files().await.unwrap();
    // As another program deletes a row: a file without it takes the place of the file with it.
    let rows: Vec<_> = many(0, 10, 10)
        .into_iter()
        .filter(|row| row.ind != 7)
        .collect();
    append(&lake, &rows, all[0].path.filename()).await;
    put(&lake, &many(10, 1, 20)).await;
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!((counts.rows_in, counts.inserted), (1, 1));
    assert_eq!(users(&lake).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_put_into_the_table_twice_is_healed_and_not_multiplied() {
    let lake = memory();
    put(&lake, &many(0, 5, 10)).await;
    merge_users(&lake, 0).await.unwrap();
    // An old version of 3, a newer one of 4, and this very record of 2.
    let rows = [
        posted(3, 90, 9, "1"),
        posted(4, 91, 11, "20000"),
        posted(2, 2, 10, "10002"),
    ];
    append(&lake, &rows, None).await;
    assert_eq!(table(&lake).await.rows().await.unwrap(), 8);
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!((counts.healed, counts.inserted), (3, 0));
    let healed = ["0:0", "1:1", "2:2", "3:3", "4:91"];
    assert_eq!(users(&lake).await, healed);

    // With a new version of the key at the same time.
    let rows = [posted(1, 80, 9, "1"), posted(0, 81, 9, "2")];
    append(&lake, &rows, None).await;
    put(&lake, &[posted(1, 82, 30, "30000")]).await;
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!((counts.healed, counts.updated), (2, 1));
    assert_eq!(users(&lake).await, ["0:0", "1:82", "2:2", "3:3", "4:91"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_while_it_is_read_is_read_anew() {
    let lake = memory();
    let path = put(&lake, &[posted(1, 20, 10, "100")]).await;
    let listed = clean::list(lake.store().as_ref(), Kind::User, date(0)).await;
    let object = listed.unwrap().remove(0);
    // A redelivery by newer rules, between the listing and the reading, and between the two readings.
    put(&lake, &[posted(1, 21, 10, "100")]).await;
    let schema = schema::schema(Kind::User);
    let store = lake.store();
    let read = read_keys(&store, Kind::User, vec![object.clone()], &schema).await;
    let is_changed = |error: Option<DailyError>| matches!(error, Some(DailyError::Changed { key }) if key == path.as_ref());
    assert!(is_changed(read.err()));
    let target = Target {
        kind: Kind::User,
        schema,
        sizes: Sizes::default(),
        at_ms: 0,
    };
    let sources = sources(&[(object, 1)], vec![RowKey::default()]);
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
        remerge(&work, Kind::User, false).await.unwrap(),
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
    let remerged = remerge(&work, Kind::User, true).await.unwrap();
    assert_eq!((remerged.dropped.len(), remerged.dropped_rows), (2, 6));
    let counts = merge_users(&lake, 0).await.unwrap();
    assert_eq!(counts.inserted, 6);
    assert_eq!(
        users(&lake).await,
        ["0:0", "1:30", "2:2", "3:3", "4:30", "5:5"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_text_is_large_and_compressible_are_merged_in_bounded_batches() {
    let lake = memory();
    let mut writer = lake::CleanWriter::new(Kind::User);
    let shard = event_model::ShardId::from_number(0);
    let name = "x".repeat(850_000);
    for ind in 0..40 {
        let text = format!(r#"{{"ind":{ind},"first_name":"{name}","age":20}}"#);
        let text = cleaning::decode(text.as_bytes()).unwrap();
        let lineage = lake::Lineage {
            shard: &shard,
            sequence: format!("{}", 100 + ind).parse().unwrap(),
            arrival_micros: 10_000_000,
        };
        let row = cleaning::clean(&text, None).unwrap();
        writer.append(&row, &lineage).unwrap();
    }
    let batch = writer.finish().unwrap();
    put_batch(&lake, &many(0, 40, 10), &batch).await;
    let mut work = work(&lake);
    work.sizes.batch_bytes = 2 << 20;
    work.sizes.row_group_bytes = 4 << 20;
    merge(&work, Kind::User, date(0), 1).await.unwrap();
    put(&lake, &many(40, 1, 20)).await;
    merge(&work, Kind::User, date(0), 1).await.unwrap();
    compact(&work, Kind::User).await.unwrap().unwrap();
    let files = table(&lake).await.files().await.unwrap();
    assert_eq!(files[0].rows, 41);
    let store = lake.store();
    let bytes = crate::storage::objects::fetch(store.as_ref(), &files[0].path);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.await.unwrap()).unwrap();
    // 40 rows of 850 kB in row groups of 4 MiB, though each is a few bytes on disk.
    assert!(reader.metadata().num_row_groups() >= 7);
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
