//! `_extra`: the fields that no rule knows, kept as JSON.

use std::borrow::Cow;

use json_reader::{Value, push_string};

use crate::unread::Unread;

/// Returns fields, each its name, its spelling and its value, as one JSON object, in the order of their names; `None` when there are none.
///
/// Values are kept as they were posted. If a name is repeated, the last value counts and the earlier ones are unread;
/// names are sorted so that the text does not depend on the order in which a client writes its fields.
pub(crate) fn object<'a>(
    fields: impl Iterator<Item = (Cow<'a, str>, &'a str, Value<'a>)>,
    unread: &mut Unread<'a>,
    mended: impl Fn(&'a str) -> Cow<'a, str>,
) -> Option<String> {
    let mut fields: Vec<_> = fields.collect();
    if fields.is_empty() {
        return None;
    }
    fields.sort_by(|left, right| left.0.cmp(&right.0));
    let mut json = String::new();
    for same in fields.chunk_by(|left, right| left.0 == right.0) {
        let Some(((name, last, _), earlier)) = same.split_last() else {
            continue;
        };
        for (name, raw, value) in earlier.iter().filter(|(_, raw, _)| raw != last) {
            unread.keep_unknown(name.clone(), value, raw);
        }
        json.push(if json.is_empty() { '{' } else { ',' });
        push_string(&mut json, name);
        json.push(':');
        json.push_str(&mended(last));
    }
    json.push('}');
    Some(json)
}
