//! Slices, sealed dates, announced objects, and bytes that a digest of our own identifies.

use event_model::metadata::DIGEST;
use lake::key::Announcement;
use object_store::{Attribute, AttributeValue, Attributes, PutOptions};

use super::*;

/// Returns the work of a day's run at a time so many days after 1970-01-01.
fn work_on(lake: &Lake, day: u64, sizes: Sizes) -> Work {
    Work {
        sizes,
        clock: Clock::new(move || UNIX_EPOCH + Duration::from_hours(24 * day)),
        ..work(lake)
    }
}

fn in_slices_of(slice_rows: usize) -> Sizes {
    Sizes {
        slice_rows,
        ..test_lake::sizes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_lead_to_the_tables_of_one_go_and_a_stop_between_them_loses_none() {
    let (whole, sliced) = (memory(), memory());
    for lake in [&whole, &sliced] {
        for object in 0..12 {
            // Each `ind` comes in several objects and on several days.
            put(lake, &many(object * 3 % 10, 5, (object % 3) * DAY + object)).await;
        }
    }
    let through = date(2);
    merge(
        &work_on(&whole, 3, test_lake::sizes()),
        Kind::named("user"),
        through,
        1,
    )
    .await
    .unwrap();
    let sizes = in_slices_of(7);
    let mut commits = 0;
    loop {
        // Each time, somebody else goes on.
        let work = work_on(&sliced, 3, sizes);
        let day = MergeDay {
            through,
            attempt: 1,
            last_run: None,
            first_run: None,
            as_of_now: false,
        };
        let mut merge = Merge::new(&work, Kind::named("user"), day, BTreeMap::new());
        if !merge.next().await.unwrap() {
            break;
        }
        commits += 1;
    }
    assert!(commits >= 6, "{commits}");
    assert_eq!(users(&sliced).await, users(&whole).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_date_is_not_listed_and_what_is_announced_is_merged() {
    let lake = memory();
    put(&lake, &[posted(1, 20, 10, "100")]).await;
    put(&lake, &[posted(2, 20, 5 * DAY, "200")]).await;
    merge(
        &work_on(&lake, 6, test_lake::sizes()),
        Kind::named("user"),
        date(5),
        1,
    )
    .await
    .unwrap();
    let (manifest, _) = table(&lake).await.manifest().await.unwrap();
    assert_eq!(manifest.sealed_through, Some(date(3)));
    // Nobody has announced it, and nothing can arrive for that date any more.
    let unlisted = put(&lake, &[posted(3, 20, 11, "101")]).await;
    let work = work_on(&lake, 6, test_lake::sizes());
    let merged = merge(&work, Kind::named("user"), date(5), 1).await.unwrap();
    assert_eq!(merged.counts.rows_in, 0);
    let announce = async |key: &str| {
        let announcement = Announcement::new(key, "0f").unwrap().to_string();
        let store = lake.store();
        store
            .put(&Path::from(announcement), Bytes::new().into())
            .await
            .unwrap();
    };
    announce(unlisted.as_ref()).await;
    // What is announced and not there yet is looked for again.
    announce("clean/user/date=1970-01-01/hour=00/shardId-000000000000-102-102.parquet").await;
    let merged = merge(&work, Kind::named("user"), date(5), 1).await.unwrap();
    assert_eq!(merged.counts.rows_in, 1);
    put(&lake, &[posted(4, 20, 12, "102")]).await;
    let merged = merge(&work, Kind::named("user"), date(5), 1).await.unwrap();
    assert_eq!(merged.counts.rows_in, 1);
    assert_eq!(users(&lake).await, ["1:20", "2:20", "3:20", "4:20"]);
    let merged = merge(&work, Kind::named("user"), date(5), 1).await.unwrap();
    assert_eq!(merged.counts, MergeCounts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_bytes_stayed_is_not_merged_again_whatever_its_version() {
    let lake = memory();
    let rows = [posted(1, 20, 10, "100")];
    let path = put(&lake, &rows).await;
    let write = async |digest: &str, rows: &[Posted]| {
        let bytes = lake::writer::write_clean(&batch(rows)).unwrap();
        let mut attributes = Attributes::new();
        let digest = AttributeValue::from(digest.to_owned());
        attributes.insert(Attribute::Metadata(DIGEST.into()), digest);
        let options = PutOptions::from(attributes);
        let store = lake.store();
        // The store in memory gives each write a version of its own, as S3 does where KMS encrypts.
        store.put_opts(&path, bytes.into(), options).await.unwrap();
    };
    write("aa", &rows).await;
    assert_eq!(merge_users(&lake, 0).await.unwrap().rows_in, 1);
    write("aa", &rows).await;
    assert_eq!(merge_users(&lake, 0).await.unwrap().rows_in, 0);
    // The new version is noted, so that nobody asks again.
    let (mut manifest, _) = table(&lake).await.manifest().await.unwrap();
    let (store, part) = (lake.store(), PartOf::Date(date(0)));
    let objects = clean::list_all(store.as_ref(), Kind::named("user"))
        .await
        .unwrap();
    manifest
        .objects(store.as_ref(), Kind::named("user"), part)
        .await
        .unwrap();
    assert!(manifest.holds(part, &objects[0]));
    write("bb", &[posted(1, 30, 10, "100")]).await;
    assert_eq!(merge_users(&lake, 0).await.unwrap().rows_in, 1);
}
