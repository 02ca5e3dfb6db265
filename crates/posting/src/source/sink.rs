//! The objects of the old Kafka-to-S3 sink: one post each, as `<topic>/partition=<N>/<topic>+<N>+<offset>.json` or
//! `.json.gz`.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_access::{Bucket, BucketError};
use bytes::Bytes;
use event_model::Kind;
use flate2::read::MultiGzDecoder;
use futures::future::try_join_all;

use super::{Post, PostedRow, ndjson};

/// Objects that are read at once.
const READ_AHEAD: usize = 32;
/// Bad objects that are named; more would hide the number.
const MAX_NAMED: usize = 100;

/// The old sink's objects, in the order of topic, partition and offset.
#[derive(Debug)]
pub struct Sink {
    place: Place,
    objects: Vec<SinkObject>,
    left_out: LeftOut,
    next: usize,
    /// What the objects from `next` on hold that have been read.
    ahead: VecDeque<Content>,
    bad: BadObjects,
}

/// Where the objects are.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket {
        /// The bucket.
        bucket: Bucket,
        /// Prefix of the topics; it is empty, or ends with a slash.
        prefix: String,
    },
}

/// An object, sorted by the place of its record in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SinkObject {
    topic: String,
    partition: u32,
    offset: u64,
    /// Below the place.
    name: String,
    kind: Kind,
}

/// A row, and its number if it has one; the error is why an object holds none.
type Content = Result<(Option<i64>, PostedRow), String>;

/// What is not posted, though it is there.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Objects of topics whose name has no kind.
    pub topics: BTreeMap<String, u64>,
    /// Objects of another form.
    pub others: u64,
}

/// Objects whose content is no row.
#[derive(Debug, Default)]
pub struct BadObjects {
    /// How many there are.
    pub count: u64,
    /// The first of them, by name, and what is wrong with each.
    pub named: Vec<(String, String)>,
}

/// Objects that cannot be posted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A folder or a file cannot be read.
    #[error(
        "could not read `{}`; --from is s3://<bucket>/<prefix>/, or a folder with the old sink's objects",
        path.display()
    )]
    Unreadable {
        /// The folder or the file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is nothing to post.
    #[error(
        "there is no object of the old sink in {place}; give --from the folder of its topics, so that an object is \
         <topic>/partition=0/<topic>+0+0000000000.json below it, with a topic that ends in .pin, .geo or .user \
         (objects of other forms: {others})"
    )]
    Empty {
        /// What was looked through.
        place: String,
        /// How many objects of other forms are there.
        others: u64,
    },
    /// The bucket cannot be read.
    #[error("{message}")]
    Bucket {
        /// What is wrong.
        message: String,
        /// What the S3 client says, if it is more than that.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl From<BucketError> for SinkError {
    fn from(error: BucketError) -> Self {
        let message = error.to_string();
        let source = match error {
            BucketError::Failed { source, .. } => Some(source),
            _ => None,
        };
        Self::Bucket { message, source }
    }
}

impl Sink {
    /// Lists the objects of a place; none is read yet.
    pub async fn open(place: Place) -> Result<Self, SinkError> {
        let mut names = Vec::new();
        match &place {
            Place::Folder(folder) => list_folder(folder, "", &mut names)?,
            Place::Bucket { bucket, prefix } => {
                let keys = bucket.list(prefix, None).await?;
                let below = |key: String| key.strip_prefix(prefix.as_str()).map(str::to_owned);
                names.extend(keys.into_iter().filter_map(below));
            }
        }
        let mut objects = Vec::new();
        let mut left_out = LeftOut::default();
        for name in names {
            match SinkObject::parse(&place, name) {
                Some(Ok(object)) => objects.push(object),
                Some(Err(topic)) => *left_out.topics.entry(topic).or_default() += 1,
                None => left_out.others += 1,
            }
        }
        if objects.is_empty() {
            return Err(SinkError::Empty {
                place: place.to_string(),
                others: left_out.others + left_out.topics.values().sum::<u64>(),
            });
        }
        objects.sort_unstable();
        Ok(Self {
            place,
            objects,
            left_out,
            next: 0,
            ahead: VecDeque::new(),
            bad: BadObjects::default(),
        })
    }

    /// Returns how many objects there are.
    pub fn objects(&self) -> u64 {
        self.objects.len() as u64
    }

    /// Returns what is there and not posted.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Returns the objects so far that hold no row.
    pub fn bad(&self) -> &BadObjects {
        &self.bad
    }

    /// Returns the name of an object by its place in the order.
    pub fn name(&self, place: u64) -> Option<String> {
        let object = self.objects.get(usize::try_from(place).ok()?)?;
        Some(self.place.full_name(&object.name))
    }

    /// Returns the row of the next object; a post without a row if it holds none, or if there is no further object.
    ///
    /// An object that cannot be read is an error, and comes again.
    pub(super) async fn next_post(&mut self) -> Result<Post, SinkError> {
        if self.ahead.is_empty() {
            let objects = self.objects.get(self.next..).unwrap_or_default();
            let objects = objects.iter().take(READ_AHEAD);
            let read = objects.map(|object| object.read(&self.place));
            self.ahead = try_join_all(read).await?.into();
        }
        // A row without a number has no other version: it gets a number that no other row has.
        let own_number = -1 - i64::try_from(self.next).unwrap_or_default();
        let (offset, row) = match self.ahead.pop_front() {
            Some(Ok((offset, row))) => (offset, Some(row)),
            Some(Err(problem)) => {
                self.add_bad(problem);
                (None, None)
            }
            None => (None, None),
        };
        self.next += 1;
        Ok(Post {
            offset: offset.unwrap_or(own_number),
            rows: row.into_iter().collect(),
        })
    }

    fn add_bad(&mut self, problem: String) {
        self.bad.count += 1;
        if self.bad.named.len() < MAX_NAMED
            && let Some(object) = self.objects.get(self.next)
        {
            let name = self.place.full_name(&object.name);
            self.bad.named.push((name, problem));
        }
    }

    /// Goes past objects, as if they had been returned.
    pub(super) fn skip(&mut self, posts: u64) {
        let posts = usize::try_from(posts).unwrap_or(usize::MAX);
        self.next = self.next.saturating_add(posts);
        self.ahead.clear();
    }
}

impl SinkObject {
    /// Reads a name; `None` when it is of another form, and the topic when that has no kind.
    fn parse(place: &Place, name: String) -> Option<Result<Self, String>> {
        // The topic's folder may be the place itself.
        let full_name = place.full_name(&name);
        let mut levels = full_name.rsplit(['/', std::path::MAIN_SEPARATOR]);
        let file = levels.next()?;
        let folder = levels.next()?.strip_prefix("partition=")?;
        let stem = file.strip_suffix(".gz").unwrap_or(file);
        let mut parts = stem.strip_suffix(".json")?.rsplitn(3, '+');
        let (offset, partition, topic) = (parts.next()?, parts.next()?, parts.next()?);
        if partition != folder || levels.next()? != topic {
            return None;
        }
        let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
        let Some(kind) = Kind::from_label(topic) else {
            return Some(Err(topic.to_owned()));
        };
        Some(Ok(Self {
            topic: topic.to_owned(),
            partition,
            offset,
            kind,
            name,
        }))
    }

    async fn read(&self, place: &Place) -> Result<Content, SinkError> {
        Ok(self.content(place.read(&self.name).await?))
    }

    fn content(&self, bytes: Bytes) -> Content {
        let bytes = if self.name.strip_suffix(".gz").is_some() {
            let mut text = Vec::new();
            let read = MultiGzDecoder::new(bytes.as_ref()).read_to_end(&mut text);
            read.map_err(|error| format!("not gzip: {error}"))?;
            Bytes::from(text)
        } else {
            bytes
        };
        let json = bytes.slice_ref(bytes.trim_ascii());
        let offset = ndjson::offset(&json, self.kind)?;
        let kind = self.kind;
        Ok((offset, PostedRow { kind, json }))
    }
}

impl Place {
    async fn read(&self, name: &str) -> Result<Bytes, SinkError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                fs::read(&path)
                    .map(Bytes::from)
                    .map_err(|source| SinkError::Unreadable { path, source })
            }
            Self::Bucket { bucket, prefix } => Ok(bucket.read(&format!("{prefix}{name}")).await?),
        }
    }

    /// Returns the path of a file, or the key of an object.
    fn full_name(&self, name: &str) -> String {
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

/// Gathers the files below a folder, by their names below it.
fn list_folder(folder: &Path, below: &str, names: &mut Vec<String>) -> Result<(), SinkError> {
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
        if path.is_dir() {
            list_folder(&path, &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn write(folder: &Path, name: &str, bytes: &[u8]) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn rows(sink: &mut Sink) -> Vec<String> {
        let mut rows = Vec::new();
        for _ in 0..sink.objects() {
            let post = sink.next_post().await.unwrap();
            rows.extend(post.rows.into_iter().map(|row| {
                let json = str::from_utf8(&row.json).unwrap().to_owned();
                format!("{} {json}", row.kind)
            }));
        }
        rows
    }

    #[tokio::test]
    async fn objects_come_in_the_order_of_topic_partition_and_offset() {
        let folder = tempfile::tempdir().unwrap();
        for (name, json) in [
            (
                "u.pin/partition=10/u.pin+10+0000000000.json",
                "{\"index\": 5}",
            ),
            (
                "u.pin/partition=2/u.pin+2+10000000000.json",
                "{\"index\": 4}",
            ),
            (
                "u.pin/partition=2/u.pin+2+9999999999.json",
                " {\"index\": 3}\n",
            ),
            ("u.geo/partition=0/u.geo+0+0000000001.json", "{\"ind\": 2}"),
        ] {
            write(folder.path(), &format!("topics/{name}"), json.as_bytes());
        }
        let first = "topics/u.geo/partition=0/u.geo+0+0000000000.json.gz";
        // Of two members, as log shippers and `cat` make them.
        let members = [gzip(b"{\"ind\":"), gzip(b"  1}")].concat();
        write(folder.path(), first, &members);
        let in_order = [
            "geo {\"ind\":  1}",
            "geo {\"ind\": 2}",
            "pin {\"index\": 3}",
            "pin {\"index\": 4}",
            "pin {\"index\": 5}",
        ];
        for (from, count) in [("", 5), ("topics", 5), ("topics/u.geo", 2)] {
            let place = Place::Folder(folder.path().join(from));
            let mut sink = Sink::open(place).await.unwrap();
            assert_eq!(rows(&mut sink).await, in_order[..count], "{from}");
        }
        let mut sink = Sink::open(Place::Folder(folder.path().to_owned()))
            .await
            .unwrap();
        sink.skip(4);
        assert_eq!(sink.next_post().await.unwrap().offset, 5);
        assert_eq!(sink.next_post().await.unwrap().rows, []);
        assert!(sink.name(0).unwrap().ends_with(first));
    }

    #[tokio::test]
    async fn what_holds_no_row_is_named_and_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for (offset, bytes) in [
            (0, &b"{\"index\": 1"[..]),
            (1, b"[1]"),
            (2, b"\xff"),
            (3, b""),
            (4, b"{\"index\": 1}\n{\"index\": 2}"),
            (5, b"{\"category\": \"art\"}"),
        ] {
            let name = format!("u.pin/partition=0/u.pin+0+{offset:010}.json");
            write(folder.path(), &name, bytes);
        }
        write(
            folder.path(),
            "u.pin/partition=0/u.pin+0+0000000006.json.gz",
            b"{}",
        );
        write(
            folder.path(),
            "u.pin/partition=0/u.pin+1+0000000006.json",
            b"{}",
        );
        write(folder.path(), "u.pin/partition=0/_SUCCESS", b"");
        write(
            folder.path(),
            "configs/partition=0/configs+0+0000000000.json",
            b"{}",
        );
        let mut sink = Sink::open(Place::Folder(folder.path().to_owned()))
            .await
            .unwrap();
        assert_eq!(sink.left_out().others, 2);
        assert_eq!(
            sink.left_out().topics,
            BTreeMap::from([("configs".to_owned(), 1)])
        );
        assert_eq!(rows(&mut sink).await, ["pin {\"category\": \"art\"}"]);
        assert_eq!(sink.bad().count, 6);
        let named = sink.bad().named.iter();
        let named: Vec<_> = named
            .map(|(name, problem)| format!("{}: {problem}", name.rsplit('+').next().unwrap()))
            .collect();
        insta::assert_debug_snapshot!(named, @r#"
        [
            "0000000000.json: not JSON: expected `,` or `}` at byte 11",
            "0000000001.json: not a JSON object",
            "0000000002.json: not UTF-8 from byte 0 on",
            "0000000003.json: not a JSON object",
            "0000000004.json: not JSON: expected the end of the text at byte 13",
            "0000000006.json.gz: not gzip: unexpected end of file",
        ]
        "#);
    }

    #[tokio::test]
    async fn a_place_without_objects_says_how_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "pin.ndjson", b"{}");
        let error = Sink::open(Place::Folder(folder.path().to_owned()))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("<topic>/partition=0/<topic>+0+"),
            "{error}"
        );
        assert!(
            error.to_string().ends_with("(objects of other forms: 1)"),
            "{error}"
        );
        let missing = folder.path().join("missing");
        let error = Sink::open(Place::Folder(missing)).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("--from is s3://<bucket>/<prefix>/"),
            "{error}"
        );
    }
}
