//! A row of one table never takes the place of a row of another, by whichever way it comes.

use std::sync::{Arc, Mutex};

use cleaning::{Cleaner, KindSource, Piece, clean_record};
use event_model::Kind;
use model::Model;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

/// A row with a key, and how many fields of each table it has beside it.
#[derive(Clone, Debug)]
struct Mixed {
    json: String,
    counts: [usize; 3],
}

impl Mixed {
    /// Returns the table of which the row has more fields than of any other.
    fn kind(&self) -> Option<Kind> {
        let most = self.counts.iter().max()?;
        let kinds = ["pin", "geo", "user"].map(Kind::named);
        let mut kinds = kinds.into_iter().zip(&self.counts);
        let (kind, _) = kinds.find(|(_, count)| *count == most)?;
        kinds.all(|(_, count)| count < most).then_some(kind)
    }
}

/// Some fields of each table, in any order, and either name of the key.
fn mixed() -> impl Strategy<Value = Mixed> {
    let own = |kind: Kind| {
        let model = Model::load_from(None).unwrap();
        let table = model.table(kind).unwrap();
        let columns = table.columns.iter().filter(|column| column.name != "ind");
        let fields = columns.flat_map(|column| &column.from).chain(&table.ignore);
        let fields: Vec<String> = fields.cloned().collect();
        let most = fields.len();
        subsequence(fields, 0..=most)
    };
    let fields = (
        own(Kind::named("pin")),
        own(Kind::named("geo")),
        own(Kind::named("user")),
    );
    (fields, select(vec!["ind", "index"]), any::<u64>()).prop_map(
        |((pin, geo, user), key, order)| {
            let counts = [pin.len(), geo.len(), user.len()];
            let mut names: Vec<_> = [pin, geo, user].concat().into_iter().collect();
            let length = names.len().max(1);
            names.rotate_left(usize::try_from(order).unwrap_or_default() % length);
            let members: Vec<_> = names
                .iter()
                .map(|name| format!(", \"{name}\": \"1\""))
                .collect();
            let members = members.concat();
            Mixed {
                json: format!("{{\"{key}\": 7{members}}}"),
                counts,
            }
        },
    )
}

/// A record as it is on the stream: its key and its data.
type Put = (String, Vec<u8>);

/// A stream that keeps what it is given.
fn keeping(records: &Arc<Mutex<Vec<Put>>>) -> Rule {
    let records = Arc::clone(records);
    mock!(Client::put_records).then_compute_output(move |input: &PutRecordsInput| {
        let mut kept = records.lock().unwrap();
        for record in input.records() {
            kept.push((
                record.partition_key().unwrap_or_default().to_owned(),
                record.data().as_ref().to_vec(),
            ));
        }
        output(input.records().iter().map(|_| stored(1)).collect())
    })
}

/// Sends a row by every route, as a row of `declared` where a route names a table.
async fn by_every_route(row: &str, declared: Kind, key: &str) -> Vec<Put> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let keeping = keeping(&records);
    let app = app(&[&keeping]);
    let key = serde_json::to_string(key).unwrap();
    let topic = format!("/topics/abc.{declared}");
    let events = format!("/events/{declared}");
    let stream = format!("/streams/streaming-abc-{declared}/record");
    for (method, path, content_type, body) in [
        (
            "POST",
            topic.as_str(),
            KAFKA,
            format!("{{\"records\":[{{\"value\":{row}}}]}}"),
        ),
        ("POST", &events, JSON, row.to_owned()),
        ("POST", &events, JSON, format!("[{row}]")),
        ("POST", &events, "application/x-ndjson", row.to_owned()),
        (
            "PUT",
            &stream,
            JSON,
            format!("{{\"Data\":{row},\"PartitionKey\":{key}}}"),
        ),
        (
            "PUT",
            "/streams/Prod-Stream/record",
            JSON,
            format!("{{\"Data\":{row},\"PartitionKey\":{key}}}"),
        ),
        (
            "PUT",
            "/streams/Prod-Stream/records",
            JSON,
            format!("{{\"records\":[{{\"data\":{row},\"partition-key\":{key}}}]}}"),
        ),
    ] {
        let answer = send(&app, request(method, path, content_type, body)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let records = records.lock().unwrap();
    records.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_row_of_a_table_lands_in_no_other(
        row in mixed(),
        declared in select(["pin", "geo", "user"].map(Kind::named).to_vec()),
        key in prop_oneof![
            any::<String>(),
            select(vec!["pin", "u.geo", "streaming-u-user", "pinterest_data", "user/7", "geo/7", "pin/7"]).prop_map(str::to_owned),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut records = runtime.block_on(by_every_route(&row.json, declared, &key));
        // And past the API, with the client's own key.
        records.push((key, row.json.clone().into_bytes()));
        let mut cleaner = Cleaner::new(Model::load_from(None).unwrap());
        for (key, data) in records {
            clean_record(&mut cleaner, &data, &key, None, KindSource::PartitionKey, &mut |piece: Piece<'_, '_>| {
                if let (Ok(cleaned), Some(kind)) = (&piece.outcome, row.kind()) {
                    prop_assert_eq!(cleaned.kind(), kind, "{} with the key {}", row.json, key);
                }
                Ok(())
            })?;
        }
    }
}
