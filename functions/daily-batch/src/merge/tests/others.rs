//! Tables that somebody else changed.

use super::*;

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
    compact(&work(&lake), Kind::named("user")).await.unwrap();
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
async fn a_table_that_was_restored_gets_again_what_the_version_lacks() {
    let lake = memory();
    put(&lake, &many(0, 10, 10)).await;
    merge_users(&lake, 0).await.unwrap();
    let first = version(&lake).await;
    put(&lake, &many(10, 10, 20)).await;
    merge_users(&lake, 0).await.unwrap();
    compact(&work(&lake), Kind::named("user")).await.unwrap();
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
