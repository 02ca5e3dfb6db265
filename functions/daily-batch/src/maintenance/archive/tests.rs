use std::time::{Duration, UNIX_EPOCH};

use event_model::Clock;
use jiff::SignedDuration;
use lake::reader::read_positions;

use super::*;
use crate::Lake;
use crate::merge::merge;
use crate::storage::clean::list_all;
use crate::storage::objects::fetch;
use crate::test_lake::{self, DAY, memory, posted};

fn work(lake: &Lake, day: u64) -> Work {
    Work {
        lake: lake.clone(),
        sizes: test_lake::sizes(),
        clock: Clock::new(move || UNIX_EPOCH + Duration::from_hours(24 * day)),
        seal_after: SignedDuration::from_hours(48),
    }
}

async fn marker(lake: &Lake, date: Date) -> ArchivedDate {
    let path = Path::from(marker_key(Kind::named("user"), date));
    let bytes = fetch(lake.store().as_ref(), &path).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_a_sealed_date_stands_once_in_the_archive_and_only_then_its_objects_go() {
    let lake = memory();
    let (first, second): (Date, Date) =
        ("1970-01-01".parse().unwrap(), "1970-01-02".parse().unwrap());
    let last: Date = "1970-01-05".parse().unwrap();
    // Two versions of one row, a batch that was delivered again and cut otherwise, another hour, another day, and one that is not sealed.
    for rows in [
        vec![
            posted(1, 20, 10, "100"),
            posted(2, 20, 11, "101"),
            posted(1, 21, 12, "102"),
        ],
        vec![
            posted(2, 20, 11, "101"),
            posted(1, 21, 12, "102"),
            posted(3, 20, 13, "103"),
        ],
        vec![posted(4, 20, 7200, "104")],
        vec![posted(5, 20, DAY, "105")],
        vec![posted(6, 20, 4 * DAY, "106")],
    ] {
        test_lake::put(&lake, &rows).await;
    }
    merge(&work(&lake, 5), Kind::named("user"), last, 1)
        .await
        .unwrap();
    let archived = archive(&work(&lake, 5), Kind::named("user"), 90)
        .await
        .unwrap();
    assert_eq!(
        (archived.dates, archived.rows, archived.objects_deleted),
        (2, 6, 0)
    );
    let marked = marker(&lake, first).await;
    assert_eq!((marked.rows, marked.objects, marked.files.len()), (5, 3, 1));
    let path = Path::from(format!(
        "{}{}",
        month_prefix(Kind::named("user"), first),
        marked.files[0].name
    ));
    let bytes = fetch(lake.store().as_ref(), &path).await.unwrap();
    let mut sequences: Vec<_> = read_positions(bytes)
        .unwrap()
        .into_iter()
        .map(|position| position.sequence)
        .collect();
    sequences.sort();
    assert_eq!(sequences, ["100", "101", "102", "103", "104"]);
    assert_eq!(marker(&lake, second).await.rows, 1);
    // Again, there is nothing to do.
    let again = archive(&work(&lake, 5), Kind::named("user"), 90)
        .await
        .unwrap();
    assert_eq!(again, Archived::default());

    // A row that is replayed by now is in no archive, and stays.
    let replayed = test_lake::put(&lake, &[posted(7, 20, 20, "107")]).await;
    let announcement = lake::key::Announcement::new(replayed.as_ref(), "0f").unwrap();
    let path = Path::from(announcement.to_string());
    put(lake.store().as_ref(), &path, bytes::Bytes::new())
        .await
        .unwrap();
    let merged = merge(&work(&lake, 6), Kind::named("user"), last, 2)
        .await
        .unwrap();
    assert_eq!(merged.counts.rows_in, 1);

    let store = lake.store();
    let keys = list_all(store.as_ref(), Kind::named("user"))
        .await
        .unwrap()
        .len();
    let later = archive(&work(&lake, 92), Kind::named("user"), 90)
        .await
        .unwrap();
    assert_eq!((later.dates, later.objects_deleted), (0, keys as u64 - 2));
    assert_eq!(
        list_all(store.as_ref(), Kind::named("user"))
            .await
            .unwrap()
            .len(),
        2
    );
    // What is gone from `clean/` is in the table, and is not merged again.
    let merged = merge(&work(&lake, 92), Kind::named("user"), last, 2)
        .await
        .unwrap();
    assert_eq!((merged.counts.rows_in, merged.table.rows_after), (0, 7));
    let table = CuratedTable::open(&lake, Kind::named("user"))
        .await
        .unwrap()
        .unwrap();
    let (manifest, _) = table.manifest().await.unwrap();
    assert_eq!(manifest.known_dates().collect::<Vec<_>>(), [last]);
}
