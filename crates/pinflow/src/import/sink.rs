//! The objects of the old Kafka-to-S3 sink: where they are, and in which order.

use model::Model;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_access::{Bucket, BucketError};
use bytes::Bytes;
use event_model::{Kind, ShardId};
use flate2::read::MultiGzDecoder;
use md5::{Digest as _, Md5};

/// Where the objects are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Folder(PathBuf),
    /// The prefix is empty, or ends with a slash.
    Bucket {
        bucket: Bucket,
        prefix: String,
    },
}

/// An object of one or more records, sorted by the place of its first record in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SinkObject {
    pub(super) topic: String,
    pub(super) partition: u32,
    /// Of the first record.
    pub(super) offset: u64,
    /// Below the place.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// When the sink wrote it: microseconds since 1970-01-01 UTC.
    pub(super) modified_micros: i64,
}

/// What the sink has left.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order of topic, partition and offset.
    pub(super) objects: Vec<SinkObject>,
    /// Objects of topics whose name has no kind, by topic.
    pub(super) unknown_topics: BTreeMap<String, u64>,
    /// Objects of another form.
    pub(super) others: u64,
}

/// Objects that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SinkError {
    #[error(
        "could not read `{}`; --from is s3://<bucket>/<prefix>/, or a folder with the old sink's objects",
        path.display()
    )]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "there is no object of the old sink in {place}; its names are as <topic>+0+0000000000.json or .json.gz, with a \
         topic whose last part is a table, as {tables} (objects of other forms: {others})"
    )]
    Empty {
        place: String,
        others: u64,
        tables: String,
    },
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

impl Place {
    /// Lists the objects; none is read yet.
    pub(super) async fn list(&self, model: &Model) -> Result<Listing, SinkError> {
        let mut found = Vec::new();
        match self {
            Self::Folder(folder) => list_folder(folder, "", &mut found)?,
            Self::Bucket { bucket, prefix } => {
                let objects = bucket.list_with_times(prefix).await?.into_iter();
                found.extend(objects.filter_map(|(key, modified)| {
                    Some((key.strip_prefix(prefix.as_str())?.to_owned(), modified))
                }));
            }
        }
        let mut listing = Listing::default();
        for (name, modified) in found {
            match SinkObject::parse(model, name, modified) {
                Some(Ok(object)) => listing.objects.push(object),
                Some(Err(topic)) => *listing.unknown_topics.entry(topic).or_default() += 1,
                None => listing.others += 1,
            }
        }
        if listing.objects.is_empty() {
            return Err(SinkError::Empty {
                place: self.to_string(),
                others: listing.others + listing.unknown_topics.values().sum::<u64>(),
                tables: model.names(),
            });
        }
        listing.objects.sort_unstable();
        Ok(listing)
    }

    /// Reads an object; the inner error is why its bytes are none that the sink writes.
    pub(super) async fn read(
        &self,
        object: &SinkObject,
    ) -> Result<Result<Bytes, String>, SinkError> {
        let name = &object.name;
        let bytes = match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let read = fs::read(&path).map(Bytes::from);
                read.map_err(|source| SinkError::Unreadable { path, source })?
            }
            Self::Bucket { bucket, prefix } => bucket.read(&format!("{prefix}{name}")).await?,
        };
        if name.strip_suffix(".gz").is_none() {
            return Ok(Ok(bytes));
        }
        let mut text = Vec::new();
        let read = MultiGzDecoder::new(bytes.as_ref()).read_to_end(&mut text);
        Ok(read
            .map(|_| text.into())
            .map_err(|error| format!("not gzip: {error}")))
    }

    /// Returns the path of a file, or the key of an object.
    pub(super) fn full_name(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Bucket { prefix, .. } => format!("{prefix}{name}"),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(formatter),
            Self::Bucket { bucket, prefix } => {
                write!(formatter, "s3://{}/{prefix}", bucket.name())
            }
        }
    }
}

impl SinkObject {
    /// Reads a name; `None` when it is of another form, and the topic when that has no kind.
    ///
    /// The sink's partitioners differ in the folders alone (`partition=0`, `year=2024/month=01/day=31/hour=05`,
    /// `country=FR`): the file's name has topic, partition and first offset with each of them.
    fn parse(model: &Model, name: String, modified: SystemTime) -> Option<Result<Self, String>> {
        let file = name.rsplit('/').next()?;
        let stem = file.strip_suffix(".gz").unwrap_or(file);
        let mut parts = stem.strip_suffix(".json")?.rsplitn(3, '+');
        let (offset, partition, topic) = (parts.next()?, parts.next()?, parts.next()?);
        let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if topic.is_empty() || !is_decimal(offset) || !is_decimal(partition) {
            return None;
        }
        let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
        let Some(kind) = model.labelled(topic) else {
            return Some(Err(topic.to_owned()));
        };
        Some(Ok(Self {
            topic: topic.to_owned(),
            partition,
            offset,
            kind,
            modified_micros: micros(modified),
            name,
        }))
    }

    /// Returns the name that replaces the shard in the rows' positions: `kafka-<topic>-<partition>`.
    ///
    /// Of a topic whose name is too long for it, the first letters and a hash.
    pub(super) fn shard(&self) -> ShardId {
        let Self {
            topic, partition, ..
        } = self;
        if let Ok(shard) = format!("kafka-{topic}-{partition}").parse() {
            return shard;
        }
        let hash = u128::from_be_bytes(Md5::digest(topic).into());
        let letters = topic.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte),
            _ => '-',
        });
        let start: String = letters.take(60).collect();
        format!("kafka-{start}-{hash:032x}-{partition}")
            .parse()
            .unwrap_or_else(|_| ShardId::from_number(*partition))
    }
}

fn micros(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Gathers the files below a folder, by their names below it.
fn list_folder(
    folder: &Path,
    below: &str,
    found: &mut Vec<(String, SystemTime)>,
) -> Result<(), SinkError> {
    let unreadable = |source| SinkError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // A name that is not UTF-8 is none of the sink's.
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let name = format!("{below}{name}");
        let metadata = fs::metadata(&path).map_err(unreadable)?;
        if metadata.is_dir() {
            list_folder(&path, &format!("{name}/"), found)?;
        } else {
            found.push((name, metadata.modified().map_err(unreadable)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn parsed(name: &str) -> Option<Result<SinkObject, String>> {
        let model = Model::load_from(None).unwrap();
        SinkObject::parse(&model, name.to_owned(), UNIX_EPOCH + Duration::from_secs(1))
    }

    #[test]
    fn every_partitioner_of_the_sink_is_read() {
        for folders in [
            "topics/u.pin/partition=3/",
            "topics/u.pin/year=2024/month=01/day=31/hour=05/",
            "topics/u.pin/category=art/country=C%C3%B4te/",
            "other/place/u.pin/dt=2024-01-31/",
            "partition=3/",
            "",
        ] {
            for end in ["json", "json.gz"] {
                let name = format!("{folders}u.pin+3+0000000042.{end}");
                let object = parsed(&name).unwrap().unwrap();
                assert_eq!(
                    (object.partition, object.offset, object.kind),
                    (3, 42, Kind::named("pin"))
                );
                assert_eq!(object.modified_micros, 1_000_000);
                assert_eq!(object.shard().as_str(), "kafka-u.pin-3");
            }
        }
        // A topic may hold the sink's own delimiter.
        assert_eq!(
            parsed("a+b.geo+0+1.json").unwrap().unwrap().topic,
            "a+b.geo"
        );
        assert_eq!(parsed("configs+0+1.json"), Some(Err("configs".to_owned())));
        for other in [
            "_SUCCESS",
            "u.pin+0.json",
            "u.pin+x+1.json",
            "u.pin+0+-1.json",
            "u.pin+0+1.avro",
            "+0+1.json",
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }

    #[test]
    fn topics_are_told_apart_whatever_their_length() {
        let long = |end: &str| format!("{}{end}.pin+0+1.json", "t".repeat(200));
        let [left, right] = ["a", "b"].map(|end| parsed(&long(end)).unwrap().unwrap().shard());
        assert_ne!(left, right);
        assert!(left.as_str().starts_with("kafka-ttt"), "{left}");
    }

    proptest! {
        #[test]
        fn any_name_is_an_object_or_none(name in "(topics/|u\\.pin|\\+|[0-9]{1,21}|\\.json|\\.gz|=|/|é){0,9}") {
            if let Some(Ok(object)) = parsed(&name) {
                let shard = object.shard();
                let start = format!("{}+", object.topic);
                prop_assert!(name.rsplit('/').next().unwrap().starts_with(&start));
                prop_assert_eq!(shard.as_str().parse::<ShardId>().unwrap(), shard);
            }
        }
    }
}
