//! A clean row as JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use event_model::CleanRow;
use json_reader::push_string;

use crate::unread::UNREAD;
use crate::{Rest, timestamp};

/// Writes the row's columns in their order, then the fields of `_extra` one by one, and `_unread`.
pub(crate) fn to_json(row: &CleanRow<'_>, rest: &Rest) -> String {
    let mut object = Object::default();
    match row {
        CleanRow::Pin(pin) => {
            object.display("ind", Some(pin.ind));
            object.text("unique_id", pin.unique_id.as_ref());
            object.text("title", pin.title.as_ref());
            object.text("description", pin.description.as_ref());
            object.display("follower_count", pin.follower_count);
            object.text("poster_name", pin.poster_name.as_ref());
            object.text("tag_list", pin.tag_list.as_ref());
            object.text("is_image_or_video", pin.is_image_or_video.as_ref());
            object.text("image_src", pin.image_src.as_ref());
            object.text("save_location", pin.save_location.as_ref());
            object.text("category", pin.category.as_ref());
        }
        CleanRow::Geo(geo) => {
            object.display("ind", Some(geo.ind));
            object.text("country", geo.country.as_ref());
            // `Debug` writes the shortest decimal that reads back to the same double.
            object.display(
                "coordinates",
                geo.coordinates
                    .map(|[latitude, longitude]| format!("[{latitude:?},{longitude:?}]")),
            );
            object.timestamp("timestamp", geo.timestamp);
        }
        CleanRow::User(user) => {
            object.display("ind", Some(user.ind));
            object.text("user_name", user.user_name.as_ref());
            object.display("age", user.age);
            object.timestamp("date_joined", user.date_joined);
        }
    }
    object.end(rest)
}

#[derive(Default)]
struct Object {
    json: String,
}

impl Object {
    fn name(&mut self, name: &str) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        push_string(&mut self.json, name);
        self.json.push(':');
    }

    fn display(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        self.name(name);
        match value {
            // Writing to a string does not fail.
            Some(value) => drop(write!(self.json, "{value}")),
            None => self.json.push_str("null"),
        }
    }

    fn text(&mut self, name: &str, value: Option<&Cow<'_, str>>) {
        self.name(name);
        match value {
            Some(text) => push_string(&mut self.json, text),
            None => self.json.push_str("null"),
        }
    }

    fn timestamp(&mut self, name: &str, micros: Option<i64>) {
        self.text(
            name,
            micros.and_then(timestamp::format).map(Cow::Owned).as_ref(),
        );
    }

    fn end(mut self, rest: &Rest) -> String {
        let members = rest
            .extra
            .as_deref()
            .and_then(|extra| extra.strip_prefix('{')?.strip_suffix('}'));
        if let Some(members) = members {
            self.json.push(',');
            self.json.push_str(members);
        }
        if let Some(unread) = &rest.unread {
            self.name(UNREAD);
            self.json.push_str(unread);
        }
        self.json.push('}');
        self.json
    }
}
