//! A data folder: the three tables as NDJSON, and the order in which their rows are posted.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use model::{Model, Table};

use super::{Post, PostedRow, RowKey, SourceError, ndjson, sequence};

/// The rows of a data folder, in the order in which they are posted.
#[derive(Debug)]
pub struct Folder {
    /// Each row has at least one line. An offset that a file has twice brings all of its lines in one post; a line without
    /// a key has a negative offset that no other has.
    rows: HashMap<i64, Vec<PostedRow>>,
    /// Offsets that have a row.
    order: Vec<i64>,
    next: usize,
}

/// Offsets below it are those of rows without a key.
const WITHOUT_KEY: i64 = i64::MIN / 2;

impl Folder {
    /// Reads the folder. Nothing is posted before all of it was found readable.
    pub(super) fn open(model: &Model, folder: &Path) -> Result<Self, SourceError> {
        let mut rows: HashMap<i64, Vec<PostedRow>> = HashMap::new();
        let mut table_order = Vec::new();
        let mut seen = HashSet::new();
        let mut without_key = WITHOUT_KEY;
        let has_file = |table: &&Table| ndjson::path(folder, table).exists();
        let tables: Vec<&Table> = model.tables().iter().filter(has_file).collect();
        // Of a folder without any, the error names the first.
        let first = model.tables().first().filter(|_| tables.is_empty());
        for table in tables.into_iter().chain(first) {
            for row in ndjson::read(folder, table)? {
                let offset = match &row.key {
                    Some(RowKey::Integer(key)) => *key,
                    // A row of a post of its own.
                    Some(RowKey::Text(_)) | None => {
                        without_key -= 1;
                        without_key
                    }
                };
                if seen.insert(offset) {
                    table_order.push(offset);
                }
                rows.entry(offset).or_default().push(row);
            }
        }
        let empty = |problem| SourceError::Empty {
            path: folder.to_owned(),
            problem,
        };
        if rows.is_empty() {
            return Err(empty("its files are empty"));
        }
        let order = match sequence::read_in(folder)? {
            None => table_order,
            Some(mut order) => {
                order.retain(|offset| rows.contains_key(offset));
                if order.is_empty() {
                    return Err(empty("no offset of row_sequence.json has a row"));
                }
                // No sequence names a row without a key.
                let is_nameless = |offset: &i64| *offset < WITHOUT_KEY;
                order.extend(table_order.into_iter().filter(is_nameless));
                order
            }
        };
        Ok(Self {
            rows,
            order,
            next: 0,
        })
    }

    /// Returns the next post; the first one again after the last.
    pub(super) fn next_post(&mut self) -> Post {
        let offset = self.order[self.next];
        self.next = (self.next + 1) % self.order.len();
        Post {
            offset,
            rows: self.rows.get(&offset).cloned().unwrap_or_default(),
        }
    }

    /// Goes past posts, as if they had been returned.
    pub(super) fn skip(&mut self, posts: u64) {
        let length = self.order.len() as u64;
        let next = (self.next as u64 + posts % length) % length;
        self.next = usize::try_from(next).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn open(folder: &Path) -> Result<Folder, SourceError> {
        Folder::open(&Model::load_from(None).unwrap(), folder)
    }

    const PIN: (&str, &str) = ("pin.ndjson", "{\"index\": 5}\n{\"index\": 2}\n");
    const GEO: (&str, &str) = (
        "geo.ndjson",
        "{\"ind\": 2, \"latitude\": 1}\n{\"ind\": 9, \"latitude\": 2}\n",
    );
    const USER: (&str, &str) = ("user.ndjson", "{\"ind\": 5, \"age\": 1}\n");

    fn posts(folder: &mut Folder, count: usize) -> Vec<(i64, String)> {
        let mut post = || {
            let post = folder.next_post();
            let kinds: Vec<_> = post.rows.iter().map(|row| row.kind.as_str()).collect();
            (post.offset, kinds.join(" "))
        };
        (0..count).map(|_| post()).collect()
    }

    fn expected(posts: &[(i64, &str)]) -> Vec<(i64, String)> {
        posts
            .iter()
            .map(|&(offset, kinds)| (offset, kinds.to_owned()))
            .collect()
    }

    #[test]
    fn offsets_without_a_row_are_skipped_and_the_sequence_starts_again() {
        let dir = folder(&[PIN, GEO, USER, ("row_sequence.json", "[9, 1, 5, 9, 7, 2]")]);
        let mut folder = open(dir.path()).unwrap();
        assert_eq!(
            posts(&mut folder, 6),
            expected(&[
                (9, "geo"),
                (5, "pin user"),
                (9, "geo"),
                (2, "geo pin"),
                (9, "geo"),
                (5, "pin user")
            ])
        );
    }

    #[test]
    fn without_a_sequence_the_order_is_that_of_the_first_table() {
        let dir = folder(&[PIN, GEO, USER]);
        let mut folder = open(dir.path()).unwrap();
        assert_eq!(
            posts(&mut folder, 4),
            expected(&[(2, "geo pin"), (9, "geo"), (5, "pin user"), (2, "geo pin")])
        );
    }

    #[test]
    fn turns_that_are_skipped_are_not_returned() {
        let dir = folder(&[PIN, GEO, USER]);
        for skipped in [1, 4, 301] {
            let mut folder = open(dir.path()).unwrap();
            folder.skip(skipped);
            assert_eq!(folder.next_post().offset, 9, "{skipped}");
        }
    }

    #[test]
    fn a_row_that_stands_twice_in_a_file_is_posted_twice() {
        let pins = "{\"index\": 5}\n{\"index\": 5, \"title\": \"later\"}\n";
        let dir = folder(&[("pin.ndjson", pins), GEO, USER]);
        let mut folder = open(dir.path()).unwrap();
        folder.skip(2);
        let post = folder.next_post();
        assert_eq!(post.rows.len(), 3);
        assert_eq!(
            post.rows[1].json.as_ref(),
            b"{\"index\": 5, \"title\": \"later\"}"
        );
    }

    #[test]
    fn a_row_without_a_key_is_posted_too() {
        let pins = "{\"index\": 5}\n{\"title\": \"none\"}\n{\"index\": 1.5}\n";
        let files = [("pin.ndjson", pins), GEO, USER];
        let dir = folder(&files);
        let mut without_sequence = open(dir.path()).unwrap();
        let kinds = |posts: Vec<(i64, String)>| posts.into_iter().map(|(_, kinds)| kinds);
        let kinds: Vec<_> = kinds(posts(&mut without_sequence, 5)).collect();
        assert_eq!(kinds, ["geo", "geo", "pin user", "pin", "pin"]);
        let dir = folder(&[&files[..], &[("row_sequence.json", "[9, 9]")]].concat());
        let mut with_sequence = open(dir.path()).unwrap();
        let rows: usize = (0..4).map(|_| with_sequence.next_post().rows.len()).sum();
        assert_eq!(rows, 4);
    }

    #[test]
    fn a_folder_that_cannot_be_posted_from_says_why() {
        let error = |files: &[(&str, &str)]| open(folder(files).path()).unwrap_err().to_string();
        assert!(error(&[("pins.ndjson", "{}")]).contains("geo.ndjson`; a data folder has a file"));
        let empty = [
            ("pin.ndjson", ""),
            ("geo.ndjson", "\n"),
            ("user.ndjson", ""),
        ];
        assert!(error(&empty).contains("has no row to post: its files are empty"));
        let elsewhere = [PIN, GEO, USER, ("row_sequence.json", "[77]")];
        assert!(error(&elsewhere).contains("no offset of row_sequence.json has a row"));
    }
}
