use super::*;
use crate::storage::clean;
use crate::test_lake::{self, DAY, memory, posted};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn a_date_has_the_version_that_the_next_dates_first_row_came_upon() {
    let mut manifest = Manifest::default();
    assert_eq!(manifest.version_of(day("2027-02-19"), 4), Some(4));
    for (date, version) in [("2027-02-20", 0), ("2027-02-20", 1), ("2027-02-23", 5)] {
        manifest.merge_under(day(date), version);
    }
    // Late rows change no date but the newest.
    manifest.merge_under(day("2027-02-21"), 7);
    for (date, version) in [
        ("1927-02-18", Some(0)),
        ("2027-02-19", Some(0)),
        ("2027-02-20", Some(5)),
        ("2027-02-22", Some(5)),
        ("2027-02-23", Some(9)),
        ("2027-03-01", Some(9)),
    ] {
        assert_eq!(manifest.version_of(day(date), 9), version, "{date}");
    }
    manifest.know_from(day("2027-02-21"));
    assert_eq!(manifest.version_of(day("2027-02-20"), 9), None);
    assert_eq!(manifest.version_of(day("2027-02-23"), 9), Some(9));
}

#[tokio::test]
async fn a_manifest_reads_back_however_many_segments_it_has() {
    let lake = memory();
    let store = lake.store();
    let kind = Kind::named("user");
    let digest = FilesDigest::new(["a"].into_iter());
    for number in 0..60 {
        let arrival = (number % 3) * DAY + number;
        test_lake::put(
            &lake,
            &[posted(number, 20, arrival, &(100 + number).to_string())],
        )
        .await;
        let found = Manifest::of_state(store.as_ref(), kind, &digest)
            .await
            .unwrap();
        let mut manifest = found.unwrap_or_default();
        let under = day("1970-01-03");
        for object in clean::list_all(store.as_ref(), kind).await.unwrap() {
            let part = PartOf::Date(object.date());
            manifest.objects(store.as_ref(), kind, part).await.unwrap();
            if !manifest.holds(part, &object) {
                manifest.insert(part, &object, 1, under);
            }
        }
        manifest
            .write(store.as_ref(), kind, digest.clone())
            .await
            .unwrap();
    }
    let found = Manifest::of_state(store.as_ref(), kind, &digest)
        .await
        .unwrap();
    let mut found = found.unwrap();
    let part = PartOf::Date(day("1970-01-01"));
    assert_eq!(
        found.part(part).map(|part| (part.objects, part.rows)),
        Some((20, 20))
    );
    assert!(found.dates.values().all(|part| part.segments.len() <= 8));
    let hours = found.rows_by_hour(store.as_ref(), kind, day("1970-01-01"));
    assert_eq!(hours.await.unwrap()[0], 20);
    // The third day's own rows are not late, and versions from 5 on have the late ones.
    found.through = Some(day("1970-01-03"));
    found.versions = BTreeMap::from([(day("1970-01-02"), 4)]);
    assert_eq!(found.rows_merged_after(day("1970-01-01"), 3), 20);
    assert_eq!(found.rows_merged_after(day("1970-01-02"), 4), 40);
    assert_eq!(found.rows_merged_after(day("1970-01-03"), 4), 40);
    assert_eq!(found.rows_merged_after(day("1970-01-02"), 5), 0);
    // Segments that nothing names any more are deleted, but only once they are old.
    let count = async || {
        objects::list(store.as_ref(), &parts::prefix(kind))
            .await
            .unwrap()
            .len()
    };
    let all = count().await;
    let newest = objects::list(store.as_ref(), &parts::prefix(kind))
        .await
        .unwrap();
    let newest = newest
        .iter()
        .map(|meta| meta.last_modified.timestamp())
        .max();
    let now = Timestamp::from_second(newest.unwrap()).unwrap();
    found
        .delete_unnamed(store.as_ref(), kind, now)
        .await
        .unwrap();
    assert_eq!(count().await, all);
    let later = now + SignedDuration::from_hours(31 * 24);
    found
        .delete_unnamed(store.as_ref(), kind, later)
        .await
        .unwrap();
    let named: usize = found.dates.values().map(|part| part.segments.len()).sum();
    assert!(named < all);
    assert_eq!(count().await, named);
    let read = Manifest::of_state(store.as_ref(), kind, &digest).await;
    let mut read = read.unwrap().unwrap();
    let objects = read.objects(store.as_ref(), kind, part).await.unwrap();
    assert_eq!(objects.len(), 20);
}
