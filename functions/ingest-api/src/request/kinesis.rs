//! The bodies of the Kinesis proxy: its own spelling (`data`, `partition-key`) and the API's (`Data`, `PartitionKey`).

use event_model::Kind;
use json_reader::Value;

use super::row::{entry, unwrapped};
use super::{Entry, invalid, members, not_json, records_member, set};
use crate::response::Problem;

/// Reads the body of `PUT /streams/{stream}/record`.
pub(super) fn record(text: &str, declared: Option<Kind>) -> Result<Entry<'_>, Problem> {
    Put::read("The body", text)?.entry("`Data`", declared)
}

/// Reads the body of `PUT /streams/{stream}/records`.
pub(super) fn records<'a>(
    text: &'a str,
    declared: Option<Kind>,
) -> Result<Vec<Entry<'a>>, Problem> {
    let records = records_member(text, &["records", "Records"])?;
    let entry = |(index, record): (usize, Value<'a>)| {
        let what = format!("Record {index}");
        let Value::Object(object) = record else {
            return Err(invalid(format!(
                "{what} is not an object with `data` and `partition-key`."
            )));
        };
        Put::read(&what, object)?.entry(&format!("The data of record {index}"), declared)
    };
    records.into_iter().enumerate().map(entry).collect()
}

/// The members of a body or of a record that count.
struct Put<'a> {
    data: Value<'a>,
    /// Kind that the client's partition key declares.
    kind: Option<Kind>,
}

impl<'a> Put<'a> {
    fn read(what: &str, text: &'a str) -> Result<Self, Problem> {
        let mut members = members(what, text)?;
        let (mut data, mut key) = (None, None);
        while let Some(member) = members
            .next_member()
            .map_err(|error| not_json(what, text, error))?
        {
            match &*member.name.decode() {
                "Data" | "data" => set(&mut data, member.value, what, "Data")?,
                "PartitionKey" | "partition-key" => match member.value {
                    Value::Text(text) => {
                        let declared = Kind::from_label(&text.decode());
                        set(&mut key, declared, what, "PartitionKey")?;
                    }
                    Value::Null => set(&mut key, None, what, "PartitionKey")?,
                    _ => {
                        return Err(invalid(format!(
                            "{what} has a partition key that is not text."
                        )));
                    }
                },
                // `StreamName` may be missing or differ: the path counts.
                _ => {}
            }
        }
        let data =
            data.ok_or_else(|| invalid(format!("{what} has no `Data`; put the row there.")))?;
        Ok(Self {
            data,
            kind: key.flatten(),
        })
    }

    fn entry(&self, what: &str, declared: Option<Kind>) -> Result<Entry<'a>, Problem> {
        entry(what, unwrapped(what, &self.data)?, declared.or(self.kind))
    }
}
