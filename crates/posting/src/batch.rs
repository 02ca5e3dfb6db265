//! Consecutive posts → the requests that post them.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use event_model::Kind;

use crate::source::{Post, RowKey};

/// Most rows in one request: what the API takes, which is what one `PutRecords` call may have (an AWS limit).
const MAX_ROWS: usize = 500;
/// Most bytes of rows in one request; the API takes bodies of 5 MiB.
const MAX_BYTES: usize = 4 << 20;

/// A row that is to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What its post is named by.
    pub(crate) offset: i64,
    /// Its key, if it can be read.
    pub(crate) key: Option<RowKey>,
    pub(crate) json: Bytes,
}

/// Posts that are sent together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) posts: u64,
    /// The rows that the batch has a version of.
    pub(crate) keys: HashSet<(Kind, RowKey)>,
    /// The requests of each kind. One is sent after the other, so that versions of a row arrive in their order.
    pub(crate) requests: Vec<(Kind, Vec<Vec<Row>>)>,
}

impl Batch {
    pub(crate) fn of(posts: &[Post]) -> Self {
        let rows = posts.iter().flat_map(|post| &post.rows);
        let keys = rows
            .clone()
            .filter_map(|row| Some((row.kind, row.key.clone()?)));
        let keys = keys.collect();
        let kinds: BTreeSet<Kind> = rows.map(|row| row.kind).collect();
        let requests = kinds.into_iter().map(|kind| {
            let rows = posts.iter().flat_map(|post| {
                let of_kind = post.rows.iter().filter(move |row| row.kind == kind);
                of_kind.map(|row| Row {
                    offset: post.offset,
                    key: row.key.clone(),
                    json: row.json.clone(),
                })
            });
            (kind, requests(rows))
        });
        Self {
            posts: posts.len() as u64,
            keys,
            requests: requests.collect(),
        }
    }
}

/// Cuts rows into requests, none of which has two versions of a row: the earlier one, sent again after it failed, would
/// come after the later one.
fn requests(rows: impl Iterator<Item = Row>) -> Vec<Vec<Row>> {
    let mut requests: Vec<Vec<Row>> = Vec::new();
    let mut keys = HashSet::new();
    let mut bytes = 0;
    for row in rows {
        bytes += row.json.len();
        let is_new = row.key.clone().is_none_or(|key| keys.insert(key));
        match requests.last_mut() {
            Some(request) if is_new && request.len() < MAX_ROWS && bytes <= MAX_BYTES => {
                request.push(row);
            }
            _ => {
                keys = row.key.clone().into_iter().collect();
                bytes = row.json.len();
                requests.push(vec![row]);
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::PostedRow;

    fn row(offset: i64, bytes: usize) -> Row {
        Row {
            offset,
            key: Some(offset.into()),
            json: vec![b' '; bytes].into(),
        }
    }

    fn cut(rows: impl IntoIterator<Item = Row>) -> Vec<Vec<i64>> {
        let requests = requests(rows.into_iter());
        let offsets = |request: &Vec<Row>| request.iter().map(|row| row.offset).collect();
        requests.iter().map(offsets).collect()
    }

    #[test]
    fn a_request_has_one_version_of_a_row() {
        let rows = [1, 2, 1, 3, 1].map(|offset| row(offset, 1));
        assert_eq!(cut(rows), [vec![1, 2], vec![1, 3], vec![1]]);
    }

    #[test]
    fn a_request_is_not_larger_than_the_api_takes() {
        let lengths = |requests: Vec<Vec<i64>>| requests.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(
            lengths(cut((0..1_001).map(|offset| row(offset, 1)))),
            [500, 500, 1]
        );
        assert_eq!(
            lengths(cut((0..5).map(|offset| row(offset, 2 << 20)))),
            [2, 2, 1]
        );
        assert_eq!(
            lengths(cut((0..2).map(|offset| row(offset, 5 << 20)))),
            [1, 1]
        );
    }

    #[test]
    fn each_kind_has_its_own_requests() {
        let posted = |kind, key| PostedRow {
            kind,
            key,
            json: Bytes::from_static(b"{}"),
        };
        let post = |offset, kinds: &[Kind]| Post {
            offset,
            rows: kinds
                .iter()
                .map(|&kind| posted(kind, Some(offset.into())))
                .collect(),
        };
        let batch = Batch::of(&[
            post(7, &[Kind::named("pin"), Kind::named("geo")]),
            post(8, &[Kind::named("geo"), Kind::named("geo")]),
        ]);
        let counts: Vec<Vec<usize>> = batch
            .requests
            .iter()
            .map(|(_, requests)| requests.iter().map(Vec::len).collect())
            .collect();
        assert_eq!(counts, [vec![2, 1], vec![1]]);
        let keys = [("pin", 7), ("geo", 7), ("geo", 8)];
        let keys = keys.map(|(kind, key)| (Kind::named(kind), RowKey::Integer(key)));
        assert_eq!((batch.posts, batch.keys), (2, HashSet::from(keys)));
        // A row without a key has no other version.
        let without_key = Post {
            offset: 9,
            rows: vec![
                posted(Kind::named("pin"), None),
                posted(Kind::named("pin"), None),
            ],
        };
        let batch = Batch::of(&[without_key]);
        assert_eq!(
            (batch.requests[0].1[0].len(), batch.keys),
            (2, HashSet::new())
        );
    }
}
