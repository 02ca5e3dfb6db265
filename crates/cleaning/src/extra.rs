//! `_extra`: the fields that no rule knows, kept as JSON.

use std::borrow::Cow;

use json_reader::{Member, push_string};

use crate::unread::Unread;

/// Returns the members as one JSON object, in the order of their names; `None` when there are none.
///
/// Values are kept as they were posted. If a name is repeated, the last value counts and the earlier ones are unread;
/// names are sorted so that the text does not depend on the order in which a client writes its fields.
pub(crate) fn object<'m, 'a: 'm>(
    members: impl Iterator<Item = &'m Member<'a>>,
    unread: &mut Unread<'m>,
    mended: impl Fn(&'m str) -> Cow<'m, str>,
) -> Option<String> {
    let mut members: Vec<(Cow<'m, str>, &'m Member<'a>)> = members
        .map(|member| (member.name().decode(), member))
        .collect();
    if members.is_empty() {
        return None;
    }
    members.sort_by(|left, right| left.0.cmp(&right.0));
    let mut json = String::new();
    for same in members.chunk_by(|left, right| left.0 == right.0) {
        let Some(((name, last), earlier)) = same.split_last() else {
            continue;
        };
        for (name, member) in earlier.iter().filter(|(_, member)| member.raw != last.raw) {
            unread.keep_unknown(name.clone(), &member.value(), member.raw);
        }
        json.push(if json.is_empty() { '{' } else { ',' });
        push_string(&mut json, name);
        json.push(':');
        json.push_str(&mended(last.raw));
    }
    json.push('}');
    Some(json)
}
