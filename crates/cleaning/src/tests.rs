mod properties;
mod rejections;
mod types;
mod unread;
mod values;

use std::sync::OnceLock;

use arrow::array::AsArray as _;
use event_model::Kind;
use serde_json::{Value, json};

use super::*;

/// A clean row, and what the rules changed in it.
#[derive(Debug, PartialEq)]
struct TestRow {
    kind: Kind,
    json: String,
    batch: RecordBatch,
    changes: RuleCounts,
}

impl TestRow {
    fn text(&self, column: &str) -> Option<String> {
        let cells = self
            .batch
            .column_by_name(column)
            .unwrap()
            .as_string::<i32>();
        cells.iter().next().flatten().map(str::to_owned)
    }
}

/// Returns the project's own model.
fn model() -> &'static Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    MODEL.get_or_init(|| Model::load_from(None).unwrap())
}

fn clean<'d>(text: &str, declared: impl Into<Declared<'d>>) -> Result<TestRow, Rejection> {
    let mut changes = RuleCounts::default();
    let mut cleaner = Cleaner::new(Arc::clone(model()));
    let row = cleaner.clean(text, declared, &mut changes)?;
    Ok(TestRow {
        kind: row.kind,
        json: row.to_json().to_owned(),
        batch: row.batch,
        changes,
    })
}
