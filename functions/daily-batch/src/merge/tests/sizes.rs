//! Files and batches of bounded size.

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn compaction_leaves_one_file_and_every_row() {
    let lake = memory();
    for (ind, sequence) in [(1, "100"), (2, "101"), (3, "102")] {
        put(&lake, &[posted(ind, 20, 10, sequence)]).await;
        merge_users(&lake, 0).await.unwrap();
    }
    let compaction = compact(&work(&lake), Kind::named("user")).await.unwrap();
    assert_eq!(compaction.unwrap().files, 3);
    assert_eq!(
        compact(&work(&lake), Kind::named("user")).await.unwrap(),
        None
    );
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
        ..test_lake::sizes()
    }
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
            merge(&work, Kind::named("user"), date(day), 1)
                .await
                .unwrap();
            for _ in 0..2 {
                compact(&work, Kind::named("user")).await.unwrap();
                merge(&work, Kind::named("user"), date(day), 2)
                    .await
                    .unwrap();
            }
            let rows = table(&lake).await.rows().await.unwrap();
            assert_eq!(rows, (first + count).unsigned_abs(), "{writers} writers");
            assert_eq!(users(&lake).await.len() as u64, rows, "{writers} writers");
        }
        // What is compacted stays as it is.
        let before = version(&lake).await;
        assert_eq!(compact(&work, Kind::named("user")).await.unwrap(), None);
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
        let table = CuratedTable::open(&lake, Kind::named("user"))
            .await
            .unwrap();
        let committed = table
            .unwrap()
            .commit(change(adds, removes, inserted), Reason::DropDamaged)
            .await;
        assert_eq!(committed.unwrap_err().error_type(), error_type);
    }
    assert_eq!(users(&lake).await, ["1:20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_text_is_large_and_compressible_are_merged_in_bounded_batches() {
    let lake = memory();
    let mut writer = lake::CleanWriter::new(lake.model().table(Kind::named("user")).unwrap());
    let shard = event_model::ShardId::from_number(0);
    let mut cleaner = cleaning::Cleaner::new(::model::Model::load_from(None).unwrap());
    let name = "x".repeat(850_000);
    for ind in 0..40 {
        let text = format!(r#"{{"ind":{ind},"first_name":"{name}","age":20}}"#);
        let text = cleaning::decode(text.as_bytes()).unwrap();
        let lineage = lake::Lineage {
            shard: &shard,
            sequence: lake::SpelledSequence::Text(&format!("{}", 100 + ind), None),
            arrival_micros: 10_000_000,
        };
        let row = cleaner.read(&text, None).unwrap();
        writer.append(&row, &lineage).unwrap();
    }
    let batch = writer.finish().unwrap();
    put_batch(&lake, &many(0, 40, 10), &batch).await;
    let mut work = work(&lake);
    work.sizes.batch_bytes = 2 << 20;
    work.sizes.row_group_bytes = 4 << 20;
    merge(&work, Kind::named("user"), date(0), 1).await.unwrap();
    put(&lake, &many(40, 1, 20)).await;
    merge(&work, Kind::named("user"), date(0), 1).await.unwrap();
    compact(&work, Kind::named("user")).await.unwrap().unwrap();
    let files = table(&lake).await.files().await.unwrap();
    assert_eq!(files[0].rows, 41);
    let store = lake.store();
    let bytes = crate::storage::objects::fetch(store.as_ref(), &files[0].path);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.await.unwrap()).unwrap();
    // 40 rows of 850 kB in row groups of 4 MiB, though each is a few bytes on disk.
    assert!(reader.metadata().num_row_groups() >= 7);
}
