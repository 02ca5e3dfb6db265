//! `model diff`: rows of a lake, cleaned by two models.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use aws_access::Bucket;
use cleaning::{
    Cleaner, KindSource, Piece, Rejection, RuleCounts, UNREAD, clean_record, row_to_json,
};
use event_model::Kind;
use json_reader::{Members, Value, push_string};
use lake::key::{CLEAN_PREFIX, QUARANTINE_PREFIX};
use lake::quarantine::read_quarantine;
use lake::reader::read_parquet;
use model::Model;

use crate::quarantine::counted;
use crate::{Terminal, table};

/// Examples of each column, and of each code.
const EXAMPLES: usize = 3;

/// What became of a row.
type Outcome = Result<(Kind, String), Rejection>;

/// Reads rows of the lake, and says what differs.
pub(super) async fn command(
    (old, new): (Arc<Model>, Arc<Model>),
    bucket: &Bucket,
    objects: usize,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let mut diff = Diff::default();
    let (mut by_old, mut by_new) = (Cleaner::new(Arc::clone(&old)), Cleaner::new(new));
    for of_model in old.tables() {
        let prefix = format!("{CLEAN_PREFIX}{}/", of_model.kind);
        for key in newest(bucket, &prefix, objects).await? {
            for batch in read_parquet(bucket.read(&key).await?)? {
                for row in 0..batch.num_rows() {
                    let posted = posted(&row_to_json(of_model, &batch, row));
                    let declared = Some(of_model.kind);
                    let outcome = |cleaner: &mut Cleaner| -> Outcome {
                        let clean = cleaner.clean(&posted, declared, &mut RuleCounts::default())?;
                        Ok((clean.kind, clean.to_json().to_owned()))
                    };
                    let before = outcome(&mut by_old);
                    diff.clean += 1;
                    diff.add(before, outcome(&mut by_new));
                }
            }
        }
    }
    for key in newest(bucket, QUARANTINE_PREFIX, objects).await? {
        for record in read_quarantine(&bucket.read(&key).await?)? {
            let Some(payload) = record.payload() else {
                continue;
            };
            let before = outcomes(&mut by_old, &record.partition_key, &payload);
            let after = outcomes(&mut by_new, &record.partition_key, &payload);
            for (before, after) in before.into_iter().zip(after) {
                diff.quarantined += 1;
                diff.add(before, after);
            }
        }
    }
    Ok(diff.write(terminal.out)?)
}

/// Lists the newest objects under a prefix; their keys begin with their dates.
async fn newest(bucket: &Bucket, prefix: &str, objects: usize) -> anyhow::Result<Vec<String>> {
    let mut keys = bucket.list(prefix, None).await?;
    keys.sort_unstable();
    let from = keys.len().saturating_sub(objects);
    Ok(keys.split_off(from))
}

/// Cleans the rows of a record.
fn outcomes(cleaner: &mut Cleaner, partition_key: &str, payload: &[u8]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let source = KindSource::PartitionKey;
    let mut each = |piece: Piece<'_, '_>| -> Result<(), std::convert::Infallible> {
        outcomes.push(piece.outcome.map(|row| {
            let clean = row.clean(&mut RuleCounts::default());
            (clean.kind, clean.to_json().to_owned())
        }));
        Ok(())
    };
    let Ok(()) = clean_record(cleaner, payload, partition_key, None, source, &mut each);
    outcomes
}

/// Returns a row as it may have been posted: the values of its columns, and those of `_unread` in the place of columns that are null.
fn posted(clean: &str) -> String {
    let mut unread = Vec::new();
    let mut kept = Vec::new();
    let mut members = Members::open(clean);
    while let Some(Ok(Some(member))) = members.as_mut().map(Members::next_member) {
        match member.value() {
            Value::Object(object) if member.name().decode() == UNREAD => {
                let mut values = Members::open(object);
                while let Some(Ok(Some(value))) = values.as_mut().map(Members::next_member) {
                    unread.push((value.name().decode(), value.raw));
                }
            }
            Value::Null => {}
            _ => kept.push((member.name().decode(), member.raw)),
        }
    }
    let is_new = |name: &str| kept.iter().all(|(known, _)| known != name);
    let read_again: Vec<_> = unread
        .into_iter()
        .filter(|(name, _)| is_new(name))
        .collect();
    let mut json = String::new();
    for (name, raw) in kept.iter().chain(&read_again) {
        json.push(if json.is_empty() { '{' } else { ',' });
        push_string(&mut json, name);
        json.push(':');
        json.push_str(raw);
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    json
}

/// What differs, and how often.
#[derive(Debug, Default)]
struct Diff {
    clean: u64,
    quarantined: u64,
    /// By table and column, or by table and what became of whole rows.
    changed: BTreeMap<(String, String), (u64, Vec<String>)>,
}

impl Diff {
    fn add(&mut self, before: Outcome, after: Outcome) {
        match (before, after) {
            (Ok((kind, before)), Ok((other, after))) if kind == other => {
                let (before, after) = (members(&before), members(&after));
                let names = before
                    .keys()
                    .chain(after.keys().filter(|name| !before.contains_key(*name)));
                let changed: Vec<_> = names
                    .filter(|name| before.get(*name) != after.get(*name))
                    .cloned()
                    .collect();
                for name in changed {
                    let value = |row: &BTreeMap<String, String>| {
                        row.get(&name).cloned().unwrap_or_else(|| "-".to_owned())
                    };
                    let example = format!("{} → {}", value(&before), value(&after));
                    self.note(kind, name, example);
                }
            }
            (Ok((kind, _)), Ok((other, after))) => {
                self.note(kind, format!("(a row of {other})"), after);
            }
            (Ok((kind, before)), Err(rejection)) => {
                self.note(kind, format!("(rejected, {})", rejection.code), before);
            }
            (Err(_), Ok((kind, after))) => self.note(kind, "(accepted)".to_owned(), after),
            (Err(before), Err(after)) if before.code != after.code => {
                let example = format!("{before} → {after}");
                let kind = after.kind.or(before.kind);
                let name = kind.map_or_else(|| "-".to_owned(), |kind| kind.to_string());
                self.note_of(name, "(rejected)".to_owned(), example);
            }
            (Err(_), Err(_)) => {}
        }
    }

    fn note(&mut self, kind: Kind, what: String, example: String) {
        self.note_of(kind.to_string(), what, example);
    }

    fn note_of(&mut self, table: String, what: String, example: String) {
        let (count, examples) = self.changed.entry((table, what)).or_default();
        *count += 1;
        if examples.len() < EXAMPLES && !examples.contains(&example) {
            examples.push(example);
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Cleaned {} and {} by both",
            counted(self.clean, "clean row", "clean rows"),
            counted(self.quarantined, "quarantined one", "quarantined ones"),
        )?;
        if self.changed.is_empty() {
            return writeln!(out, "Nothing differs but `_rules`");
        }
        let mut shown = table::new(&["Table", "Column", "Rows", "Examples"]);
        for ((kind, what), (count, examples)) in &self.changed {
            shown.add_row([
                kind.clone(),
                what.clone(),
                count.to_string(),
                examples.join("\n"),
            ]);
        }
        table::align_right(&mut shown, 2);
        writeln!(out, "{shown}")
    }
}

/// Returns the members of a clean row, by name, each as it is spelled.
fn members(row: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut members = Members::open(row);
    while let Some(Ok(Some(member))) = members.as_mut().map(Members::next_member) {
        found.insert(member.name().decode().into_owned(), member.raw.to_owned());
    }
    found
}
