//! Listing: the files below the bucket's folder, by their keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{CommonPrefix, ETag, EncodingType, Object};

use super::object::e_tag;

/// Most keys of one answer (an S3 limit).
const MAX_KEYS: i32 = 1_000;
/// What stays as it is in a key that is listed with `encoding-type=url`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// Only keys after it are listed.
    pub(super) after: Option<String>,
    pub(super) max_keys: Option<i32>,
    /// Whether keys are to be written as in a URL, so that each of them can stand in XML.
    pub(super) is_url: bool,
}

/// A page of the listing.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) objects: Vec<Object>,
    pub(super) prefixes: Vec<CommonPrefix>,
    pub(super) max_keys: i32,
    /// The last key or prefix of a page that others follow.
    pub(super) next: Option<String>,
}

impl Listed {
    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.objects.len() + self.prefixes.len()).unwrap_or(i32::MAX)
    }
}

/// Writes a key as a client asked for it.
pub(super) fn spelled(text: &str, is_url: bool) -> String {
    if is_url {
        utf8_percent_encode(text, PLAIN).to_string()
    } else {
        text.to_owned()
    }
}

pub(super) fn is_url(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL)
}

/// Lists the objects of a bucket's folder in the order of their keys' bytes.
pub(super) fn list(bucket: &Path, asked: &Asked) -> io::Result<Listed> {
    let found = files(bucket, &asked.prefix)?;
    let max_keys = asked.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
    let room = usize::try_from(max_keys).unwrap_or_default();
    let mut listed = Listed {
        max_keys,
        ..Listed::default()
    };
    let mut last = asked.after.clone().unwrap_or_default();
    let mut taken = 0;
    for (key, path) in found {
        let rest = key.get(asked.prefix.len()..).unwrap_or_default();
        let delimiter = asked.delimiter.as_deref().filter(|text| !text.is_empty());
        let group = delimiter.and_then(|delimiter| {
            let end = rest.find(delimiter)? + delimiter.len();
            key.get(..asked.prefix.len() + end).map(str::to_owned)
        });
        let name = group.clone().unwrap_or_else(|| key.clone());
        // A group is listed once, and not again on the page after it.
        if name <= last && !(last.is_empty() && taken == 0) {
            continue;
        }
        if taken == room {
            listed.next = Some(last).filter(|_| room > 0);
            break;
        }
        match group {
            Some(prefix) => listed.prefixes.push(CommonPrefix {
                prefix: Some(spelled(&prefix, asked.is_url)),
            }),
            // One that was deleted meanwhile is none.
            None => match object(&path, spelled(&key, asked.is_url)) {
                Ok(object) => listed.objects.push(object),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            },
        }
        taken += 1;
        last = name;
    }
    Ok(listed)
}

/// Returns the files below a folder whose keys have a prefix, by key.
pub(super) fn files(folder: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    // Nothing outside the deepest folder of the prefix can have it.
    let below = prefix.rsplit_once('/').map_or("", |(below, _)| below);
    let is_inside = Path::new(below)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if is_inside && !has_link(folder, below) {
        let start = folder.join(below);
        let below = if below.is_empty() {
            String::new()
        } else {
            format!("{below}/")
        };
        walk(&start, &below, prefix, &mut found)?;
    }
    found.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

/// Tells whether a part of a path below a folder is a link, which may lead out of it.
pub(super) fn has_link(folder: &Path, below: &str) -> bool {
    let mut path = folder.to_owned();
    Path::new(below).components().any(|part| {
        path.push(part);
        fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink())
    })
}

/// Gathers the files below a folder whose keys have a prefix. Links are passed over, and names that are not UTF-8.
fn walk(
    folder: &Path,
    below: &str,
    prefix: &str,
    found: &mut Vec<(String, PathBuf)>,
) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if super::object::is_absent(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let key = format!("{below}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let folder_key = format!("{key}/");
            if folder_key.starts_with(prefix) || prefix.starts_with(&folder_key) {
                walk(&entry.path(), &folder_key, prefix, found)?;
            }
        } else if kind.is_file() && key.starts_with(prefix) {
            found.push((key, entry.path()));
        }
    }
    Ok(())
}

fn object(path: &Path, key: String) -> io::Result<Object> {
    let metadata = fs::metadata(path)?;
    let modified: SystemTime = metadata.modified()?;
    Ok(Object {
        e_tag: Some(ETag::Strong(e_tag(&metadata))),
        key: Some(key),
        last_modified: Some(modified.into()),
        size: i64::try_from(metadata.len()).ok(),
        ..Object::default()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn bucket(keys: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for key in keys {
            let path = folder.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        folder
    }

    /// Lists page by page.
    fn pages(bucket: &Path, prefix: &str, delimiter: Option<&str>, max_keys: i32) -> Vec<String> {
        let mut asked = Asked {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            max_keys: Some(max_keys),
            ..Asked::default()
        };
        let mut names = Vec::new();
        loop {
            let listed = list(bucket, &asked).unwrap();
            assert!(listed.count() <= max_keys);
            let objects = listed.objects.into_iter().filter_map(|object| object.key);
            let prefixes = listed
                .prefixes
                .into_iter()
                .filter_map(|prefix| prefix.prefix);
            names.extend(objects.chain(prefixes));
            match listed.next {
                Some(next) => asked.after = Some(next),
                None => return names,
            }
        }
    }

    #[test]
    fn a_link_is_neither_listed_nor_followed() {
        let outside = bucket(&["secret/file".to_owned()]);
        let inside = bucket(&["a/b".to_owned()]);
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        std::os::unix::fs::symlink(
            outside.path().join("secret/file"),
            inside.path().join("file"),
        )
        .unwrap();
        for prefix in ["", "link/", "link/secret/", "../", "/"] {
            let found = pages(inside.path(), prefix, None, 10);
            assert_eq!(
                found,
                if prefix.is_empty() {
                    vec!["a/b"]
                } else {
                    vec![]
                },
                "{prefix}"
            );
        }
    }

    proptest! {
        #[test]
        fn pages_have_each_key_once_in_order(
            keys in proptest::collection::btree_set("[ab+ %é]{1,2}(/[ab+]{1,2}){0,2}", 0..12),
            prefix in "[ab+]{0,2}/?",
            has_delimiter in any::<bool>(),
            max_keys in 1..4,
        ) {
            // A file cannot be a folder too.
            let is_folder = |key: &String| keys.iter().any(|other| other.starts_with(&format!("{key}/")));
            let keys: Vec<_> = keys.iter().filter(|key| !is_folder(key)).cloned().collect();
            let folder = bucket(&keys);
            let delimiter = has_delimiter.then_some("/");
            let mut found = pages(folder.path(), &prefix, delimiter, max_keys);
            found.sort();
            let expected: BTreeSet<_> = keys.iter().filter(|key| key.starts_with(&prefix)).map(|key| {
                let rest = key.strip_prefix(prefix.as_str()).unwrap();
                match rest.find('/').filter(|_| has_delimiter) {
                    Some(end) => key.get(..=prefix.len() + end).unwrap().to_owned(),
                    None => key.clone(),
                }
            }).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_key_that_is_spelled_as_in_a_url_reads_back(key in any::<String>()) {
            let spelled = spelled(&key, true);
            prop_assert!(spelled.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+'));
            prop_assert_eq!(percent_encoding::percent_decode_str(&spelled).decode_utf8().unwrap(), key);
        }
    }
}
