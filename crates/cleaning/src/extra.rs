//! `_extra`: the fields that no rule knows, kept as JSON.

use std::borrow::Cow;

use json_reader::{Member, push_string};

/// Returns the members as one JSON object, in the order of their names; `None` when there are none.
///
/// Values are kept as they were posted. If a name is repeated, the last value wins; names are sorted so that the text
/// does not depend on the order in which a client writes its fields.
pub(crate) fn object<'m, 'a: 'm>(members: impl Iterator<Item = &'m Member<'a>>) -> Option<String> {
    let mut members: Vec<(Cow<'a, str>, &'a str)> = members
        .map(|member| (member.name.decode(), member.raw))
        .collect();
    if members.is_empty() {
        return None;
    }
    members.sort_by(|left, right| left.0.cmp(&right.0));
    let mut json = String::new();
    for (index, (name, raw)) in members.iter().enumerate() {
        if members.get(index + 1).is_some_and(|next| next.0 == *name) {
            continue;
        }
        json.push(if json.is_empty() { '{' } else { ',' });
        push_string(&mut json, name);
        json.push(':');
        json.push_str(raw);
    }
    json.push('}');
    Some(json)
}
