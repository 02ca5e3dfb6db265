//! The rules on real rows, where their folder is beside the project.

use std::path::Path;

use cleaning::{clean, decode};
use event_model::Kind;

#[test]
fn every_real_row_becomes_a_clean_row_with_no_field_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    for kind in Kind::ALL {
        let path = folder.join(format!("{kind}.ndjson"));
        let Ok(rows) = std::fs::read_to_string(&path) else {
            println!("skipped: there is no {}", path.display());
            continue;
        };
        assert!(rows.lines().count() > 2000);
        for (index, line) in rows.lines().enumerate() {
            let place = format!("line {} of {kind}.ndjson", index + 1);
            let text = decode(line.as_bytes()).unwrap();
            let cleaned =
                clean(&text, None).unwrap_or_else(|rejection| panic!("{place}: {rejection}"));
            assert_eq!(
                (cleaned.row.kind(), &cleaned.rest.extra),
                (kind, &None),
                "{place}"
            );
            let json = cleaned.to_json();
            let again = clean(&json, Some(kind)).unwrap();
            assert_eq!(
                (again.row, again.changes.total()),
                (cleaned.row, 0),
                "{place}"
            );
        }
    }
}
