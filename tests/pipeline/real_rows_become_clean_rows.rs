//! The rules on real rows, where their folder is beside the project.

use std::path::Path;

use cleaning::{Cleaner, EXTRA, RuleCounts, decode};
use model::Model;

#[test]
fn every_real_row_becomes_a_clean_row_with_no_field_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let model = Model::load_from(None).unwrap();
    let mut cleaner = Cleaner::new(std::sync::Arc::clone(&model));
    for kind in model.kinds() {
        let path = folder.join(format!("{kind}.ndjson"));
        let Ok(rows) = std::fs::read_to_string(&path) else {
            println!("skipped: there is no {}", path.display());
            continue;
        };
        assert!(rows.lines().count() > 2000);
        for (index, line) in rows.lines().enumerate() {
            let place = format!("line {} of {kind}.ndjson", index + 1);
            let text = decode(line.as_bytes()).unwrap();
            let first = cleaner.clean(&text, None, &mut RuleCounts::default());
            let first = first.unwrap_or_else(|rejection| panic!("{place}: {rejection}"));
            assert_eq!(first.kind, kind, "{place}");
            let extra = first.batch.column_by_name(EXTRA);
            assert!(extra.is_some_and(|extra| extra.is_null(0)), "{place}");
            let mut changes = RuleCounts::default();
            let again = cleaner.clean(first.to_json(), Some(kind), &mut changes);
            assert_eq!(
                (again.unwrap().batch, changes.total()),
                (first.batch, 0),
                "{place}"
            );
        }
    }
}
