//! The newest objects of a bucket, found without looking at all of it.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::Serialize;

/// An object as the page lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size_bytes: u64,
    /// When it was written: milliseconds since 1970-01-01 UTC.
    pub(super) modified_ms: u64,
}

/// Returns the objects that were written last, the newest first.
///
/// Of the partitions (`date=…`, `hour=…`) of a folder, only the last ones by name are looked at, until they hold enough
/// objects; so the work does not grow with the age of the lake. Something written into an old partition may be left out.
pub(super) fn newest(bucket: &Path, limit: usize) -> Vec<Object> {
    let mut found = Vec::new();
    collect(bucket, "", limit, &mut found);
    found.sort_by(|one, other| {
        let order = |object: &Object| (Reverse(object.modified_ms), object.key.clone());
        order(one).cmp(&order(other))
    });
    found.truncate(limit);
    found
}

fn collect(folder: &Path, prefix: &str, limit: usize, found: &mut Vec<Object>) {
    // What vanishes while it is looked at is not listed.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut partitions = Vec::new();
    for entry in entries.flatten() {
        let (Ok(file_type), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
            continue;
        };
        if !file_type.is_dir() {
            found.extend(object(&entry, format!("{prefix}{name}")));
        } else if name.contains('=') {
            partitions.push(name);
        } else {
            collect(&entry.path(), &format!("{prefix}{name}/"), limit, found);
        }
    }
    partitions.sort_unstable_by(|one, other| other.cmp(one));
    let before = found.len();
    for name in partitions {
        if found.len() - before >= limit {
            break;
        }
        collect(
            &folder.join(&name),
            &format!("{prefix}{name}/"),
            limit,
            found,
        );
    }
}

fn object(entry: &fs::DirEntry, key: String) -> Option<Object> {
    let metadata = entry.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Object {
        key,
        size_bytes: metadata.len(),
        modified_ms: modified.as_millis().try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(bucket: &Path, key: &str, second: u64) {
        let path = bucket.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "four").unwrap();
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(second))
            .unwrap();
    }

    fn keys(bucket: &Path, limit: usize) -> Vec<String> {
        newest(bucket, limit)
            .into_iter()
            .map(|object| object.key)
            .collect()
    }

    #[test]
    fn the_newest_of_all_tables_come_first() {
        let bucket = tempfile::tempdir().unwrap();
        assert_eq!(newest(bucket.path(), 3), []);
        assert_eq!(newest(&bucket.path().join("missing"), 3), []);
        for (key, second) in [
            ("clean/pin/date=2026-11-20/hour=23/a.parquet", 1),
            ("clean/pin/date=2026-11-21/hour=00/b.parquet", 3),
            ("clean/geo/date=2026-11-21/hour=00/c.parquet", 2),
            ("quarantine/date=2026-11-21/d<i>.ndjson.gz", 4),
            ("note.txt", 5),
        ] {
            write(bucket.path(), key, second);
        }
        assert_eq!(
            keys(bucket.path(), 4),
            [
                "note.txt",
                "quarantine/date=2026-11-21/d<i>.ndjson.gz",
                "clean/pin/date=2026-11-21/hour=00/b.parquet",
                "clean/geo/date=2026-11-21/hour=00/c.parquet",
            ]
        );
        let first = &newest(bucket.path(), 1)[0];
        assert_eq!((first.size_bytes, first.modified_ms), (4, 5000));
    }

    #[test]
    fn old_partitions_are_not_looked_at_once_there_is_enough() {
        let bucket = tempfile::tempdir().unwrap();
        // Written late into an old partition: it is what a look into every partition would find first.
        write(
            bucket.path(),
            "clean/pin/date=2026-11-19/hour=00/late.parquet",
            9,
        );
        write(
            bucket.path(),
            "clean/pin/date=2026-11-20/hour=00/a.parquet",
            1,
        );
        write(
            bucket.path(),
            "clean/pin/date=2026-11-20/hour=01/b.parquet",
            2,
        );
        let two = ["hour=01/b.parquet", "hour=00/a.parquet"];
        assert_eq!(
            keys(bucket.path(), 2),
            two.map(|name| format!("clean/pin/date=2026-11-20/{name}"))
        );
        assert_eq!(keys(bucket.path(), 3).len(), 3);
    }
}
