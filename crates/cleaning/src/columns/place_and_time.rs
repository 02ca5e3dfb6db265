//! Timestamps, dates and points.

use json_reader::{Value, number};
use model::{Column, FieldId, LATITUDE_MAX, LONGITUDE_MAX};

use super::Columns;
use crate::spelling::{from_epoch, pair_of_degrees};
use crate::{Changes, Rule, timestamp};

impl<'u, C: Changes> Columns<'_, 'u, '_, C> {
    /// Microseconds since 1970-01-01 UTC.
    pub(super) fn timestamp(&mut self, column: &'u Column, field: FieldId) -> Option<i64> {
        if let Some(text) = self.fields.posted(field)?.plain_text()
            && column.null_if.is_empty()
            && column.max_length.is_none()
            && column.epoch.is_none()
            && let Some(time) = timestamp::parse(text)
            && time.is_exact
        {
            return Some(time.micros);
        }
        let text = self.text(column, field)?;
        let time = match column.epoch {
            Some(epoch) => from_epoch(text.trim(), epoch).or_else(|| timestamp::parse(text.trim())),
            None => timestamp::parse(text.trim()),
        };
        let Some(time) = time else {
            return self.unreadable(Rule::TimestampUnreadable, field);
        };
        if !time.is_exact {
            self.note(Rule::TimestampTruncated, field);
            self.keep(field);
        }
        Some(time.micros)
    }

    /// Days since 1970-01-01, in UTC.
    pub(super) fn date(&mut self, column: &'u Column, field: FieldId) -> Option<i32> {
        let text = self.text(column, field)?;
        let Some(time) = timestamp::parse(text.trim()) else {
            return self.unreadable(Rule::TimestampUnreadable, field);
        };
        if !time.is_exact || time.micros.rem_euclid(timestamp::DAY_MICROS) != 0 {
            self.note(Rule::TimestampTruncated, field);
            self.keep(field);
        }
        i32::try_from(time.micros.div_euclid(timestamp::DAY_MICROS)).ok()
    }

    pub(super) fn degrees(&mut self, column: &Column, field: FieldId, limit: f64) -> Option<f64> {
        let spelling = self.number(column, field)?;
        let Some(degrees) = number::float(&spelling) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        self.in_range(degrees.abs() <= limit, field)?;
        Some(degrees)
    }

    pub(super) fn point(&mut self, column: &Column) -> Option<[f64; 2]> {
        let &[north, east] = column.inputs.as_slice() else {
            return None;
        };
        let latitude = self.degrees(column, north, LATITUDE_MAX);
        let longitude = self.degrees(column, east, LONGITUDE_MAX);
        let posted = column
            .own
            .filter(|own| self.fields.value(*own) != Value::Null);
        let half = match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => {
                let pair = [latitude, longitude];
                if let Some(own) = posted
                    && self.posted_point(own) != Some(pair)
                {
                    self.keep(own);
                }
                return Some(pair);
            }
            (None, None) => None,
            (None, Some(_)) => Some(east),
            (Some(_), None) => Some(north),
        };
        if let Some(half) = half {
            self.keep(half);
            if posted.is_none() {
                self.note(Rule::PointIncomplete, half);
            }
        }
        // A row that was cleaned before has the point itself.
        let own = posted?;
        self.posted_point(own)
            .or_else(|| self.unreadable(Rule::PointIncomplete, own))
    }

    pub(super) fn posted_point(&self, field: FieldId) -> Option<[f64; 2]> {
        match self.fields.value(field) {
            Value::Array(array) => pair_of_degrees(array),
            _ => None,
        }
    }
}
